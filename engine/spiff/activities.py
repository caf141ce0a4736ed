"""Activities: work that a token waits for, or that runs below it (BPMN 2.0.2, 13.3)."""

from __future__ import annotations

from typing import Any

from SpiffWorkflow.util.task import TaskState

from engine.bpmn import CallActivity, ConditionTrigger, PlainTask, ScriptTask, ServiceTask, SubProcess
from engine.feel import compile_expression
from engine.spiff.boundary import ActivitySpec
from engine.spiff.elements import evaluate_mappings
from engine.spiff.scope_specs import ScopeContent
from engine.spiff.scopes import Scope
from engine.spiff.workflow import InstanceTask, InstanceWorkflow


class WaitingSpec(ActivitySpec):
    """An element at which a token waits for the outside world: a handler, a person, a time, a message, a signal."""

    waits_outside = True

    def _update_hook(self, my_task: InstanceTask) -> bool:
        workflow: InstanceWorkflow = my_task.workflow
        workflow.journal.append(("activated", my_task))
        workflow.await_event(my_task)
        self.attach_boundary_events(my_task)
        return False

    def _on_ready_hook(self, my_task: InstanceTask) -> None:
        my_task.workflow.ready.append(my_task)

    def finish(self, my_task: InstanceTask, result: Scope, inputs: Scope) -> None:
        """Write what it brought: with output mappings only their targets, without them the result as it is."""
        workflow: InstanceWorkflow = my_task.workflow
        if isinstance(self.node, ServiceTask) and self.node.result_variable is not None:
            result = {self.node.result_variable: dict(result)}
        outputs = getattr(self.node, "outputs", ())
        if outputs:
            result = evaluate_mappings(outputs, {**workflow.visible(my_task), **inputs, **result})
        elif "item" in my_task.internal_data:  # one of several: what it is left with is for its output element alone
            result = {**inputs, **result}
        workflow.assign(my_task, result)
        workflow.opened.pop(my_task.id, None)
        workflow.conditions.pop(my_task.id, None)
        my_task._ready()


class ReceivingSpec(WaitingSpec):
    """A receive task or an intermediate catch event."""

    def __init__(self, wf_spec: Any, name: str, node: Any) -> None:
        super().__init__(wf_spec, name, node)
        self.waits_outside = not isinstance(node.trigger, ConditionTrigger)

    def happen(self, my_task: InstanceTask, variables: Scope) -> None:
        """Let the event happen."""
        mappings = getattr(self.node, "inputs", ())
        inputs = evaluate_mappings(mappings, my_task.workflow.visible(my_task)) if mappings else {}
        self.finish(my_task, variables, inputs)


class SubprocessSpec(ActivitySpec):
    """Runs what stands in it, below itself; its inputs are variables of its own."""

    node: SubProcess

    def __init__(self, wf_spec: Any, name: str, node: SubProcess) -> None:
        super().__init__(wf_spec, name, node)
        self.content = ScopeContent()

    def _update_hook(self, my_task: InstanceTask) -> bool:
        workflow: InstanceWorkflow = my_task.workflow
        my_task._set_state(TaskState.STARTED)
        workflow.journal.append(("activated", my_task))
        if self.node.inputs:
            workflow.scopes.assign(my_task.id, evaluate_mappings(self.node.inputs, workflow.visible(my_task)))
        self.attach_boundary_events(my_task)
        self.content.open(my_task)
        return False

    def end(self, my_task: InstanceTask) -> None:
        """Write its outputs into the scope around it, and go on."""
        workflow: InstanceWorkflow = my_task.workflow
        self.content.close(my_task)
        if self.node.outputs:
            workflow.assign(my_task, evaluate_mappings(self.node.outputs, workflow.visible(my_task)))
        my_task._ready()

    def _on_ready_hook(self, my_task: InstanceTask) -> None:
        my_task.workflow.ready.append(my_task)


class CallActivitySpec(ActivitySpec):
    """Runs another process below itself, with variables of its own.

    Attributes:
        called: The name of the called process's spec.
    """

    node: CallActivity

    def __init__(self, wf_spec: Any, name: str, node: CallActivity, called: str) -> None:
        super().__init__(wf_spec, name, node)
        self.called = called

    def _update_hook(self, my_task: InstanceTask) -> bool:
        workflow: InstanceWorkflow = my_task.workflow
        my_task._set_state(TaskState.STARTED)
        workflow.journal.append(("activated", my_task))
        self.attach_boundary_events(my_task)
        outer = workflow.visible(my_task)
        inherited = dict(outer) if self.node.propagates_parent_variables else {}
        run = workflow.add(workflow.subprocess_specs[self.called].start, my_task, TaskState.STARTED)
        workflow.scopes.assign(run.id, {**inherited, **evaluate_mappings(self.node.inputs, outer)})
        run.task_spec.content.open(run)
        return False

    def return_from(self, my_task: InstanceTask, run: InstanceTask) -> None:
        """Take the called process's results into the caller's variables, and go on."""
        workflow: InstanceWorkflow = my_task.workflow
        inner = workflow.scopes[run.id]
        if self.node.outputs:
            results = evaluate_mappings(self.node.outputs, inner)
        else:
            results = dict(inner) if self.node.propagates_child_variables else {}
            if self.node.propagates_parent_variables:
                results.pop("loopCounter", None)  # of the loop around the call, where it is no variable
        workflow.retire(run)
        workflow.assign(my_task, results)
        my_task._ready()

    def _on_ready_hook(self, my_task: InstanceTask) -> None:
        my_task.workflow.ready.append(my_task)


class AutomaticTaskSpec(ActivitySpec):
    """A task that is done in the step: a script computes its value, an abstract or manual task brings none.

    It takes no time, so no event on its boundary can happen.
    """

    node: PlainTask | ScriptTask

    def _run_hook(self, my_task: InstanceTask) -> bool:
        workflow: InstanceWorkflow = my_task.workflow
        outer = workflow.visible(my_task)
        seen = {**outer, **evaluate_mappings(self.node.inputs, outer)}
        result: Scope = {}
        if isinstance(self.node, ScriptTask):
            result = {self.node.result_variable: compile_expression(self.node.expression).evaluate(seen)}
        if self.node.outputs:
            result = evaluate_mappings(self.node.outputs, {**seen, **result})
        workflow.assign(my_task, result)
        return True
