"""The jobs that a worker holds and has not begun."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from uuid import UUID

from engine.persistence import ClaimedJob


class Hand:
    """Jobs in the order in which they are worked on: last is one that may take long, or that may have ended its worker.

    Attributes:
        budget: How many more jobs may be taken for it together with the steps that they follow from.
        long_types: Gives the types of jobs that may take long.
    """

    def __init__(self, jobs: Iterable[ClaimedJob], budget: int, long_types: Callable[[], frozenset[str]]) -> None:
        self.budget = budget
        self.long_types = long_types
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
            is_last = job.lost_leases > 0 or job.type in self.long_types()
            (self._long if is_last else self._short).append(job)

    def next(self) -> ClaimedJob:
        """Return the job to begin now.

        Raises:
            IndexError: None is left.
        """
        return (self._short or self._long).popleft()

    def take(self, fits: Callable[[ClaimedJob], bool], number: int, other_than: UUID) -> list[ClaimedJob]:
        """Take short jobs that fit, of as many different instances, none of them `other_than`."""
        chosen: dict[UUID, ClaimedJob] = {}
        for job in self._short:
            if len(chosen) < number and job.process_instance_id not in {*chosen, other_than} and fits(job):
                chosen[job.process_instance_id] = job
        self._short = deque(job for job in self._short if chosen.get(job.process_instance_id) is not job)
        return list(chosen.values())

    def all(self) -> tuple[ClaimedJob, ...]:
        """Return every job that is left."""
        return (*self._short, *self._long)
