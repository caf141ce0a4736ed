"""User tasks: work that waits for a person."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Row

from engine.persistence.statements import QUERIES
from storage import UnitOfWork
from storage.json_documents import jsonb_text


class UserTaskStatus(StrEnum):
    """Whether a user task can be done, was done, or was withdrawn by the process."""

    OPEN = "open"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class UserTaskRow(BaseModel):
    """One user task as stored; `context` is what the person is shown."""

    model_config = ConfigDict(frozen=True)

    user_task_id: UUID
    process_instance_id: UUID
    task_id: UUID
    element_id: str
    name: str
    lane: str | None
    form_id: str | None
    candidate_groups: tuple[str, ...]
    excluded_principals: tuple[str, ...]
    context: dict[str, Any]
    tenant_id: str
    status: UserTaskStatus = UserTaskStatus.OPEN
    submission: dict[str, Any] | None = None
    completed_by: str | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None


class UserTasks:
    """User tasks on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def insert(self, row: UserTaskRow) -> None:
        """Put a task into the inbox."""
        fields = {"status", "submission", "completed_by", "created_at", "completed_at"}
        parameters = row.model_dump(exclude=fields)
        for field in ("candidate_groups", "excluded_principals", "context"):
            parameters[field] = jsonb_text(parameters[field], model="user task")
        QUERIES.execute(self._connection, "insert_user_task", parameters)

    def open(self, tenant_id: str, groups: frozenset[str], limit: int) -> list[UserTaskRow]:
        """Return the open tasks of these candidate groups, oldest first."""
        parameters = {"tenant_id": tenant_id, "groups": sorted(groups), "limit": limit}
        return [_row(row) for row in QUERIES.rows(self._connection, "open_user_tasks", parameters)]

    def of_instance(self, process_instance_id: UUID) -> list[UserTaskRow]:
        """Return all tasks of an instance, oldest first."""
        parameters = {"process_instance_id": process_instance_id}
        return [_row(row) for row in QUERIES.rows(self._connection, "user_tasks_of_instance", parameters)]

    def instance_of(self, user_task_id: UUID, tenant_id: str) -> UUID | None:
        """Return the instance that a task belongs to, if it is the tenant's."""
        parameters = {"user_task_id": user_task_id, "tenant_id": tenant_id}
        row = QUERIES.first(self._connection, "instance_of_user_task", parameters)
        return None if row is None else UUID(str(row.process_instance_id))

    def lock(self, user_task_id: UUID, tenant_id: str) -> UserTaskRow:
        """Return the task; nobody else can complete it before the transaction ends."""
        parameters = {"user_task_id": user_task_id, "tenant_id": tenant_id}
        row = QUERIES.first(self._connection, "lock_user_task", parameters)
        if row is None:
            raise LookupError(user_task_id)
        return _row(row)

    def complete(self, user_task_id: UUID, submission: dict[str, Any], completed_by: str) -> None:
        """Close a locked task with what was submitted."""
        parameters = {
            "user_task_id": user_task_id,
            "submission": jsonb_text(submission, model="user task"),
            "completed_by": completed_by,
        }
        QUERIES.execute(self._connection, "complete_user_task", parameters)


def _row(row: Row[Any]) -> UserTaskRow:
    return UserTaskRow.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name
