"""Waiting for processes ends with the platform, not only with what is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from handlers_platform import ADA, RememberingCompute, Workshop, open_workshop, two_clusters

from engine import InstanceStatus
from handlers.processes import wait_for_end

LONG_SECONDS = 60.0
JOIN_SECONDS = 60.0


@pytest.fixture
def shop(database_url: str, tmp_path: Path) -> Iterator[Workshop]:
    shop = open_workshop(database_url, tmp_path, RememberingCompute(tmp_path / "jobs"))
    yield shop
    shop.close()


def test_who_waits_for_an_end_is_told_how_it_stands_when_the_platform_stops(shop: Workshop) -> None:
    validation = shop.register(two_clusters()).process_instance_id
    with ThreadPoolExecutor(1) as another_thread:
        waiting = another_thread.submit(wait_for_end, shop.services, validation, LONG_SECONDS, context=ADA)

        shop.services.hub.stop_waiting()

        assert waiting.result(JOIN_SECONDS).status is InstanceStatus.RUNNING
