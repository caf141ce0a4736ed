"""How long metrics are kept: which months of points, and which roll-ups, have had their time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from storage.stores.metric_points import Resolution

_PARTITION = "metric_point_%Y_%m"

Days = Annotated[int, Field(ge=1, le=36_500)]


class MetricRetention(BaseModel):
    """How many days points and roll-ups are kept at least; they go by whole months (UTC).

    What is coarser is made of what is finer, so it is kept as long at least.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    points: Days = 90
    minutes: Days = 180
    hours: Days = 730
    days: Days = 3_650

    @model_validator(mode="after")
    def _keeps_what_is_coarser_longer(self) -> Self:
        if not self.points <= self.minutes <= self.hours <= self.days:
            raise ValueError("points <= minutes <= hours <= days")
        return self

    def of(self, resolution: Resolution) -> int:
        """Return how many days roll-ups of a resolution are kept."""
        return {Resolution.MINUTE: self.minutes, Resolution.HOUR: self.hours, Resolution.DAY: self.days}[resolution]


class Partition(BaseModel):
    """A month of points."""

    model_config = ConfigDict(frozen=True)

    name: str
    estimated_points: int

    @property
    def begin(self) -> datetime:
        """The month's first moment."""
        return datetime.strptime(self.name, _PARTITION).replace(tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The next month's first moment."""
        return beginning_of_month(self.begin + timedelta(days=31))


class RetentionPlan(BaseModel):
    """What goes.

    Attributes:
        partitions: Months of points.
        before: Roll-ups of each resolution whose bucket begins before this.
    """

    model_config = ConfigDict(frozen=True)

    partitions: tuple[Partition, ...]
    before: dict[Resolution, AwareDatetime]


def plan_retention(partitions: Sequence[Partition], policy: MetricRetention, now: datetime) -> RetentionPlan:
    """Return what has had its time: months that ended before all of their points had, and roll-ups likewise."""
    oldest_point = beginning_of_month(now - timedelta(days=policy.points))
    return RetentionPlan(
        partitions=tuple(partition for partition in partitions if partition.end <= oldest_point),
        before={
            resolution: beginning_of_month(now - timedelta(days=policy.of(resolution))) for resolution in Resolution
        },
    )


def months_between(first: date, last: date) -> list[date]:
    """Return the first day of each month from `first` to `last`, both included."""
    months = []
    month = first.replace(day=1)
    while month <= last:
        months.append(month)
        month = (month + timedelta(days=31)).replace(day=1)
    return months


def beginning_of_month(moment: datetime) -> datetime:
    """Return the first moment (UTC) of a moment's month."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
