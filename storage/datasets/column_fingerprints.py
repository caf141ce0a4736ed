"""A fingerprint of each value and each row of a column, whatever kind its values are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.datasets.canonical import Booleans, CanonicalColumn, Integers, Lists, Numbers, Records, Times, Words
from storage.datasets.fingerprints import MISSING, Fingerprints, combined, mixed, of_texts

_EXACT_IN_FLOAT = 2**53
_INT64_LIMIT = 2.0**63
_NANO = np.uint64(1_000_000_000)


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
