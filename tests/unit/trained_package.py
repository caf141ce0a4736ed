"""A finished training run, shared by tests."""

from __future__ import annotations

import time

from runners.results import EpochProgress, TrainingResult
from runners.specification import TrainingSpecification
from runners.training import train


class TrainedPackage:
    """A finished training run: what was asked, what was reported, what came out."""

    def __init__(self, specification: TrainingSpecification) -> None:
        self.specification = specification
        self.epochs: list[EpochProgress] = []
        self.result: TrainingResult = train(specification, self.epochs.append, time.monotonic)
        self.package_dir = specification.output_dir / self.result.package_dir
