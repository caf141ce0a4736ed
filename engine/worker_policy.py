"""How a worker leases, waits, retries and groups."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class WorkerPolicy:
    """What a worker does when.

    Attributes:
        lease_seconds: How long a silent worker keeps a job; renewed three times as often.
        poll_seconds: How long to wait at most without a notification.
        backoff_seconds: Mean delay before the second attempt; doubles with each further one, up to an hour.
        chance: Gives numbers in [0, 1) that scatter the delays, so that those who collided do not meet again.
        step_handlers: How many transactional handlers run in one step at most.
        step_seconds: After how long no further one is begun in the step.
        batch: How many short jobs are claimed at once, and how many steps are committed together at most.
        brief_seconds: External handlers that take less than this are brief: they are claimed like short jobs.
        patience_seconds: How long a computed step waits at most for others to be committed with it.
        chain: How many jobs of one instance are taken one after the other without asking what else waits.
        maximum_lost_leases: After so many vanished workers a job becomes an incident.
        limits: How many jobs of a type may run at once, over all workers.
    """

    lease_seconds: float = 15.0
    poll_seconds: float = 5.0
    backoff_seconds: float = 1.0
    chance: Callable[[], float] = random.random
    step_handlers: int = 100
    step_seconds: float = 1.0
    batch: int = 16
    brief_seconds: float = 0.005
    patience_seconds: float = 0.2
    chain: int = 100
    maximum_lost_leases: int = 5
    limits: Mapping[str, int] = field(default_factory=dict)

    def delay_seconds(self, attempt: int) -> float:
        """Return how long to wait after the given attempt failed: between half and one and a half of the mean."""
        return (0.5 + self.chance()) * min(self.backoff_seconds * 2.0 ** (attempt - 1), 3_600.0)
