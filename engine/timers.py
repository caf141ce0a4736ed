"""Timers: reading a time, a duration or a cycle, and when it is due. Pure: the clock is an argument.

A date is ISO 8601 with an offset; a duration ISO 8601; a cycle `R/PT1H`, `R3/PT1H`, `R3/2026-03-01T09:00:00Z/P1D` or a
cron line (see `engine.cron`). A cycle with a start happens at the start and at regular times after it, one without for
the first time when one duration has passed. Times that went by unhandled count as one: that one, late, and the next on
the grid (BPMN 2.0.2, table 10.101).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from engine.cron import CronLine, parse_cron
from engine.durations import Duration, Grid, parse_duration, parse_step
from engine.errors import TimerInvalidError
from engine.local_times import in_range

_CYCLE = re.compile(r"R(?P<repetitions>[0-9]{1,6})?/(?:(?P<start>[^/]{1,40})/)?(?P<step>[^/]{1,60})", re.ASCII)

TimerKind: TypeAlias = Literal["date", "duration", "cycle"]


@dataclass(frozen=True)
class DateTimer:
    """Happens once, at a time in UTC."""

    at: datetime


@dataclass(frozen=True)
class DurationTimer:
    """Happens once, a while after somebody begins to wait."""

    duration: Duration


@dataclass(frozen=True)
class IntervalCycle:
    """Happens again and again, at equal distances.

    Attributes:
        step: As written: an ISO 8601 duration of a second or longer.
        repetitions: How often in all; `None` is without end.
        start: The first time, where one is given.
    """

    step: str
    repetitions: int | None = None
    start: datetime | None = None

    def grid(self, anchor: datetime) -> Grid:
        """Return the times of the cycle; without a start of its own it begins one step after `anchor`."""
        step = parse_step(self.step)
        if self.start is None:
            return Grid(anchor, step, first=1, repetitions=self.repetitions)
        return Grid(self.start, step, repetitions=self.repetitions)


@dataclass(frozen=True)
class CronCycle:
    """Happens again and again, at the times that a cron line names."""

    line: CronLine


Timer: TypeAlias = DateTimer | DurationTimer | IntervalCycle | CronCycle


@dataclass(frozen=True)
class Armed:
    """A timer that runs.

    Attributes:
        due_at: When it happens next, in UTC.
        remaining: How often it still happens, `due_at` included; `None` is without end.
        cycle_text: What `next_due` needs later; `None` where it happens once.
    """

    due_at: datetime
    remaining: int | None = 1
    cycle_text: str | None = None


def parse_timer(kind: TimerKind, text: str, *, time_zone: str | None = None) -> Timer:
    """Return the timer that `text` means.

    Args:
        kind: What the diagram says the text is.
        text: See the module.
        time_zone: Of a cron line that names none; UTC unless given.

    Raises:
        TimerInvalidError: It is none.
    """
    try:
        match kind:
            case "date":
                return DateTimer(_parse_date(text).astimezone(UTC))
            case "duration":
                return DurationTimer(parse_duration(text))
            case "cycle":
                return _parse_cycle(text) if text.startswith("R") else CronCycle(parse_cron(text, time_zone))
    except ValueError as error:
        raise TimerInvalidError(kind=kind, text=text, reason=str(error)) from error


def arm(timer: Timer, now: datetime) -> Armed:
    """Return when the timer happens for somebody who begins to wait now.

    A date that has passed, and a cycle whose last time has, is due at once.

    Raises:
        TimerInvalidError: A cron line names no further time.
    """
    match timer:
        case DateTimer():
            return Armed(timer.at)
        case DurationTimer():
            return Armed(timer.duration.after(now.astimezone(UTC)))
        case IntervalCycle():
            return _arm_interval(timer, now.astimezone(UTC))
        case CronCycle():
            due_at = timer.line.after(now)
            if due_at is None:
                raise TimerInvalidError(kind="cycle", text=timer.line.text, reason="it names no time that ever comes")
            return Armed(due_at, None, timer.line.text)


def next_due(cycle_text: str, previous_due_at: datetime, remaining: int | None, now: datetime) -> Armed | None:
    """Return how a cycle goes on after it happened for `previous_due_at`; `None` where that was the last time.

    Args:
        cycle_text: As `arm` made it.
        previous_due_at: The time it was due.
        remaining: As it was then.
        now: Times up to now have passed and count as having happened.
    """
    passed_at = max(previous_due_at, now)
    timer = parse_timer("cycle", cycle_text)
    if isinstance(timer, CronCycle):
        due_at = timer.line.after(passed_at)
        return None if due_at is None else Armed(due_at, None, cycle_text)
    if not isinstance(timer, IntervalCycle):
        raise TimerInvalidError(kind="cycle", text=cycle_text, reason="it happens once")
    grid = timer.grid(previous_due_at)
    index = grid.index_after(passed_at)
    if remaining is not None:
        remaining -= index - grid.index_after(previous_due_at) + 1
        if remaining < 1:
            return None
    return Armed(grid.time(index).astimezone(UTC), remaining, cycle_text)


def _arm_interval(cycle: IntervalCycle, now: datetime) -> Armed:
    grid = cycle.grid(now)
    due_at = grid.time(grid.first) if grid.time(grid.first) >= now else grid.after(now)
    text = f"R/{grid.anchor.isoformat()}/{cycle.step}"
    if due_at is None:
        return Armed(now, 1, text)
    passed = grid.index_after(due_at) - 1 - grid.first
    remaining = None if cycle.repetitions is None else cycle.repetitions - passed
    return Armed(due_at.astimezone(UTC), remaining, text)


def _parse_date(text: str) -> datetime:
    try:
        date = datetime.fromisoformat(text)
    except ValueError as error:
        message = "it is no ISO 8601 date and time"
        raise ValueError(message) from error
    return in_range(date)


def _parse_cycle(text: str) -> IntervalCycle:
    match = _CYCLE.fullmatch(text)
    if match is None:
        message = "a cycle is R/PT1H, R3/PT1H, R3/2026-03-01T09:00:00Z/PT1H or a cron line"
        raise ValueError(message)
    parse_step(match["step"])
    repetitions = None if match["repetitions"] is None else int(match["repetitions"])
    if repetitions == 0:
        message = "it happens not even once"
        raise ValueError(message)
    start = None if match["start"] is None else _parse_date(match["start"])
    return IntervalCycle(match["step"], repetitions, start)
