"""What a person throws from a user task instead of completing it: an error, or an escalation (BPMN 2.0.2, 10.5.1).

Whoever may complete the task may do so, and who ends it in this way counts as its performer. An error ends it; an
escalation leaves it open, unless the event that catches it interrupts.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from pydantic import JsonValue

from engine.discretion import Discretion
from engine.engine import Engine, require_running
from engine.errors import BpmnError, UncaughtBpmnError
from engine.escalations import Escalation
from engine.execution import Step, append_event, audit_transition, finish_step, load_step
from engine.persistence import UserTaskRow, UserTasks
from storage import SecurityContext, UnitOfWork
from storage.models import Permission


class UserTaskThrows:
    """Errors and escalations of people; holds no state."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def throw_error(self, work: UnitOfWork, user_task_id: UUID, error: BpmnError, *, context: SecurityContext) -> UUID:
        """Leave a user task by the nearest event that catches an error; return the `audit_ref`.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownUserTaskError, UserTaskClosedError: There is nothing to leave.
            InstanceNotActiveError: Its process instance is suspended.
            NotACandidateError, SeparationOfDutiesError, ClaimedByAnotherError: Not by this principal.
            UncaughtBpmnError: The diagram catches no such error; the task stays as it was.
            RecordTextError, RecordNumberError: The database cannot hold a value.
        """
        step, task = self._locked(work, user_task_id, context)
        Discretion(work, context).require_named(error.variables, Permission.EXECUTE)
        if not step.tree.raise_error(task.task_id, error.error_code, error.variables):
            raise UncaughtBpmnError(error_code=error.error_code, reason=error.message)
        facts: dict[str, JsonValue] = {"error_code": error.error_code, "message": error.message}
        UserTasks(work).complete(user_task_id, {}, context.user_id)
        return _finish(step, task, "user_task.error", facts, context)

    def escalate(
        self,
        work: UnitOfWork,
        user_task_id: UUID,
        escalation_code: str,
        variables: Mapping[str, JsonValue],
        *,
        context: SecurityContext,
    ) -> UUID:
        """Throw an escalation from a user task; return the `audit_ref`. One that nothing catches passes on.

        Raises:
            AccessDeniedError, UnknownUserTaskError, UserTaskClosedError, InstanceNotActiveError: As `throw_error`.
            NotACandidateError, SeparationOfDutiesError, ClaimedByAnotherError: As `throw_error`.
            RecordTextError, RecordNumberError: The database cannot hold a value.
        """
        escalation = Escalation(escalation_code=escalation_code, variables=dict(variables))
        step, task = self._locked(work, user_task_id, context)
        Discretion(work, context).require_named(escalation.variables, Permission.EXECUTE)
        step.tree.raise_escalation(task.task_id, escalation.escalation_code, escalation.variables)
        if not step.tree.is_waiting(task.task_id):
            UserTasks(work).complete(user_task_id, {}, context.user_id)
        return _finish(step, task, "user_task.escalated", {"escalation_code": escalation_code}, context)

    def _locked(self, work: UnitOfWork, user_task_id: UUID, context: SecurityContext) -> tuple[Step, UserTaskRow]:
        desk = self._engine.desk
        process_instance_id = desk.instance_of(work, user_task_id, context=context)
        step = load_step(work, self._engine.instances, process_instance_id)
        task = desk.lock_workable(work, user_task_id, context=context)
        require_running(step.row)
        return step, task


def _finish(step: Step, task: UserTaskRow, kind: str, facts: Mapping[str, JsonValue], context: SecurityContext) -> UUID:
    thrown = {"user_task_id": str(task.user_task_id), **facts}
    append_event(step.work, step.row, kind, {**thrown, "by": context.user_id}, task.element_id)
    audit_ref = audit_transition(step.work, step.row, kind, {"element_id": task.element_id, **thrown}, context)
    finish_step(step, context)
    return audit_ref
