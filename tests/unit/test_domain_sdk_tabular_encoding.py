from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from domain_sdk.errors import (
    InputSchemaMismatchError,
    NoUsableFeatureError,
    TargetColumnMissingError,
    TargetUnusableError,
)
from domain_sdk.json_values import JsonScalar
from domain_sdk.tables import read_table
from domain_sdk.tabular_classification import (
    InputField,
    ModelSignature,
    OutputField,
    TabularEncoding,
    TargetColumn,
    describe_signature,
)
from domain_sdk.tabular_classification.columns import CategoricalColumn, NumericColumn
from domain_sdk.tabular_classification.fitting import DroppedColumn, DropReason
from domain_sdk.tabular_classification.target import LabelKind

_LABELS = [3, 7, 3, 7, 3, 7]
_TABLE = pa.table(
    {
        "size": pa.array([1.0, 3.0, None, 1.0, 3.0, 500.0]),
        "color": ["red", "blue", None, "red", "red", "green"],
        "ripe": [True, False, True, False, None, False],
        "count": [10, 20, 20, 10, None, 20],
        "weight": [4.0, -1.0, -1.0, -1.0, -1.0, 9.0],
        "label": _LABELS,
    }
)
_TRAINING = np.array([0, 1, 2, 3, 4])
_ROW: dict[str, Any] = {"size": 2.0, "color": "red", "ripe": True, "count": 10, "weight": 1}


def fitted(table: pa.Table = _TABLE) -> TabularEncoding:
    return TabularEncoding.fit(table, "label", _TRAINING)


def test_statistics_and_categories_come_from_the_training_rows_alone() -> None:
    assert fitted() == TabularEncoding(
        columns=(
            NumericColumn(name="size", datatype="FP64", mean=2.0, scale=1.0, fill=2.0, nullable=True),
            CategoricalColumn(name="color", categories=("blue", "red"), nullable=True),
            NumericColumn(name="ripe", datatype="BOOL", mean=0.5, scale=0.5, fill=0.5, nullable=True),
            NumericColumn(name="count", datatype="INT64", mean=15.0, scale=5.0, fill=15.0, nullable=True),
            NumericColumn(name="weight", datatype="FP64", mean=0.0, scale=2.0, fill=0.0, nullable=False),
        ),
        dropped=(),
        target=TargetColumn(name="label", kind=LabelKind.INTEGER, classes=("3", "7")),
    )


def test_missing_numbers_become_the_mean_and_unknown_text_all_zeros() -> None:
    encoded = fitted().encode([{**_ROW, "size": None, "color": None}, {**_ROW, "size": 3, "color": "violet"}])

    assert encoded.dtype == np.float32
    assert encoded[:, :3].tolist() == [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]


def test_json_rows_are_encoded_exactly_like_the_table_they_came_from(visits_path: Path) -> None:
    table = read_table(visits_path)
    encoding = TabularEncoding.fit(table, "outcome", np.arange(80))
    rows = json.loads(json.dumps(table.to_pylist(), default=str))

    assert np.array_equal(encoding.encode(rows), encoding.encode_table(table))


def test_an_encoding_survives_json(visits_path: Path) -> None:
    encoding = TabularEncoding.fit(read_table(visits_path), "outcome", np.arange(80))

    assert TabularEncoding.model_validate_json(encoding.model_dump_json()) == encoding


def test_columns_that_cannot_be_learned_from_are_dropped_with_their_reason() -> None:
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    table = pa.table(
        {
            "good": [1.0, 2.0] * 20,
            "constant": [7] * 40,
            "constant_where_known": [7, None] * 20,
            "constant_text": ["x"] * 40,
            "null": pa.nulls(40),
            "missing": pa.array([None] * 40, pa.float64()),
            "not_a_number": [float("nan"), float("inf")] * 20,
            "name": [f"name {row}" for row in range(40)],
            "seen_at": [moment] * 40,
            "tags": [["a"]] * 40,
            "label": ["yes", "no"] * 20,
        }
    )

    encoding = TabularEncoding.fit(table, "label", np.arange(40))

    assert [column.name for column in encoding.columns] == ["good"]
    assert encoding.dropped == (
        DroppedColumn(name="constant", reason=DropReason.CONSTANT),
        DroppedColumn(name="constant_where_known", reason=DropReason.CONSTANT),
        DroppedColumn(name="constant_text", reason=DropReason.CONSTANT),
        DroppedColumn(name="null", reason=DropReason.ALL_MISSING),
        DroppedColumn(name="missing", reason=DropReason.ALL_MISSING),
        DroppedColumn(name="not_a_number", reason=DropReason.ALL_MISSING),
        DroppedColumn(name="name", reason=DropReason.TOO_MANY_CATEGORIES),
        DroppedColumn(name="seen_at", reason=DropReason.DATE_OR_TIME),
        DroppedColumn(name="tags", reason=DropReason.UNSUPPORTED_TYPE),
    )


def test_a_table_without_a_usable_feature_is_refused() -> None:
    table = pa.table({"constant": [1, 1, 1, 1], "label": ["a", "b", "a", "b"]})

    with pytest.raises(NoUsableFeatureError) as caught:
        TabularEncoding.fit(table, "label", np.arange(4))

    assert caught.value.dropped == {"constant": "was dropped (one value in all training rows)"}


def test_the_largest_and_smallest_numbers_stay_finite() -> None:
    table = pa.table({"x": [1e308, -1e308, 1e308, 5e-324], "y": [5e-324, 0.0, 5e-324, 0.0], "label": [0, 1, 0, 1]})
    encoding = TabularEncoding.fit(table, "label", np.arange(4))

    encoded = encoding.encode([{"x": 1.7e308, "y": -1.7e308}])

    assert np.isfinite(encoding.encode_table(table)).all()
    assert np.isfinite(encoded).all()


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({"size": "big"}, {"size": "must be a number, but row 1 has 'big'"}),
        ({"size": True}, {"size": "must be a number, but row 1 has True"}),
        ({"count": 1.5}, {"count": "must be a whole number, but row 1 has 1.5"}),
        ({"weight": None}, {"weight": "must be a number, but row 1 has nothing"}),
        ({"weight": float("nan")}, {"weight": "must be a number, but row 1 has nothing"}),
        ({"count": 10**400}, {"count": "holds a number too large for 64 bits"}),
        ({"ripe": 1}, {"ripe": "must be true or false, but row 1 has 1"}),
        ({"color": 3}, {"color": "must be text, but row 1 has 3"}),
        (
            {"color": ["red"], "size": {}},
            {"color": "must be text, but row 1 has ['red']", "size": "must be a number, but row 1 has {}"},
        ),
        ({"shape": "round"}, {"shape": "is not a column of the dataset, but in row 1"}),
    ],
)
def test_a_row_that_does_not_fit_names_every_wrong_field(change: dict[str, Any], problems: dict[str, str]) -> None:
    with pytest.raises(InputSchemaMismatchError) as caught:
        fitted().encode([_ROW, {**_ROW, **change}])

    assert caught.value.code == "INPUT_SCHEMA_MISMATCH"
    assert caught.value.problems == problems
    assert caught.value.expected == ("size", "color", "ripe", "count", "weight")


def test_a_row_without_an_input_is_refused() -> None:
    with pytest.raises(InputSchemaMismatchError) as caught:
        fitted().encode([{"size": 1.0, "ripe": True, "weight": 2}])

    assert caught.value.problems == {"color": "is absent in row 0", "count": "is absent in row 0"}


def test_a_row_of_the_dataset_can_be_sent_with_its_label() -> None:
    assert fitted().encode([{**_ROW, "label": 3}]).shape == (1, fitted().width)


def test_a_table_with_another_kind_of_column_is_refused() -> None:
    other = _TABLE.set_column(0, "size", pa.array(["a"] * 6)).drop_columns(["color"])

    with pytest.raises(InputSchemaMismatchError) as absent:
        fitted().encode_table(other)
    with pytest.raises(InputSchemaMismatchError) as differing:
        fitted().encode_table(_TABLE.set_column(0, "size", pa.array(["a"] * 6)))

    assert absent.value.problems == {"color": "is absent"}
    assert differing.value.problems == {"size": "is of type string, not numeric"}


@pytest.mark.parametrize(
    "labels",
    [[3, 10, 3, 10], ["b", "a", "b", "a"], [True, False, True, False], [1.5, -2.0, 1.5, -2.0]],
    ids=["integers", "text", "booleans", "numbers"],
)
def test_labels_come_back_in_the_type_they_had(labels: list[JsonScalar]) -> None:
    table = pa.table({"x": [1, 2, 3, 4], "label": labels})
    target = TargetColumn.fit(table, "label")

    decoded = [target.decode(index) for index in target.encode(table).tolist()]

    assert decoded == labels
    assert [type(label) for label in decoded] == [type(label) for label in labels]


def test_dictionary_encoded_text_is_text() -> None:
    plain = pa.table({"color": ["red", "blue", "red", "blue"], "label": ["a", "b", "b", "a"]})
    dictionary = pa.table({name: plain.column(name).dictionary_encode() for name in plain.column_names})

    assert TabularEncoding.fit(dictionary, "label", np.arange(4)) == TabularEncoding.fit(plain, "label", np.arange(4))


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (pa.array([1, 1, 1, 1]), "all rows have the same label"),
        (pa.array([1, 2, None, 1]), "1 rows have no label"),
        (pa.array([1.0, 2.0, float("nan"), float("inf")]), "2 rows have no label"),
        (pa.array([0.1, 0.2, 0.3, 0.1]), "3 distinct labels in 4 rows leave fewer than two rows for each"),
        (pa.array([dt.date(2026, 1, 1)] * 4), "its type is date32[day]"),
        (pa.array([2**64 - 1, 1, 1, 1], pa.uint64()), "a label does not fit 64 bits"),
    ],
)
def test_a_target_that_is_no_set_of_classes_is_refused(labels: pa.Array[Any], reason: str) -> None:
    with pytest.raises(TargetUnusableError) as caught:
        TargetColumn.fit(pa.table({"x": [1, 2, 3, 4], "label": labels}), "label")

    assert (caught.value.code, caught.value.target, caught.value.reason) == ("TARGET_UNUSABLE", "label", reason)


def test_a_missing_target_is_refused_with_the_columns_that_are_there() -> None:
    with pytest.raises(TargetColumnMissingError) as caught:
        TargetColumn.fit(_TABLE, "Label")

    assert (caught.value.target, caught.value.columns) == (
        "Label",
        ("size", "color", "ripe", "count", "weight", "label"),
    )


def test_a_label_that_the_model_does_not_know_is_refused() -> None:
    target = TargetColumn.fit(_TABLE, "label")

    with pytest.raises(TargetUnusableError):
        target.encode(_TABLE.set_column(5, "label", pa.array([3, 7, 3, 7, 3, 8])))
    with pytest.raises(TargetUnusableError):
        target.encode(_TABLE.set_column(5, "label", pa.array(["3"] * 6)))


def test_the_signature_describes_the_encoding() -> None:
    assert describe_signature(fitted()) == ModelSignature(
        inputs=(
            InputField(name="size", datatype="FP64", nullable=True),
            InputField(name="color", datatype="BYTES", nullable=True, categories=("blue", "red")),
            InputField(name="ripe", datatype="BOOL", nullable=True),
            InputField(name="count", datatype="INT64", nullable=True),
            InputField(name="weight", datatype="FP64", nullable=False),
        ),
        outputs=(
            OutputField(name="label", datatype="INT64", shape=(-1,)),
            OutputField(name="probabilities", datatype="FP64", shape=(-1, 2)),
        ),
        classes=("3", "7"),
    )


def test_the_template_s_encodings_do_not_load_pytorch() -> None:
    program = "import sys, domain_sdk.tables, domain_sdk.tabular_classification; print('torch' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )

    assert answer.stdout == "False\n"
