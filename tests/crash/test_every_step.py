"""The long form of `tests/acceptance/test_crash.py`: the worker is killed at every step of the main job."""

from __future__ import annotations

from typing import Any

import pytest
from experiment_steps import approve, assert_nothing_lost_or_doubled, crash_at, launch
from platform_under_test import Platform

BEFORE_REVIEW = [
    ("process.started", None),
    ("element.activated", "Task_ProfileDataset"),
    ("element.activated", "Task_CheckRules"),
    ("element.activated", "Task_MarkValidated"),
    ("element.activated", "Task_TrainModel"),
    ("training.progress", "Task_TrainModel"),
    ("element.completed", "Task_TrainModel"),
    ("element.activated", "Task_EvaluateModel"),
    ("element.activated", "Task_RegisterModel"),
    ("user_task.created", "UserTask_ReviewModel"),
]
AFTER_REVIEW = [
    ("user_task.completed", "UserTask_ReviewModel"),
    ("element.activated", "Task_DeployEndpoint"),
    ("element.activated", "Task_ProbeEndpoint"),
    ("element.activated", "Task_PromoteModel"),
    ("element.activated", "Task_CompleteExperiment"),
]


@pytest.mark.crash
@pytest.mark.requirement("crash")
@pytest.mark.parametrize(("kind", "element_id"), BEFORE_REVIEW)
def test_a_worker_killed_before_the_review_loses_nothing(
    platform: Platform, dataset: dict[str, Any], kind: str, element_id: str | None
) -> None:
    experiment = launch(platform, dataset, f"{kind}-{element_id}", epochs=200)

    crash_at(platform, experiment, kind, element_id)

    approve(platform, experiment)
    assert_nothing_lost_or_doubled(platform, experiment)


@pytest.mark.crash
@pytest.mark.requirement("crash")
@pytest.mark.parametrize(("kind", "element_id"), AFTER_REVIEW)
def test_a_worker_killed_after_the_review_loses_nothing(
    platform: Platform, dataset: dict[str, Any], kind: str, element_id: str
) -> None:
    experiment = launch(platform, dataset, f"{kind}-{element_id}")
    approve(platform, experiment)

    crash_at(platform, experiment, kind, element_id)

    assert_nothing_lost_or_doubled(platform, experiment)
