"""Schedules as they are defined: when a process starts, and when it does not. Pure: the clock is an argument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from engine.cron import CronLine, parse_cron
from engine.durations import Grid, parse_step
from engine.execution_windows import ExecutionWindow
from engine.local_times import Instant
from engine.timers import IntervalCycle

RESOLUTION = timedelta(microseconds=1)


class MissedFires(StrEnum):
    """What becomes of fires that nobody handled in time.

    `once` starts one instance for all of them, `all` one for each, `skip` none.
    """

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


class IntervalTrigger(BaseModel):
    """Fires at equal distances.

    Attributes:
        every: ISO 8601 duration of a second or longer: `PT15M`, `P1D`, `P1M`.
        first_fire_at: One interval after the definition unless given.
        repetitions: How many fires there are in all; without end unless given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["interval"] = "interval"
    every: str
    first_fire_at: Instant | None = None
    repetitions: Annotated[int, Field(ge=1)] | None = None

    @field_validator("every")
    @classmethod
    def _is_step(cls, value: str) -> str:
        parse_step(value)
        return value

    def first(self, anchor: datetime) -> datetime | None:
        """Return the first fire of a schedule that is defined at `anchor`."""
        grid = self._grid(anchor)
        return grid.time(grid.first)

    def after(self, moment: datetime, anchor: datetime) -> datetime | None:
        """Return the first fire after `moment` of a schedule that was defined at `anchor`."""
        return self._grid(anchor).after(moment)

    def _grid(self, anchor: datetime) -> Grid:
        return IntervalCycle(self.every, self.repetitions, self.first_fire_at).grid(anchor)


class CronTrigger(BaseModel):
    """Fires at the times of a cron line, as `engine.cron` reads it.

    Attributes:
        time_zone: Name in the IANA database, for a line that names none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["cron"] = "cron"
    line: str
    time_zone: str = "UTC"

    @model_validator(mode="after")
    def _is_cron(self) -> Self:
        self._parsed()
        return self

    def first(self, anchor: datetime) -> datetime | None:
        """Return the first fire of a schedule that is defined at `anchor`."""
        return self._parsed().after(anchor)

    def after(self, moment: datetime, anchor: datetime) -> datetime | None:  # noqa: ARG002 - as the other triggers
        """Return the first fire after `moment`."""
        return self._parsed().after(moment)

    def _parsed(self) -> CronLine:
        return parse_cron(self.line, self.time_zone)


class DateTrigger(BaseModel):
    """Fires once; at once where the time has passed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["date"] = "date"
    at: Instant

    def first(self, anchor: datetime) -> datetime | None:  # noqa: ARG002 - as the other triggers
        """Return the time."""
        return self.at

    def after(self, moment: datetime, anchor: datetime) -> datetime | None:  # noqa: ARG002 - as the other triggers
        """Return the time if it is later than `moment`."""
        return self.at if self.at > moment else None


ScheduleTrigger: TypeAlias = Annotated[IntervalTrigger | CronTrigger | DateTrigger, Field(discriminator="kind")]


class ScheduleDefinition(BaseModel):
    """When a process starts.

    Attributes:
        missed: What becomes of fires that nobody handled in time.
        grace_seconds: How late a fire may be handled and is not yet missed; counts where missed fires are skipped.
        window: When instances may start; always unless given.
        sla_seconds: A start later than this after its fire time is recorded as a breach.
        active_from: There are no fires before.
        active_until: There are no fires after.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trigger: ScheduleTrigger
    missed: MissedFires = MissedFires.ONCE
    grace_seconds: Annotated[float, Field(ge=1, le=31_536_000)] = 60.0
    window: ExecutionWindow | None = None
    sla_seconds: Annotated[float, Field(gt=0, le=31_536_000)] | None = None
    active_from: Instant | None = None
    active_until: Instant | None = None

    @model_validator(mode="after")
    def _is_ever_active(self) -> Self:
        if self.active_from is not None and self.active_until is not None and self.active_until <= self.active_from:
            message = "active_until is not later than active_from"
            raise ValueError(message)
        return self

    def first_fire(self, anchor: datetime) -> datetime | None:
        """Return the first fire of a schedule that is defined at `anchor`, `None` where it never fires."""
        first = self.trigger.first(anchor)
        if first is not None and self.active_from is not None and first < self.active_from:
            return self.fire_after(self.active_from - RESOLUTION, anchor)
        return self._while_active(first)

    def fire_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        """Return the first fire after `moment` of a schedule that was defined at `anchor`; `None` where it is over."""
        if self.active_from is not None:
            moment = max(moment, self.active_from - RESOLUTION)
        return self._while_active(self.trigger.after(moment, anchor))

    def _while_active(self, fire_at: datetime | None) -> datetime | None:
        if fire_at is None or (self.active_until is not None and fire_at > self.active_until):
            return None
        return fire_at.astimezone(UTC)
