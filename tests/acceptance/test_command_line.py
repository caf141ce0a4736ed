from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import httpx2
import psutil
import pytest
from anyio import create_task_group
from experiment_steps import launch, review_task
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from patience import becomes
from platform_under_test import Platform, free_port, processes_of, running_platform, two_clusters
from terminal import typed

from mcp_server import LearningClient, ToolFailedError

FIELDS = {
    "dataset_id", "dataset_version", "experiment_id", "process_instance_id", "model_id", "model_version",
    "approved_by", "requested_by", "endpoint_id", "accuracy", "predictions", "labels", "definitions", "steps",
}  # fmt: skip
PROCESSES = {"dataset-validation", "supervised-training", "promotion"}
WAITERS_OF_ONE_PRINCIPAL = 32
TOOLS = [
    "learning.create_dataset",
    "learning.launch_experiment",
    "learning.get_experiment_status",
    "learning.stream_events",
    "learning.run_inference",
    "learning.get_metrics",
    "learning.register_model",
    "learning.list_user_tasks",
    "learning.get_user_task",
    "learning.claim_user_task",
    "learning.unclaim_user_task",
    "learning.delegate_user_task",
    "learning.save_user_task_draft",
    "learning.comment_user_task",
    "learning.complete_user_task",
    "learning.throw_from_user_task",
    "scheduler_define_process",
    "scheduler_start_instance",
    "scheduler_trigger_event",
    "scheduler_pause_instance",
    "scheduler_resume_instance",
    "scheduler_cancel_instance",
    "scheduler_get_metrics",
    "scheduler_list_events",
    "scheduler_list_schedules",
    "scheduler_set_schedule_status",
    "learning.list_instances",
    "learning.get_instance",
    "learning.list_incidents",
    "learning.retry_incident",
    "learning.set_variables",
    "learning.move_token",
    "learning.migrate_instances",
    "learning.explain_production",
    "learning.list_downstream",
    "learning.get_production_at",
    "learning.grant_access",
    "learning.revoke_access",
    "learning.list_grants",
]


def run_demo(home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return typed(home, "demo", **{"LEARNING_HOME": str(home), "LEARNING_PORT": str(free_port()), **settings})


def result_of(home: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((home / "demo-result.json").read_text())
    return result


@contextmanager
def starting(home: Path, *command: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command; kill it where the block leaves it running."""
    process = subprocess.Popen(
        [sys.executable, "-m", "learning", *command],
        env={**os.environ, "LEARNING_HOME": str(home), "LEARNING_PORT": str(free_port()), **settings},
        cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def postmaster_of(home: Path) -> int:
    """Return the process id of the home's database server, 0 where there is none that runs."""
    try:
        lines = (home / "postgres" / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return int(lines[0]) if len(lines) == 8 and lines[7].strip() == "ready" else 0


def make_empty_platform(home: Path) -> None:
    with starting(home, "db", "upgrade") as process:
        assert process.wait(60) == 0


def told_to_end_while_it_starts(home: Path, command: str) -> int:
    with starting(home, command) as process:
        assert becomes(lambda: postmaster_of(home) != 0)
        process.terminate()
        return process.wait(60)


def answers_at(url: str) -> bool:
    try:
        return httpx2.get(url).status_code == 200
    except httpx2.TransportError:
        return False


def trainers_of(pid: int) -> list[psutil.Process]:
    """Return the training jobs below a process."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            if "runners" in " ".join(process.cmdline()) and process.parent().cmdline()[-1] == "worker":
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


async def wait_in_a_crowd_until_told_to_stop(
    platform: Platform, experiment_id: str
) -> tuple[list[list[dict[str, Any]]], list[str]]:
    """Have one call more than may wait; its refusal ends the platform. Return the others' events and the refusals."""
    answers, refusals = [], []
    async with LearningClient(f"{platform.address}/mcp", platform.token("ada")) as client, create_task_group() as crowd:
        follow = partial(client.call, "learning.stream_events", experiment_id=experiment_id)
        newest = (await follow(wait_seconds=0))["subscription_token"]

        async def wait_for_news() -> None:
            try:
                answers.append((await follow(subscription_token=newest, wait_seconds=25))["events"])
            except ToolFailedError as error:
                refusals.append(error.code)
                platform.process.terminate()

        for _ in range(WAITERS_OF_ONE_PRINCIPAL + 1):
            crowd.start_soon(wait_for_news)
    return answers, refusals


@pytest.mark.requirement("demo")
@pytest.mark.requirement("audit")
def test_the_demo_walks_the_digits_into_service_as_often_as_it_is_run(home: Path) -> None:
    runs = [(run_demo(home), result_of(home)) for _ in range(2)]

    for version, (run, result) in enumerate(runs, start=1):
        assert (run.returncode, run.stderr) == (0, "")
        assert result.keys() == FIELDS
        assert (result["requested_by"], result["approved_by"]) == ("ada", "grace")
        assert (result["dataset_version"], result["model_version"]) == (1, version)
        assert result["accuracy"] > 0.9
        assert (len(result["predictions"]), len(result["labels"])) == (5, 5)
        assert {item["id"] for item in result["definitions"]} == PROCESSES
        assert {step["state"] for step in result["steps"]} == {"completed"}
        assert "SEPARATION_OF_DUTIES" in run.stdout
        assert run.stdout.count("audit_ref") >= 7
    assert processes_of(home) == []


@pytest.mark.requirement("demo")
def test_the_demo_works_on_a_file_of_the_users_own(home: Path, tmp_path: Path) -> None:
    (tmp_path / "my clusters.csv").write_text(two_clusters())

    run = run_demo(home, DATA=str(tmp_path / "my clusters.csv"), TARGET="kind")

    result = result_of(home)
    assert (run.returncode, run.stderr) == (0, "")
    assert result["predictions"] == result["labels"]
    assert set(result["labels"]) <= {"large", "small"}


@pytest.mark.requirement("one-sentence")
@pytest.mark.parametrize(
    ("data", "target", "code"),
    [
        ("absent.csv", "kind", "FILE_UNREADABLE"),
        ("picture.csv", "kind", "FILE_NOT_TABULAR"),
        ("clusters.csv", "no-such-column", "TARGET_COLUMN_MISSING"),
        ("clusters.csv", "", "DEMO_FAILED"),
        ("", "kind", "DEMO_FAILED"),
    ],
)
def test_a_demo_that_cannot_start_says_why_in_one_sentence(tmp_path: Path, data: str, target: str, code: str) -> None:
    (tmp_path / "clusters.csv").write_text(two_clusters())
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")

    run = run_demo(tmp_path, DATA=str(tmp_path / data) if data else "", TARGET=target)

    assert (run.returncode, run.stderr.startswith(f"{code}: "), run.stderr.count("\n")) == (1, True, 1)
    assert processes_of(tmp_path) == []


@pytest.mark.requirement("one-sentence")
def test_a_dataset_that_the_process_rejects_ends_the_demo_with_its_reason(home: Path) -> None:
    rows = "\n".join(f"{number},{-number},same" for number in range(20))
    (home / "one-class.csv").write_text(f"x,y,label\n{rows}\n")

    run = run_demo(home, DATA=str(home / "one-class.csv"), TARGET="label")

    assert (run.returncode, run.stderr.split(":")[0], run.stderr.count("\n")) == (1, "DATASET_SINGLE_CLASS", 1)
    assert processes_of(home) == []


@pytest.mark.requirement("one-sentence")
def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        port = str(occupant.getsockname()[1])

        run = run_demo(tmp_path, LEARNING_PORT=port)

    assert (run.returncode, run.stderr.split(":")[0], port in run.stderr) == (1, "PORT_TAKEN", True)


@pytest.mark.requirement("one-sentence")
def test_development_principals_do_not_listen_to_the_network(tmp_path: Path) -> None:
    run = run_demo(tmp_path, AMI_HOST="0.0.0.0")  # noqa: S104 - the address that must be refused

    assert (run.returncode, run.stderr.split(":")[0]) == (1, "HOST_NOT_LOOPBACK")


@pytest.mark.requirement("one-sentence")
@pytest.mark.parametrize(
    ("setting", "value"),
    [("LEARNING_PORT", "eighty"), ("LEARNING_S3_ENDPOINT", "https://objects:443"), ("LEARNING_S3_BUCKET", "B")],
)
def test_a_setting_that_cannot_be_is_named(tmp_path: Path, setting: str, value: str) -> None:
    run = run_demo(tmp_path, **{setting: value})

    assert (run.returncode, run.stderr.split(":")[:2]) == (1, ["SETTINGS_INVALID", f" {setting}"])


@pytest.mark.requirement("one-sentence")
def test_an_argument_that_cannot_be_is_not_taken_for_a_setting(tmp_path: Path) -> None:
    grant = ("access", "grant", "Dataset", str(uuid4()), "", "--permission", "read", "--reason", "why")

    run = typed(tmp_path, *grant)

    assert (run.returncode, run.stderr.split(":")[:2]) == (1, ["ARGUMENTS_INVALID", " principal"])


@pytest.mark.requirement("clean-stop")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_stops_cleanly_and_can_be_started_again(home: Path, number: signal.Signals) -> None:
    with running_platform(home) as platform:
        platform.process.send_signal(number)
        exit_code = platform.process.wait(60)

    assert (exit_code, processes_of(home), (home / "up.lock").exists()) == (0, [], False)


@pytest.mark.requirement("clean-stop")
def test_a_killed_supervisor_takes_its_parts_along_and_the_next_one_stops_the_database(home: Path) -> None:
    with running_platform(home) as platform:
        parts = psutil.Process(platform.process.pid).children()
        platform.process.kill()
        _, alive = psutil.wait_procs(parts, timeout=60)
    with running_platform(home) as platform:
        answer = httpx2.get(f"{platform.address}/healthz")

    assert (alive, answer.status_code, processes_of(home)) == ([], 200, [])


@pytest.mark.requirement("clean-stop")
@pytest.mark.requirement("crash")
def test_up_starts_a_killed_database_again_and_still_stops_it(home: Path) -> None:
    with running_platform(home) as platform:
        killed = postmaster_of(home)
        os.kill(killed, signal.SIGKILL)

        assert becomes(lambda: postmaster_of(home) not in {0, killed})
        assert becomes(lambda: httpx2.get(f"{platform.address}/healthz").status_code == 200)
        platform.process.terminate()
        exit_code = platform.process.wait(60)

    assert (exit_code, processes_of(home)) == (0, [])


@pytest.mark.requirement("clean-stop")
def test_up_answers_those_who_wait_for_news_and_stops_soon(home: Path) -> None:
    with running_platform(home) as platform:
        payload = {"name": "clusters", "source_uri": platform.put("clusters.csv", two_clusters()), "target": "kind"}
        experiment = launch(platform, platform.call("ada", "create_dataset", dataset_payload=payload), "waited-for")
        review_task(platform, experiment)

        answers, refusals = anyio.run(wait_in_a_crowd_until_told_to_stop, platform, experiment["experiment_id"])

        exit_code = platform.process.wait(20)
    assert (answers, refusals) == ([[]] * WAITERS_OF_ONE_PRINCIPAL, ["TOO_MANY_WAITING"])
    assert (exit_code, processes_of(home)) == (0, [])


@pytest.mark.requirement("clean-stop")
@pytest.mark.parametrize("command", ["serve", "worker", "scheduler", "sealer"])
def test_a_part_told_to_end_while_it_starts_takes_the_database_along(home: Path, command: str) -> None:
    make_empty_platform(home)

    assert told_to_end_while_it_starts(home, command) == 128 + signal.SIGTERM
    assert processes_of(home) == []


@pytest.mark.requirement("clean-stop")
def test_a_first_demo_told_to_end_while_it_starts_takes_the_database_along(home: Path) -> None:
    assert told_to_end_while_it_starts(home, "demo") == 128 + signal.SIGTERM
    assert processes_of(home) == []


@pytest.mark.requirement("clean-stop")
def test_a_lone_server_told_to_end_takes_the_database_along(home: Path) -> None:
    port = str(free_port())
    make_empty_platform(home)
    with starting(home, "serve", LEARNING_PORT=port) as process:
        assert becomes(lambda: answers_at(f"http://127.0.0.1:{port}/healthz"))
        process.terminate()
        exit_code = process.wait(60)

    assert (exit_code, processes_of(home)) == (128 + signal.SIGTERM, [])


@pytest.mark.requirement("demo")
@pytest.mark.requirement("crash")
def test_the_demo_completes_although_its_worker_is_killed_during_training(home: Path) -> None:
    with starting(home, "demo", LEARNING_PORT=str(free_port()), LEARNING_LEASE_SECONDS="1") as process:
        assert becomes(lambda: trainers_of(process.pid) != [])
        (trainer,) = trainers_of(process.pid)
        trainer.parent().kill()

        exit_code = process.wait(90)

    assert (exit_code, result_of(home)["approved_by"], processes_of(home)) == (0, "grace", [])


@pytest.mark.requirement("one-sentence")
def test_a_second_up_on_the_same_home_is_refused(platform: Platform) -> None:
    run = run_demo(platform.home)

    assert (run.returncode, run.stderr.split(":")[0]) == (1, "ALREADY_RUNNING")


@pytest.mark.requirement("mcp-eras")
@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
def test_clients_of_every_era_see_the_same_tools(platform: Platform, mode: str) -> None:
    async def list_tools() -> list[str]:
        async with httpx2.AsyncClient(headers=platform.headers("ada")) as http:
            transport = streamable_http_client(f"{platform.address}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                listed = await client.list_tools()
                called = await client.call_tool("learning.list_user_tasks", {})
                assert called.structured_content is not None
                assert called.structured_content["audit_ref"]
                return [tool.name for tool in listed.tools]

    assert anyio.run(list_tools) == TOOLS
