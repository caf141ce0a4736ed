from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Any

import psutil
import pytest
from platform_under_test import Platform
from test_life_cycle import launch, to_the_end

DURING_TRAINING = ("training.progress", "Task_TrainModel")


def kill_worker(platform: Platform) -> list[psutil.Process]:
    """Kill the worker without warning; return what it had started."""
    worker = psutil.Process(platform.worker_pid())
    descendants = worker.children(recursive=True)
    os.kill(worker.pid, signal.SIGKILL)
    return descendants


def crash_at(platform: Platform, experiment: dict[str, Any], kind: str, element_id: str) -> list[psutil.Process]:
    """Kill the worker once an event has appeared."""
    platform.follow(
        experiment["experiment_id"], lambda event: (event["kind"], event["element_id"]) == (kind, element_id)
    )
    return kill_worker(platform)


def approve(platform: Platform, experiment: dict[str, Any]) -> None:
    platform.follow(experiment["experiment_id"], lambda event: event["kind"] == "user_task.created")
    (task_id,) = platform.call("ada", "get_experiment_status", experiment_id=experiment["experiment_id"])[
        "open_user_task_ids"
    ]
    platform.call("grace", "complete_user_task", user_task_id=task_id, submission={"decision": "approve"})


def assert_nothing_lost_or_doubled(platform: Platform, experiment: dict[str, Any]) -> None:
    status = to_the_end(platform, experiment)
    events = platform.follow(experiment["experiment_id"], lambda event: event["kind"] == "process.completed")
    completed = Counter(event["element_id"] for event in events if event["kind"] == "element.completed")
    assert status["status"] == "completed"
    assert status["experiment_id"] == experiment["experiment_id"]
    assert [run["stage"] for run in status["runs"]] == ["train", "eval"]
    assert set(completed.values()) == {1}
    assert sum(event["kind"] == "user_task.created" for event in events) == 1


@pytest.mark.requirement("crash")
def test_a_worker_killed_during_training_leaves_no_trainer_and_the_experiment_completes(
    platform: Platform, dataset: dict[str, Any]
) -> None:
    experiment = launch(platform, dataset, "killed-in-training", epochs=1_500)

    descendants = crash_at(platform, experiment, *DURING_TRAINING)

    _, alive = psutil.wait_procs(descendants, timeout=10)
    assert (bool(descendants), alive) == (True, [])
    approve(platform, experiment)
    assert_nothing_lost_or_doubled(platform, experiment)
