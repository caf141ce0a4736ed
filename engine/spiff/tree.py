"""A running process instance: SpiffWorkflow's task tree behind a typed face. It knows nothing of storage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from pydantic import JsonValue
from SpiffWorkflow.util.task import TaskState

from engine.bpmn import Activity, ErrorTrigger, FlowNode
from engine.errors import StepLimitError, TaskGoneError
from engine.feel import compile_expression
from engine.spiff.activities import WaitingSpec
from engine.spiff.boundary import find_catch
from engine.spiff.changes import (
    TreeChanges,
    TreeState,
    WaitingTask,
    compensation,
    journal_entry,
    row_of,
    waiting_task,
)
from engine.spiff.compensation import RecordSpec, go_on_compensating, holds_records
from engine.spiff.compiler import BODY, ELEMENT, CompiledProcess
from engine.spiff.conditions import judge_conditions
from engine.spiff.elements import evaluate_mappings
from engine.spiff.gateways import EventBasedGatewaySpec, JoiningSpec
from engine.spiff.repetition import RepeatingSpec
from engine.spiff.restoring import restore_tasks
from engine.spiff.scope_specs import EventSubprocessSpec
from engine.spiff.scopes import Scope, Scopes
from engine.spiff.throwing import escalate
from engine.spiff.workflow import InstanceTask, InstanceWorkflow, Outgoing

# A process that passes so many elements without waiting for anybody goes round in a circle.
MAXIMUM_AUTOMATIC_TASKS = 50_000

NewId: TypeAlias = Callable[[], UUID]


@dataclass(frozen=True)
class Token:
    """A token that can be moved: it waits, or stands for all that goes on in an activity.

    Attributes:
        task_ids: The task itself and all tasks below it.
    """

    task_id: UUID
    element: FlowNode
    task_ids: frozenset[UUID]


@dataclass(frozen=True)
class Target:
    """Where a token could be moved; `joins` says whether other tokens would be waited for there."""

    element: FlowNode
    joins: bool


class ProcessTree:
    """One process instance in memory."""

    def __init__(self, compiled: CompiledProcess, workflow: InstanceWorkflow) -> None:
        self._compiled = compiled
        self._workflow = workflow

    @classmethod
    def begin(cls, compiled: CompiledProcess, instance_id: UUID, variables: Scope, new_id: NewId) -> ProcessTree:
        """Return a new instance, run up to where it waits.

        Raises:
            ExpressionEvaluationError: A condition or mapping met values that do not fit.
            StepLimitError: It runs in circles without waiting for anybody.
        """
        tree = cls.planted(compiled, instance_id, variables, new_id)
        tree.run()
        return tree

    @classmethod
    def planted(cls, compiled: CompiledProcess, instance_id: UUID, variables: Scope, new_id: NewId) -> ProcessTree:
        """Return a new instance in which nothing has been done yet: `run` goes on."""
        workflow = InstanceWorkflow(compiled.spec, dict(compiled.specs), Scopes(), new_id)
        root = workflow.plant(instance_id)
        workflow.scopes.assign(root.id, variables)
        compiled.spec.start.content.open(root)
        return cls(compiled, workflow)

    @classmethod
    def load(cls, compiled: CompiledProcess, state: TreeState, new_id: NewId) -> ProcessTree:
        """Return an instance as it was stored.

        Raises:
            CorruptStateError: The rows do not describe an instance of this definition.
        """
        workflow = InstanceWorkflow(compiled.spec, dict(compiled.specs), Scopes(state.variables), new_id)
        workflow.plant(state.instance_id)
        restore_tasks(workflow, state.tasks)
        workflow.positions = state.positions
        workflow.stored.update(row.task_id for row in state.tasks)
        workflow.changed.clear()
        return cls(compiled, workflow)

    @property
    def is_completed(self) -> bool:
        """Whether nothing is left to do."""
        return not self._workflow.task_tree._children

    @property
    def variables(self) -> Scope:
        """The process's variables, without those of inner scopes."""
        return self._workflow.scopes[self._workflow.task_tree.id]

    def waiting(self) -> list[WaitingTask]:
        """Return every task that waits for the outside world, oldest first."""
        return [waiting_task(task) for task in self._workflow.tasks.values() if _is_open(task)]

    def opened(self) -> list[WaitingTask]:
        """Return the tasks that have begun to wait since changes were last taken."""
        return [waiting_task(task) for task in self._workflow.opened.values()]

    def closed(self) -> list[WaitingTask]:
        """Return the stored tasks that have ceased to wait since then."""
        return [waiting_task(task) for task in self._workflow.closed.values() if task.task_spec.waits_outside]

    def is_waiting(self, task_id: UUID) -> bool:
        """Return whether a task still waits for the outside world."""
        task = self._workflow.tasks.get(task_id)
        return task is not None and _is_open(task)

    def visible(self, task_id: UUID) -> Mapping[str, JsonValue]:
        """Return the variables that a task sees."""
        return self._workflow.visible(self._task(task_id))

    def inputs(self, task_id: UUID) -> Scope:
        """Return the values of an activity's input mappings.

        Raises:
            ExpressionEvaluationError: A mapping met values that do not fit.
        """
        task = self._task(task_id)
        node = task.task_spec.node
        return evaluate_mappings(node.inputs, self._workflow.visible(task)) if isinstance(node, Activity) else {}

    def evaluate(self, task_id: UUID, source: str, inputs: Mapping[str, JsonValue] | None = None) -> JsonValue:
        """Return the value of FEEL text as a task sees it, its inputs included.

        Raises:
            ExpressionEvaluationError: The values do not fit.
        """
        variables = {**self._workflow.visible(self._task(task_id)), **(inputs or {})}
        return compile_expression(source).evaluate(variables)

    def complete(self, task_id: UUID, result: Scope, inputs: Scope) -> None:
        """Complete a waiting task with its result and run on to where the instance waits again.

        With output mappings only their targets are written, without them the result as it is.

        Args:
            task_id: A service task, user task, receive task or catching event that waits.
            result: What the work or the message brought.
            inputs: What the task's input mappings gave when it began; output mappings see them.

        Raises:
            TaskGoneError: It does not wait any more.
            ExpressionEvaluationError: A condition or mapping met values that do not fit.
            StepLimitError: It runs in circles without waiting for anybody.
        """
        task = self._task(task_id)
        if not _is_open(task) or not isinstance(task.task_spec, WaitingSpec):
            raise TaskGoneError(task_id=task_id)
        task.task_spec.finish(task, result, inputs)
        self.run()

    def trigger(self, task_id: UUID, variables: Scope) -> None:
        """Let an event that waits happen, and run on; an interrupting one ends what it stands at.

        Raises:
            TaskGoneError, ExpressionEvaluationError, StepLimitError: As `complete`.
            UncaughtBpmnError: The event is an error end, and still nothing catches its error.
            DecisionEvaluationError: It is a business rule task, and still its decision fails.
        """
        event = self._task(task_id)
        if not _is_open(event):
            raise TaskGoneError(task_id=task_id)
        event.task_spec.happen(event, variables)
        self.run()

    def raise_error(self, task_id: UUID, error_code: str, variables: Scope) -> bool:
        """Leave a waiting task through the nearest event that catches `error_code`.

        The task's own boundary is asked first, then, for each scope around it, its event subprocesses and its boundary.

        Returns:
            False, with nothing changed, where no event catches it.
        """
        catch = find_catch(self._task(task_id), ErrorTrigger(error_code))
        if catch is None:
            return False
        catch[1](variables)
        self.run()
        return True

    def raise_escalation(self, task_id: UUID, escalation_code: str, variables: Scope) -> None:
        """Escalate from a waiting task, which goes on unless the nearest event that catches it interrupts."""
        escalate(self._task(task_id), escalation_code, variables)
        self.run()

    def cancel(self) -> None:
        """End everything that is alive."""
        for child in self._workflow.task_tree.children_now:
            self._workflow.cancel_task(child)

    def roll_back(self, request: Scope) -> bool:
        """Cancel everything alive and begin to compensate all that has completed, the last completion first.

        Args:
            request: Given back by `take_changes` once that is done and the instance is over.

        Returns:
            False, with nothing changed, where nothing can be compensated.
        """
        run = self._workflow.task_tree
        if not holds_records(run):
            return False
        run.task_spec.rolling_back.begin(run, request)
        self.run()
        return True

    @property
    def can_compensate(self) -> bool:
        """Whether a diagram, its own or that of a called process, says how something is undone."""
        return any(
            isinstance(spec, RecordSpec) and spec.handler is not None
            for compiled in self._compiled.specs.values()
            for spec in compiled.task_specs.values()
        )

    @property
    def has_compensated(self) -> bool:
        """Whether a compensation has come to its end since changes were last taken."""
        return bool(self._workflow.compensated)

    def set_variables(self, variables: Scope) -> None:
        """Write variables of the process; a condition that waits for them may become true."""
        self._workflow.scopes.assign(self._workflow.task_tree.id, variables)
        self.run()

    def tokens(self) -> list[Token]:
        """Return the tokens that can be moved, oldest first."""
        workflow = self._workflow
        return [
            Token(task.id, task.task_spec.node, frozenset(each.id for each in workflow.branch(task)))
            for task in workflow.tasks.values()
            if task is not workflow.task_tree and _is_token(task)
        ]

    def target(self, task_id: UUID, element_id: str) -> Target | None:
        """Return an element that a token could be moved to; `None` where its scope has no such element."""
        token = self._task(task_id)
        spec = token.task_spec._wf_spec.task_specs.get(f"{ELEMENT}{element_id}")
        if spec is None or spec.node.scope != token.task_spec.node.scope:
            return None
        return Target(spec.node, isinstance(spec, JoiningSpec) and spec.joins)

    def move(self, task_id: UUID, element_id: str) -> None:
        """Cancel a live token and let one arrive at another element of the same scope.

        Raises:
            TaskGoneError: The task is not alive, or is no token that can be moved.
            KeyError: No such element can be reached in this process.
        """
        task = self._task(task_id)
        if not _is_token(task):
            raise TaskGoneError(task_id=task_id)
        scope, specs = task.scope_parent, task.task_spec._wf_spec.task_specs
        target = specs.get(f"{BODY}{element_id}") or specs[f"{ELEMENT}{element_id}"]
        self._workflow.cancel_task(task)
        self._workflow.enter(target, scope)
        self.run()

    def take_changes(self) -> TreeChanges:
        """Return what has changed since the last call."""
        workflow = self._workflow
        variables, dropped = workflow.scopes.take_changes()
        changed = [task for task in workflow.changed.values() if task is not workflow.task_tree]
        changes = TreeChanges(
            journal=tuple(journal_entry(change, task) for change, task in workflow.journal),
            opened=tuple(waiting_task(task) for task in workflow.opened.values()),
            closed=tuple(waiting_task(task) for task in workflow.closed.values() if task.task_spec.waits_outside),
            removed=tuple(workflow.closed),
            tasks=tuple(row_of(task) for task in changed),
            variables=variables,
            dropped_scopes=dropped,
            signals=tuple(workflow.thrown.signals),
            messages=tuple(workflow.thrown.messages),
            escalations=tuple(workflow.thrown.escalations),
            positions=workflow.positions,
            is_completed=self.is_completed,
            compensations=tuple(compensation(task) for task in workflow.compensated),
            rolled_back=workflow.rolled_back,
            decisions=tuple(workflow.thrown.decisions),
        )
        workflow.stored -= workflow.closed.keys()
        workflow.stored.update(task.id for task in changed)
        for kept in (workflow.journal, workflow.opened, workflow.closed, workflow.changed, workflow.compensated):
            kept.clear()
        workflow.thrown = Outgoing()
        return changes

    def run(self) -> None:
        """Run what is ready; when nothing is, look at what waits for that: inclusive gateways and conditions.

        Raises:
            ExpressionEvaluationError: A condition or mapping met values that do not fit.
            NoWayError: No condition of a gateway holds.
            StepLimitError: It runs in circles without waiting for anybody.
        """
        workflow, count = self._workflow, 0
        while workflow.ready or self._settle():
            task = workflow.ready.popleft() if workflow.ready else None
            if task is None or not task.is_alive or not task.has_state(TaskState.READY):
                continue
            count += 1
            if count > MAXIMUM_AUTOMATIC_TASKS:
                raise StepLimitError(process_id=self._compiled.model.process_id, limit=MAXIMUM_AUTOMATIC_TASKS)
            task.run()

    def _settle(self) -> bool:
        workflow = self._workflow
        for join in workflow.joins_to_judge():
            if join.task_spec.is_complete(join):
                join.task_spec.go_on(join)
        if workflow.ready or judge_conditions(workflow):
            return True
        return bool(workflow.compensations) and go_on_compensating(workflow)

    def _task(self, task_id: UUID) -> InstanceTask:
        task: InstanceTask | None = self._workflow.tasks.get(task_id)
        if task is None or task is self._workflow.task_tree:
            raise TaskGoneError(task_id=task_id)
        return task


def _is_token(task: InstanceTask) -> bool:
    spec = task.task_spec
    if not spec.is_token or not hasattr(spec, "node") or isinstance(spec, EventSubprocessSpec):
        return False
    around = task.scope_parent.task_spec
    return not (around.is_record or isinstance(around, RepeatingSpec | EventBasedGatewaySpec))


def _is_open(task: InstanceTask) -> bool:
    return task.has_state(TaskState.WAITING) and task.task_spec.waits_outside
