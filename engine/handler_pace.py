"""Which external handlers are brief, from how long they have taken here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

_RUNS_TO_BE_TRUSTED = 4
_RUNS_AFTER_A_LONG_ONE = 64


class HandlerPace:
    """Watches one process's handlers; a type is brief after some brief runs in a row, and a long run counts for many.

    Brief jobs of several instances are claimed at once and committed together. A job that may take hours is claimed
    alone, and nothing waits for it.
    """

    def __init__(self, brief_seconds: float) -> None:
        self._brief_seconds = brief_seconds
        self._runs_to_go: dict[str, int] = {}

    def is_brief(self, task_type: str) -> bool:
        """Return whether the next run of the type's handler can be expected to be brief."""
        return self._runs_to_go.get(task_type, _RUNS_TO_BE_TRUSTED) == 0

    @property
    def brief_types(self) -> frozenset[str]:
        """The types of which that can be expected."""
        return frozenset(name for name, runs in self._runs_to_go.items() if runs == 0)

    @contextmanager
    def watching(self, task_type: str) -> Iterator[None]:
        """Take the time of a run."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._note(task_type, time.perf_counter() - began)

    def _note(self, task_type: str, seconds: float) -> None:
        runs = self._runs_to_go.get(task_type, _RUNS_TO_BE_TRUSTED)
        self._runs_to_go[task_type] = max(0, runs - 1) if seconds < self._brief_seconds else _RUNS_AFTER_A_LONG_ONE
