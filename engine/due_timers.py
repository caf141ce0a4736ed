"""Timers that are due: each becomes a job that triggers its event, and is gone or runs again, in one transaction."""

from __future__ import annotations

from datetime import datetime

from engine.crash_points import crash_point
from engine.persistence.timers import TimerRow, Timers
from engine.timers import next_due
from storage import UnitOfWork


def fire_due_timers(work: UnitOfWork, limit: int) -> int:
    """Fire at most `limit` timers that are due and in no other transaction's hands; return how many.

    No instance is locked: a worker claims the job, then locks the instance and looks whether the event still waits.
    """
    timers = Timers(work)
    due = timers.claim_due(limit)
    if not due:
        return 0
    crash_point("after_timer_claim")
    timers.trigger(due)
    again = [row for row in (_rearmed(row, work.now) for row in due) if row is not None]
    timers.rearm(again)
    timers.delete(list({row.timer_id for row in due} - {row.timer_id for row in again}))
    return len(due)


def _rearmed(row: TimerRow, now: datetime) -> TimerRow | None:
    if row.cycle is None:
        return None
    armed = next_due(row.cycle, row.due_at, row.remaining, now)
    return None if armed is None else row.model_copy(update={"due_at": armed.due_at, "remaining": armed.remaining})
