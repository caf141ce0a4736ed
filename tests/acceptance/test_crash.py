from __future__ import annotations

from typing import Any

import psutil
import pytest
from experiment_steps import approve, assert_nothing_lost_or_doubled, crash_at, launch
from platform_under_test import Platform


@pytest.mark.requirement("crash")
def test_a_worker_killed_during_training_leaves_no_trainer_and_the_experiment_completes(
    platform: Platform, dataset: dict[str, Any]
) -> None:
    experiment = launch(platform, dataset, "killed-in-training", epochs=1_500)

    descendants = crash_at(platform, experiment, "training.progress", "Task_TrainModel")

    _, alive = psutil.wait_procs(descendants, timeout=60)
    assert (bool(descendants), alive) == (True, [])
    approve(platform, experiment)
    assert_nothing_lost_or_doubled(platform, experiment)
