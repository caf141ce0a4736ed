"""Train a model: `python -m runners.jobs.train SPECIFICATION.json`."""

from __future__ import annotations

import time

from runners.jobs.process import Emit, run_job
from runners.specification import TrainingSpecification, parse_specification
from runners.training import train


def _work(document: bytes, emit: Emit) -> None:
    train(parse_specification(TrainingSpecification, document), emit, time.monotonic)


if __name__ == "__main__":
    run_job(_work)
