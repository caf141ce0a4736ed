"""How many rows repeat an earlier one."""

from __future__ import annotations

import numpy as np

from storage.datasets.fingerprints import Fingerprints
from storage.datasets.sketches.distinct import DistinctSketch

EXACT_ROWS = 1 << 24


class RepeatedRows:
    """Counts them exactly for up to 16.7 million rows, at 8 bytes each; beyond that, from a sketch (2.2 % error)."""

    def __init__(self) -> None:
        self._kept: list[Fingerprints] = []
        self._sketch = DistinctSketch()
        self._rows = 0

    def add(self, rows: Fingerprints) -> None:
        """Take note of more rows."""
        self._rows += len(rows)
        self._kept.append(rows)
        if self._rows > EXACT_ROWS:
            for kept in self._kept:
                self._sketch = self._sketch.with_values(kept)
            self._kept.clear()

    def count(self) -> int:
        """Return how many rows are equal to an earlier row."""
        if self._rows > EXACT_ROWS:
            return max(self._rows - self._sketch.estimate, 0)
        if not self._kept:
            return 0
        ordered = np.concatenate(self._kept)
        ordered.sort()
        return int(np.count_nonzero(ordered[1:] == ordered[:-1]))
