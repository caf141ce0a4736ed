"""Steps of several jobs, computed one after the other and committed together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from engine.crash_points import crash_point
from engine.execution import CollectedStep
from engine.persistence import ClaimedJob, InstanceRow, write_steps
from engine.spiff import ProcessTree
from engine.warm import WarmInstances
from storage import Storage
from storage.errors import DatabaseUnavailableError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GroupedStep:
    """A step that waits to be committed.

    Attributes:
        repeat: Does the step again, alone and from the stored instance.
    """

    job: ClaimedJob
    collected: CollectedStep
    repeat: Callable[[], tuple[ClaimedJob, ...]]


class StepGroup:
    """What one hand of jobs has computed and not yet committed.

    Either all of it is written or none. Where the database refuses one step, because somebody else has changed its
    instance or owns its job by now, each is done again alone. Another thread may flush while a handler runs.

    Attributes:
        refusals: How often the database has refused. What was computed before the last one is void: it may rest on a
            step that has never happened, and its version may be another step's by now.
    """

    def __init__(
        self, storage: Storage, instances: WarmInstances, persist: Callable[[Callable[[], None]], None]
    ) -> None:
        self._storage = storage
        self._instances = instances
        self._persist = persist
        self._lock = threading.RLock()
        self._steps: list[GroupedStep] = []
        self._kept: dict[UUID, tuple[InstanceRow, ProcessTree]] = {}
        self._taken: list[ClaimedJob] = []
        self._waiting_since = 0.0
        self.refusals = 0

    def __len__(self) -> int:
        """Return how many steps wait."""
        return len(self._steps)

    def take(self, process_instance_id: UUID) -> tuple[InstanceRow, ProcessTree] | None:
        """Return an instance as the newest step leaves it, waiting or committed, if it is in memory; it is lent."""
        with self._lock:
            return self._kept.pop(process_instance_id, None) or self._instances.take(process_instance_id)

    def peek(self, process_instance_id: UUID) -> InstanceRow | None:
        """Return what never changes of an instance, if it is in memory."""
        with self._lock:
            kept = self._kept.get(process_instance_id)
        return self._instances.peek(process_instance_id) if kept is None else kept[0]

    def add(self, step: GroupedStep, refusals: int) -> bool:
        """Let a step wait; its instance is as it leaves it. Return whether it still can: `refusals` as it was begun."""
        with self._lock:
            if self.refusals != refusals:
                return False
            if not self._steps:
                self._waiting_since = time.monotonic()
            self._steps.append(step)
            finished = step.collected.finished
            self._kept[finished.row.process_instance_id] = (finished.row, finished.tree)
        return True

    def has_steps_of(self, process_instance_id: UUID) -> bool:
        """Return whether a step of the instance waits."""
        return any(step.job.process_instance_id == process_instance_id for step in self._steps)

    def flush_if_overdue(self, patience_seconds: float) -> None:
        """Commit what has waited longer than that."""
        if self._steps and time.monotonic() - self._waiting_since > patience_seconds:
            self.flush()

    def flush(self) -> None:
        """Commit everything that waits.

        Raises:
            DatabaseUnavailableError: Only when the worker is asked to stop.
        """
        with self._lock:
            steps, self._steps = self._steps, []
            kept, self._kept = self._kept, {}
            if steps:
                self._write(steps, kept)

    def taken(self) -> list[ClaimedJob]:
        """Return the jobs that committed steps have taken, once."""
        with self._lock:
            taken, self._taken = self._taken, []
        return taken

    def _write(self, steps: list[GroupedStep], kept: dict[UUID, tuple[InstanceRow, ProcessTree]]) -> None:
        # In one order everywhere, so that two workers never wait for each other's instances.
        ordered = sorted(steps, key=lambda step: step.job.process_instance_id)
        written = [False]

        def write() -> None:
            crash_point("before_commit")
            with self._storage.statement() as work:
                written[0] = write_steps(work, [step.collected.text for step in ordered])

        self._persist(write)
        if not written[0]:
            self.refusals += 1
            self._taken += [job for step in steps for job in step.repeat()]
            return
        crash_point("after_commit")
        for row, tree in kept.values():
            self._instances.put(row, tree)
        self._taken += [job for step in steps for job in step.collected.finished.taken]


class Impatience:
    """Commits what would otherwise wait for a handler that takes longer than its kind used to."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._groups: set[StepGroup] = set()

    @contextmanager
    def watching(self, group: StepGroup) -> Iterator[None]:
        """Look after a group until the end of the block."""
        self._groups.add(group)
        try:
            yield
        finally:
            self._groups.discard(group)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Do so on a thread while in the block."""
        finished = threading.Event()
        thread = threading.Thread(target=self._flush_until, args=(finished,), name="impatience", daemon=True)
        thread.start()
        try:
            yield
        finally:
            finished.set()
            thread.join()

    def _flush_until(self, finished: threading.Event) -> None:
        while not finished.wait(self._patience_seconds):
            for group in tuple(self._groups):
                try:
                    group.flush_if_overdue(self._patience_seconds)
                except DatabaseUnavailableError:  # the worker stops, and says so itself
                    logger.warning("steps not committed")
