"""Lines from a pipe, with a time limit on waiting and a size limit on lines."""

from __future__ import annotations

import os
import selectors
from types import TracebackType
from typing import Self

_READ_BYTES = 65_536


class LineReader:
    """Reads whole lines from a pipe without ever blocking longer than asked."""

    def __init__(self, descriptor: int, maximum_line_bytes: int = 1024 * 1024) -> None:
        self.at_end = False
        self._descriptor = descriptor
        self._maximum_line_bytes = maximum_line_bytes
        self._partial = b""
        self._selector = selectors.DefaultSelector()
        os.set_blocking(descriptor, False)
        self._selector.register(descriptor, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let go of the selector; the pipe is its owner's to close."""
        self._selector.close()

    def read_lines(self, timeout_seconds: float) -> list[bytes]:
        """Return the lines that are complete after at most `timeout_seconds`, without their ends; maybe none.

        A line over the size limit is cut into pieces of about that size. At the end of the pipe `at_end` becomes true
        and what was left without a line end is the last line.
        """
        return self._read_chunk() if self._is_readable(timeout_seconds) else []

    def read_rest(self) -> list[bytes]:
        """Return the lines that are in the pipe now."""
        lines: list[bytes] = []
        while self._is_readable(0):
            lines += self._read_chunk()
        return lines

    def _is_readable(self, timeout_seconds: float) -> bool:
        return not self.at_end and bool(self._selector.select(timeout_seconds))

    def _read_chunk(self) -> list[bytes]:
        chunk = os.read(self._descriptor, _READ_BYTES)
        if not chunk:
            return self._finish()
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        if len(self._partial) > self._maximum_line_bytes:
            lines, self._partial = [*lines, self._partial], b""
        return lines

    def _finish(self) -> list[bytes]:
        self.at_end = True
        last, self._partial = self._partial, b""
        return [last] if last else []
