"""How tasks end that no worker works on: people complete their tasks or leave them, messages arrive."""

from __future__ import annotations

from engine.errors import BpmnError, TaskGoneError, UncaughtBpmnError
from engine.execution import finish_step, load_step
from engine.persistence.simulation import AwaitedEvent, OpenUserTask
from engine.simulation.answers import Ending
from engine.simulation.simulated_engine import STARTER, TENANT, World
from engine.user_task_throws import UserTaskThrows
from storage import SecurityContext
from storage.models import RoleType

_SAID = "the answer says so"


def end_user_task(world: World, task: OpenUserTask, ending: Ending, person: str) -> None:
    """Let somebody whom it is for end a user task.

    Raises:
        UserTaskClosedError: It was interrupted meanwhile.
        ReportedError: The output does not fit the form, nothing catches its error, or what follows from it failed.
    """
    context, throws = _performer(task, person), UserTaskThrows(world.engine)
    if ending.bpmn_error is not None:
        error = BpmnError(ending.bpmn_error, _SAID, variables=ending.output)
        with world.storage.transaction() as work:
            throws.throw_error(work, task.user_task_id, error, context=context)
        return
    if ending.escalation is not None:
        with world.storage.transaction() as work:
            throws.escalate(work, task.user_task_id, ending.escalation, ending.output, context=context)
    with world.storage.transaction() as work:
        world.engine.complete_user_task(work, task.user_task_id, ending.output, context=context)


def end_event(world: World, event: AwaitedEvent, ending: Ending) -> None:
    """Let what a task waits for happen, or the task end otherwise.

    Raises:
        TaskGoneError: It was interrupted meanwhile.
        ReportedError: Nothing catches its error, or what follows from it failed.
    """
    with world.storage.transaction() as work:
        step = load_step(work, world.engine.instances, event.process_instance_id)
        if not step.tree.is_waiting(event.task_id):
            raise TaskGoneError(task_id=event.task_id)
        if ending.bpmn_error is not None:
            if not step.tree.raise_error(event.task_id, ending.bpmn_error, ending.output):
                raise UncaughtBpmnError(error_code=ending.bpmn_error, reason=_SAID)
        elif ending.escalation is not None:
            step.tree.raise_escalation(event.task_id, ending.escalation, ending.output)
        if step.tree.is_waiting(event.task_id):
            step.tree.trigger(event.task_id, ending.output)
        finish_step(step, STARTER)


def _performer(task: OpenUserTask, person: str) -> SecurityContext:
    """Return somebody who may complete a task: who has it, who is named, else a new member of its groups."""
    name = task.assignee or next(iter(task.candidate_users), person)
    groups = frozenset(task.candidate_groups)
    return SecurityContext(user_id=name, tenant_id=TENANT, roles=frozenset({RoleType.MEMBER}), groups=groups)
