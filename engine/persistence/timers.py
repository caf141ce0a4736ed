"""Timers of waiting events: what is due turns into jobs that trigger the events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic_core import to_json
from sqlalchemy import Connection

from engine.persistence.jobs import TRIGGER_TYPE
from engine.persistence.statements import JOB_CHANNEL, QUERIES, TIMER_CHANNEL
from storage import UnitOfWork
from storage.identifiers import new_id
from storage.sql import Queries

_QUERIES = Queries(Path(__file__).with_name("timers.sql"))
_TRIGGER_ATTEMPTS = 3


class TimerRow(BaseModel):
    """A timer of one waiting event.

    Attributes:
        task_id: The event's task.
        cycle: How it goes on, as `engine.timers.next_due` reads it; `None` where it happens once.
        remaining: How often it still happens, `due_at` included; `None` is without end.
    """

    model_config = ConfigDict(frozen=True)

    timer_id: UUID
    process_instance_id: UUID
    task_id: UUID
    tenant_id: str
    element_id: str
    due_at: AwareDatetime
    cycle: str | None = None
    remaining: int | None = 1


class Timers:
    """Timers on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def insert_all(self, rows: Sequence[TimerRow]) -> None:
        """Let timers run once this transaction has committed."""
        if rows:
            parameters = {"timers": _json(rows), "channel": TIMER_CHANNEL}
            _QUERIES.rows(self._connection, "insert_timers", parameters)

    def close(self, process_instance_id: UUID, task_ids: Sequence[UUID]) -> None:
        """Delete the timers of tasks that wait no longer."""
        parameters = {"process_instance_id": process_instance_id, "task_ids": list(task_ids)}
        _QUERIES.execute(self._connection, "close_timers", parameters)

    def claim_due(self, limit: int) -> list[TimerRow]:
        """Lock and return timers that are due, and that no other transaction is firing; the longest due first."""
        return _rows(self._connection, "claim_due_timers", {"limit": limit})

    def trigger(self, due: Sequence[TimerRow]) -> int:
        """Offer the workers a job for each timer that fired; return how many jobs there were to offer."""
        jobs = [{**row.model_dump(exclude={"due_at", "remaining"}), "job_id": new_id()} for row in due]
        parameters = {"jobs": to_json(jobs).decode(), "type": TRIGGER_TYPE, "max_attempts": _TRIGGER_ATTEMPTS}
        offered = _QUERIES.execute(self._connection, "trigger_due_timers", parameters)
        if offered:
            QUERIES.rows(self._connection, "notify", {"channel": JOB_CHANNEL, "payload": TRIGGER_TYPE})
        return offered

    def delete(self, timer_ids: Sequence[UUID]) -> None:
        """Delete claimed timers that do not happen again."""
        _QUERIES.execute(self._connection, "delete_timers", {"timer_ids": list(timer_ids)})

    def rearm(self, rows: Sequence[TimerRow]) -> None:
        """Give claimed timers their next due time and the number of times that remain."""
        if rows:
            _QUERIES.execute(self._connection, "rearm_timers", {"timers": _json(rows)})

    def seconds_until_next(self) -> float | None:
        """Return when the next timer becomes due (negative: now), `None` where there is none."""
        row = _QUERIES.first(self._connection, "seconds_until_next_timer")
        return None if row is None or row.seconds is None else float(row.seconds)

    def of_instance(self, process_instance_id: UUID) -> list[TimerRow]:
        """Return an instance's timers, the next due first."""
        return _rows(self._connection, "timers_of_instance", {"process_instance_id": process_instance_id})

    def of_process(self, process_id: str, tenant_id: str, limit: int) -> list[TimerRow]:
        """Return the timers of all instances of a process, the next due first."""
        parameters = {"process_id": process_id, "tenant_id": tenant_id, "limit": limit}
        return _rows(self._connection, "timers_of_process", parameters)


def _json(rows: Sequence[TimerRow]) -> str:
    return to_json(list(rows)).decode()


def _rows(connection: Connection, name: str, parameters: dict[str, object]) -> list[TimerRow]:
    rows = _QUERIES.rows(connection, name, parameters)
    return [TimerRow.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name
