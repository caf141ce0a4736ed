"""Fields that are kept as text and are more than text: times, ids and numbers are compared as what they are."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from storage import SecurityContext, Storage, UnifiedCRUD
from storage.errors import FilterInvalidError, RecordNumberError, RecordTextError
from storage.filters import Condition, Operator, Order
from storage.identifiers import new_id
from storage.models import Dataset, DatasetVersion, RoleType, RunStage, TrainingRun

ADA = SecurityContext(user_id="ada", tenant_id="north", roles=frozenset({RoleType.MEMBER}))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON_ELSEWHERE = NOON.astimezone(timezone(timedelta(hours=2)))
STARTS = [None, NOON - timedelta(microseconds=1), NOON, NOON + timedelta(milliseconds=500), NOON + timedelta(seconds=1)]


def dataset_version(**facts: Any) -> DatasetVersion:
    whole = {"tenant_id": "north", "dataset_id": new_id(), "version": 1, "target": "kind", "checksum": "", **facts}
    return DatasetVersion(storage_location="", file_format="csv", size_bytes=1, **whole)


@pytest.fixture(name="runs")
def training_runs(storage: Storage) -> Iterator[UnifiedCRUD[TrainingRun]]:
    """Runs that began at `STARTS`, made in another order."""
    with storage.transaction() as work:
        crud = work.get_crud(TrainingRun)
        for start in STARTS[::-1]:
            run = TrainingRun(
                tenant_id="north",
                experiment_id=new_id(),
                stage=RunStage.TRAIN,
                start_time=start,
                duration_seconds=1.0,
                exit_code=0,
            )
            crud.create(run, context=ADA)
        yield crud


@pytest.mark.parametrize("is_descending", [False, True])
@pytest.mark.parametrize("page_size", [1, 2, 100])
def test_records_are_ordered_by_a_time_and_not_by_its_text(
    runs: UnifiedCRUD[TrainingRun], page_size: int, *, is_descending: bool
) -> None:
    found, cursor = list[datetime | None](), None
    while True:
        order = [Order("start_time", is_descending=is_descending)]
        page = runs.page({}, limit=page_size, order=order, cursor=cursor, context=ADA)
        found += [run.start_time for run in page.records]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert found == (STARTS[::-1] if is_descending else STARTS)


@pytest.mark.parametrize("moment", [NOON, NOON_ELSEWHERE, NOON_ELSEWHERE.isoformat(), "2026-03-01T12:00:00Z"])
@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (Operator.EQ, STARTS[2:3]),
        (Operator.NE, [*STARTS[:2], *STARTS[3:]]),
        (Operator.LT, STARTS[1:2]),
        (Operator.LE, STARTS[1:3]),
        (Operator.GT, STARTS[3:]),
        (Operator.GE, STARTS[2:]),
    ],
)
def test_a_time_is_the_same_moment_however_it_is_written(
    runs: UnifiedCRUD[TrainingRun], operator: Operator, moment: datetime | str, expected: list[datetime | None]
) -> None:
    found = runs.query([Condition("start_time", operator, moment)], order=[Order("start_time")], context=ADA)

    assert [run.start_time for run in found] == expected


@pytest.mark.parametrize(
    "wanted",
    [
        Condition("start_time", Operator.EQ, datetime(2026, 3, 1, 12)),  # noqa: DTZ001 - its fault
        Condition("start_time", Operator.GT, "2026-03-01T12:00:00"),
        Condition("start_time", Operator.LT, 5),
        Condition("exit_code", Operator.EQ, "0"),
        Condition("exit_code", Operator.GT, "0"),
        Condition("exit_code", Operator.EQ, True),
        Condition("duration_seconds", Operator.IN, [1.0, "1"]),
        Condition("logs_uri", Operator.EQ, 1),
    ],
    ids=lambda wanted: f"{wanted.field}-{wanted.operator}-{wanted.value}",
)
def test_a_value_that_the_field_can_never_have_is_refused(runs: UnifiedCRUD[TrainingRun], wanted: Condition) -> None:
    with pytest.raises(FilterInvalidError):
        runs.query([wanted], context=ADA)


def test_a_time_is_shown_as_it_is_stored_whatever_the_order(runs: UnifiedCRUD[TrainingRun]) -> None:
    (shown,) = runs.project(["start_time"], {"start_time": NOON}, order=[Order("start_time")], context=ADA)

    assert shown == {"start_time": "2026-03-01T12:00:00Z"}


def test_a_new_record_begins_at_its_first_revision_whatever_its_payload_says(storage: Storage) -> None:
    payload = Dataset(tenant_id="north", name="iris", source_uri="file:///iris.csv", revision=7)

    with storage.transaction() as work:
        crud = work.get_crud(Dataset)
        created = crud.create(payload, context=ADA)

        assert created == crud.read(payload.id, context=ADA)
        assert crud.update(created, {"name": "flowers"}, context=ADA).revision == created.revision + 1


@pytest.mark.parametrize("value", [1e308, 1e23, -1e16, 0.1])
def test_a_fraction_is_read_as_it_was_written(storage: Storage, value: float) -> None:
    version = dataset_version(feature_stats={"mean": value})
    with storage.transaction() as work:
        crud = work.get_crud(DatasetVersion)
        created = crud.create(version, context=ADA)
        read = crud.read(version.id, context=ADA)

    assert read == created
    assert type(read.feature_stats["mean"]) is float


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1])
def test_a_number_that_no_column_holds_is_named(storage: Storage, number: int) -> None:
    with storage.transaction() as work, pytest.raises(RecordNumberError) as error:
        work.get_crud(DatasetVersion).create(dataset_version(version=number), context=ADA)
    assert error.value.field == "version"


def test_a_name_that_no_index_holds_is_named(storage: Storage) -> None:
    payload = Dataset(tenant_id="north", name=secrets.token_hex(2_000), source_uri="file:///iris.csv")

    with storage.transaction() as work, pytest.raises(RecordTextError) as error:
        work.get_crud(Dataset).create(payload, context=ADA)
    assert error.value.field == "name"


def test_a_filter_of_endless_choices_is_refused(runs: UnifiedCRUD[TrainingRun]) -> None:
    with pytest.raises(FilterInvalidError):
        runs.query([Condition("logs_uri", Operator.IN, ["x"] * 1_001)], context=ADA)


def test_a_limit_beyond_all_numbers_of_the_database_is_no_limit(runs: UnifiedCRUD[TrainingRun]) -> None:
    assert len(runs.query({}, limit=2**70, context=ADA)) == len(STARTS)
