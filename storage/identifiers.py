"""UUID version 7: ordered by creation time, monotonic within a process (RFC 9562, 6.2 method 1)."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

_COUNTER_BITS = 12
_COUNTER_LIMIT = 1 << _COUNTER_BITS


class UuidSevenFactory:
    """Makes UUID v7 values, each greater than the one before, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_milliseconds = 0
        self._counter = 0

    def __call__(self) -> UUID:
        """Return a new identifier."""
        milliseconds, counter = self._tick(time.time_ns() // 1_000_000)
        random_bits = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
        value = milliseconds << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | random_bits
        return UUID(int=value)

    def _tick(self, now_milliseconds: int) -> tuple[int, int]:
        with self._lock:
            if now_milliseconds > self._last_milliseconds:
                self._last_milliseconds, self._counter = now_milliseconds, 0
            else:
                # The clock stood still or went back: count on, into the next millisecond if need be.
                self._counter += 1
                if self._counter == _COUNTER_LIMIT:
                    self._last_milliseconds, self._counter = self._last_milliseconds + 1, 0
            return self._last_milliseconds, self._counter


new_id = UuidSevenFactory()
