"""The desk at which people work on user tasks: find, claim, delegate, draft, discuss and complete them.

Every call runs on the caller's unit of work. Who may do what is decided in `engine/duties.py`, on a locked row; where
the instance is about restricted records, `engine/discretion.py` has a say before. What follows from a completed task in
the process is the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import BaseModel, JsonValue

from engine.assignment import LONGEST_NAME, is_name
from engine.denials import DENIALS, note_denial
from engine.description import UserTaskDescription, describe_user_task
from engine.discretion import Discretion
from engine.duties import (
    barred,
    claimed_by_another,
    closed,
    excluded,
    is_supervisor,
    refused_claim,
    refused_work,
)
from engine.errors import (
    AssigneeNeededError,
    CommentInvalidError,
    DelegateInvalidError,
    UnknownInstanceError,
    UnknownUserTaskError,
)
from engine.forms import FormCatalogue
from engine.inbox import InboxPage, InboxQuery, cursor_behind
from engine.persistence import InstanceRow, Instances, UserTaskComment, UserTaskRow, UserTasks, transition_entry
from engine.requests import Request, fulfil_once
from storage import AuditEntry, ReportedError, SecurityContext, UnitOfWork
from storage.access import Resource, require
from storage.models import Permission

LONGEST_COMMENT = 10_000
_FIRST_PAGE = InboxQuery()
EventAppender: TypeAlias = Callable[[UnitOfWork, InstanceRow, str, Mapping[str, JsonValue], str], None]


class _Commented(BaseModel):
    comment_id: UUID


class UserTaskDesk:
    """User tasks of one deployment, for people; holds no state.

    Args:
        forms: The forms that the deployment has.
        append_event: Adds an event of an instance, of a kind, with a payload, about an element.
    """

    def __init__(self, forms: FormCatalogue, append_event: EventAppender) -> None:
        self._forms = forms
        self._append_event = append_event

    def inbox(self, work: UnitOfWork, query: InboxQuery = _FIRST_PAGE, *, context: SecurityContext) -> InboxPage:
        """Return a page of the open tasks that are for the principal, by group, by name or by assignment.

        Tasks from which the principal is excluded are listed too, with the reason why they are not to be completed.

        Raises:
            AccessDeniedError: No READ permission.
            InboxCursorError: The cursor is none.
        """
        _require(Permission.READ, context)
        found = UserTasks(work).page(query.selection(), context)
        tasks = found[: query.limit]
        confidence = Discretion(work, context).confidence({task.process_instance_id for task in tasks})
        return InboxPage(
            user_tasks=tuple(describe_user_task(task, self._forms, confidence, context) for task in tasks),
            next_cursor=cursor_behind(tasks[-1]) if len(found) > len(tasks) else None,
        )

    def describe(self, work: UnitOfWork, user_task_id: UUID, *, context: SecurityContext) -> UserTaskDescription:
        """Return a task of the principal's tenant, open or not.

        Raises:
            AccessDeniedError: No READ permission.
            UnknownUserTaskError: There is none.
        """
        _require(Permission.READ, context)
        task = UserTasks(work).read(user_task_id, context)
        if task is None:
            raise UnknownUserTaskError(user_task_id=user_task_id)
        confidence = Discretion(work, context).confidence([task.process_instance_id])
        return describe_user_task(task, self._forms, confidence, context)

    def claim(self, work: UnitOfWork, user_task_id: UUID, *, context: SecurityContext) -> None:
        """Take a task; of several who try at once one gets it. Claiming one's own task again changes nothing.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownUserTaskError, UserTaskClosedError: There is nothing to claim.
            SeparationOfDutiesError, NotACandidateError: Not by this principal.
            UserTaskClaimedError: Somebody else has it; the error says who.
        """
        task = self._lock(work, user_task_id, context)
        _refuse(work, task, context, refused_claim(task, context, UserTasks(work).performed(task, context.user_id)))
        if task.assignee is None:
            UserTasks(work).assign(user_task_id, context.user_id)
            self._record(work, task, "user_task.claimed", {"assignee": context.user_id}, context)

    def unclaim(self, work: UnitOfWork, user_task_id: UUID, *, context: SecurityContext) -> None:
        """Give a task back to its candidates, with its draft; an unclaimed one stays as it is.

        Its assignee may do so, who delegated it, and an administrator of the tenant.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownUserTaskError, UserTaskClosedError: There is nothing to give back.
            ClaimedByAnotherError: It is somebody else's.
            AssigneeNeededError: It has no candidates.
        """
        task = self._lock(work, user_task_id, context)
        _refuse(work, task, context, closed(task))
        if task.assignee is None:
            return
        if context.user_id != task.delegated_by and not is_supervisor(context):
            _refuse(work, task, context, claimed_by_another(task, context))
        if not (task.candidate_groups or task.candidate_users):
            raise AssigneeNeededError(user_task_id=user_task_id)
        UserTasks(work).assign(user_task_id, None)
        self._record(work, task, "user_task.unclaimed", {"assignee": task.assignee}, context)

    def delegate(self, work: UnitOfWork, user_task_id: UUID, delegate: str, *, context: SecurityContext) -> None:
        """Give a task to somebody by name, candidate or not; the delegator vouches and stays on the record.

        A candidate may delegate what nobody has claimed, the assignee what is theirs, an administrator of the tenant
        everything; none of them where the task excludes them, and nobody to a person whom it excludes.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownUserTaskError, UserTaskClosedError: There is nothing to delegate.
            SeparationOfDutiesError: The principal or the delegate is excluded; the error says which.
            NotACandidateError, ClaimedByAnotherError: Not by this principal.
            DelegateInvalidError: The delegate is nobody, has the task already, or is the principal.
        """
        task = self._lock(work, user_task_id, context)
        name = delegate.strip()
        _refuse(
            work, task, context, _refused_delegation(task, context, UserTasks(work).performed(task, context.user_id))
        )
        _require_delegate(task, name, context)
        _refuse(work, task, context, excluded(task, name, UserTasks(work).performed(task, name)))
        UserTasks(work).assign(user_task_id, name, delegated_by=context.user_id)
        payload: dict[str, JsonValue] = {"assignee": name, "delegated_by": context.user_id}
        self._record(work, task, "user_task.delegated", payload, context)

    def save_draft(
        self, work: UnitOfWork, user_task_id: UUID, draft: Mapping[str, JsonValue], *, context: SecurityContext
    ) -> None:
        """Keep an unfinished form with its task, in place of an earlier one; the form does not check it.

        A task has one draft, which stays with it when it is given back or delegated, and goes when it is completed.
        The record says that it was saved, and beside the leaf what it held.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownUserTaskError, UserTaskClosedError: There is nothing to draft.
            SeparationOfDutiesError, NotACandidateError, ClaimedByAnotherError: Not by this principal.
            RecordTextError, RecordNumberError: The database cannot hold a value.
        """
        task = self._lock(work, user_task_id, context)
        _refuse(work, task, context, refused_work(task, context, UserTasks(work).performed(task, context.user_id)))
        values = dict(draft)
        UserTasks(work).save_draft(user_task_id, values)
        self._record(work, task, "user_task.drafted", {}, context, personal={"draft": values})

    def comment(
        self,
        work: UnitOfWork,
        user_task_id: UUID,
        content: str,
        *,
        context: SecurityContext,
        idempotency_key: str | None = None,
    ) -> UUID:
        """Say something about an open task, under the principal's name; return the comment's id.

        Everybody of the tenant who may take part in processes can, also who is excluded from the task. Repeated under
        its key, it is said once.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownUserTaskError, UserTaskClosedError: There is nothing to discuss.
            CommentInvalidError: The comment is empty or too long.
            RecordTextError: The database cannot hold the text.
            IdempotencyConflictError: The key was used for something else.
        """
        task = self._lock(work, user_task_id, context)
        arguments: dict[str, JsonValue] = {"content": content, "author": context.user_id}
        request = Request("user_task.commented", str(user_task_id), arguments, context, idempotency_key)

        def act() -> _Commented:
            return _Commented(comment_id=self._comment(work, task, content, context))

        return fulfil_once(work, request, _Commented, act).comment_id

    def _comment(self, work: UnitOfWork, task: UserTaskRow, content: str, context: SecurityContext) -> UUID:
        _refuse(work, task, context, closed(task))
        if not content.strip() or len(content) > LONGEST_COMMENT:
            raise CommentInvalidError(length=len(content.strip()), longest=LONGEST_COMMENT)
        comment_id = UserTasks(work).add_comment(task.user_task_id, context.user_id, content)
        payload: dict[str, JsonValue] = {"comment_id": str(comment_id)}
        self._record(work, task, "user_task.commented", payload, context, personal={"content": content})
        return comment_id

    def comments(self, work: UnitOfWork, user_task_id: UUID, *, context: SecurityContext) -> list[UserTaskComment]:
        """Return what was said about a task of the principal's tenant, oldest first; nothing where that is withheld.

        Raises:
            AccessDeniedError: No READ permission.
            UnknownUserTaskError: There is no such task.
        """
        task = self.describe(work, user_task_id, context=context)
        return [] if task.is_withheld else UserTasks(work).comments(user_task_id)

    def instance_of(self, work: UnitOfWork, user_task_id: UUID, *, context: SecurityContext) -> UUID:
        """Return the instance that has to be locked before its task is completed.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownUserTaskError: There is no such task in the principal's tenant.
        """
        _require(Permission.EXECUTE, context)
        process_instance_id = UserTasks(work).instance_of(user_task_id, context.tenant_id)
        if process_instance_id is None:
            raise UnknownUserTaskError(user_task_id=user_task_id)
        return process_instance_id

    def lock_workable(self, work: UnitOfWork, user_task_id: UUID, *, context: SecurityContext) -> UserTaskRow:
        """Lock and return a task that the principal may end.

        The caller holds the lock on the instance: only then can nobody complete two tasks at once of which one
        excludes the performer of the other.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownUserTaskError, UserTaskClosedError: There is nothing to end.
            SeparationOfDutiesError, NotACandidateError, ClaimedByAnotherError: Not by this principal.
        """
        task = self._lock(work, user_task_id, context)
        _refuse(work, task, context, refused_work(task, context, UserTasks(work).performed(task, context.user_id)))
        return task

    def lock_completable(
        self, work: UnitOfWork, user_task_id: UUID, submission: Mapping[str, Any], *, context: SecurityContext
    ) -> tuple[UserTaskRow, dict[str, JsonValue]]:
        """Lock a task that the principal may complete; return it with the form's checked values.

        Without a form the values are the submission.

        Raises:
            AccessDeniedError, UnknownUserTaskError, UserTaskClosedError: As `lock_workable`.
            SeparationOfDutiesError, NotACandidateError, ClaimedByAnotherError: As `lock_workable`.
            FormInvalidError, FormMissingError: The submission does not fit the form, or there is no such form.
            RecordNotFoundError, RecordNotGrantedError: The submission names a record that is kept from the principal.
        """
        task = self.lock_workable(work, user_task_id, context=context)
        values = dict(submission) if task.form_id is None else self._forms.parse(task.form_id, submission)
        Discretion(work, context).require_named(values, Permission.EXECUTE)
        return task, values

    def close_completed(
        self,
        work: UnitOfWork,
        instance: InstanceRow,
        task: UserTaskRow,
        values: dict[str, JsonValue],
        *,
        context: SecurityContext,
    ) -> UUID:
        """Close a task that `lock_completable` returned, and put it on the record; return the `audit_ref`.

        Raises:
            RecordTextError, RecordNumberError: The database cannot hold a value.
        """
        UserTasks(work).complete(task.user_task_id, values, context.user_id)
        details: dict[str, JsonValue] = {"user_task_id": str(task.user_task_id), "element_id": task.element_id}
        if task.delegated_by is not None:
            details["delegated_by"] = task.delegated_by
        payload = {**details, "submission": values, "completed_by": context.user_id}
        self._append_event(work, instance, "user_task.completed", payload, task.element_id)
        free = values.keys() if task.form_id is None else self._forms.free_text(task.form_id)
        chosen: JsonValue = {name: value for name, value in values.items() if name not in free}
        entry = transition_entry(instance, "user_task.completed", {**details, "submission": chosen})
        written: JsonValue = {name: value for name, value in values.items() if name in free}
        if written:
            entry = entry._replace(personal={"submission": written})
        return work.audit.record(entry, context=context)

    def _lock(self, work: UnitOfWork, user_task_id: UUID, context: SecurityContext) -> UserTaskRow:
        _require(Permission.EXECUTE, context)
        task = UserTasks(work).lock(user_task_id, context.tenant_id)
        if task is None:
            raise UnknownUserTaskError(user_task_id=user_task_id)
        Discretion(work, context).require(task.process_instance_id, Permission.EXECUTE)
        return task

    def _record(
        self,
        work: UnitOfWork,
        task: UserTaskRow,
        kind: str,
        facts: dict[str, JsonValue],
        context: SecurityContext,
        *,
        personal: dict[str, JsonValue] | None = None,
    ) -> None:
        instance = Instances(work).read(task.process_instance_id, task.tenant_id)
        if instance is None:
            raise UnknownInstanceError(process_instance_id=task.process_instance_id)
        payload = {"user_task_id": str(task.user_task_id), **facts, "by": context.user_id}
        self._append_event(work, instance, kind, payload, task.element_id)
        details: dict[str, JsonValue] = {
            "process_instance_id": str(task.process_instance_id),
            **facts,
        }
        subject = f"user_task/{task.user_task_id}"
        entry = AuditEntry(
            action=kind,
            subject=subject,
            details=details,
            personal=personal or {},
            element_id=task.element_id,
            definition_sha256=instance.definition_sha256,
        )
        work.audit.record(entry, context=context)


def _require(permission: Permission, context: SecurityContext) -> None:
    require(context, permission, Resource(kind="user tasks", tenant_id=context.tenant_id))


def _refuse(work: UnitOfWork, task: UserTaskRow, context: SecurityContext, refusal: ReportedError | None) -> None:
    """Raise a refusal; one that says who may do something and who may not goes on the record."""
    if refusal is None:
        return
    if isinstance(refusal, DENIALS):
        note_denial(work, f"user_task/{task.user_task_id}", task.element_id, refusal, context)
    raise refusal


def _refused_delegation(task: UserTaskRow, context: SecurityContext, performed: str | None) -> ReportedError | None:
    if is_supervisor(context):
        return closed(task) or excluded(task, context.user_id, performed)
    return barred(task, context, performed) or claimed_by_another(task, context)


def _require_delegate(task: UserTaskRow, name: str, context: SecurityContext) -> None:
    if not is_name(name):
        raise DelegateInvalidError(delegate=name, reason=f"a user id has 1 to {LONGEST_NAME} printable characters")
    if name == task.assignee:
        raise DelegateInvalidError(delegate=name, reason="the task is theirs already")
    if name == context.user_id:
        raise DelegateInvalidError(delegate=name, reason="a task of one's own is claimed, not delegated")
