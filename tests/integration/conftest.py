from __future__ import annotations

import pytest

from engine import NotificationHub


@pytest.fixture
def hub(database_url: str) -> NotificationHub:
    """A hub that listens only where a test enters it: to run one job nobody waits for notifications."""
    return NotificationHub(database_url)
