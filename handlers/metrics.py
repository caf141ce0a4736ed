"""Metrics over time of one record, with what breached its threshold and what drifted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from handlers.grants import as_told
from handlers.services import Services
from storage import SecurityContext, UnitOfWork
from storage.errors import RecordNotFoundError
from storage.filters import Condition, Operator
from storage.models import (
    BreachState,
    DriftReport,
    Experiment,
    ModelArtifact,
    ServingEndpoint,
    StorageModel,
    TrainingRun,
)
from storage.stores import MetricAnswer, MetricPoint, MetricSeries, Resolution, Rollup, TimeseriesStore

_UNLESS_GIVEN = timedelta(days=30)
_MOST_SERIES = 50
_MOST_REPORTS = 100
_MEASURED: tuple[type[StorageModel], ...] = (ServingEndpoint, ModelArtifact, Experiment, TrainingRun)

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]


class MetricsFilter(BaseModel):
    """Which metrics are asked for.

    Attributes:
        entity_id: An endpoint, a model (`model_id`) or a version of one, an experiment or a run.
        metric_names: All that there are, the first fifty by name, unless given.
        begin: Thirty days before `end`, unless given.
        end: Now, unless given; what is measured at this moment is not part of it.
        most_points: How many points a metric is answered with; where there are more, they are summed up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    entity_id: UUID
    metric_names: Annotated[tuple[Name, ...], Field(max_length=_MOST_SERIES)] = ()
    begin: AwareDatetime | None = None
    end: AwareDatetime | None = None
    most_points: Annotated[int, Field(ge=1, le=2_000)] = 500

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.begin is not None and self.end is not None and self.begin >= self.end:
            raise ValueError("begin lies before end")
        return self


class Bucket(BaseModel):
    """What the points of a minute, an hour or a day come to.

    Attributes:
        p50, p99: Quantiles, within one percent.
    """

    model_config = ConfigDict(frozen=True)

    bucket_at: AwareDatetime
    count: int
    mean: float
    minimum: float
    maximum: float
    p50: float
    p99: float


class Breach(BaseModel):
    """A point that breached its threshold, or, where points are summed up, how many did in a bucket.

    Attributes:
        value, threshold: Of the point; null for a bucket.
    """

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    count: int = 1
    value: float | None = None
    threshold: float | None = None


class Series(BaseModel):
    """One metric: its points, or buckets where these are too many.

    Attributes:
        resolution: Of the buckets; null where there are points.
    """

    model_config = ConfigDict(frozen=True)

    metric_name: str
    resolution: Resolution | None
    points: tuple[MetricPoint, ...]
    buckets: tuple[Bucket, ...]
    breaches: tuple[Breach, ...]


class MetricsReport(BaseModel):
    """The metrics of one record over a time, and the drift reports of that time about its model, newest first."""

    model_config = ConfigDict(frozen=True)

    entity_id: UUID
    entity_model: str
    begin: AwareDatetime
    end: AwareDatetime
    series: tuple[Series, ...]
    drift_reports: tuple[DriftReport, ...]


def get_metrics(services: Services, asked: MetricsFilter, *, context: SecurityContext) -> MetricsReport:
    """Return metrics of a record that the principal may read.

    Raises:
        RecordNotFoundError: There is no such record, or the principal may not know of it.
    """
    with services.storage.transaction(context.tenant_id) as work:
        entity = _entity(work, asked.entity_id, context)
        begin, end = _period(asked, work.now)
        store = TimeseriesStore(work.connection, context.tenant_id)
        names = asked.metric_names or store.metric_names(asked.entity_id, begin, end)[:_MOST_SERIES]
        return MetricsReport(
            entity_id=asked.entity_id,
            entity_model=type(entity).__name__,
            begin=begin,
            end=end,
            series=tuple(_series(store, asked, name, begin, end) for name in names),
            drift_reports=_drift_reports(work, entity, begin, end, context),
        )


def _entity(work: UnitOfWork, entity_id: UUID, context: SecurityContext) -> StorageModel:
    for model in _MEASURED:
        try:
            return work.get_crud(model).read(entity_id, context=context)
        except RecordNotFoundError:
            continue
    versions = work.get_crud(ModelArtifact).query({"model_id": entity_id}, limit=1, context=context)
    if not versions:
        raise RecordNotFoundError(model="Measured record", record_id=entity_id)
    return versions[0]


def _period(asked: MetricsFilter, now: datetime) -> tuple[datetime, datetime]:
    end = asked.end or now
    if asked.begin is None:
        return end - _UNLESS_GIVEN, end
    return asked.begin, max(asked.begin, end)


def _series(store: TimeseriesStore, asked: MetricsFilter, name: str, begin: datetime, end: datetime) -> Series:
    wanted = MetricSeries(entity_id=asked.entity_id, metric_name=name, begin=begin, end=end)
    found = store.query(wanted, most=asked.most_points)
    return Series(
        metric_name=name,
        resolution=found.resolution,
        points=found.points,
        buckets=tuple(map(_bucket, found.rollups)),
        breaches=_breaches(found),
    )


def _bucket(rollup: Rollup) -> Bucket:
    return Bucket(
        bucket_at=rollup.bucket_at,
        count=rollup.count,
        mean=rollup.mean,
        minimum=rollup.minimum,
        maximum=rollup.maximum,
        p50=rollup.quantile(0.5),
        p99=rollup.quantile(0.99),
    )


def _breaches(found: MetricAnswer) -> tuple[Breach, ...]:
    points = (point for point in found.points if point.breach_state == BreachState.BREACHED.value)
    buckets = (rollup for rollup in found.rollups if rollup.breaches)
    return (
        *(Breach(at=point.at, value=point.value, threshold=point.threshold) for point in points),
        *(Breach(at=bucket.bucket_at, count=bucket.breaches) for bucket in buckets),
    )


def _drift_reports(
    work: UnitOfWork, entity: StorageModel, begin: datetime, end: datetime, context: SecurityContext
) -> tuple[DriftReport, ...]:
    if not isinstance(entity, ModelArtifact | ServingEndpoint):
        return ()
    criteria = (
        Condition("model_id", Operator.EQ, entity.model_id),
        Condition("created_at", Operator.GE, begin),
        Condition("created_at", Operator.LT, end),
    )
    reports = work.get_crud(DriftReport).query(criteria, limit=_MOST_REPORTS, context=context)
    return tuple(as_told(work, report, context) for report in reports)
