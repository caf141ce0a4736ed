"""Waiting for what others do: until it is so, not for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable

_PAUSE_SECONDS = 0.02
_ATTEMPTS = 3_000


def becomes(condition: Callable[[], bool]) -> bool:
    """Ask until the condition holds; False where it does not within a minute."""
    pause = threading.Event()
    return any(condition() or pause.wait(_PAUSE_SECONDS) for _ in range(_ATTEMPTS))
