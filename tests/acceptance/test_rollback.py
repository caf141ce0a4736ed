"""What goes wrong after a model was registered or deployed is undone, as the diagrams say, and told."""

from __future__ import annotations

from typing import Any

import pytest
from experiment_steps import approve, decide, launch, review_task, to_the_end
from platform_under_test import Platform
from shop_floor import WHY, instance

from domain_sdk.model_package import WEIGHTS_FILE, parse_manifest
from storage import FolderObjectStore
from storage.objects import digest_of, object_key

pytestmark = [pytest.mark.requirement("rollback")]

LARGE = {"width": 14, "height": 7.25, "colour": "red"}


def served_version(platform: Platform, model_id: str) -> int:
    payload = {"model_id": model_id, "instances": [LARGE]}
    version: int = platform.call("ada", "run_inference", inference_payload=payload)["model_version"]
    return version


def damage_weights(platform: Platform, package_uri: str) -> None:
    """Change one bit of a model's weights, behind the store's back."""
    root = platform.home / "artifacts"
    weights = parse_manifest(FolderObjectStore(root).read_bytes(package_uri)).files[WEIGHTS_FILE]
    path = root / object_key(digest_of(str(weights.uri)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def undone(platform: Platform, experiment: dict[str, Any]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Return, for each rollback, where it was thrown, and what was undone by which handler and by whom."""
    accounts = instance(platform, experiment["process_instance_id"])["compensations"]
    return [
        (
            account["element_id"],
            [(each["element_id"], each["undone_by"], each["by"]) for each in account["undone"] if each["undone_by"]],
        )
        for account in accounts
    ]


def test_a_model_whose_endpoint_fails_is_undone_and_the_one_before_goes_on_answering(
    platform: Platform, dataset: dict[str, Any]
) -> None:
    first = launch(platform, dataset, "rolled-back")
    model_id = review_task(platform, first)["context"]["model_id"]
    approve(platform, first)
    assert to_the_end(platform, first)["status"] == "completed"
    second = launch(platform, dataset, "rolled-back", seed=1)
    task = review_task(platform, second)
    status = platform.call("ada", "get_experiment_status", experiment_id=second["experiment_id"])
    damage_weights(platform, status["variables"]["training"]["package_uri"])

    decide(platform, "grace", task, "approve")

    assert to_the_end(platform, second)["status"] == "failed"
    assert served_version(platform, model_id) == 1
    assert undone(platform, second) == [
        ("Event_RollBack", [("Task_DeployEndpoint", "Task_TearDownEndpoint", "ada")]),
        ("Event_WithdrawModel", [("Task_RegisterModel", "Task_WithdrawModel", "ada")]),
    ]


def test_an_experiment_that_an_operator_rolls_back_reads_cancelled_and_says_what_was_undone(
    platform: Platform, dataset: dict[str, Any]
) -> None:
    experiment = launch(platform, dataset, "called-off")
    review_task(platform, experiment)

    instance_id = experiment["process_instance_id"]
    platform.call("operator", "scheduler_cancel_instance", instance_id=instance_id, reason=WHY, compensate=True)
    platform.follow(experiment["experiment_id"], lambda event: event["kind"] == "process.cancelled")

    status = platform.call("ada", "get_experiment_status", experiment_id=experiment["experiment_id"])
    assert (status["status"], status["process_status"]) == ("cancelled", "cancelled")
    ((thrown_by, handlers),) = undone(platform, experiment)
    assert thrown_by is None
    assert [each[:2] for each in handlers] == [
        ("Task_RegisterModel", "Task_WithdrawModel"),
        ("Task_MarkValidated", "Task_UndoValidation"),
    ]
    again = launch(platform, dataset, "called-off")
    assert again["status"] == "running"
