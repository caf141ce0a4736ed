"""Intervals of schedules: reading them, and the times at which they fire. Pure: the clock is an argument.

The notation is ISO 8601-1:2019, 5.5.2. Years and months are refused, because they have no fixed length.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from engine.errors import ScheduleIntervalError

_NUMBER = r"(\d{1,9}(?:\.\d{1,6})?)"
_DURATION = re.compile(
    rf"P(?:{_NUMBER}W|(?=[\dT])(?:{_NUMBER}D)?(?:T(?=\d)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?)", re.ASCII
)
_SHORTEST = timedelta(seconds=1)
_LONGEST = timedelta(days=3_653)


def parse_interval(text: str) -> timedelta:
    """Return the length of an ISO 8601 duration between one second and ten years.

    Raises:
        ScheduleIntervalError: It is none, or its length is not fixed.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ScheduleIntervalError(interval=text, reason="it is no ISO 8601 duration of fixed length")
    weeks, days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    try:
        interval = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError as error:
        raise ScheduleIntervalError(interval=text, reason="it is longer than ten years") from error
    if not _SHORTEST <= interval <= _LONGEST:
        raise ScheduleIntervalError(interval=text, reason="it is not between one second and ten years")
    return interval


def next_fire_time(fired_at: datetime, interval: timedelta, now: datetime) -> datetime:
    """Return the first time after both `fired_at` and `now` on the grid `fired_at + n * interval`.

    The grid does not drift: how late a fire was handled does not move the ones after it.
    """
    passed = max((now - fired_at) // interval, 0)
    return fired_at + (passed + 1) * interval
