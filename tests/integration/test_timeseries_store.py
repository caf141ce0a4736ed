"""Metric points over time: each once, in whatever order they come, with roll-ups that say what the points say."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from database_owner import as_owner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from storage import Storage
from storage.errors import MetricMonthClosedError, MetricMonthMissingError
from storage.stores import (
    MetricMaintenance,
    MetricPoint,
    MetricRetention,
    MetricSeries,
    Resolution,
    Rollup,
    TimeseriesStore,
)

ENTITY = UUID(int=1)
YEAR = 2001
DAWN = datetime(YEAR, 3, 30, 22, tzinfo=UTC)
LARGEST = sys.float_info.max


def point(value: float, seconds: float = 0, step: int | None = None, metric: str = "loss") -> MetricPoint:
    at = DAWN + timedelta(seconds=seconds)
    return MetricPoint(entity_id=ENTITY, metric_name=metric, at=at, value=value, step=step)


def series(hours: float = 100, metric: str = "loss") -> MetricSeries:
    return MetricSeries(entity_id=ENTITY, metric_name=metric, begin=DAWN, end=DAWN + timedelta(hours=hours))


def roll_up(storage: Storage) -> int:
    with as_owner(storage) as connection:
        return MetricMaintenance(connection).roll_up()


def record(storage: Storage, *points: MetricPoint) -> int:
    with storage.transaction() as work:
        return TimeseriesStore(work.connection, "north").record_batch(points)


def rollups(storage: Storage, resolution: Resolution) -> tuple[Rollup, ...]:
    with storage.transaction() as work:
        return TimeseriesStore(work.connection, "north").rollups(series(), resolution)


@pytest.fixture(name="storage")
def with_months(storage: Storage) -> Storage:
    with as_owner(storage) as connection:
        MetricMaintenance(connection).create_partitions(date(YEAR, 3, 1), date(YEAR, 4, 1))
    return storage


@pytest.fixture
def connection(storage: Storage) -> Iterator[Connection]:
    with storage.transaction() as work:
        yield work.connection


@pytest.fixture
def metrics(connection: Connection) -> TimeseriesStore:
    return TimeseriesStore(connection, "north")


def test_points_are_read_in_order_as_they_were_written_one_by_one_or_in_a_batch(metrics: TimeseriesStore) -> None:
    odd = point(-0.1, 3).model_copy(
        update={"threshold": 1e-308, "breach_state": "breached", "source": "tab\tnew\nline\\N", "step": 2**63 - 1}
    )
    points = [point(1.5), point(math.pi, 1), point(2.5, 1, step=1), odd, point(1e300, 4)]

    assert metrics.record_batch([points[4], points[1], points[2]]) == 3
    assert [metrics.record(one) for one in (points[3], points[0])] == [True, True]

    assert metrics.points(series()) == tuple(points)
    assert metrics.points(series(), limit=2) == tuple(points[:2])


def test_a_point_that_is_there_is_not_written_again(metrics: TimeseriesStore) -> None:
    assert metrics.record_batch([point(1), point(1), point(2, 0, step=0)]) == 2
    assert metrics.record_batch([point(9), point(3, 1)]) == 1
    assert not metrics.record(point(9, 1))

    assert [one.value for one in metrics.points(series())] == [1, 2, 3]


def test_batches_of_one_transaction_do_not_mix(metrics: TimeseriesStore) -> None:
    assert [metrics.record_batch([point(1, number)]) for number in range(3)] == [1, 1, 1]
    assert metrics.record_batch([]) == 0


def test_batches_with_the_same_points_at_the_same_time_write_each_once(storage: Storage) -> None:
    points = [point(number, number) for number in range(200)]

    with ThreadPoolExecutor(4) as threads:
        written = list(threads.map(lambda turn: record(storage, *(points[::-1] if turn % 2 else points)), range(8)))

    assert sum(written) == 200


def test_a_tenant_sees_its_own_points_only(connection: Connection, metrics: TimeseriesStore) -> None:
    south = TimeseriesStore(connection, "south")
    metrics.record(point(1))
    assert south.record(point(2))
    assert south.record_batch([point(3, 1)]) == 1

    assert [one.value for one in metrics.points(series())] == [1]
    assert [one.count for one in south.rollups(series(), Resolution.DAY)] == [2]


def test_a_point_of_a_month_that_is_not_there_is_refused(storage: Storage) -> None:
    far = point(1, 400 * 86_400)
    for write in (TimeseriesStore.record, lambda store, one: store.record_batch([one, point(1)])):
        with pytest.raises(MetricMonthMissingError) as refusal, storage.transaction() as work:
            write(TimeseriesStore(work.connection, "north"), far)
        assert refusal.value.end == far.at
    with storage.transaction() as work:
        assert TimeseriesStore(work.connection, "north").points(series()) == ()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_no_point(value: float) -> None:
    with pytest.raises(ValidationError):
        point(value)


def test_few_points_are_given_as_they_are_and_many_as_rollups_as_fine_as_fits(metrics: TimeseriesStore) -> None:
    metrics.record_batch([point(number, 60 * number) for number in range(180)])

    def asked(most: int) -> tuple[Resolution | None, int, int]:
        answer = metrics.query(series(hours=3), most=most)
        return answer.resolution, len(answer.points), len(answer.rollups)

    assert asked(180) == (None, 180, 0)
    assert asked(179) == (Resolution.HOUR, 0, 3)
    assert asked(3) == (Resolution.HOUR, 0, 3)
    assert asked(2) == (Resolution.DAY, 0, 2)


def test_late_points_are_in_the_rollups_at_once_and_when_they_are_rolled_up(storage: Storage) -> None:
    record(storage, point(1, 10), point(3, 50))
    assert roll_up(storage) == 3
    (before,) = rollups(storage, Resolution.HOUR)
    record(storage, point(-5, 5), point(7, 59))

    at_once = {resolution: rollups(storage, resolution) for resolution in Resolution}
    roll_up(storage)

    assert at_once == {resolution: rollups(storage, resolution) for resolution in Resolution}
    (after,) = at_once[Resolution.HOUR]
    assert (before.count, before.sum, before.first_value, before.last_value) == (2, 4, 1, 3)
    assert (after.count, after.sum, after.first_value, after.last_value) == (4, 6, -5, 7)
    assert (after.minimum, after.maximum, after.mean) == (-5, 7, 1.5)
    assert roll_up(storage) == 0


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ((1e308, 1e308), LARGEST),
        ((-1e308, -1e308, 5.0), -LARGEST),
        ((1e308, -1e308, 3.0), 3.0),
        ((LARGEST,), LARGEST),
        ((1e290, 1e290), 2e290),
    ],
)
def test_values_whose_sum_no_number_can_hold_are_rolled_up_like_all_others(
    storage: Storage, values: tuple[float, ...], total: float
) -> None:
    record(storage, *(point(value, 40 * place) for place, value in enumerate(values)))
    at_once = {resolution: rollups(storage, resolution) for resolution in Resolution}

    roll_up(storage)

    assert at_once == {resolution: rollups(storage, resolution) for resolution in Resolution}
    (day,) = at_once[Resolution.DAY]
    assert (day.sum, day.count, day.minimum, day.maximum) == (total, len(values), min(values), max(values))
    assert day.quantile(1) == pytest.approx(max(values), rel=0.0101)


def test_points_that_come_while_others_are_rolled_up_are_not_forgotten(storage: Storage) -> None:
    def write(number: int) -> None:
        record(storage, point(number, number / 100))

    with ThreadPoolExecutor(4) as threads:
        written = [threads.submit(write, number) for number in range(60)]
        rolled = [threads.submit(roll_up, storage) for _ in range(6)]
        for finished in (*written, *rolled):
            finished.result()
    roll_up(storage)

    assert [(one.count, one.sum) for one in rollups(storage, Resolution.MINUTE)] == [(60, sum(range(60)))]
    assert [(one.count, one.sum) for one in rollups(storage, Resolution.DAY)] == [(60, sum(range(60)))]


OFFSETS = st.floats(0, 3 * 86_400, allow_nan=False)
VALUES = st.floats(-1e6, 1e6, allow_nan=False) | st.sampled_from([0.0, 1e-310, 1e300, -1e-5])
BATCHES = st.lists(
    st.lists(st.tuples(VALUES, OFFSETS, st.integers(0, 2) | st.none()), max_size=8), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES, rolled=st.lists(st.booleans(), min_size=4, max_size=4), resolution=st.sampled_from(Resolution))
def test_rollups_say_what_the_points_say(
    storage: Storage,
    batches: list[list[tuple[float, float, int | None]]],
    rolled: list[bool],
    resolution: Resolution,
) -> None:
    kept: dict[tuple[datetime, int | None], MetricPoint] = {}
    with as_owner(storage) as connection:
        nested = connection.begin_nested()
        metrics = TimeseriesStore(connection, "north")
        for batch, is_rolled in zip(batches, rolled, strict=False):
            points = [point(*drawn) for drawn in batch]
            metrics.record_batch(points)
            for one in points:
                kept.setdefault((one.at, one.step), one)
            if is_rolled:
                MetricMaintenance(connection).roll_up()
        found = metrics.rollups(series(), resolution)
        nested.rollback()

    buckets: dict[datetime, list[MetricPoint]] = {}
    for one in sorted(kept.values(), key=lambda one: (one.at, one.step is not None, one.step)):
        buckets.setdefault(resolution.floor(one.at), []).append(one)
    assert [one.bucket_at for one in found] == sorted(buckets)
    for rollup in found:
        assert_equal(rollup, buckets[rollup.bucket_at])


def assert_equal(rollup: Rollup, points: Sequence[MetricPoint]) -> None:
    values = [one.value for one in points]
    assert (rollup.count, rollup.minimum, rollup.maximum) == (len(values), min(values), max(values))
    assert (rollup.first_value, rollup.last_value) == (values[0], values[-1])
    assert (rollup.first_at, rollup.last_at) == (points[0].at, points[-1].at)
    assert rollup.sum == pytest.approx(math.fsum(values), rel=1e-9, abs=1e-6 + 1e-12 * max(map(abs, values)))
    for fraction in (0, 0.25, 0.5, 0.95, 1):
        exact = sorted(values)[math.floor(fraction * (len(values) - 1))]
        assert rollup.quantile(fraction) == pytest.approx(exact, rel=0.0101, abs=1e-299)


def test_months_are_made_once_and_points_of_dropped_ones_live_on_in_their_rollups(storage: Storage) -> None:
    record(storage, point(1), point(2, 3 * 86_400))
    policy = MetricRetention(points=30, minutes=30, hours=400, days=800)
    in_may = datetime(YEAR, 5, 20, tzinfo=UTC)

    with as_owner(storage) as connection:
        maintenance = MetricMaintenance(connection)
        assert maintenance.create_partitions(date(YEAR, 3, 1), date(YEAR, 4, 30)) == ()
        planned = maintenance.retain(policy, in_may, dry_run=True)
        assert {partition.name for partition in maintenance.partitions()} >= {one.name for one in planned.dropped}
        done = maintenance.retain(policy, in_may, dry_run=False)

    assert done.model_copy(update={"is_dry_run": True}) == planned
    assert f"metric_point_{YEAR}_03" in {one.name for one in done.dropped}
    assert f"metric_point_{YEAR}_04" not in {one.name for one in done.dropped}
    assert [one.value for one in _points(storage)] == [2]
    assert [one.sum for one in rollups(storage, Resolution.HOUR)] == [1, 2]
    with pytest.raises(MetricMonthMissingError):
        record(storage, point(5, 1))
    with pytest.raises(MetricMonthClosedError), as_owner(storage) as connection:
        MetricMaintenance(connection).create_partitions(date(YEAR, 3, 1), date(YEAR, 3, 1))


def _points(storage: Storage) -> tuple[MetricPoint, ...]:
    with storage.transaction() as work:
        return TimeseriesStore(work.connection, "north").points(series())


def test_what_is_coarser_is_kept_as_long_at_least() -> None:
    with pytest.raises(ValidationError):
        MetricRetention(points=90, minutes=89)


@pytest.mark.parametrize(
    "statement",
    [
        "update metric_point set value = 0",
        "delete from metric_point",
        "insert into metric_rollup select from metric_rollup",
        "select create_metric_partition('2040-01-01')",
        "drop table metric_point",
    ],
)
def test_the_application_adds_points_and_changes_none(connection: Connection, statement: str) -> None:
    with pytest.raises(ProgrammingError):
        connection.execute(text(statement))


def test_a_months_table_itself_shows_the_application_nothing(storage: Storage) -> None:
    record(storage, point(1))

    with storage.transaction() as work:
        work.connection.execute(text("select set_config('learning.tenant_id', 'north', true)"))
        found = work.connection.execute(text(f"select count(*) from metric_point_{YEAR}_03")).scalar_one()

    assert found == 0
