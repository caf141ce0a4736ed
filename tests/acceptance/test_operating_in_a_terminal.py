"""Operators look after running instances with the command line."""

from __future__ import annotations

import json
import subprocess
from typing import Any
from uuid import uuid4

import pytest
from diagrams import document, end, path, process, start, user_task
from patience import becomes
from platform_under_test import Platform, two_clusters
from shop_floor import WHY, deployed, failing, instance, review, started, status, two_reviews
from terminal import typed


def run(platform: Platform, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return typed(platform.home, *arguments, given=given, LEARNING_HOME=str(platform.home), COLUMNS="200")


def listed(platform: Platform, *arguments: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run(platform, *arguments, "--json").stdout)
    return rows


@pytest.mark.requirement("operations")
@pytest.mark.requirement("idempotency")
def test_an_instance_is_suspended_mended_moved_and_cancelled(platform: Platform) -> None:
    process_id = deployed(platform, two_reviews)
    instance_id = started(platform, process_id, order="o-1")
    key = ("--reason", WHY, "--key", uuid4().hex)

    suspended, again = (run(platform, "instance", "suspend", instance_id, *key) for _ in range(2))
    edited = run(platform, "instance", "set-variables", instance_id, 'order="o-2"', "boxes=3", "--reason", WHY)
    moved = run(platform, "instance", "move-token", instance_id, "Review", "Approve", "--reason", WHY)
    resumed = run(platform, "instance", "resume", instance_id, "--reason", WHY)
    shown = json.loads(run(platform, "instance", "show", instance_id).stdout)
    cancelled = run(platform, "instance", "cancel", instance_id, "--reason", WHY)

    words = [each.stdout.split()[:2] for each in (suspended, edited, moved, resumed, cancelled)]
    statuses = ["suspended", "suspended", "suspended", "running", "cancelled"]
    assert words == [[instance_id, status] for status in statuses]
    assert again.stdout == suspended.stdout
    assert shown["variables"] == {"order": "o-2", "boxes": 3}
    assert [step["element_id"] for step in shown["steps"] if step["state"] == "activated"] == ["Approve"]
    (row,) = listed(platform, "instance", "list", "--process", process_id, "--status", "cancelled")
    assert (row["process_instance_id"], row["started_by"]) == (instance_id, "ada")


@pytest.mark.requirement("operations")
@pytest.mark.requirement("one-sentence")
def test_what_cannot_be_done_is_said_in_one_sentence(platform: Platform) -> None:
    unknown = run(platform, "instance", "suspend", str(uuid4()), "--reason", WHY)
    no_json = run(platform, "instance", "set-variables", str(uuid4()), "order=o-2", "--reason", WHY)
    unexplained = run(platform, "instance", "migrate", "promotion", "--from", "1")

    assert (unknown.returncode, unknown.stderr.split(":")[0]) == (1, "PROCESS_INSTANCE_NOT_FOUND")
    assert unknown.stderr.count("\n") == 1
    assert (no_json.returncode, "is not JSON" in no_json.stderr) == (2, True)
    assert (unexplained.returncode, "--reason" in unexplained.stderr) == (2, True)


def second_review_only(process_id: str) -> bytes:
    asked = user_task("Approve", "reviewer", form="model-review")
    return document(process(process_id, start(), path("Begin", "Approve", "Done"), asked, end()))


@pytest.mark.requirement("operations")
def test_all_instances_of_a_version_go_over_and_one_that_cannot_is_named(platform: Platform) -> None:
    process_id = deployed(platform, two_reviews)
    reviewed, waiting = started(platform, process_id), started(platform, process_id)
    (task_id,) = instance(platform, reviewed)["open_user_task_ids"]
    platform.call("grace", "complete_user_task", user_task_id=task_id, submission={"decision": "approve"})
    deployed(platform, second_review_only, process_id)
    asked = ("instance", "migrate", process_id, "--from", "1", "--json")

    planned = run(platform, *asked, "--dry-run")
    for_people = run(platform, *asked[:-1], "--dry-run")
    migrated = run(platform, *asked, "--reason", WHY)

    verdicts = json.loads(planned.stdout)
    assert [(row["process_instance_id"], row["can_go_over"]) for row in verdicts] == [
        (reviewed, True),
        (waiting, False),
    ]
    assert "Review" in verdicts[1]["why_not"]
    assert [line.split("\t")[:2] for line in for_people.stdout.splitlines()] == [[reviewed, "yes"], [waiting, "no"]]
    assert (migrated.returncode, json.loads(migrated.stdout)) == (planned.returncode, verdicts) == (1, verdicts)
    versions = [instance(platform, each)["definitions"][0]["version"] for each in (reviewed, waiting)]
    assert versions == [2, 1]


@pytest.mark.requirement("operations")
def test_an_incident_is_listed_and_the_outcome_of_its_retry_is_told(platform: Platform) -> None:
    instance_id = started(platform, deployed(platform, failing), version=str(uuid4()))
    assert becomes(lambda: status(platform, instance_id) == "incident")
    (incident,) = [row for row in listed(platform, "incident", "list") if row["process_instance_id"] == instance_id]

    retried = run(platform, "incident", "retry", incident["incident_id"], "--reason", WHY, "--retries", "1")

    assert (retried.returncode, retried.stderr.split()[:2]) == (1, [incident["incident_id"], "open:"])
    assert incident["message"] in retried.stderr


@pytest.mark.requirement("schedules")
def test_a_schedule_is_defined_paused_resumed_and_ended(platform: Platform) -> None:
    process_id = deployed(platform, review)
    nightly = json.dumps({"trigger": {"kind": "cron", "line": "0 2 * * *", "time_zone": "Europe/Berlin"}})

    defined = run(platform, "schedule", "define", process_id, "-", "--variables", '{"order": 1}', given=nightly)
    schedule_id = defined.stdout.split()[0]
    paused = run(platform, "schedule", "pause", schedule_id)
    resumed = run(platform, "schedule", "resume", schedule_id)
    (row,) = listed(platform, "schedule", "list", "--process", process_id)
    ended = run(platform, "schedule", "end", schedule_id)
    wrong = run(platform, "schedule", "define", process_id, "-", given='{"trigger": {"kind": "hourly"}}')

    statuses = [each.stdout.split()[:2] for each in (paused, resumed, ended)]
    assert statuses == [[schedule_id, status] for status in ("paused", "active", "ended")]
    assert (row["started_by"], row["variables"], row["definition"]["trigger"]["line"]) == (
        "operator", {"order": 1}, "0 2 * * *",
    )  # fmt: skip
    assert (wrong.returncode, "trigger" in wrong.stderr) == (2, True)


@pytest.mark.requirement("authorisation")
def test_an_operator_grants_a_record_and_takes_it_back_but_not_a_restricted_one(platform: Platform) -> None:
    source = platform.put("shared.csv", two_clusters())
    payload = {"name": "shared", "source_uri": source, "target": "kind"}
    internal = platform.call("ada", "create_dataset", dataset_payload=payload)["dataset_version_id"]
    restricted = platform.call(
        "ada", "create_dataset", dataset_payload={**payload, "name": "own", "data_classification": "restricted"}
    )["dataset_version_id"]
    bob = ("DatasetVersion", internal, "bob", "--reason", WHY)

    granted = run(platform, "access", "grant", *bob, "--permission", "read", "--expires-at", "2100-01-01")
    shown = listed(platform, "access", "list", "DatasetVersion", internal)
    revoked = run(platform, "access", "revoke", *bob)
    again = run(platform, "access", "revoke", *bob)
    refused = run(platform, "access", "grant", *bob[:1], restricted, *bob[2:], "--permission", "read")

    assert [(each["principal"], each["may"], each["expires_at"]) for each in shown] == [
        ("bob", "read", "2100-01-01T00:00:00Z")
    ]
    assert [" changed " in done.stdout for done in (granted, revoked, again)] == [True, True, False]
    assert (refused.returncode, refused.stderr.partition(":")[0]) == (1, "RECORD_NOT_FOUND")
