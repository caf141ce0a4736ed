"""Everything that is counted of one column, piece by piece, and how it is written down."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from storage.datasets.canonical import Booleans, CanonicalColumn, Integers, Kind, Lists, Numbers, Records, Times, Words
from storage.datasets.fingerprints import MISSING, Fingerprints, combined, mixed, of_texts
from storage.datasets.sketches.distinct import DistinctSketch
from storage.datasets.sketches.frequent import CAPACITY as _MANY
from storage.datasets.sketches.frequent import FrequentSketch, Key, commonest
from storage.datasets.sketches.moments import Moments
from storage.datasets.sketches.quantiles import QuantileSketch

_EXACT_IN_FLOAT = 2**53
_INT64_LIMIT = 2.0**63
_LONGEST_KEY = 200
_NANO = np.uint64(1_000_000_000)


@dataclass(frozen=True)
class ColumnSketch:
    """Of one column, or of a part of its rows.

    Attributes:
        infinite: How many numbers are infinite; they are values, but have no part in moments and quantiles.
        moments: Of finite numbers.
        lengths: Of the distinct texts of each chunk, in bytes: only its extremes mean something.
    """

    rows: int = 0
    missing: int = 0
    infinite: int = 0
    distinct: DistinctSketch = field(default_factory=DistinctSketch)
    frequent: FrequentSketch = field(default_factory=FrequentSketch)
    moments: Moments = field(default_factory=Moments)
    quantiles: QuantileSketch = field(default_factory=QuantileSketch)
    lengths: Moments = field(default_factory=Moments)

    def merged(self, other: ColumnSketch) -> ColumnSketch:
        """Return the sketch of both parts together."""
        return ColumnSketch(
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            infinite=self.infinite + other.infinite,
            distinct=self.distinct.merged(other.distinct),
            frequent=self.frequent.merged(other.frequent),
            moments=self.moments.merged(other.moments),
            quantiles=self.quantiles.merged(other.quantiles),
            lengths=self.lengths.merged(other.lengths),
        )

    def with_chunk(self, column: CanonicalColumn, fingerprints: Fingerprints) -> ColumnSketch:
        """Return the sketch with these rows seen as well.

        Args:
            column: The rows.
            fingerprints: What `value_fingerprints` gives for them.
        """
        sketch = replace(self, rows=self.rows + column.length, missing=self.missing + column.missing)
        match column.values:
            case Numbers(values):
                return _with_numbers(sketch, values, fingerprints)
            case Words():
                return _with_words(sketch, column.values)
            case Booleans(values):
                true = int(np.count_nonzero(values))
                both: tuple[tuple[Key, int], ...] = ((True, true), (False, len(values) - true))
                return _with_counts(sketch, {key: count for key, count in both if count}, 0, fingerprints)
            case _:
                return replace(sketch, distinct=sketch.distinct.with_values(fingerprints))


def _with_numbers(sketch: ColumnSketch, values: NDArray[Any], fingerprints: Fingerprints) -> ColumnSketch:
    ordered = _sorted(values)
    finite = _finite(ordered)
    sketch = replace(
        sketch,
        infinite=sketch.infinite + len(ordered) - len(finite),
        moments=sketch.moments.merged(Moments.of(finite)),
        quantiles=sketch.quantiles.with_sorted(finite),
    )
    is_first = ordered[1:] != ordered[:-1]
    if len(ordered) > _MANY and is_first.all():
        return _with_counts(sketch, {}, 1, fingerprints)
    starts = np.concatenate([[0], np.flatnonzero(is_first) + 1])
    counts = np.diff(np.append(starts, len(ordered)))
    kept, surplus = commonest(counts)
    keys = ordered[starts[kept]].tolist()
    common = {key: int(count) - surplus for key, count in zip(keys, counts[kept], strict=True) if _is_key(key)}
    is_full = not sketch.distinct.is_exact
    return _with_counts(sketch, common, surplus, fingerprints if is_full else number_fingerprints(ordered[starts]))


def _sorted(values: NDArray[Any]) -> NDArray[Any]:
    """Return the numbers in ascending order; small whole ones are sorted as such, which is several times faster."""
    if values.dtype != np.int64:
        return np.sort(values)
    low, high = int(values.min()), int(values.max())
    kind = next(
        kind for kind in (np.int16, np.int32, np.int64) if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max
    )
    return np.sort(values.astype(kind)).astype(np.int64)


def _with_words(sketch: ColumnSketch, words: Words) -> ColumnSketch:
    counts = np.bincount(words.codes, minlength=len(words.lengths))
    kept, surplus = commonest(counts)
    common = {text: int(counts[index]) - surplus for index, text in zip(kept, words.texts(kept), strict=True)}
    short: dict[Key, int] = {text[:_LONGEST_KEY]: count for text, count in common.items()}
    sketch = _with_counts(sketch, short, surplus, of_texts(words.lengths, words.data))
    if words.kind is Kind.DECIMAL:
        ordered = np.sort(np.array(words.texts(), np.float64)[words.codes])
        moments, quantiles = sketch.moments.merged(Moments.of(ordered)), sketch.quantiles.with_sorted(ordered)
        return replace(sketch, moments=moments, quantiles=quantiles)
    return replace(sketch, lengths=sketch.lengths.merged(Moments.of(words.lengths)))


def _with_counts(
    sketch: ColumnSketch, counts: dict[Key, int], surplus: int, fingerprints: Fingerprints
) -> ColumnSketch:
    return replace(
        sketch,
        frequent=sketch.frequent.merged(FrequentSketch(counts, surplus)),
        distinct=sketch.distinct.with_values(fingerprints),
    )


def _finite(ordered: NDArray[Any]) -> Any:
    if ordered.dtype != np.float64 or (math.isfinite(ordered[0]) and math.isfinite(ordered[-1])):
        return ordered
    return ordered[np.isfinite(ordered)]


def _is_key(value: float) -> bool:
    return math.isfinite(value)


def row_fingerprints(column: CanonicalColumn, values: Fingerprints) -> Fingerprints:
    """Return a fingerprint of each row from those of its values; all missing ones have the same."""
    if column.present is None:
        return values
    rows = np.full(column.length, MISSING, np.uint64)
    if len(values):
        rows[column.present] = values
    return rows


def value_fingerprints(column: CanonicalColumn) -> Fingerprints:
    """Return a fingerprint of each value that is not missing; equal values have equal ones, in every chunk."""
    match column.values:
        case Numbers(values):
            return number_fingerprints(values)
        case Words():
            return of_texts(column.values.lengths, column.values.data)[column.values.codes]
        case Booleans(values):
            return mixed(values.astype(np.uint64) + np.uint64(1))
        case Times():
            return mixed(_as_words(column.values))
    return _nested_fingerprints(column)


def _nested_fingerprints(column: CanonicalColumn) -> Fingerprints:
    match column.values:
        case Lists(lengths, items):
            return _of_lists(lengths, row_fingerprints(items, value_fingerprints(items)))
        case Records():
            return _of_records(column.values, column.length - column.missing)
    return np.empty(0, np.uint64)


def number_fingerprints(values: NDArray[Any]) -> Fingerprints:
    """Return a fingerprint of each number, the same for 1 and 1.0."""
    floats = values.astype(np.float64, copy=False)
    bits = np.ascontiguousarray(floats).view(np.uint64)
    largest = max(abs(float(floats.min())), abs(float(floats.max()))) if len(floats) else 0.0
    if largest < _EXACT_IN_FLOAT:
        return mixed(bits)
    is_whole = (np.abs(floats) >= _EXACT_IN_FLOAT) & (np.abs(floats) < _INT64_LIMIT)
    if values.dtype == np.int64:
        is_whole = (values >= _EXACT_IN_FLOAT) | (values <= -_EXACT_IN_FLOAT)
    whole = np.where(is_whole, values, 0).astype(np.int64).view(np.uint64)
    return mixed(np.where(is_whole, whole ^ MISSING, bits))


def _as_words(times: Times) -> Fingerprints:
    words = times.seconds.view(np.uint64) * _NANO
    return words if times.nanoseconds is None else words + times.nanoseconds.view(np.uint64)


def _of_records(records: Records, length: int) -> Fingerprints:
    rows = np.zeros(length, np.uint64)
    for _name, part in records.fields:
        rows = combined(rows, row_fingerprints(part, value_fingerprints(part)))
    return rows


def _of_lists(lengths: Integers, items: Fingerprints) -> Fingerprints:
    """Return one fingerprint for each list, of its items with their places."""
    starts = np.cumsum(lengths) - lengths
    places = np.arange(len(items)) - np.repeat(starts, lengths)
    placed = mixed(items + mixed(places.astype(np.uint64)))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(placed, dtype=np.uint64)])
    return mixed((sums[starts + lengths] - sums[starts]) ^ mixed(lengths.astype(np.uint64)))


class ColumnSketchDocument(BaseModel):
    """A column's sketch as it is stored; two of them merge into the sketch of both parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    rows: int
    missing: int
    infinite: int
    distinct: str
    frequent: tuple[tuple[str | bool | int | float, int], ...]
    frequent_error: int
    moments: tuple[int, float | None, float | None, float | None, float | None]
    quantile_levels: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, name: str, sketch: ColumnSketch) -> ColumnSketchDocument:
        """Return the document of a sketch; numbers beyond JSON's are null."""
        moments = sketch.moments
        figures = (moments.mean, moments.squares, moments.minimum, moments.maximum)
        mean, squares, minimum, maximum = (figure if math.isfinite(figure) else None for figure in figures)
        return cls(
            name=name,
            rows=sketch.rows,
            missing=sketch.missing,
            infinite=sketch.infinite,
            distinct=sketch.distinct.as_text(),
            frequent=tuple(sketch.frequent.counts.items()),
            frequent_error=sketch.frequent.error,
            moments=(moments.count, mean, squares, minimum, maximum),
            quantile_levels=tuple(tuple(level.tolist()) for level in sketch.quantiles.levels),
        )

    def sketch(self) -> ColumnSketch:
        """Return the sketch; texts' lengths are not kept."""
        count, mean, squares, minimum, maximum = self.moments
        levels = tuple(np.array(level, np.float64) for level in self.quantile_levels)
        return ColumnSketch(
            rows=self.rows,
            missing=self.missing,
            infinite=self.infinite,
            distinct=DistinctSketch.from_text(self.distinct),
            frequent=FrequentSketch(dict(self.frequent), self.frequent_error),
            moments=Moments(
                count=count,
                mean=math.nan if mean is None else mean,
                squares=math.inf if squares is None else squares,
                minimum=math.inf if minimum is None else minimum,
                maximum=-math.inf if maximum is None else maximum,
            ),
            quantiles=QuantileSketch(levels, sum(len(level) << height for height, level in enumerate(levels))),
        )
