"""What people and agents are told of instances and user tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine.compensations import CompensationAccount, accounts_of
from engine.discretion import WITHHELD, Confidence
from engine.dmn import DecisionRef
from engine.duties import refused_work
from engine.errors import FormMissingError, InstanceNotActiveError
from engine.forms import FormCatalogue
from engine.persistence import (
    DecisionDefinitions,
    DefinitionRef,
    Definitions,
    Event,
    EventLog,
    Incident,
    Incidents,
    IncidentStatus,
    InstanceRow,
    InstanceStatus,
    UserTaskForPerson,
    UserTasks,
    UserTaskStatus,
)
from storage import ReportedError, SecurityContext, UnitOfWork
from storage.access import Resource, require
from storage.errors import AccessDeniedError
from storage.models import Permission

_ACTIVITIES = frozenset({"ServiceTask", "UserTask", "CallActivity", "BusinessRuleTask"})


class StepDescription(BaseModel):
    """One activity of an instance: `state` is activated, completed, cancelled or compensated."""

    model_config = ConfigDict(frozen=True)

    element_id: str
    name: str
    kind: str
    lane: str | None
    state: str
    started_at: datetime
    ended_at: datetime | None = None
    duration_seconds: float | None = None


class Refusal(BaseModel):
    """Why the principal that asks cannot do something: what the error would say."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    hint: str


class UserTaskDescription(BaseModel):
    """One user task: what is asked, of whom, until when, and the form's JSON Schema.

    Attributes:
        process_id: The process in whose diagram the task stands.
        excluded_elements: User tasks of the instance whose performers are excluded from this one.
        priority: 0 to 100; the most urgent has the highest.
        draft: An unfinished form, for those who may finish it.
        comments: How many there are.
        can_complete: Whether the principal that asks may complete it.
        refusal: Why not.
        is_withheld: Whether what it is about is kept from the principal that asks.
    """

    model_config = ConfigDict(frozen=True)

    user_task_id: UUID
    process_instance_id: UUID
    process_id: str
    business_key: str | None
    element_id: str
    name: str
    lane: str | None
    status: UserTaskStatus
    candidate_groups: tuple[str, ...]
    candidate_users: tuple[str, ...]
    excluded_principals: tuple[str, ...]
    excluded_elements: tuple[str, ...]
    assignee: str | None
    delegated_by: str | None
    priority: int
    due_at: datetime | None
    follow_up_at: datetime | None
    can_complete: bool
    refusal: Refusal | None
    context: dict[str, Any]
    draft: dict[str, Any] | None
    comments: int
    form_schema: dict[str, Any] | None
    created_at: datetime | None
    completed_by: str | None
    completed_at: datetime | None
    is_withheld: bool = False


class InstanceDescription(BaseModel):
    """One process instance.

    Attributes:
        definitions: The versions of its process, and of all that it may call, to which it is bound.
        decisions: Those of the decisions that they may ask.
        is_withheld: Whether what it knows is kept from the principal that asks.
    """

    model_config = ConfigDict(frozen=True)

    process_instance_id: UUID
    process_id: str
    business_key: str | None
    status: InstanceStatus
    started_by: str
    started_at: datetime | None
    ended_at: datetime | None
    definitions: tuple[DefinitionRef, ...]
    decisions: tuple[DecisionRef, ...] = ()
    steps: tuple[StepDescription, ...]
    open_user_task_ids: tuple[UUID, ...]
    completed_by: dict[str, str]
    incident: dict[str, JsonValue] | None
    compensations: tuple[CompensationAccount, ...] = ()
    is_withheld: bool = False


class InstanceSummary(BaseModel):
    """One process instance in a list.

    Attributes:
        is_withheld: Whether what it knows, its business key too, is kept from the principal that asks.
    """

    model_config = ConfigDict(frozen=True)

    process_instance_id: UUID
    process_definition_id: UUID
    process_id: str
    business_key: str | None
    status: InstanceStatus
    open_incidents: int
    started_by: str
    started_at: datetime | None
    ended_at: datetime | None
    is_withheld: bool = False


def summarise_instance(row: InstanceRow, *, is_withheld: bool) -> InstanceSummary:
    """Return what a list says of an instance that the caller may see."""
    return InstanceSummary(
        process_instance_id=row.process_instance_id,
        process_definition_id=row.process_definition_id,
        process_id=row.process_id,
        business_key=None if is_withheld else row.business_key,
        status=row.shown_status,
        open_incidents=row.open_incidents,
        started_by=row.started_by.user_id,
        started_at=row.started_at,
        ended_at=row.ended_at,
        is_withheld=is_withheld,
    )


def describe_instance(work: UnitOfWork, row: InstanceRow, *, is_withheld: bool) -> InstanceDescription:
    """Return the description of an instance that the caller may see."""
    pinned = list(row.pinned_definitions.values())
    definitions = Definitions(work).by_id(pinned)
    own = next(ref for ref in definitions if ref.process_definition_id == row.process_definition_id)
    tasks = UserTasks(work).of_instance(row.process_instance_id)
    events = EventLog(work).of_instance(row.process_instance_id)
    return InstanceDescription(
        process_instance_id=row.process_instance_id,
        process_id=own.process_id,
        business_key=None if is_withheld else row.business_key,
        status=row.shown_status,
        started_by=row.started_by.user_id,
        started_at=row.started_at,
        ended_at=row.ended_at,
        definitions=definitions,
        decisions=DecisionDefinitions(work).by_id(pinned),
        steps=steps_of(events),
        compensations=accounts_of(events),
        open_user_task_ids=tuple(task.user_task_id for task in tasks if task.status is UserTaskStatus.OPEN),
        completed_by={task.element_id: task.completed_by for task in tasks if task.completed_by is not None},
        incident=_oldest_incident(work, row, is_withheld=is_withheld),
        is_withheld=is_withheld,
    )


def discreet(incident: Incident) -> Incident:
    """Return an incident without what it says of the records that its instance is about."""
    return incident.model_copy(update={"message": WITHHELD})


def _oldest_incident(work: UnitOfWork, row: InstanceRow, *, is_withheld: bool) -> dict[str, JsonValue] | None:
    if row.open_incidents == 0:
        return None
    incidents = Incidents(work).of_instance(row.process_instance_id)
    oldest = next((incident for incident in incidents if incident.status is not IncidentStatus.RESOLVED), None)
    if oldest is None:  # it was resolved between the two looks
        return None
    told = discreet(oldest) if is_withheld else oldest
    shown = told.model_dump(mode="json", include={"incident_id", "element_id", "code", "message"})
    return {**shown, "status": told.status.value}


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
    task: UserTaskForPerson, forms: FormCatalogue, confidence: Confidence, context: SecurityContext
) -> UserTaskDescription:
    """Return what a principal is told of a user task."""
    schema, missing = _form_schema(task.form_id, forms)
    error = _refused_completion(task, confidence, context) or missing
    is_withheld = task.process_instance_id in confidence.unreadable
    return UserTaskDescription(
        user_task_id=task.user_task_id,
        process_instance_id=task.process_instance_id,
        process_id=task.process_id,
        business_key=None if is_withheld else task.business_key,
        element_id=task.element_id,
        name=task.name,
        lane=task.lane,
        status=task.status,
        candidate_groups=task.candidate_groups,
        candidate_users=task.candidate_users,
        excluded_principals=task.excluded_principals,
        excluded_elements=task.excluded,
        assignee=task.assignee,
        delegated_by=task.delegated_by,
        priority=task.priority,
        due_at=task.due_at,
        follow_up_at=task.follow_up_at,
        can_complete=error is None,
        refusal=None if error is None else Refusal(code=error.code, message=str(error), hint=error.hint),
        context={} if is_withheld else task.context,
        draft=task.draft if error is None and not is_withheld else None,
        comments=task.comments,
        form_schema=schema,
        created_at=task.created_at,
        completed_by=task.completed_by,
        completed_at=task.completed_at,
        is_withheld=is_withheld,
    )


def _refused_completion(
    task: UserTaskForPerson, confidence: Confidence, context: SecurityContext
) -> ReportedError | None:
    try:
        require(context, Permission.EXECUTE, Resource(kind="user tasks", tenant_id=context.tenant_id))
    except AccessDeniedError as error:
        return error
    refusal = confidence.refusal(task, context) or refused_work(task, context, task.performed)
    if refusal is None and task.instance_status != "running":
        return InstanceNotActiveError(process_instance_id=task.process_instance_id, status=task.instance_status)
    return refusal


def _form_schema(form_id: str | None, forms: FormCatalogue) -> tuple[dict[str, Any] | None, FormMissingError | None]:
    try:
        return (None if form_id is None else forms.schema(form_id)), None
    except FormMissingError as error:
        return None, error
