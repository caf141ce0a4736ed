"""From a diagram's user task to the row that waits for a person: whose it is, how urgent, and whom it excludes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from pydantic import JsonValue

from engine.bpmn import CandidateExpression, Candidates, UserTask
from engine.durations import parse_step
from engine.errors import UserTaskValueError
from engine.feel import compile_expression
from engine.persistence import InstanceRow, UserTaskRow
from storage.identifiers import new_id

DEFAULT_PRIORITY = 50
HIGHEST_PRIORITY = 100
LONGEST_NAME = 200
MOST_CANDIDATES = 100
INITIATOR = "initiator"
_YEARS = range(1900, 9000)


def user_task_row(
    instance: InstanceRow,
    element: UserTask,
    *,
    task_id: UUID,
    process_id: str,
    inputs: dict[str, JsonValue],
    variables: Mapping[str, JsonValue],
    now: datetime,
) -> UserTaskRow:
    """Return the row of a user task that a token has just reached.

    Args:
        instance: The process instance.
        element: What the diagram says.
        task_id: The token.
        process_id: The process in whose diagram the element stands.
        inputs: The values of the element's input mappings: what the person is shown.
        variables: What the element's expressions see, besides the inputs.
        now: The database's time; a duration counts from here.

    Raises:
        ExpressionEvaluationError: An expression met values that do not fit.
        UserTaskValueError: An expression gives a value of the wrong kind.
    """
    given = _Given(element, {**variables, **inputs})
    excluded_principals = (instance.started_by.user_id,) if INITIATOR in element.excluded else ()
    groups = given.candidates("candidate groups", element.candidate_groups)
    users = given.candidates("candidate users", element.candidate_users)
    assignee = given.assignee(excluded_principals)
    if element.candidate_expressions and not (groups or users or assignee):
        raise UserTaskValueError(element_id=element.id, field="candidates", value=None, reason="nobody is named")
    return UserTaskRow(
        user_task_id=new_id(),
        process_instance_id=instance.process_instance_id,
        process_id=process_id,
        task_id=task_id,
        element_id=element.id,
        name=element.name,
        lane=element.lane,
        form_id=element.form_id,
        candidate_groups=groups,
        candidate_users=users,
        assignee=assignee,
        priority=given.priority(),
        due_at=given.time("due date", element.due_date, now),
        follow_up_at=given.time("follow-up date", element.follow_up_date, now),
        excluded_principals=excluded_principals,
        excluded=tuple(entry for entry in element.excluded if entry != INITIATOR),
        context=inputs,
        tenant_id=instance.tenant_id,
    )


def is_name(text: str) -> bool:
    """Return whether the text can be a person's user id."""
    return 0 < len(text) <= LONGEST_NAME and text.isprintable()


class _Given:
    """The values of a user task's expressions; null counts as not given."""

    def __init__(self, element: UserTask, variables: Mapping[str, JsonValue]) -> None:
        self._element = element
        self._variables = variables

    def assignee(self, excluded_principals: tuple[str, ...]) -> str | None:
        value = self._value(self._element.assignee)
        if value is None:
            return None
        name = value.strip() if isinstance(value, str) else ""
        if not is_name(name):
            raise self._error("assignee", value, f"it is no name of 1 to {LONGEST_NAME} printable characters")
        if name in excluded_principals:
            raise self._error("assignee", value, "the task excludes who started the process instance")
        return name

    def candidates(self, field: str, candidates: Candidates) -> tuple[str, ...]:
        """Return the names, each once."""
        if not isinstance(candidates, CandidateExpression):
            return candidates
        value = self._value(candidates.source)
        if not isinstance(value, list | None) or len(value or ()) > MOST_CANDIDATES:
            raise self._error(field, value, f"it is no list of up to {MOST_CANDIDATES} names")
        names = [name.strip() if isinstance(name, str) else "" for name in value or ()]
        if not all(map(is_name, names)):
            raise self._error(field, value, f"not all are names of 1 to {LONGEST_NAME} printable characters")
        return tuple(dict.fromkeys(names))

    def priority(self) -> int:
        value = self._value(self._element.priority)
        if value is None:
            return DEFAULT_PRIORITY
        # 50.0 is in a range, 50.5 is not; a boolean is a number to Python, not to FEEL.
        if isinstance(value, int | float) and not isinstance(value, bool) and value in range(HIGHEST_PRIORITY + 1):
            return int(value)
        raise self._error("priority", value, f"it is no whole number from 0 to {HIGHEST_PRIORITY}")

    def time(self, field: str, expression: str | None, now: datetime) -> datetime | None:
        """Return the time of an ISO 8601 time with its zone, or of a duration from now on; in UTC."""
        value = self._value(expression)
        if value is None:
            return None
        try:
            text = str(value)
            time = parse_step(text).after(now) if text.startswith("P") else datetime.fromisoformat(text)
            if time.tzinfo is None:
                raise self._error(field, value, "its time zone is missing")
            time = time.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            reason = "it is neither an ISO 8601 time with its zone nor a duration"
            raise self._error(field, value, reason) from error
        if time.year not in _YEARS:
            raise self._error(field, value, f"its year is not between {_YEARS[0]} and {_YEARS[-1]}")
        return time

    def _value(self, expression: str | None) -> JsonValue:
        return None if expression is None else compile_expression(expression).evaluate(self._variables)

    def _error(self, field: str, value: JsonValue, reason: str) -> UserTaskValueError:
        return UserTaskValueError(element_id=self._element.id, field=field, value=value, reason=reason)
