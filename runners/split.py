"""Which rows are held back from training: a pure function of the rows, a seed and a fraction; and its record."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runners.errors import SplitColumnUnusableError
from runners.ordering import counter_order
from runners.results import SplitRecord
from runners.specification import SplitMethod, SplitSpecification
from storage.datasets.canonical import Times, canonical_column
from storage.datasets.column_fingerprints import row_fingerprints, value_fingerprints

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Two disjoint sets of row indices that together are all rows, each ascending, int64."""

    training: NDArray[np.int64]
    held_back: NDArray[np.int64]

    @property
    def digest(self) -> str:
        """SHA-256 over how many rows there are and on which side each of them is."""
        is_held_back = np.zeros(len(self.training) + len(self.held_back), np.bool_)
        is_held_back[self.held_back] = True
        digest = hashlib.sha256(b"ami-split-1" + len(is_held_back).to_bytes(8, "little"))
        digest.update(np.packbits(is_held_back, bitorder="little").tobytes())
        return digest.hexdigest()


def split_rows(table: pa.Table, labels: Labels, how: SplitSpecification, seed: int, fraction: float) -> Split:
    """Return the split of a table's rows.

    Args:
        table: All rows.
        labels: Class index of each row, int64 `[rows]`.
        how: By classes, by groups of rows that stay together, or by time.
        seed: 0 or more, below 2**63; a split by time does without.
        fraction: Between 0 and 1, both excluded.

    Raises:
        SplitColumnUnusableError: The column to split by is absent, or holds nothing to split by.
    """
    match how.method:
        case SplitMethod.STRATIFIED:
            return stratified_split(labels, seed, fraction)
        case SplitMethod.GROUPED:
            return grouped_split(_groups(table, str(how.column)), seed, fraction)
        case SplitMethod.BY_TIME:
            return time_split(*_moments(table, str(how.column)), fraction)
        case _:
            assert_never(how.method)


def record_of(split: Split, how: SplitSpecification, seed: int, fraction: float) -> SplitRecord:
    """Return what is recorded of a split with its experiment."""
    return SplitRecord(
        method=how.method,
        column=how.column,
        seed=seed,
        held_back_fraction=fraction,
        training_row_count=len(split.training),
        held_back_row_count=len(split.held_back),
        digest=split.digest,
    )


def stratified_split(labels: Labels, seed: int, fraction: float) -> Split:
    """Return a split in which about `fraction` of every class is held back.

    Every class with two rows or more is on both sides; the row of a class that has one only is for training.

    Args:
        labels: Class index of each row, int64 `[rows]`.
        seed: 0 or more, below 2**63.
        fraction: Between 0 and 1, both excluded.
    """
    is_held_back = np.zeros(len(labels), dtype=np.bool_)
    order = counter_order(len(labels), seed, 0)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        is_held_back[members[: _held_back_count(len(members), fraction)]] = True
    return _split(is_held_back)


def grouped_split(groups: NDArray[np.int64], seed: int, fraction: float) -> Split:
    """Return a split that divides no group: groups are held back until about `fraction` of the rows is.

    With two groups or more there is one on each side; a single group is for training.

    Args:
        groups: Number of each row's group, int64 `[rows]`, from 0 upwards.
        seed: 0 or more, below 2**63.
        fraction: Between 0 and 1, both excluded.
    """
    sizes = np.bincount(groups)
    order = counter_order(len(sizes), seed, 0)
    before = np.cumsum(sizes[order]) - sizes[order]
    count = min(max(int(np.count_nonzero(before < fraction * len(groups))), 1), len(sizes) - 1)
    return _split(np.isin(groups, order[:count]))


def time_split(moments: NDArray[np.int64], known: NDArray[np.bool_], fraction: float) -> Split:
    """Return a split that holds back the latest rows: about `fraction` of those whose time is known.

    Rows of one moment are on one side, and rows without a time are for training.

    Args:
        moments: A number for each row that grows with its time, int64 `[rows]`.
        known: Which rows have a time.
        fraction: Between 0 and 1, both excluded.
    """
    ordered = np.sort(moments[known])
    if len(ordered) == 0 or ordered[0] == ordered[-1]:
        return _split(np.zeros(len(moments), np.bool_))
    place = min(max(round(len(ordered) * (1 - fraction)), 1), len(ordered) - 1)
    first = max(int(ordered[place]), int(ordered[np.searchsorted(ordered, ordered[0], side="right")]))
    return _split(known & (moments >= first))


def _split(is_held_back: NDArray[np.bool_]) -> Split:
    return Split(training=np.flatnonzero(~is_held_back), held_back=np.flatnonzero(is_held_back))


def _held_back_count(class_size: int, fraction: float) -> int:
    if class_size == 1:
        return 0
    return min(max(round(class_size * fraction), 1), class_size - 1)


def _groups(table: pa.Table, column: str) -> NDArray[np.int64]:
    canonical = canonical_column(_values(table, column), name=column)
    prints = row_fingerprints(canonical, value_fingerprints(canonical))
    _distinct, groups = np.unique(prints, return_inverse=True)
    return groups.astype(np.int64)


def _moments(table: pa.Table, column: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    canonical = canonical_column(_values(table, column), name=column)
    if not isinstance(canonical.values, Times):
        raise SplitColumnUnusableError(column=column, reason="it holds no times")
    seconds, nanoseconds = canonical.values.seconds, canonical.values.nanoseconds
    known = np.ones(canonical.length, np.bool_) if canonical.present is None else canonical.present
    ranks = np.zeros(canonical.length, np.int64)
    pairs = np.stack([seconds, np.zeros_like(seconds) if nanoseconds is None else nanoseconds], axis=1)
    ranks[known] = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)
    return ranks, known


def _values(table: pa.Table, column: str) -> Any:
    if column not in table.schema.names:
        raise SplitColumnUnusableError(column=column, reason="the dataset does not have it")
    return table.column(column).combine_chunks()
