"""What becomes of a schedule's fire when a scheduler looks at it, and which is next. Pure: the clock is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias, assert_never

from engine.execution_windows import OutsideWindow
from engine.schedule_definition import RESOLUTION, MissedFires, ScheduleDefinition


class SkipReason(StrEnum):
    """Why a fire starts nothing."""

    MISSED = "missed"
    OUTSIDE_WINDOW = "outside_window"
    WINDOW_STAYS_CLOSED = "window_stays_closed"


@dataclass(frozen=True)
class Start:
    """An instance starts now."""


@dataclass(frozen=True)
class Skip:
    """Nothing starts for this fire."""

    reason: SkipReason


@dataclass(frozen=True)
class Defer:
    """The fire waits until the execution window opens."""

    until: datetime


Verdict: TypeAlias = Start | Skip | Defer


@dataclass(frozen=True)
class Fire:
    """A fire that is due.

    Attributes:
        fire_at: Its time on the grid, which names it.
        due_at: When it was to be looked at: its time, or later after a deferral or a failed start.
        failures: How many starts failed for it; after the first it is no longer missed.
    """

    fire_at: datetime
    due_at: datetime
    failures: int = 0


def judge(definition: ScheduleDefinition, fire: Fire, now: datetime) -> Verdict:
    """Return what becomes of a fire that is due now."""
    is_late = now - fire.due_at > timedelta(seconds=definition.grace_seconds)
    if definition.missed is MissedFires.SKIP and is_late and fire.failures == 0:
        return Skip(SkipReason.MISSED)
    window = definition.window
    if window is None:
        return Start()
    if window.outside is OutsideWindow.SKIP:
        is_open = window.is_open(fire.fire_at) and window.is_open(now)
        return Start() if is_open else Skip(SkipReason.OUTSIDE_WINDOW)
    opening = window.next_opening(now)
    if opening is None or (definition.active_until is not None and opening > max(definition.active_until, now)):
        return Skip(SkipReason.WINDOW_STAYS_CLOSED)
    return Start() if opening == now else Defer(opening)


def next_fire(
    definition: ScheduleDefinition, anchor: datetime, fire_at: datetime, outcome: Start | Skip, now: datetime
) -> datetime | None:
    """Return the fire that follows one that is settled; `None` where the schedule is over.

    Args:
        definition: Of the schedule.
        anchor: When it was defined.
        fire_at: The settled fire; those between it and the next are settled with it.
        outcome: Of the settled one.
        now: Fires up to now have been missed, unless their time of grace lasts.
    """
    if isinstance(outcome, Skip) and outcome.reason is not SkipReason.MISSED:
        settled_at = _closed_until(definition, fire_at, now)
    else:
        settled_at = _settled_until(definition, fire_at, now)
    return definition.fire_after(max(fire_at, settled_at), anchor)


def _settled_until(definition: ScheduleDefinition, fire_at: datetime, now: datetime) -> datetime:
    match definition.missed:
        case MissedFires.ALL:
            return fire_at
        case MissedFires.ONCE:
            return now
        case MissedFires.SKIP:
            return now - timedelta(seconds=definition.grace_seconds)
        case _:
            assert_never(definition.missed)


def _closed_until(definition: ScheduleDefinition, fire_at: datetime, now: datetime) -> datetime:
    """Return until when the window was closed: now, or, where it is open again, just before it opened."""
    if definition.window is None or not definition.window.is_open(now):
        return now
    opening = definition.window.next_opening(fire_at)
    return now if opening is None else opening - RESOLUTION


def has_breached(definition: ScheduleDefinition, fire_at: datetime, now: datetime) -> bool:
    """Return whether a start now is later than the schedule promises."""
    return definition.sla_seconds is not None and (now - fire_at).total_seconds() > definition.sla_seconds
