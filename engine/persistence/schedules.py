"""Schedules: processes that start by themselves, and the record of their fires."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue
from sqlalchemy import Row

from engine.persistence.statements import TIMER_CHANNEL
from engine.schedule_definition import ScheduleDefinition
from storage import SecurityContext, UnitOfWork
from storage.json_documents import jsonb_text
from storage.sql import Queries

_QUERIES = Queries(Path(__file__).with_name("schedules.sql"))


class ScheduleStatus(StrEnum):
    """`ended`: it was deactivated, replaced, or its last fire is settled."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class FireOutcome(StrEnum):
    """What became of a fire."""

    STARTED = "started"
    SKIPPED = "skipped"
    FAILED = "failed"


class ScheduleRow(BaseModel):
    """One schedule as stored.

    Attributes:
        anchor_at: When it was defined; its regular times are counted from here where it has no first fire time.
        next_fire_at: The fire time that comes next; names the fire. Only an active schedule has one.
        due_at: When a scheduler looks at it: the fire time, or later after a deferral or a failed start.
        started_by: Principal of every instance, with the roles and groups it had when it defined the schedule.
        start_event_id: The start event that owns the schedule, and where its instances begin.
        process_definition_id: The version whose start event owns the schedule.
        failures: Failed attempts to start for `next_fire_at`.
        last_error: Code and message of the latest failed start; gone after a fire that did not fail.
        started: How many fires started an instance, as `skipped` and `failed`.
        sla_breaches: How many starts were later than the schedule promises.
    """

    model_config = ConfigDict(frozen=True)

    schedule_id: UUID
    tenant_id: str
    process_id: str
    variables: dict[str, Any]
    definition: ScheduleDefinition
    anchor_at: AwareDatetime
    next_fire_at: AwareDatetime | None
    due_at: AwareDatetime | None
    started_by: SecurityContext
    status: ScheduleStatus = ScheduleStatus.ACTIVE
    start_event_id: str | None = None
    process_definition_id: UUID | None = None
    last_fire_at: AwareDatetime | None = None
    failures: int = 0
    last_error: dict[str, JsonValue] | None = None
    started: int = 0
    skipped: int = 0
    failed: int = 0
    sla_breaches: int = 0


class ScheduleFire(BaseModel):
    """One settled fire.

    Attributes:
        fire_at: Its time; with the schedule it names the fire.
        reason: Why it was skipped.
        error: Code and message where the start failed for good.
        lateness_seconds: From `fire_at` until it was settled.
    """

    model_config = ConfigDict(frozen=True)

    schedule_id: UUID
    process_id: str
    fire_at: AwareDatetime
    outcome: FireOutcome
    reason: str | None = None
    process_instance_id: UUID | None = None
    error: dict[str, JsonValue] | None = None
    lateness_seconds: float
    is_sla_breached: bool
    recorded_at: AwareDatetime


class FireSelection(BaseModel):
    """Which fires to list; what is not given does not restrict."""

    model_config = ConfigDict(frozen=True)

    process_id: str | None = None
    schedule_id: UUID | None = None
    process_instance_id: UUID | None = None
    outcomes: tuple[FireOutcome, ...] | None = None
    limit: int = 100


class Schedules:
    """Schedules on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def insert(self, row: ScheduleRow) -> None:
        """Store a new, active schedule; it fires once this transaction has committed."""
        parameters = row.model_dump()
        parameters["variables"] = jsonb_text(row.variables, model="schedule")
        parameters["definition"] = row.definition.model_dump_json()
        parameters["started_by"] = row.started_by.model_dump_json()
        _QUERIES.execute(self._connection, "insert_schedule", parameters)
        self._wake_schedulers()

    def claim_due(self) -> ScheduleRow | None:
        """Return the schedule that is due longest; no other scheduler sees it before the transaction ends."""
        return self._one("claim_due_schedule", {})

    def record(self, fire: ScheduleFire) -> bool:
        """Return whether the fire was not settled before; now it is, and is counted."""
        parameters = fire.model_dump(exclude={"error"})
        parameters["error"] = None if fire.error is None else jsonb_text(fire.error, model="schedule")
        if _QUERIES.execute(self._connection, "record_fire", parameters) == 0:
            return False
        _QUERIES.execute(self._connection, "count_fire", parameters)
        return True

    def record_instance(self, fire: ScheduleFire, process_instance_id: UUID) -> None:
        """Add to a recorded fire the instance that it started."""
        parameters = {**fire.model_dump(), "process_instance_id": process_instance_id}
        _QUERIES.execute(self._connection, "record_instance", parameters)

    def forget_fires(self, schedule_id: UUID, keep_days: int) -> None:
        """Delete the record of a schedule's fires that are older."""
        parameters = {"schedule_id": schedule_id, "keep_days": keep_days}
        _QUERIES.execute(self._connection, "forget_fires", parameters)

    def advance(
        self,
        schedule_id: UUID,
        fire_at: datetime,
        next_fire_at: datetime | None,
        error: dict[str, JsonValue] | None = None,
    ) -> None:
        """Go on from a settled fire to the next; without one the schedule has ended."""
        parameters = {
            "schedule_id": schedule_id,
            "fire_at": fire_at,
            "next_fire_at": next_fire_at,
            "last_error": None if error is None else jsonb_text(error, model="schedule"),
        }
        _QUERIES.execute(self._connection, "advance_schedule", parameters)

    def defer(self, schedule_id: UUID, due_at: datetime) -> None:
        """Look at a claimed schedule's fire again at `due_at`."""
        _QUERIES.execute(self._connection, "defer_schedule", {"schedule_id": schedule_id, "due_at": due_at})

    def lock_fire(self, schedule_id: UUID, fire_at: datetime) -> ScheduleRow | None:
        """Return a schedule whose fire at `fire_at` is still to be settled, and lock it."""
        return self._one("lock_fire", {"schedule_id": schedule_id, "fire_at": fire_at})

    def postpone(self, schedule_id: UUID, error: dict[str, JsonValue], delay_seconds: float) -> None:
        """Try the fire of a locked schedule again after a while."""
        parameters = {
            "schedule_id": schedule_id,
            "last_error": jsonb_text(error, model="schedule"),
            "delay_seconds": delay_seconds,
        }
        _QUERIES.execute(self._connection, "postpone_schedule", parameters)

    def seconds_until_next(self) -> float | None:
        """Return when the next schedule becomes due (negative: now), `None` where there is none."""
        row = _QUERIES.first(self._connection, "seconds_until_next_fire")
        return None if row is None or row.seconds is None else float(row.seconds)

    def lock(self, schedule_id: UUID, tenant_id: str) -> ScheduleRow | None:
        """Return the tenant's schedule of that id; nobody changes or fires it before the transaction ends."""
        return self._one("lock_schedule", {"schedule_id": schedule_id, "tenant_id": tenant_id})

    def read(self, schedule_id: UUID, tenant_id: str) -> ScheduleRow | None:
        """Return the tenant's schedule of that id."""
        return self._one("read_schedule", {"schedule_id": schedule_id, "tenant_id": tenant_id})

    def set_status(self, schedule_id: UUID, status: ScheduleStatus, next_fire_at: datetime | None = None) -> None:
        """Change a locked schedule's status; only an active one has a next fire."""
        parameters = {"schedule_id": schedule_id, "status": status.value, "next_fire_at": next_fire_at}
        _QUERIES.execute(self._connection, "set_schedule_status", parameters)
        self._wake_schedulers()

    def of_tenant(self, tenant_id: str, process_id: str | None = None) -> list[ScheduleRow]:
        """Return the tenant's schedules, oldest first."""
        parameters = {"tenant_id": tenant_id, "process_id": process_id}
        return [_row(row) for row in _QUERIES.rows(self._connection, "schedules_of_tenant", parameters)]

    def lock_of_start_events(self, process_id: str, process_definition_id: UUID) -> list[ScheduleRow]:
        """Return, and lock, the schedules that a process's start events own: the living, and those of one version."""
        parameters = {"process_id": process_id, "process_definition_id": process_definition_id}
        rows = _QUERIES.rows(self._connection, "lock_schedules_of_start_events", parameters)
        return [_row(row) for row in rows]

    def adopt(self, schedule_id: UUID, process_definition_id: UUID, started_by: SecurityContext) -> None:
        """Let another version's start event own a locked schedule."""
        parameters = {
            "schedule_id": schedule_id,
            "process_definition_id": process_definition_id,
            "started_by": started_by.model_dump_json(),
        }
        _QUERIES.execute(self._connection, "adopt_schedule", parameters)

    def fires(self, tenant_id: str, selection: FireSelection) -> list[ScheduleFire]:
        """Return settled fires of the tenant's schedules, the latest first."""
        outcomes = selection.outcomes
        parameters = {
            **selection.model_dump(),
            "tenant_id": tenant_id,
            "outcomes": None if outcomes is None else [outcome.value for outcome in outcomes],
        }
        rows = _QUERIES.rows(self._connection, "fires", parameters)
        return [ScheduleFire.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name

    def _one(self, name: str, parameters: dict[str, object]) -> ScheduleRow | None:
        row = _QUERIES.first(self._connection, name, parameters)
        return None if row is None else _row(row)

    def _wake_schedulers(self) -> None:
        _QUERIES.rows(self._connection, "notify", {"channel": TIMER_CHANNEL})


class FireCounts(BaseModel):
    """Fires of one process's schedules since they were defined, over all tenants."""

    model_config = ConfigDict(frozen=True)

    started: int
    skipped: int
    failed: int
    sla_breaches: int


class ScheduleStatistics(BaseModel):
    """How schedules and timers are doing.

    Attributes:
        fires: By process id.
        longest_delay_seconds: For how long the schedule or timer has been due that is due longest; 0 where none is.
    """

    model_config = ConfigDict(frozen=True)

    fires: dict[str, FireCounts]
    longest_delay_seconds: float


def schedule_statistics(work: UnitOfWork) -> ScheduleStatistics:
    """Return the counts as they are now."""
    counts = _QUERIES.rows(work.connection, "fire_counts")
    delay = _QUERIES.first(work.connection, "longest_delay")
    return ScheduleStatistics(
        fires={row.process_id: FireCounts.model_validate(row._mapping) for row in counts},  # noqa: SLF001 - as below
        longest_delay_seconds=0.0 if delay is None or delay.seconds is None else float(delay.seconds),
    )


def _row(row: Row[Any]) -> ScheduleRow:
    return ScheduleRow.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name
