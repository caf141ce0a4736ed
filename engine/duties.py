"""Who may do a user task. Pure: what is asked for is an argument, the answer is the refusal or nothing.

The order of the questions is part of the answer: who is excluded hears so, candidate or not.
"""

from __future__ import annotations

from engine.errors import (
    ClaimedByAnotherError,
    NotACandidateError,
    SeparationOfDutiesError,
    UserTaskClaimedError,
    UserTaskClosedError,
)
from engine.persistence import UserTaskRow, UserTaskStatus
from storage import ReportedError, SecurityContext
from storage.access import Resource, decide
from storage.models import Permission


def is_candidate(task: UserTaskRow, context: SecurityContext) -> bool:
    """Return whether the task is for the principal: by group, by name, or because it was assigned."""
    return (
        context.user_id == task.assignee
        or context.user_id in task.candidate_users
        or not context.groups.isdisjoint(task.candidate_groups)
    )


def closed(task: UserTaskRow) -> UserTaskClosedError | None:
    """Return why nothing can be done with the task any more."""
    if task.status is UserTaskStatus.OPEN:
        return None
    return UserTaskClosedError(user_task_id=task.user_task_id, status=task.status.value, completed_by=task.completed_by)


def excluded(task: UserTaskRow, user_id: str, performed: str | None) -> SeparationOfDutiesError | None:
    """Return why a person may have no hand in the task.

    Args:
        task: The task.
        user_id: The person.
        performed: One of the task's `excluded` user tasks that the person has completed in the same instance.
    """
    if user_id in task.excluded_principals:
        return SeparationOfDutiesError(user_id=user_id, element_id=task.element_id)
    if performed is not None:
        return SeparationOfDutiesError(user_id=user_id, element_id=task.element_id, performed=performed)
    return None


def barred(task: UserTaskRow, context: SecurityContext, performed: str | None) -> ReportedError | None:
    """Return why the task is not for the principal, whoever has claimed it."""
    refusal = closed(task) or excluded(task, context.user_id, performed)
    if refusal is not None or is_candidate(task, context):
        return refusal
    return NotACandidateError(
        user_id=context.user_id, candidate_groups=task.candidate_groups, candidate_users=task.candidate_users
    )


def refused_claim(task: UserTaskRow, context: SecurityContext, performed: str | None) -> ReportedError | None:
    """Return why the principal cannot claim the task; claiming one's own is no fault."""
    refusal = barred(task, context, performed)
    if refusal is None and task.assignee not in {None, context.user_id}:
        return UserTaskClaimedError(user_task_id=task.user_task_id, assignee=str(task.assignee))
    return refusal


def refused_work(task: UserTaskRow, context: SecurityContext, performed: str | None) -> ReportedError | None:
    """Return why the principal can neither draft nor complete the task."""
    return barred(task, context, performed) or claimed_by_another(task, context)


def claimed_by_another(task: UserTaskRow, context: SecurityContext) -> ClaimedByAnotherError | None:
    """Return that somebody else has the task."""
    if task.assignee in {None, context.user_id}:
        return None
    return ClaimedByAnotherError(user_task_id=task.user_task_id, user_id=context.user_id, assignee=str(task.assignee))


def is_supervisor(context: SecurityContext) -> bool:
    """Return whether the principal may take tasks from others: an administrator of the tenant."""
    resource = Resource(kind="user tasks", tenant_id=context.tenant_id)
    return decide(context, Permission.ADMIN, resource).allowed
