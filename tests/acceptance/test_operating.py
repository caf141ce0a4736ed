"""Operators look after running instances through MCP."""

from __future__ import annotations

from uuid import uuid4

import httpx2
import pytest
from patience import becomes
from platform_under_test import Platform
from shop_floor import WHY, deployed, failing, instance, refusal, review, started, status, two_reviews

pytestmark = [pytest.mark.requirement("operations"), pytest.mark.requirement("audit")]


def test_an_instance_is_paused_resumed_and_cancelled(platform: Platform) -> None:
    instance_id = started(platform, deployed(platform, review))
    (task_id,) = instance(platform, instance_id)["open_user_task_ids"]
    approval = {"user_task_id": task_id, "submission": {"decision": "approve"}}

    paused = platform.call("operator", "scheduler_pause_instance", instance_id=instance_id, reason=WHY)
    refused = refusal(platform, "grace", "complete_user_task", **approval)
    resumed = platform.call("operator", "scheduler_resume_instance", instance_id=instance_id, reason=WHY)
    cancelled = platform.call("operator", "scheduler_cancel_instance", instance_id=instance_id, reason=WHY)

    assert (paused["status"], resumed["status"], cancelled["status"]) == ("suspended", "running", "cancelled")
    assert len({answer["audit_ref"] for answer in (paused, resumed, cancelled)}) == 3
    assert refused.code == "PROCESS_INSTANCE_NOT_ACTIVE"
    assert refusal(platform, "grace", "complete_user_task", **approval).code == "USER_TASK_ALREADY_COMPLETED"


@pytest.mark.requirement("idempotency")
def test_an_operation_repeated_under_its_key_is_done_once_and_another_is_refused(platform: Platform) -> None:
    instance_id = started(platform, deployed(platform, review))
    asked = {"instance_id": instance_id, "reason": WHY, "idempotency_key": uuid4().hex}

    first, again = (platform.call("operator", "scheduler_pause_instance", **asked) for _ in range(2))

    assert first == again
    other = refusal(platform, "operator", "scheduler_cancel_instance", **asked)
    assert (other.code, status(platform, instance_id)) == ("IDEMPOTENCY_CONFLICT", "suspended")


@pytest.mark.requirement("authorisation")
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("scheduler_pause_instance", {"instance_id": "{instance}", "reason": WHY}),
        ("scheduler_resume_instance", {"instance_id": "{instance}", "reason": WHY}),
        ("scheduler_cancel_instance", {"instance_id": "{instance}", "reason": WHY}),
        ("set_variables", {"process_instance_id": "{instance}", "variables": {"x": 1}, "reason": WHY}),
        (
            "move_token",
            {"process_instance_id": "{instance}", "element_id": "Review", "to_element_id": "Done", "reason": WHY},
        ),
        ("migrate_instances", {"process_id": "{process}", "from_version": 1, "dry_run": False, "reason": WHY}),
    ],
)
def test_only_an_administrator_leads_an_instance_past_its_diagram(
    platform: Platform, tool: str, arguments: dict[str, object]
) -> None:
    process_id = deployed(platform, review)
    deployed(platform, two_reviews, process_id)
    instance_id = started(platform, process_id)
    before = instance(platform, instance_id)
    named = {"{instance}": instance_id, "{process}": process_id}
    filled = {name: named.get(value, value) if isinstance(value, str) else value for name, value in arguments.items()}

    assert refusal(platform, "ada", tool, **filled).code == "FORBIDDEN"
    assert instance(platform, instance_id) == before


def test_an_incident_is_retried_and_what_cannot_succeed_is_led_past(platform: Platform) -> None:
    process_id = deployed(platform, failing)
    instance_id = started(platform, process_id, version=str(uuid4()))
    assert becomes(lambda: status(platform, instance_id) == "incident")
    (incident,) = [
        each
        for each in platform.call("ada", "list_incidents", limit=500)["incidents"]
        if each["process_instance_id"] == instance_id
    ]

    retried = platform.call("ada", "retry_incident", incident_id=incident["incident_id"], reason=WHY, retries=1)
    edited = platform.call(
        "operator", "set_variables", process_instance_id=instance_id, variables={"profile": None}, reason=WHY
    )
    move = {"process_instance_id": instance_id, "element_id": "Profile", "to_element_id": "Done", "reason": WHY}
    moved = platform.call("operator", "move_token", **move)

    assert (incident["code"], incident["retries"]) == ("RECORD_NOT_FOUND", 0)
    assert (retried["incident"]["status"], retried["incident"]["retries"]) == ("open", 1)
    assert (edited["status"], moved["status"]) == ("running", "completed")
    assert instance(platform, instance_id)["variables"] == {"version": instance_variable(incident), "profile": None}


def instance_variable(incident: dict[str, str]) -> str:
    """The dataset version that the incident says is not there."""
    return incident["message"].split()[1].rstrip(".")


def test_instances_go_over_to_the_newest_version_after_a_dry_run(platform: Platform) -> None:
    process_id = deployed(platform, review)
    instances = [started(platform, process_id) for _ in range(3)]
    deployed(platform, two_reviews, process_id)
    asked = {"process_id": process_id, "from_version": 1}

    planned = platform.call("operator", "migrate_instances", **asked)
    unexplained = refusal(platform, "operator", "migrate_instances", **asked, dry_run=False)
    first = platform.call("operator", "migrate_instances", **asked, dry_run=False, reason=WHY, limit=2)
    rest = platform.call(
        "operator", "migrate_instances", **asked, dry_run=False, reason=WHY, limit=2, after=first["next_after"]
    )

    verdicts = [{"process_instance_id": each, "reasons": []} for each in instances]
    assert (planned["dry_run"], planned["verdicts"], planned["next_after"]) == (True, verdicts, None)
    assert (first["verdicts"], first["next_after"]) == (verdicts[:2], instances[1])
    assert (rest["verdicts"], rest["next_after"]) == (verdicts[2:], None)
    assert unexplained.code == "ARGUMENTS_INVALID"
    assert {instance(platform, each)["definitions"][0]["version"] for each in instances} == {2}


def test_instances_are_listed_by_process_status_and_page(platform: Platform) -> None:
    process_id = deployed(platform, review)
    instances = [started(platform, process_id) for _ in range(3)]
    platform.call("operator", "scheduler_cancel_instance", instance_id=instances[0], reason=WHY)

    def listed(**selection: object) -> list[str]:
        found = platform.call("ada", "list_instances", process_id=process_id, **selection)["instances"]
        return [each["process_instance_id"] for each in found]

    assert listed() == instances[::-1]
    assert listed(limit=1, before=instances[2]) == [instances[1]]
    assert listed(statuses=["cancelled", "incident"]) == [instances[0]]


@pytest.mark.requirement("observability")
def test_metrics_count_what_happened_and_what_is_due(platform: Platform) -> None:
    httpx2.get(f"{platform.address}/metrics")  # counts from the first time on
    process_id = deployed(platform, failing)
    instance_id = started(platform, process_id, version=str(uuid4()))
    assert becomes(lambda: status(platform, instance_id) == "incident")

    def metrics() -> str:
        return httpx2.get(f"{platform.address}/metrics").text

    assert becomes(lambda: f'process_events_total{{kind="incident.raised",process="{process_id}"}} 1.0' in metrics())
    text = metrics()
    assert f'process_events_total{{kind="process.started",process="{process_id}"}} 1.0' in text
    assert all(f'scheduler_queue_depth{{queue="{queue}"}}' in text for queue in ("jobs", "timers", "schedules"))
    assert all(
        name in text for name in ("worker_retry_total", "ami_schedule_delay_seconds", "ami_schedule_fires_total")
    )
    assert instance_id not in text
