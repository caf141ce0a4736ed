"""Functions and properties of dates, times and durations (DMN 1.3, tables 58 to 60, 73 and 79).

A text that means no date, time or duration makes their value null, with the reason that `MismatchError` gives.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

from engine.feel.numbers import exact, is_number, plain
from engine.feel.parameters import ANY, TEXT, BuiltIn, built_in
from engine.feel.temporals import (
    MONTHS_IN_YEAR,
    offset_of,
    parse_date,
    parse_date_and_time,
    parse_duration,
    parse_time,
    zone_name,
)
from engine.feel.values import Budget, MismatchError, Months, Range, Value, kind

_STEPS_OF_PARSING = 5
_HOUR, _MINUTE, _SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _parsed(name: str, parse: Callable[[str], Value], text: str, budget: Budget) -> Value:
    budget.spend(_STEPS_OF_PARSING)
    value = parse(text)
    if value is None:
        raise MismatchError(f"{text[:40]!r} is no {name}")
    return value


def _date(budget: Budget, first: Value, month: Value = None, day: Value = None) -> Value:
    match first:
        case None:
            return None
        case str():
            return _parsed("date", parse_date, first, budget)
        case datetime():
            return first.date()
        case date():
            return first
    return _made("date", date, first, month, day)


def _time(budget: Budget, first: Value, minute: Value = None, second: Value = None, offset: Value = None) -> Value:
    match first:
        case None:
            return None
        case str():
            return _parsed("time", parse_time, first, budget)
        case datetime():
            return first.time() if first.tzinfo is None else first.timetz().replace(tzinfo=_fixed(offset_of(first)))
        case time():
            return first
        case date():
            return time(tzinfo=UTC)
    zone = _fixed(offset) if isinstance(offset, timedelta) else None
    return _made("time", lambda *parts: time(*parts).replace(tzinfo=zone), first, minute, second)


def _fixed(offset: timedelta | None) -> timezone:
    try:
        return timezone(offset or timedelta())
    except ValueError as error:
        raise MismatchError("An offset is less than a day") from error


def _made(name: str, make: Callable[..., Value], *parts: Value) -> Value:
    if not all(is_number(part) and exact(part) == exact(part).to_integral_value() for part in parts):
        raise MismatchError(f"{name} takes a string or three whole numbers")
    try:
        return make(*(int(exact(part)) for part in parts if is_number(part)))
    except (ValueError, OverflowError) as error:
        raise MismatchError(f"There is no such {name}") from error


def _date_and_time(budget: Budget, first: Value, second: Value = None) -> Value:
    match first, second:
        case None, _:
            return None
        case str(), None:
            return _parsed("date and time", parse_date_and_time, first, budget)
        case datetime(), None:
            return first
        case date(), time():
            return datetime.combine(first, second)
    raise MismatchError("date and time takes a string, or a date and a time")


def _months_between(_budget: Budget, start: Value, end: Value) -> Value:
    if start is None or end is None:
        return None
    if not (isinstance(start, date) and isinstance(end, date)):
        raise MismatchError("years and months duration takes two dates")
    early, late, sign = (start, end, 1) if _day(start) <= _day(end) else (end, start, -1)
    months = (late.year - early.year) * MONTHS_IN_YEAR + late.month - early.month
    return Months(sign * (months - (late.day < early.day)))


def _day(value: date) -> date:
    return value.date() if isinstance(value, datetime) else value


def _of_date(name: str, apply: Callable[[date], Value]) -> BuiltIn:
    def of_date(_budget: Budget, value: Value) -> Value:
        if value is None:
            return None
        if not isinstance(value, date):
            raise MismatchError(f"{name} takes a date, not a {kind(value)}")
        return apply(value)

    return built_in(name, of_date, ANY)


def property_of(value: Value, key: str) -> Value:
    """Return a property of a date, a time, a duration or a range; null where it has none of that name."""
    for kinds, properties in _PROPERTIES:
        if isinstance(value, kinds) and key in properties:
            return properties[key](value)
    return None


def _seconds(value: Any) -> Value:
    return plain(Decimal(value.second) + Decimal(value.microsecond) / 1_000_000)


def _parts(length: timedelta) -> tuple[int, int, int, Decimal]:
    sign = -1 if length < timedelta() else 1
    rest = abs(length)
    hours, minutes, seconds = rest.seconds // 3_600, rest.seconds // 60 % 60, rest.seconds % 60
    fraction = Decimal(seconds) + Decimal(rest.microseconds) / 1_000_000
    return sign * rest.days, sign * hours, sign * minutes, sign * fraction


_PROPERTIES: tuple[tuple[tuple[type, ...], dict[str, Callable[[Any], Value]]], ...] = (
    (
        (date,),
        {
            "year": lambda value: value.year,
            "month": lambda value: value.month,
            "day": lambda value: value.day,
            "weekday": lambda value: value.isoweekday(),
        },
    ),
    (
        (datetime, time),
        {
            "hour": lambda value: value.hour,
            "minute": lambda value: value.minute,
            "second": _seconds,
            "time offset": offset_of,
            "timezone": zone_name,
        },
    ),
    (
        (timedelta,),
        {
            "days": lambda value: _parts(value)[0],
            "hours": lambda value: _parts(value)[1],
            "minutes": lambda value: _parts(value)[2],
            "seconds": lambda value: plain(_parts(value)[3]),
        },
    ),
    (
        (Range,),
        {
            "start": lambda value: value.start,
            "end": lambda value: value.end,
            "start included": lambda value: value.is_start_included,
            "end included": lambda value: value.is_end_included,
        },
    ),
    (
        (Months,),
        {
            "years": lambda value: int(value.months / MONTHS_IN_YEAR),
            "months": lambda value: value.months - int(value.months / MONTHS_IN_YEAR) * MONTHS_IN_YEAR,
        },
    ),
)

HAS_PROPERTIES = (date, time, timedelta, Range, Months)

TEMPORAL_FUNCTIONS: dict[str, BuiltIn] = {
    "date": built_in("date", _date, ANY, ANY, ANY, optional=2),
    "time": built_in("time", _time, ANY, ANY, ANY, ANY, optional=3),
    "date and time": built_in("date and time", _date_and_time, ANY, ANY, optional=1),
    "duration": built_in("duration", lambda budget, text: _parsed("duration", parse_duration, text, budget), TEXT),
    "years and months duration": built_in("years and months duration", _months_between, ANY, ANY),
    "day of week": _of_date("day of week", lambda value: _DAYS[value.weekday()]),
    "day of year": _of_date("day of year", lambda value: value.timetuple().tm_yday),
    "month of year": _of_date("month of year", lambda value: _MONTHS[value.month - 1]),
    "week of year": _of_date("week of year", lambda value: value.isocalendar().week),
}
