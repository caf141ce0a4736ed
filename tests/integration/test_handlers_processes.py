"""Waiting for processes ends with the platform, not only with what is waited for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from handlers_platform import ADA, Workshop, two_clusters

from engine import InstanceStatus
from handlers.processes import wait_for_end

LONG_SECONDS = 60.0
JOIN_SECONDS = 60.0


def test_who_waits_for_an_end_is_told_how_it_stands_when_the_platform_stops(shop: Workshop) -> None:
    validation = shop.register(two_clusters()).process_instance_id
    with ThreadPoolExecutor(1) as another_thread:
        waiting = another_thread.submit(wait_for_end, shop.services, validation, LONG_SECONDS, context=ADA)

        shop.services.hub.stop_waiting()

        assert waiting.result(JOIN_SECONDS).status is InstanceStatus.RUNNING
