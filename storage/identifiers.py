"""UUID version 7: ordered by creation time, monotonic within a process (RFC 9562, 6.2 method 1).

Random bits come from the operating system, many at a time: each request gives up the interpreter's lock, and among busy
threads it takes far longer to get that back than to be given the bits.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from uuid import UUID

_COUNTER_BITS = 12
_COUNTER_LIMIT = 1 << _COUNTER_BITS
_RANDOM_BITS = (1 << 62) - 1
_DRAWN = struct.Struct("=512Q")


class UuidSevenFactory:
    """Makes UUID v7 values, each greater than the one before, from any thread."""

    def __init__(self) -> None:
        self._last_milliseconds = 0
        self._counter = 0
        self.begin_process()

    def __call__(self) -> UUID:
        """Return a new identifier."""
        milliseconds, counter = self._tick(time.time_ns() // 1_000_000)
        value = milliseconds << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | self._random() & _RANDOM_BITS
        return UUID(int=value)

    def begin_process(self) -> None:
        """Share neither random bits nor a lock with the process that this one was forked from."""
        self._lock = threading.Lock()
        self._drawn: list[int] = []

    def _random(self) -> int:
        try:
            return self._drawn.pop()  # in one step, so no two threads get the same
        except IndexError:
            drawn: list[int] = list(_DRAWN.unpack(os.urandom(_DRAWN.size)))
            self._drawn = drawn
            return drawn.pop()

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
os.register_at_fork(after_in_child=new_id.begin_process)
