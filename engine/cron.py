"""Cron lines: reading them, and the times that they name. Pure; the one door to the library cronsim.

Five fields (minute, hour, day of month, month, day of week; Vixie cron: a day is right if one of the two day fields
names it), six fields with seconds in front (as Camunda 8 writes them: both day fields have to be right; `?` is `*`), or
`@hourly` to `@yearly`. `CRON_TZ=Europe/Berlin` in front names the time zone; it is UTC otherwise.

Where clocks change: a line whose hour field is `*` goes on with the time that passes. Any other names times of day: one
that does not exist happens when the gap ends, one that exists twice happens the first time only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from engine.local_times import instant, time_zone

_LONGEST_TEXT = 256
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2999, 1, 1, tzinfo=UTC)
_FIELDS_WITH_SECONDS = 6
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_ZONE_PREFIX = "CRON_TZ="


@dataclass(frozen=True)
class CronLine:
    """A cron line that names at least one time.

    Attributes:
        fields: Five or six fields, without the time zone.
    """

    fields: str
    zone: ZoneInfo

    @property
    def text(self) -> str:
        """The line, with its time zone, as `parse_cron` reads it."""
        return f"{_ZONE_PREFIX}{self.zone.key} {self.fields}"

    def after(self, moment: datetime) -> datetime | None:
        """Return the first time later than `moment`, in UTC; `None` where there is none for fifty years."""
        if moment >= _LATEST:
            return None
        if self.fields.split()[-4] == "*":
            return self._after_elapsed(moment.astimezone(UTC))
        local = moment.astimezone(self.zone).replace(tzinfo=None, fold=0)
        times = (instant(time, self.zone) for time in _times(self.fields, local))
        return next((time for time in times if time > moment), None)

    def _after_elapsed(self, moment: datetime) -> datetime | None:
        """Return the first time later than `moment` that a clock on the wall shows, whichever way it is set."""
        since, behind = moment, moment
        while True:
            offset = self._offset(since)
            local = next(_times(self.fields, (behind + offset).replace(tzinfo=None)), None)
            if local is None:
                return None
            found = local.replace(tzinfo=UTC) - offset
            if self._offset(found) == offset:
                return found
            since = self._change(since, found)
            behind = since - timedelta(seconds=1)

    def _change(self, early: datetime, late: datetime) -> datetime:
        """Return a whole second at which the clocks show another offset than the second before, between two times."""
        before = self._offset(early)
        while late - early > timedelta(seconds=1):
            middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
            early, late = (middle, late) if self._offset(middle) == before else (early, middle)
        return late.replace(microsecond=0)

    def _offset(self, moment: datetime) -> timedelta:
        offset = moment.astimezone(self.zone).utcoffset()
        assert offset is not None  # noqa: S101 - an aware time has one
        return offset


@lru_cache(maxsize=1_024)
def parse_cron(text: str, time_zone_name: str | None = None) -> CronLine:
    """Return the cron line that `text` means.

    Args:
        text: The line; a time zone in it wins.
        time_zone_name: The time zone of a line that names none.

    Raises:
        ValueError: It is no cron line, names no time zone or no time that ever comes.
    """
    if len(text) > _LONGEST_TEXT:
        message = f"it is longer than {_LONGEST_TEXT} characters"
        raise ValueError(message)
    words = text.split()
    zone_name = time_zone_name or "UTC"
    if words and words[0].startswith(_ZONE_PREFIX):
        zone_name = words.pop(0).removeprefix(_ZONE_PREFIX)
    line = CronLine(_fields(words), time_zone(zone_name))
    if line.after(_EARLIEST) is None:
        message = "it names no time that ever comes"
        raise ValueError(message)
    return line


def _fields(words: list[str]) -> str:
    line = " ".join(words)
    if line.startswith("@"):
        if line not in _MACROS:
            message = f"the only names are {', '.join(_MACROS)}"
            raise ValueError(message)
        return _MACROS[line]
    if len(words) not in (_FIELDS_WITH_SECONDS - 1, _FIELDS_WITH_SECONDS):
        message = "a cron line has five fields, or six with seconds in front"
        raise ValueError(message)
    *times, day_of_month, month, day_of_week = words
    return " ".join([*times, day_of_month.replace("?", "*"), month, day_of_week.replace("?", "*")])


def _times(fields: str, start: datetime) -> Iterator[datetime]:
    try:
        times = CronSim(fields, start)
        times.day_and = times.day_and or len(fields.split()) == _FIELDS_WITH_SECONDS
        yield from times
    except (CronSimError, AssertionError) as error:
        message = f"it is no cron line ({error})"
        raise ValueError(message) from error
    except OverflowError:  # the end of the calendar
        return
