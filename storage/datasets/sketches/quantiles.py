"""Quantiles of a stream of numbers, in bounded memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.datasets.fingerprints import mixed_number

WIDTH = 512
_SHRINK = 2 / 3
_SMALLEST_LEVEL = 8
Level = NDArray[np.float64]


@dataclass(frozen=True)
class QuantileSample:
    """Of a block of `count` numbers: those picked stand for `2**height` each, the rest for themselves."""

    height: int
    picked: Level
    rest: Level
    count: int


@dataclass(frozen=True)
class QuantileSketch:
    """Samples of the numbers seen, on levels; one on level `h` stands for `2**h` numbers.

    The rank of an answer is off by at most 1 % of the count, with 99 % confidence; below 512 numbers it is exact. A
    full level is sorted, and every second number of it, beginning with the first or the second by a toss of a coin,
    moves up; a large sorted block enters on the level where it fits, which is what as many such steps would do. The
    coin is a hash of the count so far, so equal streams give equal sketches.

    Source: Karnin, Lang, Liberty: Optimal Quantile Approximation in Streams, 2016.

    >>> sketch = QuantileSketch().with_sorted(np.arange(100_000.0))
    >>> [round(sketch.quantile(share) / 1_000) for share in (0.0, 0.25, 0.5, 1.0)]
    [0, 25, 50, 100]
    """

    levels: tuple[Level, ...] = ()
    count: int = 0

    def with_sorted(self, values: NDArray[Any]) -> QuantileSketch:
        """Return the sketch with these ascending finite numbers seen as well."""
        return self.with_samples([sample_of(values, self.count)])

    def with_samples(self, samples: Iterable[QuantileSample]) -> QuantileSketch:
        """Return the sketch with the numbers seen as well that the samples are of."""
        levels, count = [[own] for own in self.levels] or [[]], self.count
        for sample in samples:
            levels += [[] for _ in range(sample.height + 1 - len(levels))]
            levels[sample.height].append(sample.picked)
            levels[0].append(sample.rest)
            count += sample.count
        return self if count == self.count else _compacted([_joined(parts) for parts in levels], count)

    def merged(self, other: QuantileSketch) -> QuantileSketch:
        """Return the sketch of both streams together."""
        pairs = itertools.zip_longest(self.levels, other.levels, fillvalue=np.empty(0))
        return _compacted([_joined(pair) for pair in pairs], self.count + other.count)

    def quantile(self, share: float) -> float:
        """Return the smallest number at which about `share` (0 to 1) of all are reached; NaN where none was seen."""
        return self.quantiles([share])[0]

    def quantiles(self, shares: Sequence[float]) -> tuple[float, ...]:
        """Return `quantile` of each share."""
        if self.count == 0:
            return (math.nan,) * len(shares)
        values, below = self._weighted()
        places = np.searchsorted(below, np.asarray(shares) * self.count, side="left")
        return tuple(float(values[min(place, len(values) - 1)]) for place in places)

    def share_up_to(self, value: float) -> float:
        """Return which share of the numbers seen is at most `value`."""
        values, below = self._weighted()
        place = int(np.searchsorted(values, value, side="right"))
        return float(below[place - 1]) / self.count if place else 0.0

    def histogram(self, edges: Sequence[float]) -> tuple[int, ...]:
        """Return about how many numbers lie above each edge and at most at the next; the first bin has its own edge."""
        shares = [self.share_up_to(edge) for edge in edges]
        shares[0] = 0.0
        return tuple(round((high - low) * self.count) for low, high in itertools.pairwise(shares))

    def _weighted(self) -> tuple[Level, NDArray[np.int64]]:
        values = np.concatenate(self.levels)
        weights = np.repeat([1 << height for height in range(len(self.levels))], [len(level) for level in self.levels])
        order = np.argsort(values, kind="stable")
        return values[order], np.cumsum(weights[order])


def sample_of(values: NDArray[Any], first: int) -> QuantileSample:
    """Return the sample of a block of ascending finite numbers, its first place decided by a hash of `first`."""
    height = max((len(values) // WIDTH).bit_length() - 1, 0)
    step = 1 << height
    whole = len(values) - len(values) % step
    picked = values[_coin(first, height) % step : whole : step]
    return QuantileSample(height, picked.astype(np.float64), values[whole:].astype(np.float64), len(values))


def _coin(count: int, level: int) -> int:
    return mixed_number(count * 64 + level + 1) >> 8


def _joined(parts: Iterable[Level]) -> Level:
    filled = [part for part in parts if len(part)]
    return np.concatenate(filled) if filled else np.empty(0)


def _compacted(levels: list[Level], count: int) -> QuantileSketch:
    height = 0
    while height < len(levels):
        if len(levels[height]) > _capacity(height, len(levels)):
            if height + 1 == len(levels):
                levels.append(np.empty(0))
            levels[height], promoted = _halved(np.sort(levels[height]), _coin(count, height))
            levels[height + 1] = np.concatenate([levels[height + 1], promoted])
        height += 1
    return QuantileSketch(tuple(levels), count)


def _capacity(height: int, levels: int) -> int:
    return max(int(WIDTH * _SHRINK ** (levels - height - 1)), _SMALLEST_LEVEL)


def _halved(level: Level, coin: int) -> tuple[Level, Level]:
    """Return what stays (one number of an odd count) and what moves up."""
    odd = len(level) % 2
    return level[:odd], level[odd + coin % 2 :: 2]
