"""Filters, order, pages, projection and count, against the same questions asked of plain Python objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from database_owner import as_owner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue
from sqlalchemy import text

from storage import SecurityContext, Storage, UnifiedCRUD
from storage.errors import CursorInvalidError, FilterInvalidError, RecordNumberError, RecordTextError, UnknownFieldError
from storage.filters import NEWEST_FIRST, Condition, Operator, Order, write_cursor
from storage.identifiers import new_id
from storage.models import ComputeProfile, Dataset, Experiment, ExperimentStatus, RoleType

ADA = SecurityContext(user_id="ada", tenant_id="north", roles=frozenset({RoleType.MEMBER}))
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
VERSIONS = [new_id() for _ in range(3)]
HOSTILE = [
    "'; drop table document; --",
    "' or '1'='1",
    "name' or true --",
    "%(tenant)s",
    "%s",
    "{a,b}",
    '{"a"}',
    "$1",
    "\\",
    ":name",
]


def experiment(number: int) -> Experiment:
    return Experiment(
        tenant_id="north",
        task_name=["tabular", "forecast", "tabular classification"][number % 3],
        model_name=f"model {number % 4}",
        dataset_version_id=VERSIONS[number % 3],
        config={"epochs": number % 5, "tags": ["a", "b"][: number % 3], "note": None if number % 2 else "noted"},
        compute_profile=ComputeProfile.CPU,
        owner="ada",
        status=list(ExperimentStatus)[number % 5],
        metrics_summary={"accuracy": (number % 7) / 10} if number % 6 else {},
        failure="lost" if number % 4 == 0 else None,
        created_at=BEGIN + timedelta(hours=number),
    )


EXPERIMENTS = [experiment(number) for number in range(40)]


@pytest.fixture(name="records")
def experiments(storage: Storage) -> Iterator[UnifiedCRUD[Experiment]]:
    with storage.transaction() as work:
        crud = work.get_crud(Experiment)
        crud.bulk_create(EXPERIMENTS, context=ADA)
        yield crud


def field(record: Experiment, path: str) -> Any:
    first, *rest = path.split(".")
    value = getattr(record, first)
    for name in rest:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def same_kind(value: Any, operand: Any) -> bool:
    numbers = (int, float)
    return (isinstance(value, numbers) and isinstance(operand, numbers)) or type(value) is type(operand)


ON_PAPER: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: lambda value, operand: value == operand,
    Operator.NE: lambda value, operand: value != operand,
    Operator.LT: lambda value, operand: same_kind(value, operand) and value < operand,
    Operator.LE: lambda value, operand: same_kind(value, operand) and value <= operand,
    Operator.GT: lambda value, operand: same_kind(value, operand) and value > operand,
    Operator.GE: lambda value, operand: same_kind(value, operand) and value >= operand,
    Operator.IN: lambda value, operand: value in operand,
    Operator.CONTAINS: lambda value, operand: value is not None and operand in value,
    Operator.PREFIX: lambda value, operand: isinstance(value, str) and value.startswith(operand),
    Operator.IS_NULL: lambda value, operand: (value is None) is operand,
}
ORDERED = [Operator.LT, Operator.LE, Operator.GT, Operator.GE]
EQUAL = [Operator.EQ, Operator.NE]


def condition(
    fields: list[str], operators: list[Operator], values: st.SearchStrategy[Any]
) -> st.SearchStrategy[Condition]:
    return st.builds(Condition, st.sampled_from(fields), st.sampled_from(operators), values)


NAMES = st.sampled_from(["model 1", "model 9", "tabular", "lost", ""])
NUMBERS = st.sampled_from([0, 1, 0.3, 0.6, 4, -1])
MOMENTS = st.sampled_from([BEGIN, BEGIN + timedelta(hours=7), BEGIN + timedelta(minutes=90)])
CONDITIONS = st.one_of(
    condition(["model_name", "task_name", "failure"], [*EQUAL, *ORDERED, Operator.PREFIX, Operator.CONTAINS], NAMES),
    condition(["metrics_summary.accuracy", "config.epochs"], [*EQUAL, *ORDERED], NUMBERS),
    condition(["status"], EQUAL, st.sampled_from(ExperimentStatus)),
    condition(["status", "model_name"], [Operator.IN], st.lists(st.sampled_from(["running", "failed", "model 2"]))),
    condition(["config.epochs"], [Operator.IN], st.lists(st.sampled_from([0, 3, 9]))),
    condition(["dataset_version_id"], EQUAL, st.sampled_from(VERSIONS)),
    condition(["dataset_version_id"], [Operator.IN], st.lists(st.sampled_from(VERSIONS))),
    condition(["created_at"], [*EQUAL, *ORDERED], MOMENTS),
    condition(["config.tags"], [Operator.CONTAINS], st.sampled_from(["a", "b", "c"])),
    condition(["config.tags"], EQUAL, st.sampled_from([[], ["a"], ["a", "b"]])),
    condition(["failure", "config.note", "metrics_summary.accuracy", "model_name"], [Operator.IS_NULL], st.booleans()),
)
SORTABLE = ["model_name", "status", "metrics_summary.accuracy", "created_at"]
ORDERS = st.lists(
    st.builds(
        Order, st.sampled_from(["model_name", "status", "metrics_summary.accuracy", "created_at"]), st.booleans()
    ),
    max_size=2,
    unique_by=lambda order: order.field,
)


def fits(record: Experiment, conditions: list[Condition]) -> bool:
    return all(ON_PAPER[each.operator](field(record, each.field), each.value) for each in conditions)


def on_paper(conditions: list[Condition], order: list[Order]) -> list[Experiment]:
    found = [record for record in EXPERIMENTS if fits(record, conditions)]
    descending = order[-1].is_descending if order else True
    found.sort(key=lambda record: record.id, reverse=descending)
    for each in reversed(order):
        found.sort(
            key=lambda record: (
                (field(record, each.field) is not None, field(record, each.field) or 0)
                if each.field != "model_name"
                else (True, field(record, each.field))
            ),
            reverse=each.is_descending,
        )
    return found


def test_questions_are_answered_as_plain_python_answers_them(records: UnifiedCRUD[Experiment]) -> None:
    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(conditions=st.lists(CONDITIONS, max_size=3), order=ORDERS, page_size=st.sampled_from([1, 3, 100]))
    def check(conditions: list[Condition], order: list[Order], page_size: int) -> None:
        expected = on_paper(conditions, order)

        pages, cursor = list[Experiment](), None
        while True:
            page = records.page(conditions, limit=page_size, order=order, cursor=cursor, context=ADA)
            pages += page.records
            cursor = page.next_cursor
            if cursor is None:
                break

        assert pages == expected
        assert records.count(conditions, context=ADA) == len(expected)
        names = records.project(["model_name", "config.epochs"], conditions, order=order, context=ADA)
        assert names == [{"model_name": each.model_name, "config.epochs": each.config["epochs"]} for each in expected]

    check()


def test_pages_neither_repeat_nor_leave_out_records_while_others_come(records: UnifiedCRUD[Experiment]) -> None:
    first = records.page({}, limit=15, context=ADA)
    records.create(experiment(99), context=ADA)
    second = records.page({}, limit=100, cursor=first.next_cursor, context=ADA)

    assert [*first.records, *second.records] == EXPERIMENTS[::-1]
    assert second.next_cursor is None


@pytest.mark.parametrize("value", HOSTILE)
def test_sql_in_paths_values_and_cursors_is_only_text(records: UnifiedCRUD[Experiment], value: str) -> None:
    order = [Order(f"config.{value}"), Order("id")]
    forged = write_cursor("Experiment", order, [value, str(EXPERIMENTS[0].id)])
    for operator in (Operator.EQ, Operator.LT, Operator.CONTAINS, Operator.PREFIX):
        assert records.query([Condition(f"config.{value}", operator, value)], context=ADA) == []
        assert records.query([Condition("model_name", operator, value)], context=ADA) in ([], EXPERIMENTS[::-1])
    assert records.query([Condition("task_name", Operator.IN, [value])], context=ADA) == []
    assert records.page({}, order=order, cursor=forged, context=ADA).records == ()
    assert len(records.project([f"config.{value}"], {}, context=ADA)) == len(EXPERIMENTS)
    for hostile in (lambda: records.count({value: 1}, context=ADA), lambda: records.project([value], {}, context=ADA)):
        with pytest.raises(UnknownFieldError):
            hostile()
    assert records.count({}, context=ADA) == len(EXPERIMENTS)


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (Condition("id", Operator.EQ, "not an id"), FilterInvalidError),
        (Condition("revision", Operator.EQ, "1"), FilterInvalidError),
        (Condition("revision", Operator.GT, 2**40), FilterInvalidError),
        (Condition("model_name", Operator.EQ, 1), FilterInvalidError),
        (Condition("created_at", Operator.LT, datetime(2026, 3, 1)), FilterInvalidError),  # noqa: DTZ001 - its fault
        (Condition("created_at", Operator.LT, "yesterday"), FilterInvalidError),
        (Condition("failure", Operator.LT, BEGIN), FilterInvalidError),
        (Condition("failure", Operator.LT, None), FilterInvalidError),
        (Condition("failure", Operator.GT, True), FilterInvalidError),
        (Condition("failure", Operator.EQ, 1), FilterInvalidError),
        (Condition("failure", Operator.IN, ["lost", 1]), FilterInvalidError),
        (Condition("process_instance_id", Operator.EQ, "not an id"), FilterInvalidError),
        (Condition("process_instance_id", Operator.EQ, 1), FilterInvalidError),
        (Condition("config.tags", Operator.GE, ["a"]), FilterInvalidError),
        (Condition("failure", Operator.IN, "lost"), FilterInvalidError),
        (Condition("failure", Operator.PREFIX, 1), FilterInvalidError),
        (Condition("failure", Operator.IS_NULL, "yes"), FilterInvalidError),
        (Condition("failure", Operator.EQ, float("nan")), RecordNumberError),
        (Condition("model_name", Operator.EQ, "a\0b"), RecordTextError),
        (Condition("failure", Operator.CONTAINS, "\ud800"), RecordTextError),
        (Condition("id.x", Operator.EQ, 1), UnknownFieldError),
        (Condition("", Operator.EQ, 1), UnknownFieldError),
        (Condition("body", Operator.EQ, 1), UnknownFieldError),
    ],
    ids=lambda value: f"{value.field}-{value.operator}" if isinstance(value, Condition) else value.__name__,
)
def test_a_condition_that_cannot_hold_is_refused_and_not_guessed(
    records: UnifiedCRUD[Experiment], wanted: Condition, error: type[Exception]
) -> None:
    with pytest.raises(error):
        records.query([wanted], context=ADA)

    assert records.count({}, context=ADA) == len(EXPERIMENTS)


def test_a_path_with_a_character_that_the_database_cannot_hold_is_refused(records: UnifiedCRUD[Experiment]) -> None:
    with pytest.raises(RecordTextError):
        records.query([Condition("config.a\0b", Operator.EQ, 1)], context=ADA)


def test_a_filter_of_endless_conditions_is_refused(records: UnifiedCRUD[Experiment]) -> None:
    with pytest.raises(FilterInvalidError):
        records.query([Condition("revision", Operator.EQ, 1)] * 51, context=ADA)


@pytest.mark.parametrize("cursor", ["", "x", "e30", "bnVsbA", "\ud800", "W" * 10_000, write_cursor("Dataset", (), [])])
def test_a_cursor_of_another_making_is_refused(records: UnifiedCRUD[Experiment], cursor: str) -> None:
    with pytest.raises(CursorInvalidError):
        records.page({}, cursor=cursor, context=ADA)


@pytest.mark.parametrize("values", [["not an id"], [None], [1], [], [{}]])
def test_a_cursor_with_another_value_in_it_is_refused(records: UnifiedCRUD[Experiment], values: list[Any]) -> None:
    cursor = write_cursor("Experiment", [Order("id", is_descending=True)], values)

    with pytest.raises(CursorInvalidError):
        records.page({}, cursor=cursor, context=ADA)


@pytest.mark.parametrize("order", [(), (Order("framework"),), (Order("model_name", is_descending=True),)], ids=str)
def test_a_cursor_is_of_no_use_for_another_order(records: UnifiedCRUD[Experiment], order: tuple[Order, ...]) -> None:
    cursor = records.page({}, limit=1, order=[Order("model_name")], context=ADA).next_cursor

    with pytest.raises(CursorInvalidError):
        records.page({}, order=order or NEWEST_FIRST, cursor=cursor, context=ADA)


def test_a_cursor_is_of_no_use_for_another_model(records: UnifiedCRUD[Experiment]) -> None:
    values = [str(EXPERIMENTS[0].id)]

    assert records.page({}, cursor=write_cursor("Experiment", NEWEST_FIRST, values), context=ADA)
    with pytest.raises(CursorInvalidError):
        records.page({}, cursor=write_cursor("Dataset", NEWEST_FIRST, values), context=ADA)


def test_frequent_questions_are_answered_from_an_index_below_row_level_security(storage: Storage) -> None:
    with storage.transaction() as work:
        datasets = (Dataset(tenant_id="north", name=f"d{n}", source_uri="file:///d.csv") for n in range(2_000))
        work.get_crud(Dataset).bulk_create(tuple(datasets), context=ADA)
    with as_owner(storage) as connection:
        connection.execute(text("analyze document"))
        connection.execute(text("set local role ami_application"))
        connection.execute(text("select set_config('learning.tenant_id', 'north', true)"))
        question = "explain select body from document where model = 'Dataset' and tenant_id = 'north'"
        plan = connection.execute(text(f"{question} and deleted_at is null and name = 'd7'")).scalars().all()

    assert "Index Scan using document_by_name on document" in "".join(plan)


NESTED = {
    "rows": [{"loss": 0.5}, "seven", [1, 2]],
    "0": "by name",
    "a": {"b": {"c": {"d": {"e": "deep"}}}},
    "": {"": 1},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("rows.0.loss", 0.5),
        ("rows.1", "seven"),
        ("rows.-1.1", 2),
        ("rows.+1", "seven"),
        ("rows. 1", "seven"),
        ("rows.loss", None),
        ("rows.1.0", None),
        ("0", "by name"),
        ("a.b.c", {"d": {"e": "deep"}}),
        ("a.b.c.d.e", "deep"),
        ("a.b.c.d.e.f", None),
        (".", 1),
        ("", {"": 1}),
        (".".join(["a"] * 20_000), None),
    ],
)
def test_a_path_leads_into_objects_by_name_and_into_lists_by_position(
    storage: Storage, path: str, value: JsonValue
) -> None:
    with storage.transaction() as work:
        crud = work.get_crud(Experiment)
        crud.create(experiment(0).model_copy(update={"config": NESTED}), context=ADA)

        assert crud.project([f"config.{path}"], {}, context=ADA) == [{f"config.{path}": value}]
        assert crud.count([Condition(f"config.{path}", Operator.EQ, value)], context=ADA) == 1


def test_json_nested_more_deeply_than_pydantic_reads_comes_back_as_it_went(storage: Storage) -> None:
    config: dict[str, JsonValue] = {"end": True}
    for _ in range(240):
        config = {"in": config}
    with storage.transaction() as work:
        crud = work.get_crud(Experiment)
        created = crud.create(experiment(0).model_copy(update={"config": config}), context=ADA)

        assert crud.read(created.id, context=ADA).config == config
