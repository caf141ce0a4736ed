"""What people and agents are told of instances and user tasks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine.persistence import (
    DefinitionRef,
    Definitions,
    Event,
    EventLog,
    InstanceRow,
    InstanceStatus,
    UserTaskRow,
    UserTasks,
    UserTaskStatus,
)
from storage import SecurityContext, UnitOfWork

_ACTIVITIES = frozenset({"ServiceTask", "UserTask", "CallActivity"})


class StepDescription(BaseModel):
    """One activity of an instance: `state` is activated, completed or cancelled."""

    model_config = ConfigDict(frozen=True)

    element_id: str
    name: str
    kind: str
    lane: str | None
    state: str
    started_at: datetime
    ended_at: datetime | None = None
    duration_seconds: float | None = None


class UserTaskDescription(BaseModel):
    """One user task: what is asked, of whom, and the form's JSON Schema.

    Attributes:
        can_complete: Whether the principal that asks may complete it.
    """

    model_config = ConfigDict(frozen=True)

    user_task_id: UUID
    process_instance_id: UUID
    element_id: str
    name: str
    lane: str | None
    candidate_groups: tuple[str, ...]
    excluded_principals: tuple[str, ...]
    can_complete: bool
    context: dict[str, Any]
    form_schema: dict[str, Any] | None
    created_at: datetime | None


class InstanceDescription(BaseModel):
    """One process instance."""

    model_config = ConfigDict(frozen=True)

    process_instance_id: UUID
    process_id: str
    business_key: str | None
    status: InstanceStatus
    started_by: str
    started_at: datetime | None
    ended_at: datetime | None
    definitions: tuple[DefinitionRef, ...]
    steps: tuple[StepDescription, ...]
    open_user_task_ids: tuple[UUID, ...]
    completed_by: dict[str, str]
    incident: dict[str, JsonValue] | None


def describe_instance(work: UnitOfWork, row: InstanceRow) -> InstanceDescription:
    """Return the description of an instance that the caller may see."""
    definitions = Definitions(work).by_id(list(row.pinned_definitions.values()))
    own = next(ref for ref in definitions if ref.process_definition_id == row.process_definition_id)
    tasks = UserTasks(work).of_instance(row.process_instance_id)
    return InstanceDescription(
        process_instance_id=row.process_instance_id,
        process_id=own.process_id,
        business_key=row.business_key,
        status=row.status,
        started_by=row.started_by.user_id,
        started_at=row.started_at,
        ended_at=row.ended_at,
        definitions=definitions,
        steps=steps_of(EventLog(work).of_instance(row.process_instance_id)),
        open_user_task_ids=tuple(task.user_task_id for task in tasks if task.status is UserTaskStatus.OPEN),
        completed_by={task.element_id: task.completed_by for task in tasks if task.completed_by is not None},
        incident=row.incident,
    )


def steps_of(events: list[Event]) -> tuple[StepDescription, ...]:
    """Return the activities that the events tell of, in the order in which they began."""
    steps: dict[str, StepDescription] = {}
    for event in events:
        if not event.kind.startswith("element.") or event.payload["kind"] not in _ACTIVITIES:
            continue
        task_id, state = event.payload["task_id"], event.kind.removeprefix("element.")
        begun = steps.get(task_id)
        if begun is None:
            steps[task_id] = StepDescription(
                element_id=event.element_id or "",
                name=event.payload["name"],
                kind=event.payload["kind"],
                lane=event.payload["lane"],
                state=state,
                started_at=event.occurred_at,
            )
        else:
            duration = (event.occurred_at - begun.started_at).total_seconds()
            ended = {"state": state, "ended_at": event.occurred_at, "duration_seconds": duration}
            steps[task_id] = begun.model_copy(update=ended)
    return tuple(steps.values())


def describe_user_task(
    row: UserTaskRow, forms: Mapping[str, type[BaseModel]], context: SecurityContext
) -> UserTaskDescription:
    """Return what a principal is told of a user task."""
    is_candidate = bool(context.groups & set(row.candidate_groups))
    return UserTaskDescription(
        user_task_id=row.user_task_id,
        process_instance_id=row.process_instance_id,
        element_id=row.element_id,
        name=row.name,
        lane=row.lane,
        candidate_groups=row.candidate_groups,
        excluded_principals=row.excluded_principals,
        can_complete=is_candidate and context.user_id not in row.excluded_principals,
        context=row.context,
        form_schema=None if row.form_id is None else forms[row.form_id].model_json_schema(),
        created_at=row.created_at,
    )
