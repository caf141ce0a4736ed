"""Dates, times and durations as text and back (DMN 1.3, 10.3.2.3 and 10.3.4.1).

    date                        2026-03-01
    time                        10:30:00, 10:30:00.5, 10:30:00Z, 10:30:00+02:00
    date and time               2026-03-01T10:30:00 with or without offset, or with a zone: ...@Europe/Berlin
    days and time duration      P1DT2H30M4.5S, -PT5M
    years and months duration   P1Y6M, -P2M

Years go from 1 to 9999 and fractions of a second to the microsecond.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import TypeAlias
from zoneinfo import ZoneInfo

from engine.feel.values import Months
from engine.local_times import time_zone

Temporal: TypeAlias = "date | time | datetime | timedelta | Months"

MONTHS_IN_YEAR = 12
_LONGEST = 80
_MAXIMUM_MONTHS = 120_000
_DATE = r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
_TIME = r"(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?)"
_OFFSET = r"(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})"
_ZONE = r"@(?P<zone>[A-Za-z][A-Za-z0-9_+/-]{0,50})"
_DATE_TEXT = re.compile(_DATE, re.ASCII)
_TIME_TEXT = re.compile(rf"{_TIME}{_OFFSET}?", re.ASCII)
_DATE_AND_TIME_TEXT = re.compile(rf"{_DATE}(?:T{_TIME}(?:{_OFFSET}|{_ZONE})?)?", re.ASCII)
_DAYS_TEXT = re.compile(
    r"(?P<sign>-?)P(?=[0-9T])(?:([0-9]{1,9})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9}(?:\.[0-9]{1,6})?)S)?)?",
    re.ASCII,
)
_MONTHS_TEXT = re.compile(r"(?P<sign>-?)P(?=[0-9])(?:([0-9]{1,6})Y)?(?:([0-9]{1,6})M)?", re.ASCII)


def parse_date(text: str) -> date | None:
    """Return the date that a text means; none where it means none."""
    return date.fromisoformat(text) if _fits(_DATE_TEXT, text) and _is_day(text) else None


def parse_time(text: str) -> time | None:
    """Return the time of day that a text means; none where it means none."""
    match = _fits(_TIME_TEXT, text)
    try:
        return time.fromisoformat(match["time"]).replace(tzinfo=_zone(match["offset"], None)) if match else None
    except ValueError:
        return None


def parse_date_and_time(text: str) -> datetime | None:
    """Return the date and time that a text means, a date alone its midnight; none where it means none."""
    match = _fits(_DATE_AND_TIME_TEXT, text)
    if match is None:
        return None
    try:
        day, clock = date.fromisoformat(match["date"]), time.fromisoformat(match["time"] or "00:00:00")
        return datetime.combine(day, clock, _zone(match["offset"], match["zone"]))
    except ValueError:
        return None


def parse_duration(text: str) -> timedelta | Months | None:
    """Return the duration that a text means, of one kind or the other; none where it means none."""
    match = _fits(_MONTHS_TEXT, text)
    if match is not None:
        months = int(match[2] or 0) * MONTHS_IN_YEAR + int(match[3] or 0)
        return Months(-months if match["sign"] else months) if months <= _MAXIMUM_MONTHS else None
    match = _fits(_DAYS_TEXT, text)
    if match is None:
        return None
    days, hours, minutes, seconds = (match[number] or "0" for number in range(2, 6))
    whole, _, fraction = seconds.partition(".")
    try:
        length = timedelta(
            days=int(days),
            hours=int(hours),
            minutes=int(minutes),
            seconds=int(whole),
            microseconds=int(fraction.ljust(6, "0")),
        )
    except OverflowError:
        return None
    return -length if match["sign"] else length


def parse_temporal(text: str) -> Temporal | None:
    """Return the temporal value of whatever kind that a text means; none where it means none."""
    if "P" in text[:2]:
        return parse_duration(text)
    if "T" in text:
        return parse_date_and_time(text)
    return parse_time(text) if ":" in text else parse_date(text)


def temporal_text(value: Temporal) -> str:
    """Return a temporal value as text that reads back as it."""
    match value:
        case datetime():
            return f"{value.date().isoformat()}T{_clock_text(value.timetz(), value)}"
        case date():
            return value.isoformat()
        case time():
            return _clock_text(value, None)
        case timedelta():
            return _days_text(value)
        case Months():
            return _months_text(value.months)


def offset_of(value: time | datetime) -> timedelta | None:
    """Return how far a time is ahead of UTC; none for a local one."""
    return value.utcoffset()


def zone_name(value: time | datetime) -> str | None:
    """Return the name of a time's zone; none where it has an offset only, or none at all."""
    return value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else None


def _fits(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return pattern.fullmatch(text) if len(text) <= _LONGEST else None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _zone(offset: str | None, name: str | None) -> tzinfo | None:
    if name is not None:
        return time_zone(name)
    if offset is None:
        return None
    if offset == "Z":
        return UTC
    ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
    return timezone(-ahead if offset[0] == "-" else ahead)


def _clock_text(clock: time, moment: datetime | None) -> str:
    text = clock.replace(tzinfo=None).isoformat()
    text = text.rstrip("0") if "." in text else text
    if clock.tzinfo is None:
        return text
    if isinstance(clock.tzinfo, ZoneInfo):
        return f"{text}@{clock.tzinfo.key}"
    return text + _offset_text((moment or clock).utcoffset() or timedelta())


def _offset_text(offset: timedelta) -> str:
    if not offset:
        return "Z"
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    return f"{'-' if offset < timedelta() else '+'}{hours:02}:{minutes:02}"


def _days_text(length: timedelta) -> str:
    sign, length = ("-", -length) if length < timedelta() else ("", length)
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f"{length.microseconds:06}".rstrip("0")
    parts = [f"{hours}H" if hours else "", f"{minutes}M" if minutes else ""]
    parts.append(f"{seconds}{'.' if fraction else ''}{fraction}S" if seconds or fraction else "")
    clock = "".join(parts)
    days = f"{length.days}D" if length.days else ""
    return f"{sign}P{days}{'T' if clock else ''}{clock}" if days or clock else "PT0S"


def _months_text(months: int) -> str:
    years, rest = divmod(abs(months), MONTHS_IN_YEAR)
    parts = f"{f'{years}Y' if years else ''}{f'{rest}M' if rest else ''}"
    return f"{'-' if months < 0 else ''}P{parts or '0M'}"
