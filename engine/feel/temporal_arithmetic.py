"""Computing with dates, times and durations (DMN 1.3, 10.3.2.3.4 and tables 53 to 57).

What has an offset or a zone is computed as the instant that it is, and keeps its zone. A date that meets a date and
time is its midnight. A month after 31 January is the last day of February.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from engine.feel.numbers import Number, compute, exact, is_number
from engine.feel.values import MismatchError, Months, Value

_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS = 1_000_000
_MONTHS_IN_YEAR = 12

_Operation = Callable[[Value, Value], Value]


def compute_temporal(symbol: str, left: Value, right: Value) -> Value:
    """Return `left symbol right` where one of them is a date, a time or a duration.

    Raises:
        MismatchError: There is no such operation, or its result is out of range.
    """
    for name, lefts, rights, operation in _OPERATIONS:
        if name == symbol and _is(left, lefts) and _is(right, rights):
            return _in_range(operation, left, right)
    raise MismatchError("")


def instant(moment: datetime) -> datetime:
    """Return a moment in UTC; a local one as it is."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC)


def add_months(start: date, months: int) -> date:
    """Return the same day some months later, or the last one of a month that is too short.

    Raises:
        ValueError: The year is out of range.
    """
    years, month = divmod(start.month - 1 + months, _MONTHS_IN_YEAR)
    year, month = start.year + years, month + 1
    return start.replace(year=year, month=month, day=min(start.day, calendar.monthrange(year, month)[1]))


def seconds_of(length: timedelta) -> Decimal:
    """Return a duration in seconds, exactly."""
    return Decimal(length // _MICROSECOND) / _MICROSECONDS


def _is(value: Value, kinds: tuple[type, ...]) -> bool:
    return type(value) in kinds or (kinds is _NUMBERS and is_number(value))


def _in_range(operation: _Operation, left: Value, right: Value) -> Value:
    try:
        return operation(left, right)
    except (OverflowError, ValueError) as error:
        raise MismatchError("A date or duration out of range") from error


def _difference(left: date, right: date) -> timedelta:
    zones = [moment.tzinfo for moment in (left, right) if isinstance(moment, datetime)]
    one, other = (_moment(value, UTC if any(zones) else None) for value in (left, right))
    if (one.tzinfo is None) != (other.tzinfo is None):
        raise MismatchError("Cannot subtract a local time and one with an offset")
    return instant(one) - instant(other)


def _moment(value: date, zone: object) -> datetime:
    if isinstance(value, datetime):
        return value
    return datetime(value.year, value.month, value.day, tzinfo=UTC if zone else None)


def _later(moment: date, length: timedelta) -> date:
    if not isinstance(moment, datetime):
        return (datetime(moment.year, moment.month, moment.day, tzinfo=UTC) + length).date()
    return (instant(moment) + length).astimezone(moment.tzinfo) if moment.tzinfo else moment + length


def _later_clock(clock: time, length: timedelta) -> time:
    moved = datetime(2000, 1, 1, clock.hour, clock.minute, clock.second, clock.microsecond, tzinfo=clock.tzinfo)
    return (moved + length % _DAY).timetz()


def _clock_difference(left: time, right: time) -> timedelta:
    offsets = left.utcoffset(), right.utcoffset()
    if (offsets[0] is None) != (offsets[1] is None):
        raise MismatchError("Cannot subtract a local time and one with an offset")
    return since_midnight(left) - since_midnight(right)


def since_midnight(clock: time) -> timedelta:
    """Return how long after UTC's midnight a time of day is; after its own, where it is local."""
    passed = timedelta(hours=clock.hour, minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond)
    return passed - (clock.utcoffset() or timedelta())


def _scaled(length: timedelta, by: Number) -> timedelta:
    product = compute("*", seconds_of(length), by)
    return _as_duration(product)


def _divided(length: timedelta, by: Number) -> timedelta | None:
    quotient = compute("/", seconds_of(length), by)
    return None if quotient is None else _as_duration(quotient)


def _as_duration(seconds: Number | None) -> timedelta:
    return timedelta(microseconds=int(exact(seconds or 0) * _MICROSECONDS))


def _scaled_months(length: Months, by: Number) -> Months:
    return Months(int(exact(compute("*", length.months, by) or 0)))


def _divided_months(length: Months, by: Number) -> Months | None:
    quotient = compute("/", length.months, by)
    return None if quotient is None else Months(int(exact(quotient)))


_DATES = (date, datetime)
_NUMBERS = (int, float, Decimal)
_TIMES = (time,)
_DAYS = (timedelta,)
_MONTHS = (Months,)
# Which operation two kinds have; the functions are typed more narrowly than a table can say.
_OPERATIONS: tuple[tuple[str, tuple[type, ...], tuple[type, ...], Callable[..., Value]], ...] = (
    ("-", _DATES, _DATES, _difference),
    ("+", _DATES, _DAYS, _later),
    ("-", _DATES, _DAYS, lambda moment, length: _later(moment, -length)),
    ("+", _DAYS, _DATES, lambda length, moment: _later(moment, length)),
    ("+", _DATES, _MONTHS, lambda moment, length: add_months(moment, length.months)),
    ("-", _DATES, _MONTHS, lambda moment, length: add_months(moment, -length.months)),
    ("+", _MONTHS, _DATES, lambda length, moment: add_months(moment, length.months)),
    ("-", _TIMES, _TIMES, _clock_difference),
    ("+", _TIMES, _DAYS, _later_clock),
    ("-", _TIMES, _DAYS, lambda clock, length: _later_clock(clock, -length)),
    ("+", _DAYS, _TIMES, lambda length, clock: _later_clock(clock, length)),
    ("+", _DAYS, _DAYS, lambda one, other: one + other),
    ("-", _DAYS, _DAYS, lambda one, other: one - other),
    ("*", _DAYS, _NUMBERS, _scaled),
    ("*", _NUMBERS, _DAYS, lambda by, length: _scaled(length, by)),
    ("/", _DAYS, _NUMBERS, _divided),
    ("/", _DAYS, _DAYS, lambda one, other: compute("/", seconds_of(one), seconds_of(other))),
    ("+", _MONTHS, _MONTHS, lambda one, other: Months(one.months + other.months)),
    ("-", _MONTHS, _MONTHS, lambda one, other: Months(one.months - other.months)),
    ("*", _MONTHS, _NUMBERS, _scaled_months),
    ("*", _NUMBERS, _MONTHS, lambda by, length: _scaled_months(length, by)),
    ("/", _MONTHS, _NUMBERS, _divided_months),
    ("/", _MONTHS, _MONTHS, lambda one, other: compute("/", one.months, other.months)),
)
