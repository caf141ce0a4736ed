"""How long a time is on this machine that was named on another one, so that a slower machine fails no test."""

from __future__ import annotations

import time
from functools import cache

_REFERENCE_SECONDS = 0.010  # the loop below, where the bounds were drawn


def here(seconds: float) -> float:
    """Return that many seconds of processor time, or as many more as this machine is slower than the reference."""
    return seconds * max(1.0, _slowness())


@cache
def _slowness() -> float:
    return min(_loop_seconds() for _ in range(5)) / _REFERENCE_SECONDS


def _loop_seconds() -> float:
    began = time.thread_time()
    sum(number * number for number in range(300_000))
    return time.thread_time() - began
