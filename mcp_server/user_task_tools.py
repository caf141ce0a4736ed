"""The tools of people, and of agents on their behalf: the inbox, and what is done with a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal
from uuid import UUID

from mcp.types import ToolAnnotations
from pydantic import AwareDatetime, Field, JsonValue

from engine import BpmnError, InboxQuery, InboxShows, UserTaskDesk, UserTaskThrows
from mcp_server.answers import (
    CommentAnswer,
    CompletionAnswer,
    ThrownAnswer,
    UserTaskAnswer,
    UserTaskDetails,
    UserTasksAnswer,
)
from mcp_server.principals import principal_of
from mcp_server.toolbox import (
    CHANGES,
    CREATES,
    DECIDES,
    READS,
    Ctx,
    IdempotencyKey,
    Limit,
    ProcessId,
    Toolbox,
    record_call,
)
from storage import SecurityContext, UnitOfWork

ThrownCode = Annotated[str, Field(min_length=1, max_length=200)]


class UserTaskTools(Toolbox):
    """User tasks: who may do what is decided by the engine's desk."""

    def tools(self) -> Iterable[tuple[Callable[..., Any], ToolAnnotations]]:
        """See `Toolbox.tools`."""
        return (
            (self.list_user_tasks, READS),
            (self.get_user_task, READS),
            (self.claim_user_task, CREATES),
            (self.unclaim_user_task, CREATES),
            (self.delegate_user_task, DECIDES),
            (self.save_user_task_draft, CHANGES),
            (self.comment_user_task, CREATES),
            (self.complete_user_task, DECIDES),
            (self.throw_from_user_task, DECIDES),
        )

    def list_user_tasks(
        self,
        ctx: Ctx,
        *,
        shows: InboxShows = InboxShows.AVAILABLE,
        process_id: ProcessId | None = None,
        due_before: AwareDatetime | None = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> UserTasksAnswer:
        """List the open user tasks that are for you, the most urgent first, with the form's JSON Schema of each.

        shows: available (yours and unclaimed ones), mine, unclaimed, or all (also what others have claimed). For the
        next page repeat the call with next_cursor as cursor. A task's refusal says why you cannot complete it.
        """
        context = principal_of(ctx)
        query = InboxQuery(shows=shows, process_id=process_id, due_before=due_before, limit=limit, cursor=cursor)
        with self._services.storage.transaction(context.tenant_id) as work:
            page = self._desk.inbox(work, query, context=context)
            audit_ref = record_call(work, "list_user_tasks", "user_tasks", context)
        return UserTasksAnswer(audit_ref=audit_ref, user_tasks=page.user_tasks, next_cursor=page.next_cursor)

    def get_user_task(self, user_task_id: UUID, ctx: Ctx) -> UserTaskDetails:
        """Return a user task, open or not: what it is about, its form, its draft, and what was said about it."""
        context = principal_of(ctx)
        with self._services.storage.transaction(context.tenant_id) as work:
            task = self._desk.describe(work, user_task_id, context=context)
            comments = self._desk.comments(work, user_task_id, context=context)
            audit_ref = record_call(work, "get_user_task", f"user_task/{user_task_id}", context)
        return UserTaskDetails(audit_ref=audit_ref, user_task=task, comments=tuple(comments))

    def claim_user_task(self, user_task_id: UUID, ctx: Ctx) -> UserTaskAnswer:
        """Take a user task, so that nobody else works on it; claiming your own again changes nothing.

        Of several who claim at once one gets it; the others are told who. Completing needs no claim.
        """
        context = principal_of(ctx)
        with self._services.storage.transaction(context.tenant_id) as work:
            self._desk.claim(work, user_task_id, context=context)
            return self._answer(work, "claim_user_task", user_task_id, context)

    def unclaim_user_task(self, user_task_id: UUID, ctx: Ctx) -> UserTaskAnswer:
        """Give a user task back to its candidates, with its draft.

        You can do so with your own, with one that you delegated, and as administrator with any.
        """
        context = principal_of(ctx)
        with self._services.storage.transaction(context.tenant_id) as work:
            self._desk.unclaim(work, user_task_id, context=context)
            return self._answer(work, "unclaim_user_task", user_task_id, context)

    def delegate_user_task(self, user_task_id: UUID, delegate: str, ctx: Ctx) -> UserTaskAnswer:
        """Give a user task to another person by user id, candidate or not; you stay on the record as who vouched.

        Refused for a person whom the diagram excludes from the task.
        """
        context = principal_of(ctx)
        with self._services.storage.transaction(context.tenant_id) as work:
            self._desk.delegate(work, user_task_id, delegate, context=context)
            return self._answer(work, "delegate_user_task", user_task_id, context)

    def save_user_task_draft(self, user_task_id: UUID, draft: dict[str, JsonValue], ctx: Ctx) -> UserTaskAnswer:
        """Keep an unfinished form with a user task, in place of an earlier draft; it need not fit the form yet.

        The draft stays when the task changes hands. Nothing is decided by it: that is learning.complete_user_task.
        """
        context = principal_of(ctx)
        with self._services.storage.transaction(context.tenant_id) as work:
            self._desk.save_draft(work, user_task_id, draft, context=context)
            return self._answer(work, "save_user_task_draft", user_task_id, context)

    def comment_user_task(
        self, user_task_id: UUID, comment: str, ctx: Ctx, *, idempotency_key: IdempotencyKey | None = None
    ) -> CommentAnswer:
        """Say something about an open user task, for all who look at it; at most 10,000 characters.

        With an idempotency_key, repeating the call says it once.
        """
        context, key = principal_of(ctx), idempotency_key
        with self._services.storage.transaction(context.tenant_id) as work:
            comment_id = self._desk.comment(work, user_task_id, comment, context=context, idempotency_key=key)
            audit_ref = record_call(work, "comment_user_task", f"user_task/{user_task_id}", context)
        return CommentAnswer(audit_ref=audit_ref, user_task_id=user_task_id, comment_id=comment_id)

    def complete_user_task(self, user_task_id: UUID, submission: dict[str, JsonValue], ctx: Ctx) -> CompletionAnswer:
        """Complete a user task with the values of its form, e.g. {"decision": "approve", "comment": "..."}.

        Who started the process may be excluded by the diagram; completing twice is refused.
        """
        context = principal_of(ctx)
        with self._services.storage.transaction(context.tenant_id) as work:
            audit_ref = self._services.engine.complete_user_task(work, user_task_id, submission, context=context)
        return CompletionAnswer(audit_ref=audit_ref, user_task_id=user_task_id, completed_by=context.user_id)

    def throw_from_user_task(
        self,
        user_task_id: UUID,
        kind: Literal["error", "escalation"],
        code: ThrownCode,
        ctx: Ctx,
        *,
        message: str = "",
        variables: dict[str, JsonValue] | None = None,
    ) -> ThrownAnswer:
        """Throw an error or an escalation that the task's diagram catches by its code, instead of completing the task.

        An error ends the task; one that nothing catches is refused. An escalation leaves the task open, unless the
        event that catches it interrupts. Only who may complete the task may throw from it.
        """
        context, engine = principal_of(ctx), self._services.engine
        throws, brought = UserTaskThrows(engine), variables or {}
        with self._services.storage.transaction(context.tenant_id) as work:
            if kind == "error":
                error = BpmnError(code, message, variables=brought)
                audit_ref = throws.throw_error(work, user_task_id, error, context=context)
            else:
                audit_ref = throws.escalate(work, user_task_id, code, brought, context=context)
            is_open = self._desk.describe(work, user_task_id, context=context).status.value == "open"
        return ThrownAnswer(audit_ref=audit_ref, user_task_id=user_task_id, is_open=is_open)

    @property
    def _desk(self) -> UserTaskDesk:
        return self._services.engine.desk

    def _answer(self, work: UnitOfWork, action: str, user_task_id: UUID, context: SecurityContext) -> UserTaskAnswer:
        task = self._desk.describe(work, user_task_id, context=context)
        audit_ref = record_call(work, action, f"user_task/{user_task_id}", context)
        return UserTaskAnswer(
            audit_ref=audit_ref, user_task_id=user_task_id, assignee=task.assignee, delegated_by=task.delegated_by
        )
