"""Task specs of our own: SpiffWorkflow's control flow, our variables, our journal.

Variables live in the workflow, one dictionary for each scope (the process and every called process), and never in
SpiffWorkflow's tasks, whose data stays empty: nothing is copied, and no branch overwrites another's variables.
"""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue
from SpiffWorkflow.bpmn import BpmnWorkflow
from SpiffWorkflow.bpmn.specs.bpmn_task_spec import BpmnTaskSpec, _BpmnCondition
from SpiffWorkflow.bpmn.specs.mixins.events.end_event import EndEvent
from SpiffWorkflow.bpmn.specs.mixins.events.intermediate_event import BoundaryEvent
from SpiffWorkflow.bpmn.specs.mixins.exclusive_gateway import ExclusiveGateway
from SpiffWorkflow.bpmn.specs.mixins.subworkflow_task import SubWorkflowTask
from SpiffWorkflow.task import Task

from engine.bpmn import CallActivity, Mapping
from engine.feel import compile_expression

Scope = dict[str, JsonValue]
ROOT_SCOPE = "root"


class FeelOnly:
    """Stands where SpiffWorkflow keeps its script engine: whatever asks it to run something gets FEEL or a refusal."""

    environment: FeelOnly

    def __init__(self) -> None:
        self.environment = self

    def evaluate(self, *_arguments: object, **_named: object) -> JsonValue:
        """Refuse: conditions are `FeelCondition` objects, nothing else in a diagram is evaluated here."""
        raise PermissionError("SpiffWorkflow's evaluation is closed")

    execute = call_service = evaluate


class InstanceWorkflow(BpmnWorkflow):
    """SpiffWorkflow's workflow with scoped variables and a journal of what happened since it was loaded."""

    def __init__(self, spec: Any, subprocess_specs: dict[str, Any], *, deserializing: bool = False) -> None:
        self.scopes: dict[str, Scope] = {ROOT_SCOPE: {}}
        self.journal: list[tuple[str, Task]] = []
        super().__init__(spec, subprocess_specs, script_engine=FeelOnly(), deserializing=deserializing)


def scope_of(task: Task) -> Scope:
    """Return the variables that `task` sees."""
    parent = task.workflow.parent_task_id
    scopes: dict[str, Scope] = task.workflow.top_workflow.scopes
    return scopes[ROOT_SCOPE if parent is None else str(parent)]


def evaluate_mappings(mappings: tuple[Mapping, ...], variables: Scope) -> Scope:
    """Return the targets with the values of their sources, each seeing those before it."""
    result: Scope = {}
    for mapping in mappings:
        result[mapping.target] = compile_expression(mapping.source).evaluate({**variables, **result})
    return result


class FeelCondition(_BpmnCondition):
    """A sequence flow's condition."""

    def _matches(self, task: Task) -> bool:
        return compile_expression(self.args[0]).evaluate_condition(scope_of(task))


class _Journalled(BpmnTaskSpec):
    """Writes the visible changes of its tasks into the journal."""

    def _on_ready_hook(self, my_task: Task) -> None:
        my_task.workflow.top_workflow.journal.append(("activated", my_task))
        super()._on_ready_hook(my_task)

    def _on_complete_hook(self, my_task: Task) -> None:
        my_task.workflow.top_workflow.journal.append(("completed", my_task))
        super()._on_complete_hook(my_task)

    def _on_cancel(self, my_task: Task) -> None:
        my_task.workflow.top_workflow.journal.append(("cancelled", my_task))
        super()._on_cancel(my_task)


class StartEventSpec(_Journalled):
    """A start event that has happened."""


class EndEventSpec(_Journalled, EndEvent):
    """A none end event."""


class ExclusiveGatewaySpec(ExclusiveGateway, _Journalled):
    """An exclusive gateway."""


class WaitingTaskSpec(_Journalled):
    """A service or user task: READY until the engine completes it."""

    def __init__(self, wf_spec: Any, name: str, **kwargs: Any) -> None:
        super().__init__(wf_spec, name, manual=True, **kwargs)


class BoundaryErrorEventSpec(BoundaryEvent, _Journalled):
    """An interrupting error boundary event."""


class CallActivitySpec(SubWorkflowTask, _Journalled):
    """A called process with a scope of its own."""

    def __init__(self, wf_spec: Any, name: str, *, element: CallActivity, subworkflow_spec: str) -> None:
        super().__init__(wf_spec, name, subworkflow_spec=subworkflow_spec)
        self.element = element

    def copy_data(self, my_task: Task, subworkflow: Any) -> None:
        """Make the called process's scope from the input mappings."""
        parent = scope_of(my_task)
        inherited = dict(parent) if self.element.propagates_parent_variables else {}
        scopes = subworkflow.top_workflow.scopes
        scopes[str(my_task.id)] = {**inherited, **evaluate_mappings(self.element.inputs, parent)}
        my_task.workflow.top_workflow.journal.append(("activated", my_task))

    def update_data(self, my_task: Task, subworkflow: Any) -> None:
        """Write the output mappings into the caller's scope and drop the called process's."""
        child = subworkflow.top_workflow.scopes.pop(str(my_task.id))
        outputs = evaluate_mappings(self.element.outputs, child)
        inherited = child if self.element.propagates_child_variables and not self.element.outputs else {}
        scope_of(my_task).update({**inherited, **outputs})

    def _on_ready_hook(self, my_task: Task) -> None:
        """Become ready only when the called process is over: its activation was journalled in `copy_data`."""

    def _on_cancel(self, my_task: Task) -> None:
        """Cancel the called process with the activity, and forget its variables."""
        my_task.workflow.top_workflow.journal.append(("cancelled", my_task))
        super()._on_cancel(my_task)
        my_task.workflow.top_workflow.scopes.pop(str(my_task.id), None)
