"""From a diagram's user task to a row: values of expressions, and whom the task excludes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import JsonValue

from engine.assignment import user_task_row
from engine.bpmn import CandidateExpression, UserTask
from engine.errors import ExpressionEvaluationError, UserTaskValueError
from engine.persistence import InstanceRow, UserTaskRow
from storage import SecurityContext
from storage.identifiers import new_id

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TASK_ID = new_id()
INSTANCE = InstanceRow.model_construct(
    process_instance_id=new_id(), tenant_id="north", started_by=SecurityContext(user_id="ina", tenant_id="north")
)


def _row(
    inputs: dict[str, JsonValue] | None = None, variables: dict[str, Any] | None = None, **said: Any
) -> UserTaskRow:
    said = {"candidate_groups": ("reviewer",), **said}
    element = UserTask(id="Ask", name="Ask her", line=1, lane="Review", **said)
    return user_task_row(
        INSTANCE,
        element,
        task_id=TASK_ID,
        process_id="review",
        inputs=inputs or {},
        variables=variables or {},
        now=NOW,
    )


def test_a_task_of_which_the_diagram_says_little_is_for_its_group_and_of_middling_urgency() -> None:
    row = _row(inputs={"shown": 1}, form_id="form")

    assert row == UserTaskRow(
        user_task_id=row.user_task_id,
        process_instance_id=INSTANCE.process_instance_id,
        process_id="review",
        task_id=TASK_ID,
        element_id="Ask",
        name="Ask her",
        lane="Review",
        form_id="form",
        candidate_groups=("reviewer",),
        priority=50,
        context={"shown": 1},
        tenant_id="north",
    )


def test_the_initiator_is_excluded_by_name_and_the_performers_of_a_task_by_its_id() -> None:
    row = _row(excluded=("initiator", "Check", "Ask"))

    assert (row.excluded_principals, row.excluded) == (("ina",), ("Check", "Ask"))


def test_expressions_see_the_variables_and_before_them_the_inputs() -> None:
    row = _row({"who": "rita"}, {"who": "rolf", "urgency": 70}, assignee="who", priority="urgency")

    assert (row.assignee, row.priority) == ("rita", 70)


def test_null_counts_as_not_given() -> None:
    row = _row(assignee="unknown", due_date="unknown", follow_up_date="unknown", priority="unknown")

    assert (row.assignee, row.due_at, row.follow_up_at, row.priority) == (None, None, None, 50)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-01T10:00:00Z", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01T10:00:00.5+02:00", datetime(2026, 5, 1, 8, 0, 0, 500_000, tzinfo=UTC)),
        ("P1DT12H", datetime(2026, 3, 3, tzinfo=UTC)),
        ("PT15M", datetime(2026, 3, 1, 12, 15, tzinfo=UTC)),
    ],
)
def test_a_time_has_its_zone_and_a_duration_counts_from_now(text: str, expected: datetime) -> None:
    row = _row(variables={"when": text}, due_date="when", follow_up_date="when")

    assert (row.due_at, row.follow_up_at) == (expected, expected)


@pytest.mark.parametrize(
    "value",
    [
        "tomorrow",
        "",
        "2026-05-01",
        "2026-05-01T10:00:00",
        "0001-01-01T00:00:00Z",
        "9500-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "P101Y",
        "PT0S",
        5,
        True,
        [],
        {},
    ],
)
@pytest.mark.parametrize(("attribute", "field"), [("due_date", "due date"), ("follow_up_date", "follow-up date")])
def test_what_is_no_time_is_refused(attribute: str, field: str, value: JsonValue) -> None:
    with pytest.raises(UserTaskValueError) as refused:
        _row(variables={"when": value}, **{attribute: "when"})

    error = refused.value
    assert (error.code, error.element_id, error.field, error.value) == (
        "USER_TASK_VALUE_INVALID",
        "Ask",
        field,
        repr(value),
    )


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (100, 100), (75.0, 75)])
def test_a_priority_is_a_whole_number(value: JsonValue, expected: int) -> None:
    assert _row(variables={"urgency": value}, priority="urgency").priority == expected


@pytest.mark.parametrize("value", [-1, 101, 50.5, True, "50", [50], float("inf"), 10**30])
def test_what_is_no_priority_is_refused(value: JsonValue) -> None:
    with pytest.raises(UserTaskValueError) as refused:
        _row(variables={"urgency": value}, priority="urgency")

    assert refused.value.field == "priority"


@pytest.mark.parametrize("value", ["", "  ", "x" * 201, "a\0b", 7, False, ["rita"]])
def test_what_is_no_name_is_not_assigned_to(value: JsonValue) -> None:
    with pytest.raises(UserTaskValueError) as refused:
        _row(variables={"who": value}, assignee="who")

    assert refused.value.field == "assignee"


def test_a_task_is_not_assigned_to_an_initiator_whom_it_excludes() -> None:
    assert _row(assignee='"ina"').assignee == "ina"

    with pytest.raises(UserTaskValueError):
        _row(assignee='"ina"', excluded=("initiator",))


def test_candidates_that_an_expression_gives_are_named_when_the_task_begins() -> None:
    said = {"candidate_groups": CandidateExpression("groups"), "candidate_users": CandidateExpression("[owner]")}

    row = _row(variables={"groups": ["reviewer", " auditor ", "reviewer"], "owner": "rita"}, **said)

    assert (row.candidate_groups, row.candidate_users) == (("reviewer", "auditor"), ("rita",))


@pytest.mark.parametrize(
    "value",
    ["reviewer", 7, {"a": 1}, [7], [None], [""], ["x" * 201], [["reviewer"]], [f"group-{n}" for n in range(101)]],
)
@pytest.mark.parametrize("attribute", ["candidate_groups", "candidate_users"])
def test_what_is_no_list_of_names_gives_no_candidates(attribute: str, value: JsonValue) -> None:
    with pytest.raises(UserTaskValueError) as refused:
        _row(variables={"people": value}, **{attribute: CandidateExpression("people")})

    assert refused.value.field == attribute.replace("_", " ")


@pytest.mark.parametrize("value", [None, []])
def test_a_task_for_nobody_is_refused_unless_somebody_else_is_named(value: JsonValue) -> None:
    groups = {"candidate_groups": CandidateExpression("people")}

    with pytest.raises(UserTaskValueError) as refused:
        _row(variables={"people": value}, **groups)

    assert refused.value.field == "candidates"
    assert _row(variables={"people": value}, **groups, assignee='"rita"').assignee == "rita"
    assert _row(variables={"people": value}, **groups, candidate_users=("carl",)).candidate_groups == ()


def test_an_expression_that_fails_says_so() -> None:
    with pytest.raises(ExpressionEvaluationError):
        _row(variables={"score": "high"}, priority="score * 2")
