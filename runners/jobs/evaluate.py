"""Evaluate a model package: `python -m runners.jobs.evaluate SPECIFICATION.json`."""

from __future__ import annotations

import time

from runners.evaluation import evaluate
from runners.jobs.process import Emit, run_job
from runners.specification import EvaluationSpecification, parse_specification


def _work(document: bytes, _emit: Emit) -> None:
    evaluate(parse_specification(EvaluationSpecification, document), time.monotonic)


if __name__ == "__main__":
    run_job(_work)
