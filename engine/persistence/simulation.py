"""What a simulation sees and holds of a throw-away database: its clock, what is to be done, what waits.

Never to be used on a database that anything else works on: the clock stands still there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue

from engine.persistence.events import Event
from engine.persistence.jobs import ClaimedJob
from engine.persistence.waiting import EventKind
from storage import UnitOfWork
from storage.json_documents import jsonb_text
from storage.sql import Queries

_QUERIES = Queries(Path(__file__).with_name("simulation.sql"))


class OfferedJob(BaseModel):
    """A job that a worker can have, or will be able to have again."""

    model_config = ConfigDict(frozen=True)

    job_id: UUID
    process_instance_id: UUID
    task_id: UUID
    element_id: str
    type: str
    attempt: int
    available_at: AwareDatetime


class OpenUserTask(BaseModel):
    """A user task that nobody has completed, and whom it is for."""

    model_config = ConfigDict(frozen=True)

    user_task_id: UUID
    process_instance_id: UUID
    task_id: UUID
    element_id: str
    candidate_groups: tuple[str, ...]
    candidate_users: tuple[str, ...]
    assignee: str | None


class AwaitedEvent(BaseModel):
    """A message or signal that a task waits for."""

    model_config = ConfigDict(frozen=True)

    task_id: UUID
    process_instance_id: UUID
    element_id: str
    kind: EventKind
    name: str
    correlation_key: str | None
    is_repeating: bool


class AwaitedStart(BaseModel):
    """A message or signal that would start a process."""

    model_config = ConfigDict(frozen=True)

    element_id: str
    process_id: str
    kind: EventKind
    name: str


class RunningTimer(BaseModel):
    """A timer of a waiting event."""

    model_config = ConfigDict(frozen=True)

    process_instance_id: UUID
    element_id: str
    due_at: AwareDatetime


class RunningSchedule(BaseModel):
    """A timer that would start a process."""

    model_config = ConfigDict(frozen=True)

    process_id: str
    element_id: str
    due_at: AwareDatetime


class BegunInstance(BaseModel):
    """A process instance, in the order in which they began."""

    model_config = ConfigDict(frozen=True)

    process_instance_id: UUID
    process_id: str
    status: str


class SimulatedTime:
    """The clock of a throw-away database, on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def install(self, begin: datetime) -> None:
        """Let the database's time be what this clock shows, from now on and for every transaction."""
        for statement in ("make_clock", "obey_clock", "allow_no_other_clock", "be_quick"):
            _QUERIES.execute(self._connection, statement)
        _QUERIES.execute(self._connection, "start_clock", {"shows": begin})

    def set(self, shows: datetime) -> None:
        """Let it be that time."""
        _QUERIES.execute(self._connection, "set_clock", {"shows": shows})


class SimulatedWork:
    """What there is to do in a throw-away database, on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def offered_jobs(self) -> list[OfferedJob]:
        """Return the jobs that are offered, be it for later, oldest first."""
        rows = _QUERIES.rows(self._connection, "offered_jobs")
        return [OfferedJob.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name

    def claim_job(self, job_id: UUID, worker_id: str, lease_seconds: float) -> ClaimedJob | None:
        """Let a worker have an offered job; return `None` where it is no more."""
        parameters = {"job_id": job_id, "worker_id": worker_id, "lease_seconds": lease_seconds}
        row = _QUERIES.first(self._connection, "claim_job", parameters)
        return None if row is None else ClaimedJob.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name

    def next_fire(self) -> datetime | None:
        """Return when the next timer is due, of a waiting event or of one that would start a process."""
        row = _QUERIES.first(self._connection, "next_fire")
        return None if row is None else row.due_at

    def open_user_tasks(self) -> list[OpenUserTask]:
        """Return the open user tasks, oldest first."""
        rows = _QUERIES.rows(self._connection, "open_user_tasks")
        return [OpenUserTask.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name

    def awaited_events(self) -> list[AwaitedEvent]:
        """Return the messages and signals that tasks wait for, the longest awaited first."""
        rows = _QUERIES.rows(self._connection, "awaited_messages")
        return [AwaitedEvent.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name

    def awaited_starts(self) -> list[AwaitedStart]:
        """Return the messages and signals that would start processes."""
        rows = _QUERIES.rows(self._connection, "start_subscriptions")
        return [AwaitedStart.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name

    def timers(self) -> list[RunningTimer]:
        """Return the timers of waiting events, the next due first."""
        rows = _QUERIES.rows(self._connection, "timers_running")
        return [RunningTimer.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name

    def schedules(self) -> list[RunningSchedule]:
        """Return the timers that would start processes, the next due first."""
        rows = _QUERIES.rows(self._connection, "schedules_running")
        return [RunningSchedule.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name

    def stop_schedules(self, spared: str | None = None) -> None:
        """Let timers start no process, but for the one that is spared."""
        _QUERIES.execute(self._connection, "stop_schedules", {"spared": spared})

    def prepare_schedules(self, process_id: str, variables: Mapping[str, JsonValue]) -> None:
        """Let timers start a process with these variables."""
        parameters = {"process_id": process_id, "variables": jsonb_text(dict(variables), model="schedule")}
        _QUERIES.execute(self._connection, "prepare_schedules", parameters)

    def count_events(self, element_id: str, kind: str) -> int:
        """Return how many events of a kind tell of an element, what repeats it aside."""
        row = _QUERIES.first(self._connection, "count_events", {"element_id": element_id, "kind": kind})
        return 0 if row is None else int(row.number)

    def events(self) -> list[Event]:
        """Return every event, in the order in which they happened.

        Without the horizon that other readers of the event log have to keep: nobody else writes here, and a transaction
        that runs elsewhere in the cluster has no event to add.
        """
        rows = _QUERIES.rows(self._connection, "all_events")
        return [Event.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name

    def instances(self) -> list[BegunInstance]:
        """Return every process instance, in the order in which they began."""
        rows = _QUERIES.rows(self._connection, "instances_begun")
        return [BegunInstance.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name
