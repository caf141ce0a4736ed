"""Metrics over time: points as they were measured, and roll-ups of them by minute, hour and day."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

_GAMMA = 1.01 / 0.99
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class Resolution(StrEnum):
    """How long a bucket is."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        """The bucket's length."""
        return {
            Resolution.MINUTE: timedelta(minutes=1),
            Resolution.HOUR: timedelta(hours=1),
            Resolution.DAY: timedelta(days=1),
        }[self]

    def floor(self, moment: datetime) -> datetime:
        """Return the beginning of the bucket that a moment lies in; buckets begin in UTC."""
        utc = moment.astimezone(UTC)
        match self:
            case Resolution.MINUTE:
                return utc.replace(second=0, microsecond=0)
            case Resolution.HOUR:
                return utc.replace(minute=0, second=0, microsecond=0)
            case Resolution.DAY:
                return utc.replace(hour=0, minute=0, second=0, microsecond=0)


class MetricPoint(BaseModel):
    """One measured value. Entity, metric, time and step identify it: of two that agree in them, the first is kept.

    Attributes:
        step: Of a training, where the metric belongs to one.
        threshold: What the value was compared with.
        breach_state: What the comparison said; free text of the model that is stored.
        source: Who measured.
    """

    model_config = ConfigDict(frozen=True)

    entity_id: UUID
    metric_name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
    at: AwareDatetime
    value: _Finite
    step: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    threshold: _Finite | None = None
    breach_state: Annotated[str, Field(max_length=50, pattern=r"^[^\x00]*$")] = "none"
    source: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""


class MetricSeries(BaseModel):
    """Which points are meant: of an entity and a metric, from `begin` until before `end`."""

    model_config = ConfigDict(frozen=True)

    entity_id: UUID
    metric_name: str
    begin: AwareDatetime
    end: AwareDatetime


class Rollup(BaseModel):
    """What the points of one bucket come to.

    Attributes:
        sum: The largest number there is, or the smallest, where the sum is beyond it.
        first_value: Of the earliest point in the bucket, `last_value` of the latest.
        breaches: Points whose breach state is `breached`.
        digest: Counts of values by bucket of the sketch.
    """

    model_config = ConfigDict(frozen=True)

    bucket_at: AwareDatetime
    count: int
    sum: float
    minimum: float
    maximum: float
    first_at: AwareDatetime
    first_value: float
    last_at: AwareDatetime
    last_value: float
    breaches: int
    digest: Mapping[str, int]

    @property
    def mean(self) -> float:
        """The mean value."""
        return self.sum / self.count

    def quantile(self, fraction: float) -> float:
        """Return a value within 1 percent of the one below which `fraction` of the values lie, in [0, 1]."""
        return min(max(quantile(self.digest, fraction), self.minimum), self.maximum)


class MetricAnswer(BaseModel):
    """Points where they are few enough, roll-ups otherwise.

    Attributes:
        resolution: Of the roll-ups; `None` where points are given.
    """

    model_config = ConfigDict(frozen=True)

    resolution: Resolution | None
    points: tuple[MetricPoint, ...] = ()
    rollups: tuple[Rollup, ...] = ()


def choose_resolution(series: MetricSeries, most: int) -> Resolution:
    """Return the finest resolution with at most so many buckets in the series; days where even they are more."""
    span = series.end - series.begin
    fitting = (resolution for resolution in Resolution if span / resolution.length <= most)
    return next(fitting, Resolution.DAY)


def merge_digests(*digests: Mapping[str, int]) -> dict[str, int]:
    """Return the digest of all values together."""
    merged: dict[str, int] = {}
    for digest in digests:
        for bucket, count in digest.items():
            merged[bucket] = merged.get(bucket, 0) + count
    return merged


def quantile(digest: Mapping[str, int], fraction: float) -> float:
    """Return a value within 1 percent of a digest's quantile, which lies at the rank `fraction * (count - 1)`."""
    rank = fraction * (sum(digest.values()) - 1)
    below = 0
    for value, count in sorted((_middle(bucket), count) for bucket, count in digest.items()):
        below += count
        if below > rank:
            return value
    raise ValueError("the digest is empty")


def _middle(bucket: str) -> float:
    if bucket == "0":
        return 0.0
    # Twice gamma to the power overflows where the value itself does not.
    magnitude = math.exp(int(bucket[1:]) * math.log(_GAMMA) + math.log(2 / (_GAMMA + 1)))
    return magnitude if bucket[0] == "p" else -magnitude
