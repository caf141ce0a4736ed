"""The time series store: metric points, written one by one or in batches, read as points or as roll-ups.

Roll-ups are made by `MetricMaintenance`, later; what they do not know yet is computed from the points when it is read,
so an answer is right whenever points come, in whatever order, and however often.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row
from sqlalchemy.exc import IntegrityError

from storage.errors import MetricMonthMissingError
from storage.sql import Queries
from storage.stores.metric_points import (
    MetricAnswer,
    MetricPoint,
    MetricSeries,
    Resolution,
    Rollup,
    choose_resolution,
)
from storage.tenants import enter_tenant

_QUERIES = Queries(Path(__file__).with_name("timeseries.sql"))
_COPY = "copy metric_staging from stdin"
_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_NULL = r"\N"
_UNIQUE_VIOLATION = "23505"


class _PointKnownError(Exception):
    """A point of the batch is there already, or is there twice."""


class TimeseriesStore:
    """The metric points of one tenant on one transaction."""

    def __init__(self, connection: Connection, tenant_id: str) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def record(self, point: MetricPoint) -> bool:
        """Write one point; return whether it was not there yet.

        Raises:
            MetricMonthMissingError: No partition takes points of that time; the transaction has to be rolled back.
        """
        return self._written("record_point", [point], point.model_dump()) == 1

    def record_batch(self, points: Sequence[MetricPoint]) -> int:
        """Write points through COPY, all or none; return how many were not there yet.

        Raises:
            MetricMonthMissingError: No partition takes points of some time; the transaction has to be rolled back.
        """
        if not points:
            return 0
        enter_tenant(self._connection, self._tenant_id)
        _QUERIES.execute(self._connection, "create_staging")
        # COPY does not write below row-level security, and knows no conflicts: hence by way of a table of our own.
        with closing(self._connection.connection.cursor()) as cursor, cursor.copy(_COPY) as copy:
            copy.write("".join(map(_line, range(len(points)), points)))
        try:
            with self._connection.begin_nested():
                return self._written("record_staged_as_new", points, {})
        except _PointKnownError:
            return self._written("record_staged", points, {})

    def points(self, series: MetricSeries, *, limit: int | None = None) -> tuple[MetricPoint, ...]:
        """Return points in the order of time and step, the earliest `limit` of them where one is given."""
        enter_tenant(self._connection, self._tenant_id)
        rows = _QUERIES.rows(self._connection, "points", {**self._asked(series), "limit": limit})
        return tuple(map(_point, rows))

    def metric_names(self, entity_id: UUID, begin: datetime, end: datetime) -> tuple[str, ...]:
        """Return the names of the metrics that an entity has from `begin` until before `end`, whole days, in order."""
        enter_tenant(self._connection, self._tenant_id)
        asked = {"tenant_id": self._tenant_id, "entity_id": entity_id, "begin": begin, "end": end}
        return tuple(row.metric_name for row in _QUERIES.rows(self._connection, "metric_names", asked))

    def rollups(self, series: MetricSeries, resolution: Resolution) -> tuple[Rollup, ...]:
        """Return roll-ups of all buckets that overlap the series, whole buckets, empty ones left out."""
        enter_tenant(self._connection, self._tenant_id)
        asked = {
            **self._asked(series),
            "begin": resolution.floor(series.begin),
            "resolution": resolution,
            "seconds": resolution.length.total_seconds(),
        }
        return tuple(map(_rollup, _QUERIES.rows(self._connection, "rollups", asked)))

    def query(self, series: MetricSeries, *, most: int = 1_000) -> MetricAnswer:
        """Return the points where there are at most so many, else roll-ups as fine as that allows."""
        points = self.points(series, limit=most + 1)
        if len(points) <= most:
            return MetricAnswer(resolution=None, points=points)
        resolution = choose_resolution(series, most)
        return MetricAnswer(resolution=resolution, rollups=self.rollups(series, resolution))

    def _written(self, name: str, points: Sequence[MetricPoint], parameters: dict[str, object]) -> int:
        try:
            (row,) = _QUERIES.rows(self._connection, name, {**parameters, "tenant_id": self._tenant_id})
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", None) == _UNIQUE_VIOLATION:
                raise _PointKnownError from error
            moments = [point.at for point in points]
            raise MetricMonthMissingError(begin=min(moments), end=max(moments)) from error
        written: int = row.written
        return written

    def _asked(self, series: MetricSeries) -> dict[str, object]:
        return {**series.model_dump(), "tenant_id": self._tenant_id}


def _line(position: int, point: MetricPoint) -> str:
    step = _NULL if point.step is None else point.step
    threshold = _NULL if point.threshold is None else repr(point.threshold)
    return (
        f"{position}\t{_text(point.entity_id)}\t{_text(point.metric_name)}\t{point.at.isoformat()}\t{step}"
        f"\t{point.value!r}\t{threshold}\t{_text(point.breach_state)}\t{_text(point.source)}\n"
    )


@lru_cache(maxsize=1_024)
def _text(value: str | UUID) -> str:
    """Return a text as COPY reads it; a batch repeats the same few."""
    return str(value).translate(_ESCAPED)


def _point(row: Row[Any]) -> MetricPoint:
    return MetricPoint.model_construct(None, **row._mapping)  # noqa: SLF001 - its public name, for all its underscore


def _rollup(row: Row[Any]) -> Rollup:
    return Rollup.model_construct(None, **row._mapping)  # noqa: SLF001 - as above
