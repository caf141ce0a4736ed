"""What one chunk of a column adds to the column's sketch.

Everything that takes time is done here, without knowing the chunks before: so chunks are measured side by side, and a
sketch takes in several of them at once.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.datasets.canonical import Booleans, CanonicalColumn, Integers, Kind, Numbers, Words
from storage.datasets.column_fingerprints import number_fingerprints
from storage.datasets.fingerprints import Fingerprints, of_texts
from storage.datasets.sketches.distinct import CAPACITY, smallest
from storage.datasets.sketches.frequent import CommonValues, Key, commonest
from storage.datasets.sketches.moments import Moments
from storage.datasets.sketches.quantiles import QuantileSample, sample_of

_FEW = 2 * CAPACITY
_LONGEST_KEY = 200
_FIRST = np.zeros(1, np.int64)


@dataclass(frozen=True)
class ColumnPiece:
    """Of one chunk of a column.

    Attributes:
        infinite: How many numbers are infinite; they are values, but have no part in moments and quantiles.
        moments: Of finite numbers.
        lengths: Of the distinct texts, in bytes.
        fingerprints: Those that a sketch of distinct values may want.
    """

    rows: int
    missing: int
    infinite: int = 0
    moments: Moments = field(default_factory=Moments)
    lengths: Moments = field(default_factory=Moments)
    sample: QuantileSample | None = None
    common: CommonValues = field(default_factory=CommonValues)
    fingerprints: Fingerprints = field(default_factory=lambda: np.empty(0, np.uint64))


@dataclass(frozen=True)
class Place:
    """Where a chunk stands.

    Attributes:
        first_row: How many rows came before; decides, as a toss of a coin would, which places are sampled.
        ceiling: Fingerprints from here on are of no use to the column's sketch; `None` where all are.
    """

    first_row: int
    ceiling: np.uint64 | None


def measured(column: CanonicalColumn, fingerprints: Fingerprints, place: Place) -> ColumnPiece:
    """Return what a chunk adds.

    Args:
        column: The chunk.
        fingerprints: What `value_fingerprints` gives for it.
        place: Where it stands.
    """
    piece = ColumnPiece(rows=column.length, missing=column.missing)
    match column.values:
        case Numbers(values):
            return _of_numbers(piece, values, fingerprints, place)
        case Words():
            return _of_words(piece, column.values, place)
        case Booleans(values):
            true = int(np.count_nonzero(values))
            counts: dict[Key, int] = {True: true, False: len(values) - true}
            common = CommonValues({key: count for key, count in counts.items() if count})
            return replace(piece, common=common, fingerprints=smallest(fingerprints, place.ceiling))
        case _:
            return replace(piece, fingerprints=smallest(fingerprints, place.ceiling))


def _of_numbers(piece: ColumnPiece, values: NDArray[Any], fingerprints: Fingerprints, place: Place) -> ColumnPiece:
    ordered = _sorted(values)
    finite = _finite(ordered)
    is_new = ordered[1:] != ordered[:-1]
    piece = replace(
        piece,
        infinite=len(ordered) - len(finite),
        moments=Moments.of_ascending(finite),
        sample=sample_of(finite, place.first_row),
    )
    if len(ordered) > _FEW and is_new.all():
        wanted = smallest(fingerprints, place.ceiling, are_distinct=True)
        return replace(piece, common=CommonValues(surplus=1), fingerprints=wanted)
    runs = np.concatenate([_FIRST, np.flatnonzero(is_new) + 1])
    if place.ceiling is None or len(runs) <= _FEW:
        wanted = smallest(number_fingerprints(ordered[runs]), place.ceiling, are_distinct=True)
    else:
        wanted = smallest(fingerprints, place.ceiling)
    return replace(piece, common=_common(ordered, runs), fingerprints=wanted)


def _sorted(values: NDArray[Any]) -> NDArray[Any]:
    """Return the numbers in ascending order; small whole ones are sorted as such, which is several times faster."""
    if values.dtype != np.int64:
        return np.sort(values)
    low, high = int(values.min()), int(values.max())
    kind = next(
        kind for kind in (np.int16, np.int32, np.int64) if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max
    )
    ordered = values.astype(kind)
    ordered.sort()
    return ordered


def _common(ordered: NDArray[Any], runs: Integers) -> CommonValues:
    lengths = np.diff(runs, append=len(ordered))
    kept, surplus = commonest(lengths)
    keys, counts = ordered[runs[kept]], lengths[kept] - surplus
    is_finite = np.isfinite(keys)
    return CommonValues(dict(zip(keys[is_finite].tolist(), counts[is_finite].tolist(), strict=True)), surplus)


def _of_words(piece: ColumnPiece, words: Words, place: Place) -> ColumnPiece:
    kept, surplus = commonest(words.counts)
    counts = (words.counts[kept] - surplus).tolist()
    common: Counter[Key] = Counter()
    for text, count in zip(words.texts(kept), counts, strict=True):
        common[text[:_LONGEST_KEY]] += count  # long texts that begin alike are counted as one
    fingerprints = of_texts(words.lengths, words.data)
    piece = replace(
        piece,
        common=CommonValues(common, surplus),
        fingerprints=smallest(fingerprints, place.ceiling, are_distinct=True),
    )
    if words.kind is not Kind.DECIMAL:
        return replace(piece, lengths=Moments.of(words.lengths))
    ordered = np.sort(np.array(words.texts(), np.float64)[words.codes])
    return replace(piece, moments=Moments.of_ascending(ordered), sample=sample_of(ordered, place.first_row))


def _finite(ordered: NDArray[Any]) -> Any:
    if ordered.dtype != np.float64 or (math.isfinite(ordered[0]) and math.isfinite(ordered[-1])):
        return ordered
    return ordered[np.isfinite(ordered)]
