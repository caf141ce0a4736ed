"""Profiles of small tables of every kind of column."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from domain_sdk.errors import TargetUnusableError
from handlers.dataset_profile import ColumnProfile, DatasetProfile, Obstacle, profile_dataset
from storage.datasets.ingestion import ColumnDescription, ColumnSketches, ContentDescription
from storage.datasets.scanning import scan
from storage.datasets.sketches.column import ColumnSketchDocument

LABELS = ["a", "b", "a", "b"]
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def profile_table(table: pa.Table, target: str) -> DatasetProfile:
    scanned = scan(table.schema, table.to_batches())
    content = ContentDescription(
        digest=scanned.digest,
        row_count=scanned.row_count,
        repeated_row_count=scanned.repeated_rows,
        columns=tuple(ColumnDescription(name=field.name, type=str(field.type)) for field in table.schema),
        file_format="arrow",
        source_sha256="0" * 64,
        source_size_bytes=0,
    )
    sketches = [ColumnSketchDocument.of(name, sketch) for name, sketch in scanned.columns.items()]

    def read_chunks(columns: Sequence[str] | None) -> Iterator[pa.Table]:
        yield table if columns is None else table.select(columns)

    return profile_dataset(content, ColumnSketches(columns=tuple(sketches)), read_chunks, target)


def column_profile(values: Any) -> ColumnProfile:
    return profile_table(pa.table({"value": values, "label": LABELS}), "label").columns[0]


def test_a_table_is_described_whole() -> None:
    table = pa.table({"size": [1, 3, None, None], "label": ["b", "b", None, None]})

    assert profile_table(table, "label") == DatasetProfile(
        row_count=4,
        duplicate_row_count=1,
        target="label",
        schema_hash="dd839a5335578e99eb77cf93aa265fd8e2005ed8e63401417cefa0c1f6530296",
        columns=(
            ColumnProfile(
                name="size",
                type="int64",
                missing=2,
                distinct=2,
                minimum=1.0,
                maximum=3.0,
                mean=2.0,
                standard_deviation=1.0,
                quantiles=(1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0),
            ),
            ColumnProfile(name="label", type="string", missing=2, distinct=1),
        ),
        class_counts={"b": 2},
        missing_target_count=2,
        obstacle=Obstacle(
            code="TARGET_UNUSABLE",
            message="Column 'label' cannot be the target: 2 rows have no label.",
            hint="Choose a column of whole numbers, text or booleans with a known class in every row.",
        ),
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(
            pa.array([1.0, math.nan, None, 3.0]),
            {"missing": 2, "distinct": 2, "minimum": 1.0, "maximum": 3.0, "mean": 2.0, "standard_deviation": 1.0},
            id="NaN is missing",
        ),
        pytest.param(
            pa.array([1.0, math.inf, -math.inf, 3.0]),
            {"distinct": 4, "minimum": 1.0, "maximum": 3.0, "mean": 2.0, "standard_deviation": 1.0},
            id="infinities are values, and not counted in",
        ),
        pytest.param(pa.array([math.inf] * 4), {"distinct": 1}, id="infinities alone"),
        pytest.param(pa.array([math.nan] * 4), {"missing": 4}, id="NaN alone"),
        pytest.param(
            pa.array([math.nan, None, 1.0, 1.0], pa.float16()),
            {"missing": 2, "distinct": 1} | {"minimum": 1.0, "maximum": 1.0, "mean": 1.0, "standard_deviation": 0.0},
            id="half precision",
        ),
        pytest.param(
            pa.array([1.7e308] * 4),
            {"distinct": 1, "minimum": 1.7e308, "maximum": 1.7e308},
            id="a sum beyond the largest number",
        ),
        pytest.param(
            pa.array([2**60] * 4),
            {"distinct": 1, "minimum": 2.0**60, "maximum": 2.0**60, "mean": 2.0**60, "standard_deviation": 0.0},
            id="whole numbers beyond 53 bits",
        ),
        pytest.param(
            pa.array([2**64 - 1] * 4, pa.uint64()),
            {"distinct": 1, "minimum": 2.0**64, "maximum": 2.0**64, "mean": 2.0**64, "standard_deviation": 0.0},
            id="the largest unsigned number",
        ),
        pytest.param(pa.nulls(4), {"missing": 4}, id="nothing at all"),
        pytest.param(pa.array(["x", "", None, "x"]), {"missing": 1, "distinct": 2}, id="text"),
        pytest.param(
            pa.array(["x", None, "y", "x"]).dictionary_encode(), {"missing": 1, "distinct": 2}, id="dictionary"
        ),
        pytest.param(pa.array([True, False, None, True]), {"missing": 1, "distinct": 2}, id="booleans"),
        pytest.param(pa.array([NOON, None, NOON, NOON]), {"missing": 1, "distinct": 1}, id="timestamps"),
        pytest.param(pa.array([NOON.date()] * 4), {"distinct": 1}, id="dates"),
        pytest.param(
            pa.array([Decimal("0.5"), None, Decimal(2), Decimal("0.5")]),
            {"missing": 1, "distinct": 2, "minimum": 0.5, "maximum": 2.0, "mean": 1.0, "standard_deviation": 0.5**0.5},
            id="decimals",
        ),
        pytest.param(pa.array([[1], [1], [2], None]), {"missing": 1, "distinct": 2}, id="lists"),
        pytest.param(pa.array([{"x": 1}, {"x": 1}, {"x": None}, None]), {"missing": 1, "distinct": 2}, id="records"),
        pytest.param(pa.array([b"\xff", b"\xff", b"", None]), {"missing": 1, "distinct": 2}, id="bytes"),
    ],
)
def test_a_column_of_any_type_is_measured(values: Any, expected: dict[str, Any]) -> None:
    facts = {"name": "value", "type": str(values.type), "missing": 0, "distinct": 0, **expected}

    profile = column_profile(values)

    assert profile.model_copy(update={"quantiles": ()}) == ColumnProfile(**facts)
    json.dumps(profile.model_dump(mode="json"), allow_nan=False)


@pytest.mark.parametrize(
    ("values", "duplicates"),
    [([1, 2, 3, 4], 0), ([1, 2, 1, 2], 2), ([1, 1, 1, 1], 2), ([None, None, None, 1], 1), ([[1], [2], [1], [3]], 1)],
)
def test_rows_that_repeat_an_earlier_row_are_counted(values: list[Any], duplicates: int) -> None:
    assert profile_table(pa.table({"value": values, "label": LABELS}), "label").duplicate_row_count == duplicates


@pytest.mark.parametrize(
    ("labels", "counts", "missing"),
    [
        ([1, 0, 1, None], {"1": 2, "0": 1}, 1),
        ([True, True, False, True], {"True": 3, "False": 1}, 0),
        ([0.5, math.nan, None, 0.5], {"0.5": 2}, 2),
        ([NOON, NOON, NOON, None], {"2026-03-01 12:00:00+00:00": 3}, 1),
        ([None] * 4, {}, 4),
    ],
)
def test_the_rows_of_each_class_are_counted_commonest_first(
    labels: list[Any], counts: dict[str, int], missing: int
) -> None:
    profile = profile_table(pa.table({"value": [1, 2, 3, 4], "label": labels}), "label")

    assert (list(profile.class_counts.items()), profile.missing_target_count) == (list(counts.items()), missing)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(pa.array([[1]] * 4), id="lists"),
        pytest.param(pa.array([{"x": 1}] * 4), id="records"),
        pytest.param(pa.array([2**62] * 4, pa.timestamp("s")), id="times beyond the calendar"),
    ],
)
def test_a_target_whose_values_cannot_be_classes_is_named(labels: Any) -> None:
    with pytest.raises(TargetUnusableError) as error:
        profile_table(pa.table({"value": [1, 2, 3, 4], "label": labels}), "label")

    assert error.value.target == "label"


def test_the_schema_hash_follows_names_and_types_in_order() -> None:
    def schema_hash(**columns: Any) -> str:
        return profile_table(pa.table({**columns, "label": LABELS}), "label").schema_hash

    numbers, text = pa.array([1, 2, 3, 4]), pa.array(LABELS)
    hashes = {
        schema_hash(a=numbers, b=text),
        schema_hash(b=text, a=numbers),
        schema_hash(a=numbers, c=text),
        schema_hash(a=text, b=text),
    }

    assert schema_hash(a=numbers, b=text) == schema_hash(a=pa.array([9] * 4), b=text)
    assert len(hashes) == 4
