"""Execution windows: when a schedule may start instances, and when not. Pure: the clock is an argument."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from engine.local_times import Instant, instant, time_zone

_DAYS_IN_WEEK = 7
_MOST_STEPS = 1_000  # allowed and blackout periods that repeat weekly meet, or never do, within far fewer


class Weekday(StrEnum):
    """Days of the week; Monday is the first."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


_WEEKDAYS = tuple(Weekday)


class OutsideWindow(StrEnum):
    """What becomes of a fire outside the window: `defer` starts when the window opens, `skip` does not start."""

    DEFER = "defer"
    SKIP = "skip"


class WeeklyPeriod(BaseModel):
    """A period that comes back every week.

    Attributes:
        weekdays: The days on which it begins.
        from_time: Local time without offset.
        until_time: Local time, exclusive; on the following day where it is not later than `from_time`.
        time_zone: Name in the IANA database.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["weekly"] = "weekly"
    weekdays: Annotated[frozenset[Weekday], Field(min_length=1)] = frozenset(Weekday)
    from_time: time
    until_time: time
    time_zone: str = "UTC"

    @field_validator("from_time", "until_time")
    @classmethod
    def _is_local(cls, value: time) -> time:
        if value.tzinfo is not None:
            message = "a local time has no offset; name the time zone in time_zone"
            raise ValueError(message)
        return value

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        return time_zone(value).key

    def end_if_within(self, moment: datetime) -> datetime | None:
        """Return when the period ends that `moment` lies in, `None` where it lies in none."""
        ends = [end for begin, end in self._near(moment, -2, 1) if begin <= moment < end]
        return max(ends, default=None)

    def next_begin(self, moment: datetime) -> datetime | None:
        """Return when the period begins next after `moment`."""
        begins = (begin for begin, _ in self._near(moment, -1, _DAYS_IN_WEEK + 2))
        return next((begin for begin in begins if begin > moment), None)

    def _near(self, moment: datetime, first: int, last: int) -> Iterator[tuple[datetime, datetime]]:
        """Return begin and end of the periods that begin between two days, counted from the day of `moment`."""
        today = moment.astimezone(time_zone(self.time_zone)).date()
        for days in range(first, last + 1):
            day = today + timedelta(days=days)
            if _WEEKDAYS[day.weekday()] in self.weekdays:
                yield self._on(day)

    def _on(self, day: date) -> tuple[datetime, datetime]:
        zone = time_zone(self.time_zone)
        last_day = day if self.until_time > self.from_time else day + timedelta(days=1)
        begin = instant(datetime.combine(day, self.from_time), zone)
        return begin, instant(datetime.combine(last_day, self.until_time), zone, of_two="second")


class AbsolutePeriod(BaseModel):
    """A period that comes once.

    Attributes:
        until_at: Exclusive.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["absolute"] = "absolute"
    from_at: Instant
    until_at: Instant

    @model_validator(mode="after")
    def _is_forward(self) -> Self:
        if self.until_at <= self.from_at:
            message = "until_at is not later than from_at"
            raise ValueError(message)
        return self

    def end_if_within(self, moment: datetime) -> datetime | None:
        """Return when the period ends if `moment` lies in it."""
        return self.until_at.astimezone(UTC) if self.from_at <= moment < self.until_at else None

    def next_begin(self, moment: datetime) -> datetime | None:
        """Return when the period begins if that is after `moment`."""
        return self.from_at.astimezone(UTC) if self.from_at > moment else None


Period: TypeAlias = Annotated[WeeklyPeriod | AbsolutePeriod, Field(discriminator="kind")]


class ExecutionWindow(BaseModel):
    """When a schedule may start instances.

    Attributes:
        allowed: It may in these periods; where there are none, always.
        blackouts: It may not in these, allowed or not.
        outside: What becomes of a fire at another time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    allowed: Annotated[tuple[Period, ...], Field(max_length=50)] = ()
    blackouts: Annotated[tuple[Period, ...], Field(max_length=50)] = ()
    outside: OutsideWindow = OutsideWindow.DEFER

    def is_open(self, moment: datetime) -> bool:
        """Return whether an instance may start at `moment`."""
        return self._end_of_blackout(moment) is None and self._is_allowed(moment)

    def next_opening(self, moment: datetime) -> datetime | None:
        """Return `moment` where the window is open, else when it opens next; `None` where it does not open again."""
        for _ in range(_MOST_STEPS):
            end = self._end_of_blackout(moment)
            if end is None and self._is_allowed(moment):
                return moment
            begins = (period.next_begin(moment) for period in self.allowed)
            later = end or min((begin for begin in begins if begin is not None), default=None)
            if later is None:
                return None
            moment = later
        return None

    def _end_of_blackout(self, moment: datetime) -> datetime | None:
        ends = (period.end_if_within(moment) for period in self.blackouts)
        return max((end for end in ends if end is not None), default=None)

    def _is_allowed(self, moment: datetime) -> bool:
        return not self.allowed or any(period.end_if_within(moment) is not None for period in self.allowed)
