"""How tasks end that no worker works on: people complete their tasks, messages arrive, errors and escalations leave."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from engine.errors import TaskGoneError, UncaughtBpmnError
from engine.execution import Step, finish_step, load_step
from engine.persistence.simulation import AwaitedEvent, OpenUserTask
from engine.simulation.answers import Ending
from engine.simulation.simulated_engine import STARTER, TENANT, World
from storage import SecurityContext
from storage.models import RoleType


def end_user_task(world: World, task: OpenUserTask, ending: Ending, person: str) -> None:
    """Let somebody whom it is for complete a user task; one that was interrupted meanwhile stays so.

    Raises:
        ReportedError: The output does not fit the form, nothing catches its error, or what follows from it failed.
    """
    if ending.bpmn_error is not None or ending.escalation is not None:
        _leave(world, task.process_instance_id, task.task_id, ending)
    if ending.bpmn_error is not None or not _is_waiting(world, task.process_instance_id, task.task_id):
        return
    with world.storage.transaction() as work:
        world.engine.complete_user_task(work, task.user_task_id, ending.output, context=_performer(task, person))


def end_event(world: World, event: AwaitedEvent, ending: Ending) -> None:
    """Let what a task waits for happen; one that was interrupted meanwhile stays so.

    Raises:
        ReportedError: Nothing catches its error, or what follows from it failed.
    """
    if ending.bpmn_error is not None or ending.escalation is not None:
        _leave(world, event.process_instance_id, event.task_id, ending)
    if ending.bpmn_error is not None or not _is_waiting(world, event.process_instance_id, event.task_id):
        return
    _step(world, event.process_instance_id, lambda step: step.tree.trigger(event.task_id, ending.output))


def escalate(world: World, process_instance_id: UUID, task_id: UUID, escalation_code: str) -> None:
    """Let a task escalate, which may interrupt it."""
    if _is_waiting(world, process_instance_id, task_id):
        _step(world, process_instance_id, lambda step: step.tree.raise_escalation(task_id, escalation_code, {}))


def _leave(world: World, process_instance_id: UUID, task_id: UUID, ending: Ending) -> None:
    if not _is_waiting(world, process_instance_id, task_id):
        return
    if ending.escalation is not None:
        escalate(world, process_instance_id, task_id, ending.escalation)
    if ending.bpmn_error is not None:
        code = ending.bpmn_error

        def throw(step: Step) -> None:
            if not step.tree.raise_error(task_id, code, ending.output):
                raise UncaughtBpmnError(error_code=code, reason="the answer says so")

        _step(world, process_instance_id, throw)


def _step(world: World, process_instance_id: UUID, compute: Callable[[Step], None]) -> None:
    with world.storage.transaction() as work:
        step = load_step(work, world.engine.instances, process_instance_id)
        compute(step)
        finish_step(step, STARTER)


def _is_waiting(world: World, process_instance_id: UUID, task_id: UUID) -> bool:
    with world.storage.transaction() as work:
        try:
            return load_step(work, world.engine.instances, process_instance_id).tree.is_waiting(task_id)
        except TaskGoneError:
            return False


def _performer(task: OpenUserTask, person: str) -> SecurityContext:
    """Return somebody who may complete a task: who has it, who is named, else a new member of its groups."""
    name = task.assignee or next(iter(task.candidate_users), person)
    groups = frozenset(task.candidate_groups)
    return SecurityContext(user_id=name, tenant_id=TENANT, roles=frozenset({RoleType.MEMBER}), groups=groups)
