"""Durations of ISO 8601-1:2019, 5.5.2, and regular times made of them. Pure.

Years and months are counted on the calendar: a month after 31 January is the last day of February. Weeks and days are
7 times 24 and 24 hours.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_NUMBER = r"(\d{1,9}(?:[.,]\d{1,6})?)"
_DURATION = re.compile(
    rf"P(?:{_NUMBER}W|(?=[\dT])(?:(\d{{1,4}})Y)?(?:(\d{{1,5}})M)?(?:{_NUMBER}D)?"
    rf"(?:T(?=\d)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?)",
    re.ASCII,
)
_MONTHS_IN_YEAR = 12
_AVERAGE_MONTH = timedelta(days=146_097 / 4_800)  # the calendar repeats after 400 years
_LONGEST = timedelta(days=36_525)
_SHORTEST_STEP = timedelta(seconds=1)


@dataclass(frozen=True)
class Duration:
    """A length of time: whole months, counted first, and a fixed rest."""

    months: int
    rest: timedelta

    @property
    def approximate_length(self) -> timedelta:
        """The length if months were equally long."""
        return self.months * _AVERAGE_MONTH + self.rest

    def after(self, start: datetime, times: int = 1) -> datetime:
        """Return the end of `times` such durations, counted from `start` at once: a short month leaves no trace."""
        return _add_months(start, self.months * times) + self.rest * times


def parse_duration(text: str) -> Duration:
    """Return the duration that an ISO 8601 text means, from zero to 100 years.

    Raises:
        ValueError: It is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        message = "it is no ISO 8601 duration"
        raise ValueError(message)
    weeks, years, months, days, hours, minutes, seconds = (part and part.replace(",", ".") for part in match.groups())
    rest = [float(part or 0) for part in (weeks, days, hours, minutes, seconds)]
    try:
        fixed = timedelta(weeks=rest[0], days=rest[1], hours=rest[2], minutes=rest[3], seconds=rest[4])
        duration = Duration(int(years or 0) * _MONTHS_IN_YEAR + int(months or 0), fixed)
        if duration.approximate_length <= _LONGEST:
            return duration
    except OverflowError:
        pass
    message = "it is longer than 100 years"
    raise ValueError(message)


def parse_step(text: str) -> Duration:
    """Return the duration that may lie between two times of a grid: a second or longer.

    Raises:
        ValueError: It is none, or shorter.
    """
    step = parse_duration(text)
    if step.approximate_length < _SHORTEST_STEP:
        message = "it is shorter than a second"
        raise ValueError(message)
    return step


@dataclass(frozen=True)
class Grid:
    """The times `anchor + n * step` for whole `n` from `first`, as many as `repetitions` where that is given.

    How late a time was handled does not move the ones after it.
    """

    anchor: datetime
    step: Duration
    first: int = 0
    repetitions: int | None = None

    def time(self, index: int) -> datetime:
        """Return the time that has this number."""
        return self.step.after(self.anchor, index)

    def index_after(self, moment: datetime) -> int:
        """Return the number of the first time later than `moment`, be it within the repetitions or not."""
        guess = (
            moment - self.anchor
        ) // self.step.approximate_length - 2  # months are up to three days off the average
        index = max(guess, self.first)
        while self.time(index) <= moment:
            index += 1
        return index

    def after(self, moment: datetime) -> datetime | None:
        """Return the first time later than `moment`, `None` where there is none."""
        index = self.index_after(moment)
        if self.repetitions is not None and index >= self.first + self.repetitions:
            return None
        return self.time(index)


def _add_months(start: datetime, months: int) -> datetime:
    if not months:
        return start
    years, month = divmod(start.month - 1 + months, _MONTHS_IN_YEAR)
    year, month = start.year + years, month + 1
    return start.replace(year=year, month=month, day=min(start.day, calendar.monthrange(year, month)[1]))
