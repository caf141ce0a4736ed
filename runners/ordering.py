"""Orders of rows that depend on nothing but a seed and a counter.

The order of epoch 7 can be had without running epochs 1 to 6, so a run that resumes sees the same data as one that was
never stopped. The mixing function is the finaliser of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom
number generators", OOPSLA 2014), written out here because numpy promises no stable stream between its versions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def counter_order(count: int, seed: int, stream: int) -> NDArray[np.int64]:
    """Return a permutation of `range(count)`, int64 `[count]`, that only the three numbers decide.

    Args:
        count: Number of rows.
        seed: 0 or more, below 2**63.
        stream: Tells apart uses of one seed, for example epochs; 0 or more, below 2**63.
    """
    start = _mixed(_mixed(np.array([seed], dtype=np.uint64)) ^ np.array([stream], dtype=np.uint64))
    keys = _mixed(start + np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN_GAMMA)
    return np.argsort(keys, kind="stable").astype(np.int64)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
