"""Where what an instance makes comes from: the diagrams that it runs by, who started it, and who decided in it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine.persistence import (
    DefinitionRef,
    Definitions,
    Instances,
    InstanceStatus,
    UserTaskRow,
    UserTasks,
    UserTaskStatus,
)
from storage import SecurityContext, UnitOfWork
from storage.access import Resource, require
from storage.models import Permission


class HumanDecision(BaseModel):
    """A user task that somebody completed, and what they entered."""

    model_config = ConfigDict(frozen=True)

    user_task_id: UUID
    process_id: str
    element_id: str
    name: str
    completed_by: str
    completed_at: datetime
    submission: dict[str, JsonValue]


class InstanceOrigin(BaseModel):
    """One process instance: by which diagrams, by whom, and who decided what, in the order of the tasks."""

    model_config = ConfigDict(frozen=True)

    process_instance_id: UUID
    process_id: str
    status: InstanceStatus
    started_by: str
    started_at: datetime
    definitions: tuple[DefinitionRef, ...]
    decisions: tuple[HumanDecision, ...]


def origin_of(work: UnitOfWork, process_instance_id: UUID, *, context: SecurityContext) -> InstanceOrigin | None:
    """Return the origin of what an instance makes; `None` where the principal's tenant has no such instance, yet.

    Raises:
        AccessDeniedError: No READ permission.
    """
    require(context, Permission.READ, Resource(kind="process instances", tenant_id=context.tenant_id))
    row = Instances(work).read(process_instance_id, context.tenant_id)
    if row is None or row.started_at is None:
        return None
    completed = (task for task in UserTasks(work).of_instance(process_instance_id) if _is_completed(task))
    return InstanceOrigin(
        process_instance_id=process_instance_id,
        process_id=row.process_id,
        status=row.shown_status,
        started_by=row.started_by.user_id,
        started_at=row.started_at,
        definitions=Definitions(work).by_id(list(row.pinned_definitions.values())),
        decisions=tuple(HumanDecision.model_validate(task, from_attributes=True) for task in completed),
    )


def _is_completed(task: UserTaskRow) -> bool:
    return task.status is UserTaskStatus.COMPLETED
