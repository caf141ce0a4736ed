from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from experiment_steps import QUICK, decide, launch, review_task, to_the_end
from platform_under_test import Platform, two_clusters

from mcp_server import ToolFailedError

LARGE = {"width": 14, "height": 7.25, "colour": "red"}
SMALL = {"width": 2, "height": 1.25, "colour": "blue"}


@pytest.mark.requirement("life-cycle")
@pytest.mark.requirement("separation-of-duties")
@pytest.mark.requirement("open-inference")
def test_a_model_is_trained_reviewed_by_another_promoted_and_served(
    platform: Platform, dataset: dict[str, Any]
) -> None:
    experiment = launch(platform, dataset, "life-cycle")
    task = review_task(platform, experiment)
    with pytest.raises(ToolFailedError) as refusal:
        decide(platform, "ada", task, "approve")
    decide(platform, "grace", task, "approve")
    status = to_the_end(platform, experiment)
    answer = platform.call(
        "ada",
        "run_inference",
        inference_payload={"endpoint_id": status["variables"]["endpoint_id"], "instances": [LARGE, SMALL]},
    )

    assert refusal.value.code == "SEPARATION_OF_DUTIES"
    assert status["status"] == "completed"
    assert status["requested_by"] == "ada"
    assert status["completed_by"] == {"UserTask_ReviewModel": "grace"}
    assert [run["stage"] for run in status["runs"]] == ["train", "eval"]
    assert {step["state"] for step in status["steps"]} == {"completed"}
    assert answer["predictions"] == ["large", "small"]
    assert _over_http(platform, "life-cycle") == ["large", "small"]


def _over_http(platform: Platform, name: str) -> list[str]:
    rows = (LARGE, SMALL)
    tensors = [
        {"name": "width", "datatype": "INT64", "shape": [2], "data": [row["width"] for row in rows]},
        {"name": "height", "datatype": "FP64", "shape": [2], "data": [row["height"] for row in rows]},
        {"name": "colour", "datatype": "BYTES", "shape": [2], "data": [row["colour"] for row in rows]},
    ]
    url = f"{platform.address}/v2/models/{name}/infer"
    answer = httpx2.post(url, headers=platform.headers("grace"), json={"inputs": tensors})
    labels: list[str] = next(tensor["data"] for tensor in answer.json()["outputs"] if tensor["name"] == "label")
    return labels


@pytest.mark.requirement("rejection")
def test_a_rejected_model_is_not_served_and_its_experiment_says_so(platform: Platform, dataset: dict[str, Any]) -> None:
    experiment = launch(platform, dataset, "rejected-model")
    task = review_task(platform, experiment)

    decide(platform, "grace", task, "reject")

    assert to_the_end(platform, experiment)["status"] == "rejected"
    with pytest.raises(ToolFailedError) as refusal:
        platform.call(
            "ada",
            "run_inference",
            inference_payload={"model_id": task["context"]["model_id"], "instances": [LARGE]},
        )
    assert refusal.value.code == "ENDPOINT_NOT_FOUND"


@pytest.mark.requirement("live-progress")
def test_every_epoch_appears_once_in_the_event_stream_whatever_the_page(
    platform: Platform, dataset: dict[str, Any]
) -> None:
    experiment = launch(platform, dataset, "progress", epochs=25)

    events = platform.follow(experiment["experiment_id"], lambda event: event["kind"] == "user_task.created")

    epochs = [event["payload"]["epoch"] for event in events if event["payload"].get("kind") == "epoch"]
    assert epochs == list(range(1, 26))
    assert len({event["sequence"] for event in events}) == len(events)


@pytest.mark.requirement("idempotency")
def test_launching_twice_under_one_key_is_one_experiment(platform: Platform, dataset: dict[str, Any]) -> None:
    payload = {"dataset_id": dataset["dataset_id"], "model_name": "once", "config": QUICK}

    first, second = (
        platform.call("ada", "launch_experiment", experiment_payload=payload, idempotency_key="night-42")
        for _ in range(2)
    )

    assert (first["replayed"], second["replayed"]) == (False, True)
    assert second["experiment_id"] == first["experiment_id"]


@pytest.mark.requirement("idempotency")
def test_registering_the_same_content_again_gives_the_same_version(platform: Platform, dataset: dict[str, Any]) -> None:
    uri = platform.put("clusters-again.csv", two_clusters())

    again = platform.call(
        "ada", "create_dataset", dataset_payload={"name": "clusters", "source_uri": uri, "target": "kind"}
    )

    assert again["dataset_version_id"] == dataset["dataset_version_id"]


@pytest.mark.requirement("idempotency")
@pytest.mark.requirement("bad-input")
def test_five_registrations_at_once_under_one_key_are_one_and_a_changed_file_is_a_conflict(platform: Platform) -> None:
    uri = platform.put("keyed.csv", two_clusters())
    payload = {"name": "keyed", "source_uri": uri, "target": "kind"}

    def register(_number: int) -> dict[str, Any]:
        return platform.call("ada", "create_dataset", dataset_payload=payload, idempotency_key="keyed registration")

    with ThreadPoolExecutor(5) as clients:
        answers = list(clients.map(register, range(5)))
    platform.put("keyed.csv", two_clusters() + "99,99,red,large\n")
    with pytest.raises(ToolFailedError) as refusal:
        register(6)

    assert sorted(answer["replayed"] for answer in answers) == [False, True, True, True, True]
    assert {(answer["dataset_version_id"], answer["validation_status"]) for answer in answers} == {
        (answers[0]["dataset_version_id"], "validated")
    }
    assert refusal.value.code == "IDEMPOTENCY_CONFLICT"


@pytest.mark.requirement("idempotency")
def test_a_decision_taken_is_not_taken_again(platform: Platform, dataset: dict[str, Any]) -> None:
    task = review_task(platform, launch(platform, dataset, "decided-once"))
    decide(platform, "grace", task, "reject")

    with pytest.raises(ToolFailedError) as refusal:
        decide(platform, "grace", task, "approve")

    assert refusal.value.code == "USER_TASK_ALREADY_COMPLETED"


@pytest.mark.requirement("observability")
def test_the_operator_sees_what_waits_in_the_metrics(platform: Platform, dataset: dict[str, Any]) -> None:
    review_task(platform, launch(platform, dataset, "measured"))

    metrics = httpx2.get(f"{platform.address}/metrics").text

    assert 'ami_user_tasks_open{task="Review model"}' in metrics
    assert 'ami_process_instances{process="supervised-training",status="running"}' in metrics
    assert 'ami_http_requests_total{door="mcp",status="200"}' in metrics
