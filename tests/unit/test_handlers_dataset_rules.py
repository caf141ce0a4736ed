"""Each validation rule, on a dataset that just keeps it and on one that just breaks it."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.dataset_profile import ColumnProfile, DatasetProfile
from handlers.dataset_rules import Severity, check_profile

GOOD = DatasetProfile(
    row_count=100,
    duplicate_row_count=0,
    target="kind",
    schema_hash="0" * 64,
    columns=(
        ColumnProfile(name="size", type="int64", missing=0, distinct=7),
        ColumnProfile(name="kind", type="string", missing=0, distinct=2),
    ),
    class_counts={"large": 60, "small": 40},
    missing_target_count=0,
)
ERROR, WARNING = Severity.ERROR, Severity.WARNING


def feature(*, missing: int = 0, distinct: int = 7) -> dict[str, Any]:
    size = ColumnProfile(name="size", type="int64", missing=missing, distinct=distinct)
    return {"columns": (size, GOOD.columns[1])}


def found(**changes: Any) -> list[tuple[str, Severity]]:
    findings = check_profile(GOOD.model_copy(update=changes))
    assert all(finding.message and finding.hint for finding in findings)
    return [(finding.code, finding.severity) for finding in findings]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="good"),
        pytest.param({"row_count": 10, "class_counts": {"large": 6, "small": 4}}, id="ten rows"),
        pytest.param({"class_counts": {f"class {number}": 2 for number in range(50)}}, id="two rows each"),
        pytest.param(
            {"row_count": 200, "class_counts": {f"class {number}": 2 for number in range(100)}}, id="a hundred classes"
        ),
        pytest.param({"row_count": 105, "class_counts": {"large": 100, "small": 5}}, id="one to twenty"),
        pytest.param(feature(missing=50), id="half of a column missing"),
        pytest.param(feature(distinct=2), id="two values"),
    ],
)
def test_a_dataset_that_keeps_every_rule_has_no_findings(changes: dict[str, Any]) -> None:
    assert found(**changes) == []


@pytest.mark.parametrize(
    ("changes", "code", "severity"),
    [
        ({"row_count": 9, "class_counts": {"large": 5, "small": 4}}, "DATASET_TOO_FEW_ROWS", ERROR),
        ({"missing_target_count": 1}, "DATASET_TARGET_MISSING_VALUES", ERROR),
        ({"class_counts": {"large": 100}}, "DATASET_SINGLE_CLASS", ERROR),
        ({"class_counts": {f"class {number}": 2 for number in range(51)}}, "DATASET_TOO_MANY_CLASSES", ERROR),
        (
            {"row_count": 1_000, "class_counts": {f"class {number}": 9 for number in range(101)}},
            "DATASET_TOO_MANY_CLASSES",
            ERROR,
        ),
        ({"class_counts": {"large": 99, "small": 1}}, "DATASET_CLASS_TOO_SMALL", ERROR),
        ({"class_counts": {"large": 96, "small": 4}}, "DATASET_IMBALANCED", WARNING),
        (feature(distinct=1), "DATASET_NO_FEATURES", ERROR),
        (feature(distinct=0), "DATASET_NO_FEATURES", ERROR),
        ({"columns": GOOD.columns[1:]}, "DATASET_NO_FEATURES", ERROR),
        (feature(missing=51), "DATASET_SPARSE_COLUMNS", WARNING),
        ({"duplicate_row_count": 1}, "DATASET_DUPLICATE_ROWS", WARNING),
    ],
)
def test_a_dataset_that_breaks_one_rule_has_its_finding_alone(
    changes: dict[str, Any], code: str, severity: Severity
) -> None:
    assert found(**changes) == [(code, severity)]


def test_every_rule_that_is_broken_is_named() -> None:
    codes = found(row_count=3, class_counts={"a": 1}, missing_target_count=2, columns=(), duplicate_row_count=1)

    assert codes == [
        ("DATASET_TOO_FEW_ROWS", ERROR),
        ("DATASET_TARGET_MISSING_VALUES", ERROR),
        ("DATASET_SINGLE_CLASS", ERROR),
        ("DATASET_NO_FEATURES", ERROR),
        ("DATASET_DUPLICATE_ROWS", WARNING),
    ]


def test_a_target_without_any_label_is_refused() -> None:
    assert found(class_counts={}, missing_target_count=100) == [("DATASET_TARGET_MISSING_VALUES", ERROR)]
