"""The values that occur most often, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

CAPACITY = 256
Key: TypeAlias = str | float | bool


@dataclass(frozen=True)
class CommonValues:
    """What a chunk has most of: `counts` are already too low by `surplus`."""

    counts: Mapping[Key, int] = field(default_factory=dict)
    surplus: int = 0


@dataclass(frozen=True)
class FrequentSketch:
    """Counts of at most `CAPACITY` values; what is not among them occurred at most `error` times.

    A value's count is too low by at most `error`, never too high, and `error` is at most the number of values seen
    over 257; so every value that makes up 0.4 % of all is here. Exact while no more than 256 values are seen.

    Source: Misra, Gries: Finding Repeated Elements, 1982; merging: Agarwal et al.: Mergeable Summaries, 2012.

    >>> sketch = FrequentSketch().with_counts({"a": 3, "b": 1}).with_counts({"a": 2})
    >>> sketch.top(1), sketch.error
    ((('a', 5),), 0)
    """

    counts: Mapping[Key, int] = field(default_factory=dict)
    error: int = 0

    def with_counts(self, counts: Mapping[Key, int]) -> FrequentSketch:
        """Return the sketch with so many more of each of these values."""
        return self.merged(FrequentSketch(counts))

    def merged(self, other: FrequentSketch) -> FrequentSketch:
        """Return the sketch of both together."""
        return self.with_chunks([CommonValues(other.counts, other.error)])

    def with_chunks(self, chunks: Iterable[CommonValues]) -> FrequentSketch:
        """Return the sketch with these seen as well; taken in together, they lose no more than one by one."""
        together, error = dict(self.counts), self.error
        for chunk in chunks:
            error += chunk.surplus
            for key, count in chunk.counts.items():
                together[key] = together.get(key, 0) + count
        if len(together) <= CAPACITY:
            return FrequentSketch(together, error)
        surplus = sorted(together.values())[-CAPACITY - 1]
        kept = {key: count - surplus for key, count in together.items() if count > surplus}
        return FrequentSketch(kept, error + surplus)

    def top(self, number: int) -> tuple[tuple[Key, int], ...]:
        """Return the commonest values and their counts, commonest first."""
        return tuple(sorted(self.counts.items(), key=lambda item: (-item[1], str(item[0])))[:number])


def commonest(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Return which of many counts a sketch would keep, and what it would take off each of them."""
    if len(counts) <= CAPACITY:
        return np.arange(len(counts)), 0
    repeated = counts[counts > 1]
    if len(repeated) <= CAPACITY:
        return np.flatnonzero(counts > 1), 1
    surplus = int(np.partition(repeated, len(repeated) - CAPACITY - 1)[len(repeated) - CAPACITY - 1])
    return np.flatnonzero(counts > surplus), surplus
