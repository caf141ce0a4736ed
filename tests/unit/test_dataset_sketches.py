"""Sketches: exact while small, within the stated error when large, and the same for the parts as for the whole."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.datasets.canonical import canonical_column
from storage.datasets.column_fingerprints import number_fingerprints, value_fingerprints
from storage.datasets.sketches.column import ColumnSketch, ColumnSketchDocument
from storage.datasets.sketches.distinct import CAPACITY, DistinctSketch
from storage.datasets.sketches.frequent import FrequentSketch
from storage.datasets.sketches.moments import Moments
from storage.datasets.sketches.quantiles import QuantileSketch

RANK_ERROR = 0.01
DISTINCT_ERROR = 3 / math.sqrt(CAPACITY - 2)  # three standard errors
SHARES = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]


def sketch_of(*parts: Any) -> ColumnSketch:
    sketch = ColumnSketch()
    for part in parts:
        column = canonical_column(part if isinstance(part, pa.Array) else pa.array(part))
        sketch = sketch.with_chunk(column, value_fingerprints(column))
    return sketch


def rank_errors(sketch: QuantileSketch, values: np.ndarray[Any, Any]) -> list[float]:
    """How far each quantile's rank is off; a value that occurs often has a range of ranks."""
    ordered = np.sort(values)
    errors = []
    for share, found in zip(SHARES, sketch.quantiles(SHARES), strict=True):
        low, high = (np.searchsorted(ordered, found, side) / len(ordered) for side in ("left", "right"))
        errors.append(max(low - share, share - high, 0.0))
    return errors


COLUMNS = {
    "normal": lambda chance, size: chance.normal(size=size),
    "skewed": lambda chance, size: chance.pareto(1.1, size=size),
    "few values": lambda chance, size: chance.integers(0, 5, size).astype(float),
    "ascending": lambda _chance, size: np.arange(size, dtype=float),
    "descending": lambda _chance, size: np.arange(size, 0, -1, dtype=float),
}


@pytest.mark.parametrize("draw", [pytest.param(draw, id=name) for name, draw in COLUMNS.items()])
@pytest.mark.parametrize("size", [511, 65_536, 400_001])
def test_quantiles_are_within_the_stated_error_in_one_piece_and_in_merged_pieces(draw: Any, size: int) -> None:
    values = draw(np.random.default_rng(7), size)
    pieces = np.array_split(values, 7)
    streamed = QuantileSketch()
    for start in range(0, size, 65_536):
        streamed = streamed.with_sorted(np.sort(values[start : start + 65_536]))
    merged = QuantileSketch()
    for piece in pieces:
        merged = merged.merged(QuantileSketch().with_sorted(np.sort(piece)))

    bound = 0.002 if size < 512 else RANK_ERROR
    assert max(rank_errors(streamed, values)) <= bound
    assert max(rank_errors(merged, values)) <= RANK_ERROR
    assert (streamed.count, merged.count) == (size, size)
    assert sum(len(level) for level in merged.levels) < 4_000


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-50, 50), max_size=60), min_size=1, max_size=20))
def test_small_streams_are_answered_exactly_however_they_are_cut(pieces: list[list[int]]) -> None:
    whole = sorted(itertools.chain.from_iterable(pieces))
    sketch = QuantileSketch()
    for piece in pieces:
        sketch = sketch.with_sorted(np.array(sorted(piece)))

    if not whole:
        assert math.isnan(sketch.quantile(0.5))
    elif len(whole) <= 512:
        assert sketch.quantile(0.0) == whole[0]
        assert sketch.quantile(1.0) == whole[-1]
        assert sketch.share_up_to(0) == sum(value <= 0 for value in whole) / len(whole)


@pytest.mark.parametrize("distinct", [0, 1, CAPACITY - 1, 20_000, 500_000])
def test_distinct_values_are_counted_within_the_stated_error_and_merging_changes_nothing(distinct: int) -> None:
    values = np.concatenate([np.arange(distinct), np.arange(distinct // 2)])
    whole = DistinctSketch().with_values(number_fingerprints(values))
    merged = DistinctSketch()
    for piece in np.array_split(np.random.default_rng(3).permutation(values), 9):
        merged = merged.merged(DistinctSketch().with_values(number_fingerprints(piece)))

    assert merged.smallest.tolist() == whole.smallest.tolist()
    assert whole.estimate == distinct if whole.is_exact else abs(whole.estimate / distinct - 1) < DISTINCT_ERROR
    assert DistinctSketch.from_text(whole.as_text()).smallest.tolist() == whole.smallest.tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 400), max_size=300), max_size=8), st.randoms())
def test_no_frequent_value_is_overlooked_and_no_count_is_too_high(pieces: list[list[int]], chance: Any) -> None:
    heavy = [[7] * chance.randint(0, 200) for _ in pieces]
    truth = Counter(itertools.chain(*pieces, *heavy))
    sketch = FrequentSketch()
    for piece, often in zip(pieces, heavy, strict=True):
        sketch = sketch.merged(FrequentSketch().with_counts(Counter(map(str, piece + often))))

    assert sketch.error <= truth.total() / 257
    for value, count in truth.items():
        assert count - sketch.error <= sketch.counts.get(str(value), 0) <= count


def test_what_a_full_sketch_forgets_is_in_its_error() -> None:
    sketch = FrequentSketch()
    for start in range(0, 600, 50):
        sketch = sketch.with_counts({f"v{number}": 3 for number in range(start, start + 50)})

    assert len(sketch.counts) <= 256
    assert all(3 - sketch.error <= sketch.counts.get(f"v{number}", 0) <= 3 for number in range(600))


def test_long_texts_that_begin_alike_are_counted_together_however_they_are_cut() -> None:
    start = "x" * 200
    texts = [start + "1"] * 5 + ["y"] + [start + "2"] * 3

    assert sketch_of(texts).frequent.top(2) == ((start, 8), ("y", 1))
    assert sketch_of(texts[:4], texts[4:]).frequent.top(2) == ((start, 8), ("y", 1))


def test_blocks_are_sampled_from_places_that_change() -> None:
    block = np.arange(65_536.0)
    first_places = {QuantileSketch(count=count).with_sorted(block).levels[7][0] for count in range(100)}

    assert len(first_places) > 40


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.floats(-1e6, 1e6), max_size=20), max_size=6))
def test_merged_moments_are_those_of_the_whole(pieces: list[list[float]]) -> None:
    whole = np.array(list(itertools.chain(*pieces)))
    merged = Moments()
    for piece in pieces:
        merged = merged.merged(Moments.of(np.array(piece)))

    expected = Moments.of(whole)
    assert (merged.count, merged.minimum, merged.maximum) == (expected.count, expected.minimum, expected.maximum)
    assert merged.mean == pytest.approx(expected.mean, abs=1e-6)
    assert merged.squares == pytest.approx(expected.squares, rel=1e-6, abs=1e-3)


def test_the_variance_of_numbers_far_from_zero_does_not_drown_in_rounding() -> None:
    values = 1e9 + np.array([4.0, 7.0, 13.0, 16.0])

    merged = Moments.of(values[:2]).merged(Moments.of(values[2:]))

    assert merged.standard_deviation == pytest.approx(np.std([4.0, 7.0, 13.0, 16.0]))


EXAMPLES = [
    pa.array([1, 2, 2, None, 5]),
    pa.array([0.5, math.nan, math.inf, -math.inf, 0.5]),
    pa.array([2**60, 2**60 + 1, -(2**60)]),
    pa.array(["a", "b", "", None, "a", "long " * 400]),
    pa.array([True, False, None, True]),
    pa.array([1, 2, 1], pa.timestamp("us", "UTC")),
    pa.array([[1, 2], [2, 1], [1, 2], [], None]),
    pa.array([{"x": 1}, {"x": None}, {"x": 1}, None]),
    pa.array([b"\xff", b"\xff", b""]),
    pa.nulls(3),
]


@pytest.mark.parametrize(("array", "distinct"), list(zip(EXAMPLES, [3, 3, 3, 4, 2, 2, 3, 2, 2, 0], strict=True)))
def test_every_kind_of_column_has_its_distinct_values_counted(array: Any, distinct: int) -> None:
    whole, halves = sketch_of(array), sketch_of(array[:2], array[2:])

    assert (whole.rows, whole.missing) == (halves.rows, halves.missing)
    assert (whole.distinct.estimate, halves.distinct.estimate) == (distinct, distinct)
    assert halves.frequent == whole.frequent


@pytest.mark.parametrize("array", EXAMPLES)
def test_a_stored_sketch_is_read_back_and_can_be_merged(array: Any) -> None:
    document = ColumnSketchDocument.of("x", sketch_of(array))
    read = ColumnSketchDocument.model_validate_json(document.model_dump_json())

    assert read == document
    assert ColumnSketchDocument.of("x", read.sketch()) == document
    merged, streamed = read.sketch().merged(sketch_of(array)), sketch_of(array, array)
    assert (merged.rows, merged.distinct.estimate, merged.frequent) == (
        streamed.rows,
        streamed.distinct.estimate,
        streamed.frequent,
    )


@pytest.mark.parametrize(
    ("first", "second", "is_equal"),
    [
        (pa.array([1]), pa.array([1.0]), True),
        (pa.array([2**53 + 2]), pa.array([float(2**53 + 2)]), True),
        (pa.array([2**60]), pa.array([2**60 + 1]), False),
        (pa.array(["word " * 200]), pa.array(["word " * 200 + "x"]), False),
        (pa.array(["ab", "c"])[:1], pa.array(["ab"]), True),
        (pa.array([[1, 2]]), pa.array([[2, 1]]), False),
    ],
)
def test_fingerprints_follow_values(first: Any, second: Any, *, is_equal: bool) -> None:
    prints = [int(value_fingerprints(canonical_column(array))[0]) for array in (first, second)]

    assert (prints[0] == prints[1]) is is_equal


def test_a_histogram_counts_what_lies_between_its_edges() -> None:
    sketch = QuantileSketch().with_sorted(np.arange(1, 101))

    assert sketch.histogram([0, 25, 50, 100]) == (25, 25, 50)
