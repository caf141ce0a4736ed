"""People, and agents on their behalf, work on user tasks through MCP."""

from __future__ import annotations

from uuid import uuid4

import pytest
from platform_under_test import Platform
from shop_floor import deployed, instance, refusal, review, started

pytestmark = pytest.mark.requirement("inbox")


def review_task(platform: Platform) -> str:
    """Start a review of its own; return its task."""
    described = instance(platform, started(platform, deployed(platform, review)))
    task_id: str = described["open_user_task_ids"][0]
    return task_id


def test_a_task_is_claimed_given_back_delegated_and_completed(platform: Platform) -> None:
    task_id = review_task(platform)
    approval = {"user_task_id": task_id, "submission": {"decision": "approve"}}

    claimed = platform.call("grace", "claim_user_task", user_task_id=task_id)
    given_back = platform.call("grace", "unclaim_user_task", user_task_id=task_id)
    delegated = platform.call("grace", "delegate_user_task", user_task_id=task_id, delegate="operator")
    refused = refusal(platform, "grace", "complete_user_task", **approval)
    platform.call("operator", "complete_user_task", **approval)

    assert [answer["assignee"] for answer in (claimed, given_back, delegated)] == ["grace", None, "operator"]
    assert delegated["delegated_by"] == "grace"
    assert refused.code == "USER_TASK_CLAIMED_BY_ANOTHER"
    task = platform.call("ada", "get_user_task", user_task_id=task_id)["user_task"]
    assert (task["status"], task["completed_by"]) == ("completed", "operator")


def test_a_draft_stays_with_its_task_and_decides_nothing(platform: Platform) -> None:
    task_id = review_task(platform)

    platform.call("grace", "save_user_task_draft", user_task_id=task_id, draft={"comment": "so far"})

    task = platform.call("grace", "get_user_task", user_task_id=task_id)["user_task"]
    assert (task["status"], task["draft"], task["can_complete"]) == ("open", {"comment": "so far"}, True)


@pytest.mark.requirement("idempotency")
def test_a_comment_repeated_under_its_key_is_made_once(platform: Platform) -> None:
    task_id, key = review_task(platform), uuid4().hex
    asked = {"user_task_id": task_id, "comment": "Why so many classes?", "idempotency_key": key}

    first, again = (platform.call("ada", "comment_user_task", **asked) for _ in range(2))

    assert first["comment_id"] == again["comment_id"]
    (comment,) = platform.call("grace", "get_user_task", user_task_id=task_id)["comments"]
    assert (comment["author"], comment["content"]) == ("ada", "Why so many classes?")


@pytest.mark.requirement("authorisation")
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("claim_user_task", {}),
        ("delegate_user_task", {"delegate": "ada"}),
        ("save_user_task_draft", {"draft": {"decision": "approve"}}),
        ("complete_user_task", {"submission": {"decision": "approve"}}),
        ("throw_from_user_task", {"kind": "escalation", "code": "LATE"}),
    ],
)
def test_who_is_no_candidate_has_no_hand_in_a_task(platform: Platform, tool: str, arguments: dict[str, object]) -> None:
    task_id = review_task(platform)

    assert refusal(platform, "ada", tool, user_task_id=task_id, **arguments).code == "NOT_A_CANDIDATE"


def test_a_person_throws_from_a_task_what_its_diagram_may_catch(platform: Platform) -> None:
    thrown = {"user_task_id": review_task(platform), "code": "LATE"}

    error = refusal(platform, "grace", "throw_from_user_task", kind="error", **thrown)
    escalated = platform.call("grace", "throw_from_user_task", kind="escalation", **thrown)

    assert error.code == "BPMN_ERROR_UNCAUGHT"
    assert (escalated["user_task_id"], escalated["is_open"]) == (thrown["user_task_id"], True)


def test_the_inbox_comes_in_pages_and_by_whose_a_task_is(platform: Platform) -> None:
    process_id = deployed(platform, review)
    tasks = [instance(platform, started(platform, process_id))["open_user_task_ids"][0] for _ in range(3)]
    platform.call("grace", "claim_user_task", user_task_id=tasks[1])

    first = platform.call("grace", "list_user_tasks", process_id=process_id, limit=2)
    rest = platform.call("grace", "list_user_tasks", process_id=process_id, limit=2, cursor=first["next_cursor"])
    mine = platform.call("grace", "list_user_tasks", process_id=process_id, shows="mine")

    listed = [[task["user_task_id"] for task in page["user_tasks"]] for page in (first, rest, mine)]
    assert listed == [tasks[:2], tasks[2:], tasks[1:2]]
    assert rest["next_cursor"] is None
    assert refusal(platform, "grace", "list_user_tasks", cursor="next").code == "INBOX_CURSOR_INVALID"
