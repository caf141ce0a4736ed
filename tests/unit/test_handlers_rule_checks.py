"""Each declared rule, on rows that just keep it and on rows that just break it, however they are cut into chunks."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError

from handlers.dataset_profile import ColumnProfile, DatasetProfile
from handlers.dataset_rules import RuleFinding, Severity, check_profile
from handlers.rule_checks import check_rules_of
from handlers.validation_rules import RuleExample, RuleResult, ValidationRule, as_documents
from storage.errors import RecordNotFoundError

RULES = TypeAdapter(tuple[ValidationRule, ...])
COUNTRIES = uuid4()
TABLE = pa.table(
    {
        "id": [1, 2, 3, 4, 5, 5],
        "age": [17, 18, 19, None, 150, 151],
        "share": [0.5, math.nan, 1.0, None, 0.0, 0.25],
        "code": ["A1", "B22", "", None, "A1x", "é1"],
        "country": ["at", "de", None, "at", "fr", "xx"],
        "is_new": [True, False, True, True, None, True],
        "born": pa.array([dt.date(2000, 1, 1)] * 6),
        "empty": pa.nulls(6),
    }
)


def profile_of(table: pa.Table) -> DatasetProfile:
    columns = tuple(ColumnProfile(name=f.name, type=str(f.type), missing=0, distinct=2) for f in table.schema)
    return DatasetProfile(
        row_count=table.num_rows,
        duplicate_row_count=0,
        target="id",
        schema_hash="",
        columns=columns,
        class_counts={"a": 3, "b": 3},
        missing_target_count=0,
    )


def read_keys(dataset_version_id: UUID, column: str) -> Iterable[pa.Table]:
    if dataset_version_id != COUNTRIES:
        raise RecordNotFoundError(model="DatasetVersion", record_id=dataset_version_id)
    return [pa.table({column: ["at", "de"]}), pa.table({column: ["fr", None]})]


def ask(rule: dict[str, Any], *, chunk_rows: int = 6, may_quote: bool = True, table: pa.Table = TABLE) -> RuleResult:
    chunks = [table.slice(start, chunk_rows) for start in range(0, table.num_rows, chunk_rows)]
    (result,) = check_rules_of(
        RULES.validate_python((rule,)), profile_of(table), chunks, read_keys, may_quote=may_quote
    )
    return result


@pytest.mark.parametrize("chunk_rows", [1, 2, 6])
@pytest.mark.parametrize(
    ("rule", "checked", "failing"),
    [
        ({"kind": "range", "column": "age", "minimum": 17, "maximum": 151}, 5, []),
        ({"kind": "range", "column": "age", "minimum": 18}, 5, [0]),
        ({"kind": "range", "column": "age", "minimum": 18, "maximum": 150}, 5, [0, 5]),
        ({"kind": "range", "column": "share", "maximum": 0.5}, 4, [2]),
        ({"kind": "range", "column": "empty", "maximum": 0}, 0, []),
        ({"kind": "pattern", "column": "code", "pattern": "[A-B][0-9]+|.?1|"}, 5, [4]),
        ({"kind": "pattern", "column": "code", "pattern": "A1"}, 5, [1, 2, 4, 5]),
        ({"kind": "required", "column": "age"}, 6, [3]),
        ({"kind": "required", "column": "share", "maximum_missing_share": 0.2}, 6, [1, 3]),
        ({"kind": "one_of", "column": "country", "values": ["at", "de", "fr", "xx"]}, 5, []),
        ({"kind": "one_of", "column": "country", "values": ["at"]}, 5, [1, 4, 5]),
        ({"kind": "one_of", "column": "share", "values": [0, 0.5, 1]}, 4, [5]),
        ({"kind": "one_of", "column": "is_new", "values": [True]}, 5, [1]),
        ({"kind": "unique", "columns": ["id"]}, 6, [5]),
        ({"kind": "unique", "columns": ["id", "age"]}, 5, []),
        ({"kind": "unique", "columns": ["is_new"]}, 5, [2, 3, 5]),
        ({"kind": "foreign_key", "column": "country", "dataset_version_id": COUNTRIES, "references": "code"}, 5, [5]),
        ({"kind": "expression", "condition": "id > 0"}, 6, []),
        ({"kind": "expression", "condition": "age >= 18 and age <= 150"}, 6, [0, 3, 5]),
        ({"kind": "expression", "condition": 'date(born) < date("2001-01-01")'}, 6, []),
    ],
)
def test_a_rule_names_the_rows_that_break_it(
    rule: dict[str, Any], checked: int, failing: list[int], chunk_rows: int
) -> None:
    result = ask(rule, chunk_rows=chunk_rows)

    assert (result.checked, result.failed, result.reason) == (checked, len(failing), None)
    assert [example.row for example in result.examples] == failing
    assert result.passed is (not failing)


def test_a_share_of_missing_values_may_be_allowed() -> None:
    result = ask({"kind": "required", "column": "share", "maximum_missing_share": 0.34})

    assert (result.passed, result.failed) == (True, 2)


@pytest.mark.parametrize(("share", "passed"), [(0.2, True), (0.21, False)])
def test_every_class_needs_its_share(share: float, *, passed: bool) -> None:
    result = ask({"kind": "class_balance", "column": "is_new", "minimum_share": share}, chunk_rows=4)

    assert (result.passed, result.checked, result.failed) == (passed, 5, 0 if passed else 1)


@pytest.mark.parametrize(
    ("column", "datatype", "passed"),
    [
        ("id", "integer", True),
        ("id", "number", True),
        ("share", "number", True),
        ("share", "integer", False),
        ("code", "text", True),
        ("id", "text", False),
        ("is_new", "boolean", True),
        ("born", "time", True),
        ("empty", "time", True),
    ],
)
def test_a_type_is_asked_of_the_column(column: str, datatype: str, *, passed: bool) -> None:
    assert ask({"kind": "type", "column": column, "type": datatype}).passed is passed


@pytest.mark.parametrize(
    ("condition", "passed"),
    [
        ("row_count = 6 and columns.age.missing = 0", True),
        ("row_count > 6", False),
        ("columns.nothing.missing > 1", False),
        ("class_counts.a = 3", True),
    ],
)
def test_a_condition_may_be_asked_of_the_statistics(condition: str, *, passed: bool) -> None:
    result = ask({"kind": "expression", "condition": condition, "of": "statistics"})

    assert (result.passed, result.reason is None) == (passed, passed)


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "range", "column": "absent", "minimum": 0},
        {"kind": "range", "column": "code", "minimum": 0},
        {"kind": "pattern", "column": "age", "pattern": "1"},
        {"kind": "unique", "columns": ["id", "absent"]},
        {"kind": "foreign_key", "column": "country", "dataset_version_id": uuid4(), "references": "code"},
    ],
)
def test_a_rule_that_cannot_be_asked_is_broken_and_says_why(rule: dict[str, Any]) -> None:
    result = ask(rule)

    assert (result.passed, result.checked, result.failed, result.reason is None) == (False, 0, 0, False)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("nobody > 1", "null"),
        ("1 + 1", "number, not boolean"),
        ("count(for x in 1..1000, y in 1..1000 return x) > 0", "steps"),
    ],
)
def test_a_condition_that_no_row_could_keep_says_why(condition: str, said: str) -> None:
    result = ask({"kind": "expression", "condition": condition})

    assert result.passed is False
    assert said in str(result.reason)


def test_a_condition_that_costs_too_much_is_not_asked_of_every_row() -> None:
    condition = "every x in 1..100000 satisfies x > 0"  # true, and 100,000 steps

    result = ask({"kind": "expression", "condition": condition}, table=pa.table({"id": range(100)}), chunk_rows=50)

    assert (result.passed, result.reason is None) == (False, False)


def test_values_are_quoted_only_where_the_dataset_may_be() -> None:
    rule = {"kind": "range", "column": "age", "minimum": 18, "name": "adults"}

    assert ask(rule).examples == (RuleExample(row=0, value="17"),)
    assert ask(rule, may_quote=False).examples == (RuleExample(row=0),)


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "range", "column": "age"},
        {"kind": "pattern", "column": "code", "pattern": "(?=look ahead)"},
        {"kind": "pattern", "column": "code", "pattern": r"(a)\1"},
        {"kind": "pattern", "column": "code", "pattern": "A1)|(?:B2"},
        {"kind": "expression", "condition": "__import__('os')"},
        {"kind": "expression", "condition": "age >"},
        {"kind": "unknown", "column": "age"},
        {"kind": "required", "column": "age", "unknown": 1},
        {"kind": "class_balance", "column": "age", "minimum_share": 2},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_the_registration(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RULES.validate_python((rule,))


def test_rules_are_stored_as_they_were_declared() -> None:
    rules = RULES.validate_python(({"kind": "required", "column": "age"}, {"kind": "unique", "columns": ["id"]}))

    assert RULES.validate_python(as_documents(rules)) == rules


def test_a_broken_rule_is_a_finding_of_its_severity() -> None:
    rule = {"kind": "range", "column": "age", "minimum": 18, "name": "adults", "severity": "warning"}
    profile = profile_of(pa.table({"id": [1] * 12})).model_copy(update={"rule_results": (ask(rule),), "columns": ()})

    assert RuleFinding(
        code="DATASET_RULE_BROKEN",
        severity=Severity.WARNING,
        message="The rule 'adults' does not hold for 1 of 5 rows, the first being row 0 ('17').",
        hint="Mend the rows, or register the data with another rule.",
    ) in check_profile(profile)
