"""Processes are defined, started, told of events and scheduled through MCP."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from patience import becomes
from platform_under_test import Platform
from shop_floor import (
    WHY,
    deployed,
    instance,
    new_process_id,
    refusal,
    review,
    started,
    status,
    two_reviews,
    waiting,
)

HOURLY = {"trigger": {"kind": "interval", "every": "PT1H"}}


@pytest.mark.requirement("schedules")
def test_a_process_is_defined_once_for_a_text_and_started_by_its_id(platform: Platform) -> None:
    process_id = new_process_id()
    payload = {"process_id": process_id, "bpmn_xml": review(process_id).decode()}

    first, again = (platform.call("operator", "scheduler_define_process", process_payload=payload) for _ in range(2))
    instance_id = started(platform, process_id, order="o-1")

    assert first["definition"] == again["definition"]
    assert (first["definition"]["version"], first["schedule_id"], first["next_fire_at"]) == (1, None, None)
    described = instance(platform, instance_id)
    assert (described["process_id"], described["started_by"]) == (process_id, "ada")
    assert described["variables"] == {"order": "o-1"}


@pytest.mark.requirement("idempotency")
def test_starting_twice_under_one_key_is_one_instance(platform: Platform) -> None:
    asked: dict[str, Any] = {
        "process_id": deployed(platform, review),
        "business_key": "order-7",
        "variables": {"order": "o-7"},
        "idempotency_key": uuid4().hex,
    }

    first, again = (platform.call("ada", "scheduler_start_instance", **asked) for _ in range(2))
    changed = {**asked, "variables": {"order": "o-8"}}

    assert first == again
    assert refusal(platform, "ada", "scheduler_start_instance", **changed).code == "IDEMPOTENCY_CONFLICT"
    listed = platform.call("ada", "list_instances", process_id=asked["process_id"], business_key="order-7")
    assert [each["process_instance_id"] for each in listed["instances"]] == [first["process_instance_id"]]


@pytest.mark.requirement("authorisation")
@pytest.mark.requirement("separation-of-duties")
def test_a_process_that_others_call_is_not_started_by_itself(platform: Platform) -> None:
    forged = {"model_artifact_id": str(uuid4()), "approved_by": "grace"}
    scheduled = {"process_id": "promotion", "variables": forged}

    refusals = (
        refusal(platform, "ada", "scheduler_start_instance", process_id="promotion", variables=forged),
        refusal(platform, "ada", "scheduler_define_process", process_payload=scheduled, schedule_definition=HOURLY),
    )

    assert [refused.code for refused in refusals] == ["FORBIDDEN", "FORBIDDEN"]
    assert platform.call("ada", "scheduler_list_schedules", process_id="promotion")["schedules"] == []


@pytest.mark.requirement("authorisation")
def test_only_an_administrator_deploys_a_diagram(platform: Platform) -> None:
    process_id = new_process_id()
    payload = {"process_id": process_id, "bpmn_xml": review(process_id).decode()}

    assert refusal(platform, "ada", "scheduler_define_process", process_payload=payload).code == "FORBIDDEN"
    assert refusal(platform, "ada", "scheduler_start_instance", process_id=process_id).code == "PROCESS_NOT_FOUND"


@pytest.mark.requirement("bad-input")
def test_a_definition_that_cannot_be_is_refused_with_what_is_wrong(platform: Platform) -> None:
    process_id = deployed(platform, review)
    broken = {"process_id": process_id, "bpmn_xml": review(process_id).decode().replace("userTask", "manualTask")}
    elsewhere = {"process_id": new_process_id(), "bpmn_xml": review(new_process_id()).decode()}
    never = {"trigger": {"kind": "date", "at": "2020-01-01T00:00:00Z"}, "active_from": "2021-01-01T00:00:00Z"}

    def code(payload: dict[str, Any], **arguments: Any) -> str:
        return refusal(platform, "operator", "scheduler_define_process", process_payload=payload, **arguments).code

    assert code(broken) == "DIAGRAM_REFUSED"
    assert code(elsewhere) == "PROCESS_NOT_FOUND"
    assert code({"process_id": process_id}) == "ARGUMENTS_INVALID"
    assert code({"process_id": process_id}, schedule_definition={"trigger": {"kind": "hourly"}}) == "ARGUMENTS_INVALID"
    assert code({"process_id": process_id}, schedule_definition=never) == "SCHEDULE_INVALID"


@pytest.mark.requirement("schedules")
@pytest.mark.requirement("idempotency")
def test_a_schedule_is_defined_once_paused_made_active_and_ended(platform: Platform) -> None:
    asked: dict[str, Any] = {
        "process_payload": {"process_id": deployed(platform, review), "variables": {"order": "nightly"}},
        "schedule_definition": HOURLY,
        "activate": False,
        "idempotency_key": uuid4().hex,
    }

    first, again = (platform.call("ada", "scheduler_define_process", **asked) for _ in range(2))
    schedule_id, process_id = first["schedule_id"], first["definition"]["process_id"]
    (listed,) = platform.call("grace", "scheduler_list_schedules", process_id=process_id)["schedules"]

    def becoming(status: str) -> tuple[str, bool]:
        answer = platform.call("ada", "scheduler_set_schedule_status", schedule_id=schedule_id, status=status)
        return answer["status"], answer["next_fire_at"] is not None

    assert (first["schedule_id"], first["next_fire_at"]) == (again["schedule_id"], None)
    assert (listed["status"], listed["started_by"], listed["variables"]) == ("paused", "ada", {"order": "nightly"})
    assert [becoming(status) for status in ("active", "active", "paused", "ended")] == [
        ("active", True),
        ("active", True),
        ("paused", False),
        ("ended", False),
    ]
    ended = {"schedule_id": schedule_id, "status": "active"}
    assert refusal(platform, "ada", "scheduler_set_schedule_status", **ended).code == "SCHEDULE_ENDED"


@pytest.mark.requirement("schedules")
@pytest.mark.requirement("observability")
def test_what_a_schedule_started_is_listed_and_counted(platform: Platform) -> None:
    process_id = deployed(platform, review)
    at_once = {"trigger": {"kind": "date", "at": "2026-01-01T00:00:00Z"}}
    platform.call(
        "ada", "scheduler_define_process", process_payload={"process_id": process_id}, schedule_definition=at_once
    )

    def fires() -> list[dict[str, Any]]:
        asked = {"process_id": process_id, "states": ["started"]}
        found: list[dict[str, Any]] = platform.call("ada", "scheduler_list_events", **asked)["events"]
        return found

    assert becomes(lambda: fires() != [])
    (fire,) = fires()
    counts = platform.call("ada", "scheduler_get_metrics", process_id=process_id, time_window="PT1H")
    of_instance = platform.call("ada", "scheduler_list_events", instance_id=fire["process_instance_id"])
    assert (fire["state"], fire["kind"], status(platform, fire["process_instance_id"])) == (
        "started", "schedule", "running",
    )  # fmt: skip
    assert of_instance["events"] == [fire]
    assert (counts["instances"]["started"], counts["instances"]["running"]) == (1, 1)
    assert counts["user_tasks"] == {"open": 1, "overdue": 0, "completed": 0}


@pytest.mark.requirement("events")
@pytest.mark.requirement("idempotency")
def test_an_event_reaches_who_waits_under_its_key_once(platform: Platform) -> None:
    process_id, order = deployed(platform, waiting), uuid4().hex
    first, second = (started(platform, process_id, order=order) for _ in range(2))
    asked = {"event_type": "goods.arrived", "business_key": order, "payload": {"boxes": 3}, "idempotency_key": order}
    expected = {
        "kind": "message", "process_instance_id": first, "element_id": "Wait",
        "name": "goods.arrived", "correlation_key": order, "due_at": None,
    }  # fmt: skip
    assert instance(platform, first)["expected_events"] == [expected]

    sent, again = (platform.call("ada", "scheduler_trigger_event", **asked) for _ in range(2))

    assert (sent["outcome"], sent["process_instance_id"]) == ("received", first)
    assert again == {**sent, "is_duplicate": True}
    assert becomes(lambda: status(platform, first) == "completed")
    assert instance(platform, first)["variables"] == {"order": order, "boxes": 3}
    assert status(platform, second) == "running"


@pytest.mark.requirement("events")
@pytest.mark.requirement("idempotency")
def test_an_event_for_one_instance_reaches_no_other_and_is_refused_where_it_does_not_wait(platform: Platform) -> None:
    process_id, order = deployed(platform, waiting), uuid4().hex
    first, second = (started(platform, process_id, order=order) for _ in range(2))
    asked = {"event_type": "goods.arrived", "instance_id": second, "idempotency_key": order}

    sent, again = (platform.call("ada", "scheduler_trigger_event", **asked) for _ in range(2))

    assert sent == again
    assert (sent["outcome"], sent["process_instance_id"]) == ("received", second)
    assert becomes(lambda: status(platform, second) == "completed")
    assert status(platform, first) == "running"
    over = refusal(platform, "ada", "scheduler_trigger_event", event_type="goods.arrived", instance_id=second)
    other = refusal(platform, "ada", "scheduler_trigger_event", event_type="goods.lost", instance_id=first)
    assert (over.code, other.code) == ("MESSAGE_NOT_AWAITED", "MESSAGE_NOT_AWAITED")
    assert "goods.arrived" in other.hint


@pytest.mark.requirement("events")
def test_a_platform_event_is_correlated_by_its_payload(platform: Platform) -> None:
    experiment_id = str(uuid4())
    payload = {"experiment_id": experiment_id, "parameters": {"epochs": 3}}

    sent = platform.call("ada", "scheduler_trigger_event", event_type="experiment.requested", payload=payload)

    def code(**arguments: Any) -> str:
        return refusal(platform, "ada", "scheduler_trigger_event", **arguments).code

    assert sent["outcome"] == "buffered"
    for arguments in (
        {"event_type": "experiment.requested", "payload": {"parameters": {}}},
        {"event_type": "experiment.requested", "payload": payload, "business_key": "another"},
        {"event_type": "drift.detected", "payload": {"model_id": experiment_id}},
        {"event_type": "goods.arrived"},
        {"event_type": "goods.arrived", "business_key": "k", "instance_id": experiment_id},
    ):
        assert code(**arguments) == "ARGUMENTS_INVALID"


@pytest.mark.requirement("bad-input")
@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("scheduler_start_instance", {"process_id": "no-such-process"}, "PROCESS_NOT_FOUND"),
        ("scheduler_pause_instance", {"instance_id": str(uuid4()), "reason": WHY}, "PROCESS_INSTANCE_NOT_FOUND"),
        ("scheduler_pause_instance", {"instance_id": str(uuid4()), "reason": ""}, "ARGUMENTS_INVALID"),
        ("scheduler_pause_instance", {"instance_id": str(uuid4()), "reason": "a\0b"}, "RECORD_TEXT_INVALID"),
        ("scheduler_start_instance", {"process_id": "a\0b"}, "ARGUMENTS_INVALID"),
        ("scheduler_trigger_event", {"event_type": "a\0b", "business_key": "k"}, "RECORD_TEXT_INVALID"),
        ("list_instances", {"business_key": "a\0b"}, "ARGUMENTS_INVALID"),
        ("scheduler_list_events", {}, "ARGUMENTS_INVALID"),
        ("scheduler_list_events", {"instance_id": str(uuid4())}, "PROCESS_INSTANCE_NOT_FOUND"),
        ("scheduler_get_metrics", {"process_id": "no-such-process"}, "PROCESS_NOT_FOUND"),
        ("scheduler_get_metrics", {"process_id": "promotion", "time_window": "a while"}, "ARGUMENTS_INVALID"),
        ("scheduler_set_schedule_status", {"schedule_id": str(uuid4()), "status": "paused"}, "SCHEDULE_NOT_FOUND"),
        ("get_instance", {"process_instance_id": str(uuid4())}, "PROCESS_INSTANCE_NOT_FOUND"),
        ("retry_incident", {"incident_id": str(uuid4()), "reason": WHY}, "INCIDENT_NOT_FOUND"),
        ("migrate_instances", {"process_id": "promotion", "from_version": 99}, "PROCESS_DEFINITION_NOT_FOUND"),
        ("migrate_instances", {"process_id": "promotion", "from_version": 1}, "MIGRATION_INVALID"),
    ],
)
def test_a_call_about_something_that_is_not_there_says_so(
    platform: Platform, tool: str, arguments: dict[str, Any], code: str
) -> None:
    assert refusal(platform, "operator", tool, **arguments).code == code


@pytest.mark.requirement("schedules")
def test_the_newest_version_is_started(platform: Platform) -> None:
    process_id = deployed(platform, review)
    deployed(platform, two_reviews, process_id)

    (definition,) = instance(platform, started(platform, process_id))["definitions"]

    assert definition["version"] == 2
