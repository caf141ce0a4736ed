"""What a benchmark reports: a ratio against a floor or a peer measured in the same run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Measurement:
    """One figure.

    Attributes:
        name: `group.what`.
        bar: What it has to reach; `None` where the figure only explains others.
        better: Whether a higher or a lower value is better.
        against: What the value is a ratio to.
    """

    name: str
    value: float
    unit: str
    bar: float | None
    better: Literal["higher", "lower"]
    against: str

    @property
    def passed(self) -> bool:
        """Whether the bar, if there is one, is reached."""
        if self.bar is None:
            return True
        return self.value >= self.bar if self.better == "higher" else self.value <= self.bar

    def as_row(self) -> dict[str, object]:
        """Return the figure as it stands in `results.json`."""
        return {**asdict(self), "passed": self.passed}


Benchmark = Callable[[], list[Measurement]]
