"""Errors about user tasks, their forms and the inbox."""

from __future__ import annotations

from engine.errors.base import EngineError


class UnknownUserTaskError(EngineError):
    """No such user task in this tenant."""

    code = "USER_TASK_NOT_FOUND"
    hint = "List the open tasks with learning.list_user_tasks."

    def __init__(self, *, user_task_id: object) -> None:
        self.user_task_id = str(user_task_id)
        super().__init__(f"User task {user_task_id} does not exist.")


class UserTaskClosedError(EngineError):
    """Somebody was faster, or the task was withdrawn."""

    code = "USER_TASK_ALREADY_COMPLETED"
    hint = "Nothing is left to do; the decision that was taken is in the process instance's events."

    def __init__(self, *, user_task_id: object, status: str, completed_by: str | None) -> None:
        self.user_task_id = str(user_task_id)
        self.status = status
        self.completed_by = completed_by
        super().__init__(f"User task {user_task_id} is {status} (by {completed_by or 'the process'}).")


class UserTaskClaimedError(EngineError):
    """Somebody else claimed the task first, or it was assigned to somebody else."""

    code = "USER_TASK_ALREADY_CLAIMED"

    def __init__(self, *, user_task_id: object, assignee: str) -> None:
        self.user_task_id = str(user_task_id)
        self.assignee = assignee
        self.hint = f"Choose another task, or ask {assignee} to give this one back or to delegate it."
        super().__init__(f"User task {user_task_id} is claimed by {assignee}.")


class ClaimedByAnotherError(EngineError):
    """What only the claimant of a task may do with it."""

    code = "USER_TASK_CLAIMED_BY_ANOTHER"

    def __init__(self, *, user_task_id: object, user_id: str, assignee: str) -> None:
        self.user_task_id = str(user_task_id)
        self.user_id = user_id
        self.assignee = assignee
        self.hint = f"Ask {assignee}, or an administrator of your tenant, to give it back."
        super().__init__(f"{user_id} cannot do this: user task {user_task_id} is claimed by {assignee}.")


class AssigneeNeededError(EngineError):
    """Without its assignee nobody could do the task, for it has no candidates."""

    code = "USER_TASK_ASSIGNEE_NEEDED"
    hint = "Delegate it to somebody instead."

    def __init__(self, *, user_task_id: object) -> None:
        self.user_task_id = str(user_task_id)
        super().__init__(f"User task {user_task_id} has no candidates to be given back to.")


class DelegateInvalidError(EngineError):
    """The name given cannot be that of a person who takes the task over."""

    code = "USER_TASK_DELEGATE_INVALID"
    hint = "Give the user id of the person who is to do the task."

    def __init__(self, *, delegate: str, reason: str) -> None:
        self.delegate = delegate[:100]
        self.reason = reason
        super().__init__(f"The task cannot be delegated to {self.delegate!r}: {reason}.")


class CommentInvalidError(EngineError):
    """The comment is empty or too long."""

    code = "USER_TASK_COMMENT_INVALID"

    def __init__(self, *, length: int, longest: int) -> None:
        self.length = length
        self.hint = f"Write between 1 and {longest:,} characters."
        super().__init__(f"A comment cannot have {length:,} characters.")


class UserTaskValueError(EngineError):
    """An expression of a user task gives a value of the wrong kind for its people, a date or its priority."""

    code = "USER_TASK_VALUE_INVALID"
    hint = "Correct the variable that the expression reads, then resolve the incident."

    def __init__(self, *, element_id: str, field: str, value: object, reason: str) -> None:
        self.element_id = element_id
        self.field = field
        self.value = repr(value)[:100]
        self.reason = reason
        super().__init__(f"{element_id}: the {field} cannot be {self.value}: {reason}.")


class InboxCursorError(EngineError):
    """A reader of the inbox asks for the page behind something that is no cursor."""

    code = "INBOX_CURSOR_INVALID"
    hint = "Read from the first page, or from the cursor that the last page gave."

    def __init__(self, *, cursor: str) -> None:
        self.cursor = cursor[:100]
        super().__init__(f"{self.cursor!r} is not a cursor of the inbox.")


class NotACandidateError(EngineError):
    """The principal is none of the task's candidates."""

    code = "NOT_A_CANDIDATE"

    def __init__(
        self, *, user_id: str, candidate_groups: tuple[str, ...], candidate_users: tuple[str, ...] = ()
    ) -> None:
        self.user_id = user_id
        self.candidate_groups = candidate_groups
        self.candidate_users = candidate_users
        able = [*(f"a member of {group}" for group in candidate_groups), *candidate_users] or ["its assignee"]
        self.hint = f"This is for {' or '.join(able)}."
        super().__init__(f"{user_id} is not among the task's candidates.")


class SeparationOfDutiesError(EngineError):
    """The diagram excludes this principal from the task.

    Attributes:
        performed: The user task whose completion excludes the principal; `None` for the start of the instance.
    """

    code = "SEPARATION_OF_DUTIES"
    hint = "Somebody else of the task's candidates has to do it."

    def __init__(self, *, user_id: str, element_id: str, performed: str | None = None) -> None:
        self.user_id = user_id
        self.element_id = element_id
        self.performed = performed
        done = "started this process instance" if performed is None else f"completed {performed} in this instance"
        super().__init__(f"{user_id} {done} and may have no hand in its task {element_id}.")


class FormInvalidError(EngineError):
    """A submission does not fit the task's form."""

    code = "FORM_INVALID"

    def __init__(self, *, form_id: str, fields: dict[str, str]) -> None:
        self.form_id = form_id
        self.fields = fields
        self.hint = "; ".join(f"{name}: {reason}" for name, reason in fields.items())
        super().__init__(f"The submission does not fit the form {form_id!r}.")


class FormMissingError(EngineError):
    """The task was made for a form that this release does not have."""

    code = "FORM_MISSING"
    hint = "Run the release with which the diagram was deployed, or one that still has the form."

    def __init__(self, *, form_id: str) -> None:
        self.form_id = form_id
        super().__init__(f"There is no form {form_id!r} here.")
