"""The canonical form tells values apart and nothing else: not types, not layouts, not batches."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.datasets.canonical import canonical_column
from storage.datasets.chunks import chunks_of
from storage.datasets.encoding import encoded
from storage.datasets.errors import ColumnTypeUnsupportedError
from storage.datasets.identity import leaf_digest

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
LOCAL = dt.datetime(2026, 3, 1, 12)  # noqa: DTZ001 - a time without a zone is what is meant
MIDNIGHT = dt.datetime(2026, 3, 1)  # noqa: DTZ001 - as LOCAL
DAY = dt.date(2026, 3, 1)


def digest(array: Any) -> str:
    return leaf_digest(canonical_column(array)).hex()


SAME: dict[str, list[Any]] = {
    "whole numbers of any type": [
        *(pa.array([1, None, 3], kind) for kind in (pa.int8(), pa.int32(), pa.int64(), pa.uint16(), pa.uint64())),
        *(pa.array([1.0, None, 3.0], kind) for kind in (pa.float32(), pa.float64())),
        pa.array([np.float16(1), None, np.float16(3)]),
        pa.array([1.0, math.nan, 3.0]),
        pa.array([Decimal("1.00"), None, Decimal(3)]),
        pa.array([Decimal(1), None, Decimal(3)], pa.decimal256(60, 20)),
        pa.array([1, None, 3]).dictionary_encode(),
        pa.array([9, 1, None, 3, 9]).slice(1, 3),
    ],
    "fractions": [pa.array([0.5, 0.1]), pa.array([Decimal("0.50"), Decimal("0.10")])],
    "zero": [pa.array([0]), pa.array([0.0]), pa.array([-0.0]), pa.array([Decimal("0.00")])],
    "zero among fractions": [pa.array([0.5, 0.0]), pa.array([0.5, -0.0])],
    "beyond 53 bits": [pa.array([2**53 + 1]), pa.array([2**53 + 1], pa.uint64()), pa.array([Decimal(2**53 + 1)])],
    "beyond 63 bits": [pa.array([2**63], pa.uint64()), pa.array([2.0**63])],
    "text": [pa.array(["b", None, "", "b", "a"], kind) for kind in (pa.string(), pa.large_string(), pa.string_view())]
    + [
        pa.array(["b", None, "", "b", "a"]).dictionary_encode(),
        pa.array(["b", None, "", "b", "a"]).dictionary_encode(null_encoding="encode"),
        pa.DictionaryArray.from_arrays(pa.array([3, None, 2, 1, 0]), pa.array(["a", "b", "", "b", "unused"])),
        pa.array(["x", "b", None, "", "b", "a", "y"]).slice(1, 5),
        pc.run_end_encode(pa.array(["b", None, "", "b", "a"])),
    ],
    "bytes": [
        pa.array([b"\xff", b"a"]),
        pa.array([b"\xff", b"a"], pa.large_binary()),
        pa.array([b"\xff", b"a"], pa.binary(1)),
    ],
    "an instant": [
        *(pa.array([NOON], pa.timestamp(unit, "UTC")) for unit in ("s", "ms", "us", "ns")),
        pa.array([NOON], pa.timestamp("us", "Europe/Vienna")),
        pa.array([NOON.astimezone(ZoneInfo("Asia/Tokyo"))]),
    ],
    "a day": [
        pa.array([DAY]),
        pa.array([DAY], pa.date64()),
        *(pa.array([MIDNIGHT], pa.timestamp(u)) for u in ("s", "ns")),
    ],
    "before 1970": [pa.array([-1500], pa.timestamp("ms")), pa.array([-1_500_000_000], pa.timestamp("ns"))],
    "a time of day": [pa.array([dt.time(12)], kind) for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("ns"))],
    "a duration": [pa.array([dt.timedelta(hours=1)], pa.duration(unit)) for unit in ("s", "us")],
    "no value": [
        pa.nulls(2),
        pa.array([None, None], pa.int64()),
        pa.array([math.nan] * 2),
        pa.array([None] * 2, pa.string()),
    ],
    "lists": [
        pa.array([[1], None, [], [2, None]]),
        pa.array([[1.0], None, [], [2.0, math.nan]], pa.large_list(pa.float64())),
        pa.array([[0], [1], None, [], [2, None]]).slice(1),
    ],
    "lists of one length": [pa.array([[1, 2], [3, 4]]), pa.array([[1, 2], [3, 4]], pa.list_(pa.int8(), 2))],
    "records": [
        pa.array([{"x": 1, "y": "a"}, None, {"x": None, "y": "b"}]),
        pa.array([{"x": 7, "y": ""}, {"x": 1.0, "y": "a"}, None, {"x": None, "y": "b"}]).slice(1),
    ],
}


@pytest.mark.parametrize("arrays", [pytest.param(arrays, id=name) for name, arrays in SAME.items()])
def test_equal_values_have_one_digest_whatever_type_they_have(arrays: list[Any]) -> None:
    assert len({digest(array) for array in arrays}) == 1


def test_values_that_differ_have_digests_that_differ() -> None:
    columns = [arrays[0] for arrays in SAME.values()] + [
        pa.array([1, 3, None]),
        pa.array([1, None, 4]),
        pa.array(["1", None, "3"]),
        pa.array([True, None, False]),
        pa.array([True, None, True]),
        pa.array([2**53]),
        pa.array([2**64 - 1], pa.uint64()),
        pa.array([Decimal("0.1000000000000000055")]),
        pa.array([0.1], pa.float32()),
        pa.array(["b", None, None, "b", "a"]),
        pa.array(["ba", None, "", "b", ""]),
        pa.array([b"b", None, b"", b"b", b"a"]),
        pa.array([LOCAL]),
        pa.array([0, 0]),
        pa.array(["", ""]),
        pa.nulls(3),
        pa.nulls(0),
        pa.array([[1], None, [], [2]]),
        pa.array([[1, 2], [], None, [None]]),
        pa.array([[1], [2], [3, 4]]),
        pa.array([{"y": 1, "x": "a"}, None, {"y": None, "x": "b"}]),
        pa.array([math.inf, 1.5]),
        pa.array([-math.inf, 1.5]),
    ]

    digests = [digest(column) for column in columns]

    assert len(set(digests)) == len(columns)


def test_no_value_is_of_no_type() -> None:
    empty = [pa.nulls(0), pa.array([], pa.int64()), pa.array([], pa.string()), pa.array([None])[:0]]
    lists = [pa.array([[], []], pa.list_(kind)) for kind in (pa.int64(), pa.string(), pa.null())]

    assert len({digest(array) for array in empty}) == 1
    assert len({digest(array) for array in lists}) == 1
    assert digest(pa.nulls(0)) != digest(pa.nulls(1))


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(pa.array([(1, 2, 3)], pa.month_day_nano_interval()), id="intervals"),
        pytest.param(pa.array([[[[[[[[[[1]]]]]]]]]]), id="ten levels of lists"),
        pytest.param(
            pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]),
            id="unions",
        ),
    ],
)
def test_a_type_without_canonical_form_is_named(array: Any) -> None:
    with pytest.raises(ColumnTypeUnsupportedError) as error:
        canonical_column(array, name="odd")

    assert error.value.column == "odd"


numbers = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))
floats = st.one_of(st.none(), st.floats())
texts = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=6))


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.lists(numbers), st.lists(floats), st.lists(texts)), st.data())
def test_two_columns_have_one_digest_exactly_if_their_values_are_equal(values: list[Any], data: st.DataObject) -> None:
    assume_index = data.draw(st.integers(0, max(len(values) - 1, 0)))
    other = list(values)
    if values:
        other[assume_index] = data.draw(st.sampled_from([values[0], values[-1], None, values[assume_index]]))

    def plain(value: Any) -> Any:
        return None if isinstance(value, float) and math.isnan(value) else value

    is_equal = [plain(value) for value in values] == [plain(value) for value in other]

    assert (digest(pa.array(values)) == digest(pa.array(other))) is is_equal


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 7), st.data())
def test_chunks_do_not_depend_on_the_batches_that_a_file_came_in(
    values: list[int], rows: int, data: st.DataObject
) -> None:
    table = pa.table({"n": pa.array(values, pa.int64()), "t": pa.array(map(str, values), pa.string())})
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=6)))
    bounds = zip([0, *cuts], [*cuts, len(values)], strict=True)
    batches = [batch for start, end in bounds for batch in table.slice(start, end - start).to_batches()]
    by_reference = [
        pa.RecordBatch.from_arrays([batch.column(0), batch.column(1).dictionary_encode()], ["n", "t"])
        for batch in batches
    ]

    expected = [table.slice(start, rows).to_pydict() for start in range(0, len(values), rows)]

    assert [chunk.to_pydict() for chunk in chunks_of(batches, rows)] == expected
    assert [chunk.to_pydict() for chunk in chunks_of(by_reference, rows)] == expected


def test_the_canonical_bytes_never_change() -> None:
    column = canonical_column(pa.array(["b", None, "a", "b"]))

    written = b"".join(bytes(part) for part in encoded(column))

    assert written.hex() == ("0400000000000000010d050200000000000000010101626101000100")
