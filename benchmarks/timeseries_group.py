"""Group `timeseries`: a batch of metric points through the store, against COPY into a plain table."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from measurement import Measurement
from sqlalchemy import Engine, text
from stores_plant import milliseconds, running_database

from storage.stores import MetricPoint, TimeseriesStore

_POINTS = 1_000
_ROUNDS = 40
_BAR = 2.3
_COLUMNS = "entity_id, metric_name, at, step, value, threshold, breach_state, source"


def measure() -> list[Measurement]:
    """Return the medians' ratio of batches that alternate, each with its own commit."""
    with running_database() as (application, owner):
        with owner.begin() as connection:
            connection.execute(text("create table plain (like metric_point)"))
            connection.execute(text("alter table plain drop column tenant_id"))
        pairs = [_pair(application, owner) for _ in range(_ROUNDS)]
    through_store, plain = (statistics.median(times) for times in zip(*pairs, strict=True))
    against = f"COPY of {_POINTS} rows into a table without keys: {plain:.2f} ms"
    return [Measurement("timeseries.batch_of_1000", through_store / plain, "x", _BAR, "lower", against)]


def _pair(application: Engine, owner: Engine) -> tuple[float, float]:
    points = _batch(uuid4())
    return milliseconds(lambda: _store(application, points)), milliseconds(lambda: _copy(owner, points))


def _store(application: Engine, points: list[MetricPoint]) -> None:
    with application.begin() as connection:
        assert TimeseriesStore(connection, "bench").record_batch(points) == _POINTS


def _copy(owner: Engine, points: list[MetricPoint]) -> None:
    columns = _COLUMNS.split(", ")
    with (
        owner.begin() as connection,
        connection.connection.cursor() as cursor,
        cursor.copy(f"copy plain ({_COLUMNS}) from stdin") as copy,
    ):
        for point in points:
            copy.write_row([getattr(point, column) for column in columns])


def _batch(entity_id: UUID) -> list[MetricPoint]:
    now = datetime.now(UTC)
    return [
        MetricPoint(
            entity_id=entity_id,
            metric_name=f"metric-{number % 10}",
            at=now + timedelta(milliseconds=number),
            step=number // 10,
            value=number / 7,
        )
        for number in range(_POINTS)
    ]
