from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import anyio
import httpx2
import pytest
from experiment_steps import approve, launch, to_the_end
from platform_under_test import Platform, free_port, table, two_clusters

from mcp_server import LearningClient, ServerRefusedError, ServerUnreachableError, ToolFailedError
from storage.database import newest_revision

HEADER = ("x", "y", "label")
ONE_CLASS = table([HEADER, *((number, -number, "same") for number in range(20))])
NAN_TARGET = table([HEADER, *((number, -number, "" if number == 7 else number % 2) for number in range(20))])
CONTINUOUS = table([HEADER, *((number, -number, number * 1.37) for number in range(40))])
FEW_ROWS = table([HEADER, (1, 2, "a"), (2, 3, "b"), (3, 4, "a"), (4, 5, "b")])
LONELY_CLASS = table([HEADER, *((number, -number, "b" if number == 3 else "a") for number in range(20))])
DATES = table([HEADER, *((number, -number, f"2026-01-0{number % 2 + 1}") for number in range(20))])
CONSTANT = table([HEADER, *((1, 1, number % 2) for number in range(20))])


@pytest.fixture(scope="module")
def served(platform: Platform, dataset: dict[str, Any]) -> str:
    """The endpoint of a model in service."""
    experiment = launch(platform, dataset, "served")
    approve(platform, experiment)
    endpoint_id: str = to_the_end(platform, experiment)["variables"]["endpoint_id"]
    return endpoint_id


def refused(platform: Platform, tool: str, user_id: str = "ada", **arguments: Any) -> ToolFailedError:
    with pytest.raises(ToolFailedError) as refusal:
        platform.call(user_id, tool, **arguments)
    return refusal.value


@pytest.mark.requirement("bad-input")
@pytest.mark.requirement("audit")
@pytest.mark.parametrize(
    ("content", "target", "code"),
    [
        pytest.param(two_clusters(), "no-such-column", "TARGET_COLUMN_MISSING", id="unknown target"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00", "label", "FILE_NOT_TABULAR", id="not a table"),
        pytest.param(b"", "label", "FILE_NOT_TABULAR", id="empty"),
        pytest.param("one column\n1\n2\n", "one column", "FILE_NOT_TABULAR", id="one column"),
        pytest.param(b"PAR1 and nothing else", "label", "FILE_NOT_TABULAR", id="damaged parquet"),
        pytest.param(ONE_CLASS, "label", "DATASET_SINGLE_CLASS", id="one class"),
        pytest.param(NAN_TARGET, "label", "DATASET_TARGET_MISSING_VALUES", id="missing target"),
        pytest.param(CONTINUOUS, "label", "DATASET_TOO_MANY_CLASSES", id="continuous target"),
        pytest.param(FEW_ROWS, "label", "DATASET_TOO_FEW_ROWS", id="few rows"),
        pytest.param(LONELY_CLASS, "label", "DATASET_CLASS_TOO_SMALL", id="class of one row"),
        pytest.param(CONSTANT, "label", "DATASET_NO_FEATURES", id="nothing to learn from"),
        pytest.param(DATES, "label", "DATASET_REJECTED", id="dates to predict"),
    ],
)
def test_a_dataset_that_cannot_be_used_is_refused_and_leaves_nothing(
    platform: Platform, content: str | bytes, target: str, code: str
) -> None:
    name = f"bad-{uuid4().hex[:8]}"
    payload = {"name": name, "source_uri": platform.put(f"{name}.csv", content), "target": target}

    refusal = refused(platform, "create_dataset", dataset_payload=payload)

    assert (refusal.code, bool(refusal.answer["hint"]), bool(refusal.answer["audit_ref"])) == (code, True, True)
    mended = {**payload, "source_uri": platform.put(f"{name}-mended.csv", two_clusters()), "target": "kind"}
    assert platform.call("ada", "create_dataset", dataset_payload=mended)["dataset_version"] == 1


@pytest.mark.requirement("bad-input")
@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("{inbox}/absent.csv", "FILE_UNREADABLE"),
        ("{inbox}", "FILE_UNREADABLE"),
        ("{inbox}/../principals.json", "DATASET_SOURCE_NOT_ALLOWED"),
        ("{inbox}/%2e%2e/principals.json", "DATASET_SOURCE_NOT_ALLOWED"),
        ("file:///etc/passwd", "DATASET_SOURCE_NOT_ALLOWED"),
        ("http://127.0.0.1/data.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("s3://bucket/data.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("data.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("", "ARGUMENTS_INVALID"),
    ],
)
def test_a_source_outside_the_inbox_is_refused(platform: Platform, source: str, code: str) -> None:
    uri = source.replace("{inbox}", platform.inbox.as_uri())

    refusal = refused(
        platform, "create_dataset", dataset_payload={"name": "outside", "source_uri": uri, "target": "label"}
    )

    assert refusal.code == code


@pytest.mark.requirement("bad-input")
@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("launch_experiment", {"experiment_payload": {"dataset_id": str(uuid4())}}, "RECORD_NOT_FOUND"),
        ("launch_experiment", {"experiment_payload": {"dataset_id": "seven"}}, "ARGUMENTS_INVALID"),
        ("launch_experiment", {"experiment_payload": {}}, "ARGUMENTS_INVALID"),
        ("get_experiment_status", {"experiment_id": str(uuid4())}, "RECORD_NOT_FOUND"),
        ("complete_user_task", {"user_task_id": str(uuid4()), "submission": {}}, "USER_TASK_NOT_FOUND"),
        ("run_inference", {"inference_payload": {"instances": [{}]}}, "ARGUMENTS_INVALID"),
        (
            "run_inference",
            {"inference_payload": {"model_id": str(uuid4()), "instances": [{"x": 1}]}},
            "ENDPOINT_NOT_FOUND",
        ),
        ("stream_events", {"experiment_id": str(uuid4())}, "RECORD_NOT_FOUND"),
        ("stream_events", {"experiment_id": str(uuid4()), "subscription_token": "soon"}, "ARGUMENTS_INVALID"),
        ("no_such_tool", {}, "TOOL_NOT_FOUND"),
    ],
)
def test_a_call_that_makes_no_sense_gets_its_own_code(
    platform: Platform, tool: str, arguments: dict[str, Any], code: str
) -> None:
    assert refused(platform, tool, **arguments).code == code


@pytest.mark.requirement("bad-input")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"config": {"epochs": 0}}, "ARGUMENTS_INVALID"),
        ({"config": {"learning_rate": "fast"}}, "ARGUMENTS_INVALID"),
        ({"config": {"surprise": 1}}, "ARGUMENTS_INVALID"),
        ({"dataset_version": 99}, "RECORD_NOT_FOUND"),
        ({"compute_profile": "nvidia"}, "COMPUTE_PROFILE_NOT_ALLOWED"),
        ({"model_name": "../escape"}, "ARGUMENTS_INVALID"),
    ],
)
def test_an_experiment_that_cannot_run_is_not_launched(
    platform: Platform, dataset: dict[str, Any], change: dict[str, Any], code: str
) -> None:
    payload = {"dataset_id": dataset["dataset_id"], **change}

    assert refused(platform, "launch_experiment", experiment_payload=payload).code == code


@pytest.mark.requirement("authentication")
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "AUTHENTICATION_REQUIRED"),
        ({"Authorization": "Basic YWRhOmFkYQ=="}, "AUTHENTICATION_REQUIRED"),
        ({"Authorization": "Bearer wrong"}, "TOKEN_INVALID"),
    ],
)
@pytest.mark.parametrize("path", ["/mcp", "/v2/models/clusters", "/v2/models/clusters/infer"])
def test_nobody_is_let_in_without_a_token(platform: Platform, path: str, headers: dict[str, str], code: str) -> None:
    answer = httpx2.post(platform.address + path, headers=headers, json={})

    assert (answer.status_code, answer.json()["code"], bool(answer.json()["hint"])) == (401, code, True)


@pytest.mark.requirement("authentication")
def test_a_request_under_a_foreign_host_name_is_refused(platform: Platform) -> None:
    headers = {**platform.headers("ada"), "Host": "attacker.example", "Origin": "http://attacker.example"}

    answer = httpx2.post(f"{platform.address}/mcp", headers=headers, json={})

    assert answer.status_code in {400, 403, 421}


@pytest.mark.requirement("authorisation")
def test_only_a_candidate_group_sees_and_completes_a_task(platform: Platform, dataset: dict[str, Any]) -> None:
    payload = {"dataset_id": dataset["dataset_id"], "model_name": "guarded", "config": {"epochs": 2}}
    experiment = platform.call("ada", "launch_experiment", experiment_payload=payload)
    platform.follow(experiment["experiment_id"], lambda event: event["kind"] == "user_task.created")
    (task_id,) = platform.call("ada", "get_experiment_status", experiment_id=experiment["experiment_id"])[
        "open_user_task_ids"
    ]

    refusal = refused(
        platform, "complete_user_task", "operator", user_task_id=task_id, submission={"decision": "approve"}
    )

    assert refusal.code == "NOT_A_CANDIDATE"
    assert platform.call("operator", "list_user_tasks")["user_tasks"] == []


@pytest.mark.requirement("bad-input")
def test_a_form_that_is_filled_in_wrongly_leaves_the_task_open(platform: Platform, dataset: dict[str, Any]) -> None:
    payload = {"dataset_id": dataset["dataset_id"], "model_name": "form", "config": {"epochs": 2}}
    experiment = platform.call("ada", "launch_experiment", experiment_payload=payload)
    platform.follow(experiment["experiment_id"], lambda event: event["kind"] == "user_task.created")
    status = platform.call("ada", "get_experiment_status", experiment_id=experiment["experiment_id"])
    (task_id,) = status["open_user_task_ids"]

    refusal = refused(platform, "complete_user_task", "grace", user_task_id=task_id, submission={"decision": "perhaps"})

    again = platform.call("ada", "get_experiment_status", experiment_id=experiment["experiment_id"])
    assert (refusal.code, "decision" in refusal.answer["details"]) == ("FORM_INVALID", True)
    assert again["open_user_task_ids"] == [task_id]


@pytest.mark.requirement("bad-input")
def test_an_idempotency_key_used_for_another_experiment_is_a_conflict(
    platform: Platform, dataset: dict[str, Any]
) -> None:
    payload = {"dataset_id": dataset["dataset_id"], "model_name": "keyed", "config": {"epochs": 2}}
    platform.call("ada", "launch_experiment", experiment_payload=payload, idempotency_key="keyed")

    refusal = refused(
        platform,
        "launch_experiment",
        experiment_payload={**payload, "config": {"epochs": 3}},
        idempotency_key="keyed",
    )

    assert refusal.code == "IDEMPOTENCY_CONFLICT"


@pytest.mark.requirement("bad-input")
def test_a_token_that_no_event_has_is_refused(platform: Platform, dataset: dict[str, Any]) -> None:
    payload = {"dataset_id": dataset["dataset_id"], "model_name": "cursor", "config": {"epochs": 2}}
    experiment = platform.call("ada", "launch_experiment", experiment_payload=payload)

    refusal = refused(
        platform, "stream_events", experiment_id=experiment["experiment_id"], subscription_token="999999999"
    )

    assert refusal.code == "CURSOR_UNKNOWN"


@pytest.mark.requirement("bad-input")
def test_a_model_that_is_not_deployed_is_not_found_over_http(platform: Platform) -> None:
    answer = httpx2.get(f"{platform.address}/v2/models/nobody", headers=platform.headers("ada"))

    assert (answer.status_code, answer.json()["code"]) == (404, "MODEL_NOT_DEPLOYED")


@pytest.mark.requirement("bad-input")
def test_a_prediction_names_the_fields_that_do_not_fit(platform: Platform, served: str) -> None:
    payload = {"endpoint_id": served, "instances": [{"width": 3, "colour": "red", "weight": 3}]}

    refusal = refused(platform, "run_inference", inference_payload=payload)

    assert (refusal.code, refusal.answer["details"].keys()) == (
        "INPUT_SCHEMA_MISMATCH",
        {"height", "weight"},
    )


@pytest.mark.requirement("authentication")
@pytest.mark.parametrize("path", ["/", "/metrics", "/v2/models/clusters", "/mcp"])
def test_no_door_answers_under_a_foreign_host_name(platform: Platform, path: str) -> None:
    headers = {**platform.headers("ada"), "Host": "attacker.example"}

    assert httpx2.get(platform.address + path, headers=headers).status_code in {400, 403, 421}


@pytest.mark.requirement("audit")
@pytest.mark.parametrize(("user_id", "status"), [("ada", 404), (None, 401)])
def test_a_request_over_http_is_recorded_whether_answered_or_refused(
    platform: Platform, user_id: str | None, status: int
) -> None:
    headers = {} if user_id is None else platform.headers(user_id)

    answer = httpx2.get(f"{platform.address}/v2/models/nobody", headers=headers)

    assert (answer.status_code, UUID(answer.headers["audit-ref"]).version) == (status, 7)


@pytest.mark.requirement("bad-input")
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v2/models/%00", "MODEL_NOT_DEPLOYED"),
        ("/v2/nothing", "NOT_FOUND"),
        ("/no-such-door", "NOT_FOUND"),
    ],
)
def test_a_path_that_leads_nowhere_is_answered_in_json(platform: Platform, path: str, code: str) -> None:
    answer = httpx2.get(platform.address + path, headers=platform.headers("ada"))

    assert (answer.status_code, answer.json()["code"]) == (404, code)


@pytest.mark.requirement("bad-input")
def test_a_request_line_without_a_path_is_no_server_error(platform: Platform) -> None:
    host, port = platform.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"GET * HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        status_line = connection.makefile("rb").readline()

    assert int(status_line.split()[1]) < 500


@pytest.mark.requirement("bad-input")
def test_who_keeps_many_calls_waiting_holds_up_nobody_else(platform: Platform, dataset: dict[str, Any]) -> None:
    payload = {"dataset_id": dataset["dataset_id"], "model_name": "waited-for", "config": {"epochs": 2}}
    experiment = platform.call("ada", "launch_experiment", experiment_payload=payload)
    events = platform.follow(experiment["experiment_id"], lambda event: event["kind"] == "user_task.created")
    arguments = {
        "experiment_id": experiment["experiment_id"],
        "subscription_token": str(events[-1]["sequence"]),
        "wait_seconds": 20,
    }
    answered = anyio.run(_while_many_wait, platform, 60, arguments)

    assert answered == {"healthy": 200, "refused": "TOO_MANY_WAITING"}


async def _while_many_wait(platform: Platform, number: int, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return how the server answers others while one principal keeps calls waiting."""
    answered: dict[str, Any] = {}
    refused = anyio.Event()

    async def wait() -> None:
        # Not as ada: the server lets the calls wait on, though nobody listens, and other tests want to wait as her.
        async with LearningClient(f"{platform.address}/mcp", platform.token("grace")) as client:
            try:
                await client.call("learning.stream_events", **arguments)
            except ToolFailedError as refusal:
                answered["refused"] = refusal.code
                refused.set()

    async with anyio.create_task_group() as group:
        for _ in range(number):
            group.start_soon(wait)
        await refused.wait()
        async with httpx2.AsyncClient(timeout=15) as http:
            answered["healthy"] = (await http.get(f"{platform.address}/healthz")).status_code
        group.cancel_scope.cancel()
    return answered


@pytest.mark.requirement("authentication")
def test_the_client_says_in_the_platforms_words_why_it_cannot_connect(platform: Platform) -> None:
    async def connect(url: str) -> None:
        async with LearningClient(url, "wrong"):
            pass

    with pytest.raises(ServerRefusedError) as refused_token:
        anyio.run(connect, f"{platform.address}/mcp")
    with pytest.raises(ServerUnreachableError) as unreachable:
        anyio.run(connect, f"http://127.0.0.1:{free_port()}/mcp")

    assert (refused_token.value.code, unreachable.value.code) == ("TOKEN_INVALID", "SERVER_UNREACHABLE")


@pytest.mark.requirement("one-sentence")
def test_a_part_started_on_an_empty_database_says_what_to_run(home: Path) -> None:
    _learning(home, "db", "current")  # which makes it

    run = _learning(home, "worker")

    sentence = f"The database has revision none, this version needs {newest_revision()}. Run 'ami-learning db upgrade'."
    assert (run.returncode, run.stderr.strip().splitlines()[-1]) == (1, f"SCHEMA_OUTDATED: {sentence}")


@pytest.mark.requirement("one-sentence")
@pytest.mark.parametrize("command", [("worker",), ("lineage", "production-at", "2026-01-01"), ("metrics", "maintain")])
def test_a_command_where_there_is_no_platform_says_so_and_makes_none(home: Path, command: tuple[str, ...]) -> None:
    run = _learning(home, *command)

    sentence = (
        f"There is no platform in {home.resolve()}. Run it in the folder, or with the settings, of a platform;"
        " 'ami-learning up' makes one."
    )
    assert (run.returncode, run.stderr.strip().splitlines()[-1]) == (1, f"PLATFORM_NOT_FOUND: {sentence}")
    assert not (home / "postgres").exists()


def _learning(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "learning", *command],
        env={**os.environ, "LEARNING_HOME": str(home)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
