"""What the main job consists of, as its users do it, and how it is disturbed."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Any

import psutil
from platform_under_test import Platform

QUICK = {"epochs": 5, "hidden_sizes": [16], "learning_rate": 0.05}


def launch(platform: Platform, dataset: dict[str, Any], model_name: str, **config: Any) -> dict[str, Any]:
    payload = {"dataset_id": dataset["dataset_id"], "model_name": model_name, "config": {**QUICK, **config}}
    return platform.call("ada", "launch_experiment", experiment_payload=payload)


def review_task(platform: Platform, experiment: dict[str, Any]) -> dict[str, Any]:
    platform.follow(experiment["experiment_id"], lambda event: event["kind"] == "user_task.created")
    tasks: list[dict[str, Any]] = platform.call("grace", "list_user_tasks")["user_tasks"]
    return next(task for task in tasks if task["process_instance_id"] == experiment["process_instance_id"])


def decide(platform: Platform, user_id: str, task: dict[str, Any], decision: str) -> dict[str, Any]:
    submission = {"decision": decision, "comment": "Looked at the metrics."}
    return platform.call(user_id, "complete_user_task", user_task_id=task["user_task_id"], submission=submission)


def to_the_end(platform: Platform, experiment: dict[str, Any]) -> dict[str, Any]:
    platform.follow(experiment["experiment_id"], lambda event: event["kind"] == "process.completed")
    return platform.call("ada", "get_experiment_status", experiment_id=experiment["experiment_id"], include_runs=True)


def kill_worker(platform: Platform) -> list[psutil.Process]:
    """Kill the worker without warning; return what it had started."""
    worker = psutil.Process(platform.worker_pid())
    descendants = worker.children(recursive=True)
    os.kill(worker.pid, signal.SIGKILL)
    return descendants


def crash_at(platform: Platform, experiment: dict[str, Any], kind: str, element_id: str | None) -> list[psutil.Process]:
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
    ended = [event for event in events if event["kind"] == "element.completed"]
    completed = Counter(each["element_id"] for each in ended if each["payload"]["kind"] != "MultiInstanceBody")
    assert status["status"] == "completed"
    assert status["experiment_id"] == experiment["experiment_id"]
    assert [run["stage"] for run in status["runs"]] == ["train", "eval"]
    assert set(completed.values()) == {1}
    assert sum(event["kind"] == "user_task.created" for event in events) == 1
