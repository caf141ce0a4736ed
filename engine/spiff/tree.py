"""A running process instance: SpiffWorkflow's task tree behind a typed face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from SpiffWorkflow.bpmn import BpmnEvent
from SpiffWorkflow.bpmn.specs.control import BoundaryEventSplit
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from engine.bpmn import BoundaryErrorEvent, FlowNode, ServiceTask, UserTask
from engine.errors import StepLimitError
from engine.spiff.compiler import CompiledProcess, element_id
from engine.spiff.pruning import forget_finished_tasks
from engine.spiff.specs import (
    ROOT_SCOPE,
    BoundaryErrorEventSpec,
    InstanceWorkflow,
    Scope,
    WaitingTaskSpec,
    evaluate_mappings,
    scope_of,
)
from engine.spiff.state import State, dump_workflow, load_workflow

# Below the depth of 1,000 at which SpiffWorkflow no longer finds a task: each automatic task adds one level at most.
MAXIMUM_AUTOMATIC_TASKS = 800


@dataclass(frozen=True)
class WaitingTask:
    """A service or user task that somebody has to do."""

    task_id: UUID
    element: ServiceTask | UserTask


@dataclass(frozen=True)
class JournalEntry:
    """One visible change: `change` is activated, completed or cancelled."""

    change: str
    task_id: UUID
    element: FlowNode


class ProcessTree:
    """One process instance in memory; it knows nothing of storage."""

    def __init__(self, compiled: CompiledProcess, workflow: InstanceWorkflow) -> None:
        self._compiled = compiled
        self._workflow = workflow

    @classmethod
    def begin(cls, compiled: CompiledProcess, variables: Scope) -> ProcessTree:
        """Return a new instance, run up to where it waits for work.

        Raises:
            ExpressionEvaluationError: A condition or mapping met values that do not fit.
            StepLimitError: It runs in circles without waiting for anybody.
        """
        workflow = InstanceWorkflow(compiled.spec, dict(compiled.called_specs))
        workflow.scopes[ROOT_SCOPE] = dict(variables)
        tree = cls(compiled, workflow)
        tree._run()
        return tree

    @classmethod
    def load(cls, compiled: CompiledProcess, state: State) -> ProcessTree:
        """Return an instance as `state` describes it."""
        workflow = InstanceWorkflow(compiled.spec, dict(compiled.called_specs), deserializing=True)
        load_workflow(workflow, state)
        return cls(compiled, workflow)

    def dump(self) -> State:
        """Return the instance's state as JSON values; specifications are not part of it."""
        return dump_workflow(self._workflow)

    @property
    def is_completed(self) -> bool:
        """Whether nothing is left to do."""
        return bool(self._workflow.completed)

    @property
    def variables(self) -> Scope:
        """The process's variables, without those of called processes."""
        return self._workflow.scopes[ROOT_SCOPE]

    def take_journal(self) -> list[JournalEntry]:
        """Return what happened since the last call, in order."""
        entries = [
            JournalEntry(change=change, task_id=task.id, element=self._element(task))
            for change, task in self._workflow.journal
        ]
        self._workflow.journal.clear()
        return entries

    def waiting_tasks(self) -> list[WaitingTask]:
        """Return the tasks that wait for a handler or a person."""
        return [
            WaitingTask(task_id=task.id, element=element)
            for task in self._workflow.get_tasks(state=TaskState.READY)
            if isinstance(task.task_spec, WaitingTaskSpec)
            and isinstance(element := self._element(task), ServiceTask | UserTask)
        ]

    def inputs(self, waiting: WaitingTask) -> Scope:
        """Return the values of the task's input mappings.

        Raises:
            ExpressionEvaluationError: A mapping met values that do not fit.
        """
        return evaluate_mappings(waiting.element.inputs, scope_of(self._task(waiting.task_id)))

    def complete(self, task_id: UUID, result: Scope) -> None:
        """Complete a waiting task with its result and run on to where the instance waits again.

        With output mappings only their targets are written, without them the result as it is.

        Raises:
            ExpressionEvaluationError: A condition or mapping met values that do not fit.
            StepLimitError: It runs in circles without waiting for anybody.
        """
        task = self._task(task_id)
        element, scope = self._element(task), scope_of(task)
        if isinstance(element, ServiceTask | UserTask) and element.outputs:
            local = {**scope, **evaluate_mappings(element.inputs, scope), **result}
            scope.update(evaluate_mappings(element.outputs, local))
        else:
            scope.update(result)
        task.run()
        self._run()

    def raise_error(self, task_id: UUID, error_code: str, variables: Scope) -> bool:
        """Leave a waiting task through the nearest boundary event that catches `error_code`.

        The task's own boundary is asked first, then those of the call activities around it.

        Returns:
            False, with nothing changed, where no event catches it.
        """
        catcher = self._catcher(self._task(task_id), error_code)
        if catcher is None:
            return False
        scope_of(catcher).update(variables)
        catcher.task_spec.catch(catcher, BpmnEvent(catcher.task_spec.event_definition, payload={}))
        catcher.task_spec._update(catcher)
        self._run()
        return True

    def _catcher(self, task: Task, error_code: str) -> Task | None:
        while True:
            if isinstance(task.parent.task_spec, BoundaryEventSplit):
                # An event that names the code goes before one that catches every error.
                for named_code in (error_code, None):
                    for sibling in task.parent.children:
                        if self._names(sibling, named_code):
                            return sibling
            parent_id = task.workflow.parent_task_id
            if parent_id is None:
                return None
            task = self._workflow.get_task_from_id(parent_id)

    def _names(self, task: Task, error_code: str | None) -> bool:
        if task.state != TaskState.WAITING or not isinstance(task.task_spec, BoundaryErrorEventSpec):
            return False
        event = self._element(task)
        return isinstance(event, BoundaryErrorEvent) and event.error_code == error_code

    def _run(self) -> None:
        count = 0

        def count_task(_task: Task) -> None:
            nonlocal count
            count += 1
            if count > MAXIMUM_AUTOMATIC_TASKS:
                raise StepLimitError(process_id=self._compiled.model.process_id, limit=MAXIMUM_AUTOMATIC_TASKS)

        self._workflow.do_engine_steps(did_complete_task=count_task)
        forget_finished_tasks(self._workflow)

    def _task(self, task_id: UUID) -> Task:
        return self._workflow.get_task_from_id(task_id)

    def _element(self, task: Any) -> FlowNode:
        return self._compiled.node(task.workflow.spec.name, element_id(task.task_spec.name))
