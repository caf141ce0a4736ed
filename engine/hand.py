"""The jobs that a worker holds and has not begun."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from engine.persistence import ClaimedJob


class Hand:
    """Jobs in the order in which they are worked on: one that may take long is last, so that nothing waits for it.

    Attributes:
        budget: How many more jobs may be taken for it together with the steps that they follow from.
    """

    def __init__(self, jobs: Iterable[ClaimedJob], budget: int, is_long: Callable[[ClaimedJob], bool]) -> None:
        self.budget = budget
        self._is_long = is_long
        self._short: deque[ClaimedJob] = deque()
        self._long: deque[ClaimedJob] = deque()
        self.add(jobs)

    def __bool__(self) -> bool:
        """Return whether any job is left."""
        return self.has_short or bool(self._long)

    @property
    def has_short(self) -> bool:
        """Whether the next job is a short one."""
        return bool(self._short)

    def add(self, jobs: Iterable[ClaimedJob]) -> None:
        """Hold more jobs."""
        for job in jobs:
            (self._long if self._is_long(job) else self._short).append(job)

    def next(self) -> ClaimedJob:
        """Return the job to begin now.

        Raises:
            IndexError: None is left.
        """
        return (self._short or self._long).popleft()

    def all(self) -> tuple[ClaimedJob, ...]:
        """Return every job that is left."""
        return (*self._short, *self._long)
