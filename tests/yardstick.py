"""How long a time is on this machine that was named on another one, so that a slower machine fails no test."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

_REFERENCE_SECONDS = 0.010  # the loop below, where the bounds were drawn


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail if the block takes more processor time than that; looking through what other tests left does not count."""
    gc.freeze()
    try:
        began = time.thread_time()
        yield
        taken = time.thread_time() - began
    finally:
        gc.unfreeze()
    assert taken < seconds or taken < here(seconds)


def here(seconds: float) -> float:
    """Return that many seconds of processor time, or as many more as this machine is now slower than the reference."""
    slowness = min(_loop_seconds() for _ in range(5)) / _REFERENCE_SECONDS
    return seconds * max(1.0, slowness)


def _loop_seconds() -> float:
    began = time.thread_time()
    sum(number * number for number in range(300_000))
    return time.thread_time() - began
