"""Which rows are held back from training: a pure function of the labels, a seed and a fraction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runners.ordering import counter_order


@dataclass(frozen=True)
class Split:
    """Two disjoint sets of row indices that together are all rows, each ascending, int64."""

    training: NDArray[np.int64]
    held_back: NDArray[np.int64]


def stratified_split(labels: NDArray[np.int64], seed: int, fraction: float) -> Split:
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
    return Split(training=np.flatnonzero(~is_held_back), held_back=np.flatnonzero(is_held_back))


def _held_back_count(class_size: int, fraction: float) -> int:
    if class_size == 1:
        return 0
    return min(max(round(class_size * fraction), 1), class_size - 1)
