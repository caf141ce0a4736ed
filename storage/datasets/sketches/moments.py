"""Count, mean and variance that can be merged, without the rounding of sums of squares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Of finite numbers.

    Source: Chan, Golub, LeVeque: Updating Formulae and a Pairwise Algorithm for Computing Sample Variances, 1979.

    >>> Moments.of(np.array([1.0, 2.0])).merged(Moments.of(np.array([3.0, 6.0])))
    Moments(count=4, mean=3.0, squares=14.0, minimum=1.0, maximum=6.0)

    Attributes:
        squares: Sum of the squared distances from the mean.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf

    @classmethod
    def of(cls, values: NDArray[Any]) -> Moments:
        """Return the moments of finite numbers, int64 or float64; beyond float64's range they are infinite."""
        return cls._of(values, float(values.min()), float(values.max())) if len(values) else cls()

    @classmethod
    def of_ascending(cls, values: NDArray[Any]) -> Moments:
        """Return `of` numbers in ascending order."""
        return cls._of(values, float(values[0]), float(values[-1])) if len(values) else cls()

    @classmethod
    def _of(cls, values: NDArray[Any], minimum: float, maximum: float) -> Moments:
        with np.errstate(over="ignore", invalid="ignore"):
            floats = values.astype(np.float64, copy=False)
            mean = float(floats.mean())
            away = floats - mean
            squares = float(np.einsum("i,i->", away, away))  # not np.dot: BLAS brings threads of its own
        return cls(len(values), mean, squares, minimum, maximum)

    def merged(self, other: Moments) -> Moments:
        """Return the moments of both together."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        step = other.mean - self.mean
        try:
            squares = self.squares + other.squares + step * step * self.count * other.count / count
        except OverflowError:
            squares = math.inf
        return Moments(
            count=count,
            mean=self.mean + step * other.count / count,
            squares=squares,
            minimum=min(self.minimum, other.minimum),
            maximum=max(self.maximum, other.maximum),
        )

    @property
    def standard_deviation(self) -> float:
        """Of these numbers themselves, not of a population that they were drawn from."""
        return math.sqrt(self.squares / self.count) if self.count else math.nan
