"""The scheduler: fires timers and schedules that are due, each exactly once, with as many schedulers as wanted.

A fire, the instance it starts and the next fire time are one transaction on a row that no other scheduler can claim
meanwhile. Times are the database's; the clock of the machine a scheduler runs on decides nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never
from uuid import UUID

from pydantic import JsonValue

from engine.due_timers import fire_due_timers
from engine.engine import Engine
from engine.fires import Defer, Fire, Skip, Start, has_breached, judge, next_fire
from engine.messages import expire_messages
from engine.persistence import EventLog, FireOutcome, NotificationHub, ScheduleFire, ScheduleRow, Schedules, Timers
from storage import ReportedError, Storage, UnitOfWork
from storage.errors import DatabaseUnavailableError

logger = logging.getLogger(__name__)

_SHORTEST_WAIT_SECONDS = 0.05  # a row that is due but locked by another scheduler must not be asked for in a busy loop


@dataclass(frozen=True)
class SchedulerPolicy:
    """How a scheduler waits and retries.

    Attributes:
        poll_seconds: How long to wait at most.
        retry_seconds: Delay before a fire whose start failed is tried again; each further attempt waits twice as long.
        attempts: How many starts are tried for a fire before it counts as failed.
        batch_size: Timers fired, or messages expired, in one transaction at most.
        keep_fires_days: For how long it is remembered what became of a fire.
    """

    poll_seconds: float = 5.0
    retry_seconds: float = 30.0
    attempts: int = 3
    batch_size: int = 100
    keep_fires_days: int = 365


class Scheduler:
    """Fires the timers and schedules of one engine, and lets old messages expire.

    With a hub it notices new timers and schedules at once, without one within `poll_seconds`.
    """

    def __init__(
        self, engine: Engine, storage: Storage, policy: SchedulerPolicy, hub: NotificationHub | None = None
    ) -> None:
        self._engine = engine
        self._storage = storage
        self._policy = policy
        self._hub = hub
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ask `run` to return; a fire in progress is finished. May be called from a signal handler."""
        self._stopping.set()
        if self._hub is not None:
            self._hub.wake()

    def run(self) -> None:
        """Fire what is due until `stop`, through every outage of the database."""
        while not self._stopping.is_set():
            mark = 0 if self._hub is None else self._hub.timer_mark()
            try:
                self.fire_due()
                wait_seconds = self._idle_seconds()
            except DatabaseUnavailableError:
                logger.exception("scheduler lost the database")
                self._stopping.wait(self._policy.poll_seconds)
            except Exception:  # the loop must outlive whatever else goes wrong
                logger.exception("scheduler failed to claim or to record")
                self._stopping.wait(self._policy.poll_seconds)
            else:
                self._wait(mark, wait_seconds)

    def fire_due(self) -> int:
        """Fire everything that is due and not in another scheduler's hands; return how many instances started.

        A start that fails keeps its fire: it is recorded on the schedule and tried again later.
        """
        self._repeat(fire_due_timers)
        started = 0
        while not self._stopping.is_set():
            try:
                outcome = self._fire_next()
            except _StartFailedError as failure:
                self._postpone(failure.row, failure.fire_at, failure.error)
            else:
                if outcome is None:
                    break
                started += outcome
        self._repeat(expire_messages)
        return started

    def _repeat(self, chore: Callable[[UnitOfWork, int], int]) -> None:
        done = self._policy.batch_size
        while done >= self._policy.batch_size and not self._stopping.is_set():
            with self._storage.transaction() as work:
                done = chore(work, self._policy.batch_size)

    def _fire_next(self) -> int | None:
        """Settle or defer the schedule due longest; return how many instances started, `None` where none is due."""
        claimed: tuple[ScheduleRow, Fire] | None = None
        try:
            with self._storage.transaction() as work:
                row = Schedules(work).claim_due()
                if row is None or row.next_fire_at is None or row.due_at is None:
                    return None
                claimed = row, Fire(row.next_fire_at, row.due_at, row.failures)
                return self._fire(work, *claimed)
        except DatabaseUnavailableError:
            raise
        except Exception as error:  # whatever stops one schedule must not stop the others
            if claimed is None:
                raise
            raise _StartFailedError(claimed[0], claimed[1].fire_at, error) from error

    def _fire(self, work: UnitOfWork, row: ScheduleRow, fire: Fire) -> int:
        verdict = judge(row.definition, fire, work.now)
        match verdict:
            case Defer(until):
                Schedules(work).defer(row.schedule_id, until)
                return 0
            case Skip(reason):
                record = _record(row, fire.fire_at, work.now, FireOutcome.SKIPPED, reason=reason.value)
                started = 0
            case Start():
                record = _record(row, fire.fire_at, work.now, FireOutcome.STARTED)
                started = 1
            case _:
                assert_never(verdict)
        if Schedules(work).record(record) and started:
            self._start(work, row, record)
        self._go_on(work, row, fire.fire_at, verdict)
        return started

    def _start(self, work: UnitOfWork, row: ScheduleRow, record: ScheduleFire) -> None:
        key = f"schedule:{row.schedule_id}:{record.fire_at.astimezone(UTC).isoformat()}"
        process_instance_id = self._engine.start(
            work,
            row.process_id,
            row.variables,
            context=row.started_by,
            idempotency_key=key,
            start_event_id=row.start_event_id,
        )
        Schedules(work).record_instance(record, process_instance_id)
        if record.is_sla_breached:
            _tell_breach(work, row, record, process_instance_id)

    def _go_on(
        self,
        work: UnitOfWork,
        row: ScheduleRow,
        fire_at: datetime,
        outcome: Start | Skip,
        error: dict[str, JsonValue] | None = None,
    ) -> None:
        schedules = Schedules(work)
        next_fire_at = next_fire(row.definition, row.anchor_at, fire_at, outcome, work.now)
        schedules.advance(row.schedule_id, fire_at, next_fire_at, error)
        schedules.forget_fires(row.schedule_id, self._policy.keep_fires_days)

    def _postpone(self, claimed: ScheduleRow, fire_at: datetime, error: Exception) -> None:
        facts = {"schedule_id": str(claimed.schedule_id), "process_id": claimed.process_id}
        logger.error("scheduled start failed", extra=facts, exc_info=error)
        last_error: dict[str, JsonValue] = {
            "code": error.code if isinstance(error, ReportedError) else "SCHEDULED_START_FAILED",
            "message": str(error)[:2_000] or type(error).__name__,
        }
        with self._storage.transaction() as work:
            row = Schedules(work).lock_fire(claimed.schedule_id, fire_at)
            if row is None:
                return
            if row.failures + 1 < self._policy.attempts:
                delay_seconds = self._policy.retry_seconds * 2**row.failures
                Schedules(work).postpone(row.schedule_id, last_error, delay_seconds)
            else:
                Schedules(work).record(_record(row, fire_at, work.now, FireOutcome.FAILED, error=last_error))
                self._go_on(work, row, fire_at, Start(), last_error)

    def _idle_seconds(self) -> float:
        with self._storage.transaction() as work:
            waits = [Schedules(work).seconds_until_next(), Timers(work).seconds_until_next()]
        wait_seconds = min((wait for wait in waits if wait is not None), default=self._policy.poll_seconds)
        return min(self._policy.poll_seconds, max(wait_seconds, _SHORTEST_WAIT_SECONDS))

    def _wait(self, mark: int, seconds: float) -> None:
        if self._hub is None or self._hub.is_stopping:
            self._stopping.wait(seconds)
        elif not self._stopping.is_set():
            self._hub.wait_for_timer(mark, seconds)


class _StartFailedError(Exception):
    """The transaction of a fire was rolled back; carries the schedule, the fire and the reason."""

    def __init__(self, row: ScheduleRow, fire_at: datetime, error: Exception) -> None:
        self.row = row
        self.fire_at = fire_at
        self.error = error
        super().__init__(row.schedule_id)


def _record(
    row: ScheduleRow,
    fire_at: datetime,
    now: datetime,
    outcome: FireOutcome,
    *,
    reason: str | None = None,
    error: dict[str, JsonValue] | None = None,
) -> ScheduleFire:
    return ScheduleFire(
        schedule_id=row.schedule_id,
        process_id=row.process_id,
        fire_at=fire_at,
        outcome=outcome,
        reason=reason,
        error=error,
        lateness_seconds=(now - fire_at).total_seconds(),
        is_sla_breached=outcome is not FireOutcome.SKIPPED and has_breached(row.definition, fire_at, now),
        recorded_at=now,
    )


def _tell_breach(work: UnitOfWork, row: ScheduleRow, record: ScheduleFire, process_instance_id: UUID) -> None:
    facts: dict[str, JsonValue] = {
        "schedule_id": str(row.schedule_id),
        "fire_at": record.fire_at.isoformat(),
        "lateness_seconds": record.lateness_seconds,
        "sla_seconds": row.definition.sla_seconds,
    }
    logger.warning("schedule breached its SLA", extra=facts)
    EventLog(work).append(
        "process.late",
        facts,
        tenant_id=row.tenant_id,
        process_instance_id=process_instance_id,
        business_key=None,
    )
