"""User tasks: work that waits for a person, and what was said about it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue
from sqlalchemy import Row

from storage import SecurityContext, UnitOfWork
from storage.identifiers import new_id
from storage.json_documents import jsonb_text, require_storable
from storage.sql import Queries
from storage.tenants import enter_tenant

_QUERIES = Queries(Path(__file__).with_name("user_tasks.sql"))
_MADE_LATER = {"delegated_by", "draft", "status", "submission", "completed_by", "created_at", "completed_at"}


class UserTaskStatus(StrEnum):
    """Whether a user task can be done, was done, or was withdrawn by the process."""

    OPEN = "open"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class UserTaskRow(BaseModel):
    """One user task as stored.

    Attributes:
        process_id: The process in whose diagram the element stands; a called one where the task lies in a call.
        context: What the person is shown.
        assignee: Who has claimed it, or was assigned or delegated to.
        delegated_by: Who gave it to the assignee.
        excluded_principals: Who may have no hand in it, known from the start.
        excluded: User tasks of this instance whose performers may have no hand in it either.
    """

    model_config = ConfigDict(frozen=True)

    user_task_id: UUID
    process_instance_id: UUID
    process_id: str
    task_id: UUID
    element_id: str
    name: str
    lane: str | None
    form_id: str | None
    candidate_groups: tuple[str, ...]
    candidate_users: tuple[str, ...] = ()
    assignee: str | None = None
    delegated_by: str | None = None
    priority: int = 50
    due_at: datetime | None = None
    follow_up_at: datetime | None = None
    excluded_principals: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    context: dict[str, Any]
    draft: dict[str, Any] | None = None
    tenant_id: str
    status: UserTaskStatus = UserTaskStatus.OPEN
    submission: dict[str, Any] | None = None
    completed_by: str | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None


class UserTaskForPerson(UserTaskRow):
    """A user task with what lies around it, as one principal sees it.

    Attributes:
        comments: How many there are.
        performed: One of the `excluded` user tasks that this principal has completed.
    """

    business_key: str | None
    instance_status: str
    comments: int
    performed: str | None


class UserTaskComment(BaseModel):
    """What somebody said about a user task."""

    model_config = ConfigDict(frozen=True)

    comment_id: UUID
    author: str
    content: str
    created_at: datetime


@dataclass(frozen=True)
class InboxSelection:
    """Which open tasks a page shows, and behind which one it begins.

    Attributes:
        shows_own: Tasks that are assigned to the principal.
        shows_unclaimed: Tasks for the principal's groups or name that nobody has claimed.
        shows_claimed: The same that somebody has claimed.
        after_rank: The negated priority of the last task of the page before.
    """

    shows_own: bool
    shows_unclaimed: bool
    shows_claimed: bool
    due_before: datetime | None
    process_id: str | None
    after_rank: int
    after_id: UUID
    limit: int


class UserTasks:
    """User tasks on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def insert(self, *rows: UserTaskRow) -> None:
        """Put tasks into the inbox."""
        documents = [row.model_dump(mode="json", exclude=_MADE_LATER) for row in rows]
        _QUERIES.execute(self._connection, "insert_user_tasks", {"rows": jsonb_text(documents, model="user task")})

    def page(self, selection: InboxSelection, context: SecurityContext) -> list[UserTaskForPerson]:
        """Return the open tasks that are for a principal: most urgent first, then oldest first."""
        parameters = {
            **vars(selection),
            "tenant_id": context.tenant_id,
            "user_id": context.user_id,
            "groups": sorted(context.groups),
        }
        enter_tenant(self._connection, context.tenant_id)
        return [_for_person(row) for row in _QUERIES.rows(self._connection, "inbox_page", parameters)]

    def read(self, user_task_id: UUID, context: SecurityContext) -> UserTaskForPerson | None:
        """Return a task of the principal's tenant, open or not."""
        parameters = {"user_task_id": user_task_id, "tenant_id": context.tenant_id, "user_id": context.user_id}
        row = _QUERIES.first(self._connection, "user_task_for_person", parameters)
        return None if row is None else _for_person(row)

    def of_instance(self, process_instance_id: UUID) -> list[UserTaskRow]:
        """Return all tasks of an instance, oldest first."""
        parameters = {"process_instance_id": process_instance_id}
        return [_row(row) for row in _QUERIES.rows(self._connection, "user_tasks_of_instance", parameters)]

    def instance_of(self, user_task_id: UUID, tenant_id: str) -> UUID | None:
        """Return the instance that a task belongs to, if it is the tenant's."""
        parameters = {"user_task_id": user_task_id, "tenant_id": tenant_id}
        row = _QUERIES.first(self._connection, "instance_of_user_task", parameters)
        return None if row is None else UUID(str(row.process_instance_id))

    def lock(self, user_task_id: UUID, tenant_id: str) -> UserTaskRow | None:
        """Return a task of the tenant; nobody else can change it before the transaction ends."""
        parameters = {"user_task_id": user_task_id, "tenant_id": tenant_id}
        row = _QUERIES.first(self._connection, "lock_user_task", parameters)
        return None if row is None else _row(row)

    def performed(self, task: UserTaskRow, user_id: str) -> str | None:
        """Return one of the task's `excluded` user tasks that the person has completed in the same instance."""
        parameters = {
            "process_instance_id": task.process_instance_id,
            "user_id": user_id,
            "element_ids": list(task.excluded),
        }
        row = _QUERIES.first(self._connection, "performed_user_task", parameters) if task.excluded else None
        return None if row is None else str(row.element_id)

    def assign(self, user_task_id: UUID, assignee: str | None, delegated_by: str | None = None) -> None:
        """Give a locked task to somebody, or back to its candidates."""
        parameters = {"user_task_id": user_task_id, "assignee": assignee, "delegated_by": delegated_by}
        _QUERIES.execute(self._connection, "assign_user_task", parameters)

    def save_draft(self, user_task_id: UUID, draft: dict[str, JsonValue]) -> None:
        """Keep an unfinished form with a locked task, in place of an earlier one."""
        parameters = {"user_task_id": user_task_id, "draft": jsonb_text(draft, model="user task")}
        _QUERIES.execute(self._connection, "save_user_task_draft", parameters)

    def complete(self, user_task_id: UUID, submission: dict[str, Any], completed_by: str) -> None:
        """Close a locked task with what was submitted; its draft is gone."""
        parameters = {
            "user_task_id": user_task_id,
            "submission": jsonb_text(submission, model="user task"),
            "completed_by": completed_by,
        }
        _QUERIES.execute(self._connection, "complete_user_task", parameters)

    def cancel(self, process_instance_id: UUID, task_ids: Collection[UUID]) -> int:
        """Withdraw the open tasks of these tokens of an instance; return how many there were."""
        parameters = {"process_instance_id": process_instance_id, "task_ids": list(task_ids)}
        return _QUERIES.execute(self._connection, "cancel_user_tasks", parameters)

    def add_comment(self, user_task_id: UUID, author: str, content: str) -> UUID:
        """Keep a comment; return its id.

        Raises:
            RecordTextError: The text holds NUL or half of a surrogate pair.
        """
        require_storable(content, model="user task comment")
        comment_id = new_id()
        parameters = {"comment_id": comment_id, "user_task_id": user_task_id, "author": author, "content": content}
        _QUERIES.execute(self._connection, "insert_comment", parameters)
        return comment_id

    def comments(self, user_task_id: UUID) -> list[UserTaskComment]:
        """Return what was said about a task, oldest first."""
        rows = _QUERIES.rows(self._connection, "comments_of_user_task", {"user_task_id": user_task_id})
        return [UserTaskComment.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name


def _row(row: Row[Any]) -> UserTaskRow:
    return UserTaskRow.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name


def _for_person(row: Row[Any]) -> UserTaskForPerson:
    return UserTaskForPerson.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name
