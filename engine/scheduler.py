"""The scheduler: starts processes at regular times, each fire exactly once, with as many schedulers as wanted.

A fire, the instance it starts and the next fire time are one transaction on a row that no other scheduler can claim
meanwhile. Times are the database's; the clock of the machine a scheduler runs on decides nothing. Fires missed while no
scheduler ran give one start (`MissedFires.ONCE`), under the earliest missed fire time; the grid of fire times stays.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import JsonValue

from engine.engine import Engine
from engine.errors import UnknownProcessError, UnknownScheduleError
from engine.intervals import next_fire_time, parse_interval
from engine.persistence import Definitions, MissedFires, ScheduleRow, Schedules
from storage import AuditEntry, ReportedError, SecurityContext, Storage, UnitOfWork
from storage.access import Resource, require
from storage.identifiers import new_id
from storage.models import Permission

logger = logging.getLogger(__name__)

_SHORTEST_WAIT_SECONDS = 0.05  # a row that is due but locked by another scheduler must not be asked for in a busy loop


@dataclass(frozen=True)
class SchedulerPolicy:
    """How a scheduler waits and retries.

    Attributes:
        poll_seconds: How long to wait at most; a new schedule is noticed within this time.
        retry_seconds: Delay before a fire whose start failed, or an unreachable database, is tried again.
    """

    poll_seconds: float = 5.0
    retry_seconds: float = 30.0


class Scheduler:
    """Defines the schedules of one engine and fires them."""

    def __init__(self, engine: Engine, storage: Storage, policy: SchedulerPolicy) -> None:
        self._engine = engine
        self._storage = storage
        self._policy = policy
        self._stopping = threading.Event()

    def define(
        self,
        work: UnitOfWork,
        process_id: str,
        variables: Mapping[str, JsonValue],
        *,
        interval: str,
        context: SecurityContext,
        first_fire_at: datetime | None = None,
    ) -> UUID:
        """Schedule starts of the newest version of a process; return the schedule's id.

        Args:
            work: The schedule fires once this transaction has committed.
            process_id: Looked up again at every fire.
            variables: Given to every instance.
            interval: ISO 8601 duration of fixed length: `PT15M`, `P1D`, `P2W`.
            context: Every instance is started as this principal.
            first_fire_at: Aware; one interval from now where it is not given.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownProcessError: It is not deployed, or can only be started by a message.
            ScheduleIntervalError: The interval is not one.
        """
        self._require_startable(work, process_id, context)
        length = parse_interval(interval)
        fire_at = work.now + length if first_fire_at is None else first_fire_at
        row = ScheduleRow(
            schedule_id=new_id(),
            tenant_id=context.tenant_id,
            process_id=process_id,
            variables=dict(variables),
            interval_seconds=length.total_seconds(),
            missed_fires=MissedFires.ONCE,
            next_fire_at=fire_at,
            due_at=fire_at,
            started_by=context,
        )
        Schedules(work).insert(row)
        details: dict[str, JsonValue] = {"process_id": process_id, "interval": interval, "first": fire_at.isoformat()}
        _audit(work, "schedule.defined", row.schedule_id, details, context)
        return row.schedule_id

    def deactivate(self, work: UnitOfWork, schedule_id: UUID, *, context: SecurityContext) -> None:
        """Let a schedule fire no more; what it has started runs on.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownScheduleError: There is none in the principal's tenant.
        """
        require(context, Permission.EXECUTE, Resource(kind="schedules", tenant_id=context.tenant_id))
        if not Schedules(work).deactivate(schedule_id, context.tenant_id):
            raise UnknownScheduleError(schedule_id=schedule_id)
        _audit(work, "schedule.deactivated", schedule_id, {}, context)

    def schedules(self, work: UnitOfWork, *, context: SecurityContext) -> list[ScheduleRow]:
        """Return the tenant's schedules, oldest first.

        Raises:
            AccessDeniedError: No READ permission.
        """
        require(context, Permission.READ, Resource(kind="schedules", tenant_id=context.tenant_id))
        return Schedules(work).of_tenant(context.tenant_id)

    def stop(self) -> None:
        """Ask `run` to return; a fire in progress is finished."""
        self._stopping.set()

    def run(self) -> None:
        """Fire schedules until `stop`."""
        while not self._stopping.is_set():
            try:
                self.fire_due()
                wait_seconds = self._idle_seconds()
            except Exception:  # the loop must outlive a database that went away
                logger.exception("scheduler failed to claim or to record")
                wait_seconds = self._policy.retry_seconds
            self._stopping.wait(wait_seconds)

    def fire_due(self) -> int:
        """Fire every schedule that is due and not in another scheduler's hands; return how many instances started.

        A start that fails keeps its fire: it is recorded on the schedule and tried again after `retry_seconds`.
        """
        started = 0
        while not self._stopping.is_set():
            try:
                if not self._fire_next():
                    break
                started += 1
            except _StartFailedError as failure:
                self._postpone(failure.row, failure.error)
        return started

    def _fire_next(self) -> bool:
        with self._storage.transaction() as work:
            row = Schedules(work).claim_due()
            if row is None:
                return False
            try:
                self._fire(work, row)
            except Exception as error:  # whatever stops one schedule must not stop the others
                raise _StartFailedError(row, error) from error
        return True

    def _fire(self, work: UnitOfWork, row: ScheduleRow) -> None:
        key = f"schedule:{row.schedule_id}:{row.next_fire_at.astimezone(UTC).isoformat()}"
        self._engine.start(work, row.process_id, row.variables, context=row.started_by, idempotency_key=key)
        interval = timedelta(seconds=row.interval_seconds)
        Schedules(work).advance(row.schedule_id, next_fire_time(row.next_fire_at, interval, work.now))

    def _postpone(self, row: ScheduleRow, error: Exception) -> None:
        facts = {"schedule_id": str(row.schedule_id), "process_id": row.process_id}
        logger.error("scheduled start failed", extra=facts, exc_info=error)
        last_error: dict[str, JsonValue] = {
            "code": error.code if isinstance(error, ReportedError) else "SCHEDULED_START_FAILED",
            "message": str(error)[:2_000] or type(error).__name__,
        }
        with self._storage.transaction() as work:
            Schedules(work).postpone(row, last_error, self._policy.retry_seconds)

    def _idle_seconds(self) -> float:
        with self._storage.transaction() as work:
            due_seconds = Schedules(work).seconds_until_next()
        if due_seconds is None:
            return self._policy.poll_seconds
        return min(self._policy.poll_seconds, max(due_seconds, _SHORTEST_WAIT_SECONDS))

    def _require_startable(self, work: UnitOfWork, process_id: str, context: SecurityContext) -> None:
        require(context, Permission.EXECUTE, Resource(kind=f"process {process_id}", tenant_id=context.tenant_id))
        definitions = Definitions(work)
        ref = definitions.newest(process_id)
        if ref is None:
            known = tuple(known.process_id for known in definitions.all_newest())
            raise UnknownProcessError(process_id=process_id, known=known)
        if self._engine.library.model(work, ref.process_definition_id, process_id).none_start_event() is None:
            raise UnknownProcessError(process_id=process_id)


class _StartFailedError(Exception):
    """The transaction of a fire was rolled back; carries the schedule and the reason."""

    def __init__(self, row: ScheduleRow, error: Exception) -> None:
        self.row = row
        self.error = error
        super().__init__(row.schedule_id)


def _audit(
    work: UnitOfWork, action: str, schedule_id: UUID, details: dict[str, JsonValue], context: SecurityContext
) -> None:
    entry = AuditEntry(action=action, subject=f"schedule/{schedule_id}", details=details)
    work.audit.record(entry, context=context)
