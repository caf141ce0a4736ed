"""How many different values there are, from the smallest of their fingerprints."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

import numpy as np

from storage.datasets.fingerprints import Fingerprints

CAPACITY = 2_048
_RANGE = 2.0**64


def _none() -> Fingerprints:
    return np.empty(0, np.uint64)


@dataclass(frozen=True)
class DistinctSketch:
    """The `CAPACITY` smallest fingerprints of the values seen: a sample of the distinct values, whatever their counts.

    Exact below the capacity; above it, the relative standard error is 1 / sqrt(CAPACITY - 2), 2.2 %. Merging sketches
    gives exactly the sketch of all values together.

    Source: Bar-Yossef et al.: Counting Distinct Elements in a Data Stream, 2002 (its third algorithm); the unbiased
    estimate is that of Beyer et al.: On Synopses for Distinct-Value Estimation, 2007.

    >>> from storage.datasets.fingerprints import mixed
    >>> sketch = DistinctSketch().with_values(mixed(np.arange(100_000, dtype=np.uint64) % np.uint64(50_000)))
    >>> sketch.estimate
    51296
    """

    smallest: Fingerprints = field(default_factory=_none)

    def with_values(self, fingerprints: Fingerprints) -> DistinctSketch:
        """Return the sketch with these values seen as well."""
        if len(self.smallest) == CAPACITY:
            fingerprints = fingerprints[fingerprints < self.smallest[-1]]
        if len(fingerprints) == 0:
            return self
        ordered = np.sort(np.concatenate([self.smallest, fingerprints]))  # np.unique hashes, which is slower here
        is_first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
        return DistinctSketch(ordered[is_first][:CAPACITY])

    def merged(self, other: DistinctSketch) -> DistinctSketch:
        """Return the sketch of both together."""
        return self.with_values(other.smallest)

    @property
    def ceiling(self) -> np.uint64 | None:
        """Fingerprints from here on are not taken in; `None` where all are."""
        return None if self.is_exact else self.smallest[-1]

    @property
    def estimate(self) -> int:
        """The number of distinct values."""
        if len(self.smallest) < CAPACITY:
            return len(self.smallest)
        return round((CAPACITY - 1) / (float(self.smallest[-1]) / _RANGE))

    @property
    def is_exact(self) -> bool:
        """Whether the estimate is the number itself, but for fingerprints that two values share."""
        return len(self.smallest) < CAPACITY

    def as_text(self) -> str:
        """Return the sketch as base64 of its fingerprints, little-endian."""
        return base64.b64encode(self.smallest.astype("<u8").tobytes()).decode()

    @classmethod
    def from_text(cls, text: str) -> DistinctSketch:
        """Return the sketch that `as_text` wrote."""
        return cls(np.frombuffer(base64.b64decode(text), "<u8").astype(np.uint64))


def smallest(fingerprints: Fingerprints, ceiling: np.uint64 | None, *, are_distinct: bool = False) -> Fingerprints:
    """Return those of many fingerprints that a sketch with this ceiling may take in, as an array of its own."""
    if ceiling is not None:
        return fingerprints[fingerprints < ceiling]
    if len(fingerprints) <= CAPACITY:
        return fingerprints.copy()
    if are_distinct:
        return np.partition(fingerprints, CAPACITY)[:CAPACITY].copy()
    return DistinctSketch().with_values(fingerprints).smallest.copy()
