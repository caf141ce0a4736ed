"""One pass over many chunks: nothing that a chunk adds is lost, though chunks are measured side by side."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from storage.datasets.canonical import canonical_column
from storage.datasets.chunks import CHUNK_ROWS
from storage.datasets.column_fingerprints import value_fingerprints
from storage.datasets.identity import leaf_digest
from storage.datasets.scanning import ScannedTable, scan
from storage.datasets.sketches.distinct import DistinctSketch

ROWS = 11 * CHUNK_ROWS + 700
REPEATED = 5_000


def table_of_many_kinds() -> pa.Table:
    chance = np.random.default_rng(11)
    fractions = chance.normal(size=ROWS)
    fractions[-REPEATED:] = fractions[:REPEATED]
    days = chance.integers(0, 10**9, ROWS)
    columns = {
        "fraction": fractions,
        "few": np.arange(ROWS) % 7,
        "many": (chance.pareto(0.4, ROWS) * 10).clip(0, 10**6).astype(np.int64),
        "moment": days.astype("datetime64[s]"),
    }
    for name in ("few", "many", "moment"):
        columns[name][-REPEATED:] = columns[name][:REPEATED]
    words = pa.array([f"word {number}" for number in columns["many"] % 5_003])
    return pa.table({**columns, "word": words.dictionary_encode(), "gap": pa.array(fractions, mask=fractions < 0)})


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return table_of_many_kinds()


@pytest.fixture(scope="module")
def scanned(table: pa.Table) -> ScannedTable:
    return scan(table.schema, table.to_batches())


@pytest.mark.parametrize("name", ["fraction", "few", "many", "moment", "word", "gap"])
def test_the_sketch_of_distinct_values_is_that_of_all_rows_at_once(
    table: pa.Table, scanned: ScannedTable, name: str
) -> None:
    whole = canonical_column(table[name].combine_chunks())

    expected = DistinctSketch().with_values(value_fingerprints(whole))
    assert scanned.columns[name].distinct.smallest.tolist() == expected.smallest.tolist()
    assert (scanned.columns[name].rows, scanned.columns[name].missing) == (ROWS, whole.missing)


@pytest.mark.parametrize("name", ["few", "many", "word"])
def test_no_frequent_value_is_overlooked_over_many_chunks(table: pa.Table, scanned: ScannedTable, name: str) -> None:
    sketch, truth = scanned.columns[name].frequent, Counter(table[name].to_pylist())

    assert sketch.error <= ROWS / 257
    assert all(count - sketch.error <= sketch.counts.get(value, 0) <= count for value, count in truth.items())
    assert sketch.top(1)[0][0] == truth.most_common(1)[0][0]


@pytest.mark.parametrize("name", ["fraction", "many"])
def test_moments_and_quantiles_over_many_chunks_are_those_of_all_rows(
    table: pa.Table, scanned: ScannedTable, name: str
) -> None:
    values, sketch = np.sort(table[name].to_numpy()), scanned.columns[name]

    assert (sketch.moments.count, sketch.moments.minimum, sketch.moments.maximum) == (ROWS, values[0], values[-1])
    assert sketch.moments.mean == pytest.approx(values.mean())
    assert sketch.moments.standard_deviation == pytest.approx(values.std())
    for share in (0.01, 0.25, 0.5, 0.75, 0.99):
        found = sketch.quantiles.quantile(share)
        low, high = (np.searchsorted(values, found, side) / ROWS for side in ("left", "right"))
        assert low - 0.01 <= share <= high + 0.01


def test_rows_that_repeat_earlier_ones_are_counted_across_chunks(scanned: ScannedTable) -> None:
    assert scanned.repeated_rows == REPEATED


def test_chunks_are_told_of_in_their_order_with_the_digests_of_their_columns(table: pa.Table) -> None:
    seen: list[tuple[int, tuple[bytes, ...]]] = []
    scan(table.schema, table.to_batches(), lambda chunk: seen.append((chunk.rows.num_rows, chunk.leaves)))

    expected = []
    for start in range(0, ROWS, CHUNK_ROWS):
        piece = table.slice(start, CHUNK_ROWS).combine_chunks()
        columns = [column.combine_chunks() for column in piece.columns]
        expected.append((piece.num_rows, tuple(leaf_digest(canonical_column(column)) for column in columns)))
    assert seen == expected


def test_a_word_that_comes_late_stands_where_it_comes_first() -> None:
    words = ["b", "a"] * 20_000 + ["c", "d", "c"]
    by_reference = pa.DictionaryArray.from_arrays(
        pa.array([{"d": 0, "c": 1, "x": 2, "a": 3, "b": 4}[word] for word in words]), pa.array(list("dcxab"))
    )

    assert leaf_digest(canonical_column(by_reference)) == leaf_digest(canonical_column(pa.array(words)))
