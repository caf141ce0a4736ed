"""Local times and the instants that they mean. Pure.

Where clocks go forward, the local times between do not exist: each of them means the instant of the change, the gap's
end. Where clocks go back, an hour's local times exist twice: what begins means the first, what ends means the second.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime

_SECOND = timedelta(seconds=1)
_FIRST_YEAR, _LAST_YEAR = 1970, 2999


def in_range(moment: datetime) -> datetime:
    """Return an aware time between 1970 and 2999; with those, and 100 years more, every computation is possible.

    Raises:
        ValueError: It is earlier, later or has no offset.
    """
    if moment.tzinfo is None:
        message = "it has no offset, such as Z or +02:00"
        raise ValueError(message)
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        message = f"its year is not between {_FIRST_YEAR} and {_LAST_YEAR}"
        raise ValueError(message)
    return moment


Instant: TypeAlias = Annotated[AwareDatetime, AfterValidator(in_range)]


@lru_cache(maxsize=256)
def time_zone(name: str) -> ZoneInfo:
    """Return the time zone of that name in the IANA database.

    Raises:
        ValueError: There is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # no such file, no file name, a folder's name
        message = f"{name[:100]!r} is no time zone of the IANA database"
        raise ValueError(message) from error


def instant(local: datetime, zone: ZoneInfo, *, of_two: Literal["first", "second"] = "first") -> datetime:
    """Return the instant, in UTC, of a local time.

    Args:
        local: Naive.
        zone: Where the clock hangs.
        of_two: Which one is meant where clocks go back.
    """
    early, late = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early > late:  # the local time does not exist: with the offset of before it is late, with that of after early
        return _change_between(late, early, zone)
    return early if of_two == "first" else late


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    offset = after.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)
