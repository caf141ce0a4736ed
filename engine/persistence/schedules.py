"""Schedules: processes that start by themselves at regular times."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue
from sqlalchemy import Row

from engine.persistence.statements import QUERIES
from storage import SecurityContext, UnitOfWork
from storage.json_documents import jsonb_text


class MissedFires(StrEnum):
    """What becomes of the fires that fell into a time when no scheduler ran: `once` starts one instance for all."""

    ONCE = "once"


class ScheduleRow(BaseModel):
    """One schedule as stored.

    Attributes:
        next_fire_at: The fire time that comes next, on the grid `first fire + n * interval`; names the fire.
        due_at: When a scheduler looks at it: the fire time, or later after starts that failed.
        failures: Failed attempts to start for `next_fire_at`; `last_error` has code and message of the latest.
        started_by: Principal of every instance, with the roles and groups it had when it defined the schedule.
    """

    model_config = ConfigDict(frozen=True)

    schedule_id: UUID
    tenant_id: str
    process_id: str
    variables: dict[str, Any]
    interval_seconds: float
    missed_fires: MissedFires
    next_fire_at: AwareDatetime
    due_at: AwareDatetime
    started_by: SecurityContext
    is_active: bool = True
    last_fire_at: AwareDatetime | None = None
    failures: int = 0
    last_error: dict[str, JsonValue] | None = None


class Schedules:
    """Schedules on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def insert(self, row: ScheduleRow) -> None:
        """Store a new, active schedule."""
        fields = {"due_at", "is_active", "last_fire_at", "failures", "last_error"}
        parameters = row.model_dump(exclude=fields)
        parameters["variables"] = jsonb_text(row.variables, model="schedule")
        parameters["started_by"] = row.started_by.model_dump_json()
        QUERIES.execute(self._connection, "insert_schedule", parameters)

    def claim_due(self) -> ScheduleRow | None:
        """Return the schedule that is due longest; no other scheduler sees it before the transaction ends."""
        row = QUERIES.first(self._connection, "claim_due_schedule")
        return None if row is None else _row(row)

    def advance(self, schedule_id: UUID, next_fire_at: datetime) -> None:
        """Record that a claimed schedule fired, and when it fires next."""
        parameters = {"schedule_id": schedule_id, "next_fire_at": next_fire_at}
        QUERIES.execute(self._connection, "advance_schedule", parameters)

    def postpone(self, row: ScheduleRow, error: dict[str, JsonValue], delay_seconds: float) -> None:
        """Try the same fire again after a while; changes nothing if it has been fired since `row` was read."""
        parameters = {
            "schedule_id": row.schedule_id,
            "fire_at": row.next_fire_at,
            "last_error": jsonb_text(error, model="schedule"),
            "delay_seconds": delay_seconds,
        }
        QUERIES.execute(self._connection, "postpone_schedule", parameters)

    def seconds_until_next(self) -> float | None:
        """Return when the next schedule becomes due (negative: now), `None` where there is none."""
        row = QUERIES.first(self._connection, "seconds_until_next_fire")
        return None if row is None or row.seconds is None else float(row.seconds)

    def deactivate(self, schedule_id: UUID, tenant_id: str) -> bool:
        """Return whether the tenant has such a schedule, which from now on does not fire."""
        parameters = {"schedule_id": schedule_id, "tenant_id": tenant_id}
        return QUERIES.execute(self._connection, "deactivate_schedule", parameters) == 1

    def of_tenant(self, tenant_id: str) -> list[ScheduleRow]:
        """Return the tenant's schedules, oldest first."""
        return [_row(row) for row in QUERIES.rows(self._connection, "schedules_of_tenant", {"tenant_id": tenant_id})]


def _row(row: Row[Any]) -> ScheduleRow:
    return ScheduleRow.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name
