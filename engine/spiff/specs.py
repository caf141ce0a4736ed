"""What each element does with a token: specifications of our own on SpiffWorkflow's life cycle of a task.

`_update` lets a token arrive, `run` works on it, and on completion its successors are made (BPMN 2.0.2, chapter 13).
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping as Variables
from typing import Any

from pydantic import JsonValue
from SpiffWorkflow.bpmn.specs.bpmn_task_spec import BpmnTaskSpec
from SpiffWorkflow.util.task import TaskState

from engine.bpmn import (
    Activity,
    BoundaryEvent,
    CallActivity,
    EndEvent,
    FlowNode,
    IntermediateThrowEvent,
    Mapping,
    SequenceFlow,
)
from engine.errors import ExpressionEvaluationError
from engine.feel import compile_expression
from engine.spiff.scopes import Scope
from engine.spiff.workflow import InstanceTask, InstanceWorkflow, is_process_run


def evaluate_mappings(mappings: tuple[Mapping, ...], variables: Variables[str, JsonValue]) -> Scope:
    """Return the targets with the values of their sources, each seeing those before it."""
    result: Scope = {}
    seen = ChainMap(result, variables)  # type: ignore[arg-type]  # only `result` is written
    for mapping in mappings:
        result[mapping.target] = compile_expression(mapping.source).evaluate(seen)
    return result


def evaluate_items(source: str, variables: Variables[str, JsonValue]) -> list[JsonValue]:
    """Return the items of a multi-instance activity.

    Raises:
        ExpressionEvaluationError: The value is not a list.
    """
    value = compile_expression(source).evaluate(variables)
    if not isinstance(value, list):
        raise ExpressionEvaluationError(source=source, position=0, reason="The input collection is no list")
    return value


class ElementSpec(BpmnTaskSpec):
    """An element that passes tokens on at once.

    Attributes:
        node: The element of the diagram.
        flows: Its outgoing flows, with the specs that they lead to.
        attached: Boundary events that wait while the element is active.
        error_events: Boundary events that catch its errors.
    """

    keeps_outputs = False

    def __init__(self, wf_spec: Any, name: str, node: FlowNode) -> None:
        super().__init__(wf_spec, name)
        self.node = node
        self.flows: list[tuple[SequenceFlow, ElementSpec]] = []
        self.attached: list[AttachedEventSpec] = []
        self.error_events: list[BoundaryEventSpec] = []

    def lead_to(self, flow: SequenceFlow, target: ElementSpec) -> None:
        """Connect an outgoing flow."""
        self.flows.append((flow, target))
        self.connect(target)

    def test(self) -> None:
        """Accept any connections: deployment has verified the diagram."""

    def _predict(self, my_task: InstanceTask, *_arguments: Any, **_named: Any) -> None:
        """Predict nothing: only what is there is in the tree."""

    def _update_hook(self, my_task: InstanceTask) -> bool:  # noqa: ARG002 - SpiffWorkflow's signature
        """Return whether the token can go on at once."""
        return True

    def _on_ready_hook(self, my_task: InstanceTask) -> None:
        workflow: InstanceWorkflow = my_task.workflow
        workflow.journal.append(("activated", my_task))
        workflow.ready.append(my_task)

    def _run_hook(self, my_task: InstanceTask) -> bool:  # noqa: ARG002 - SpiffWorkflow's signature
        return True

    def _on_complete(self, my_task: InstanceTask) -> None:
        my_task.workflow.journal.append(("completed", my_task))
        self.pass_on(my_task)

    def pass_on(self, my_task: InstanceTask) -> None:
        """Replace a finished token by one on each flow that it takes; the scope may be over then."""
        workflow, parent = my_task.workflow, my_task.scope_parent
        taken = self.taken(my_task)
        workflow.leave(my_task)
        for flow, target in taken:
            workflow.enter(target, parent, flow.id)
        close_if_over(parent)

    def taken(self, _task: InstanceTask) -> list[tuple[SequenceFlow, ElementSpec]]:
        """Return the outgoing flows on which a token leaves."""
        return self.flows


def close_if_over(scope: InstanceTask) -> None:
    """Complete a called process in which no token is left."""
    if scope._children or not is_process_run(scope) or scope is scope.workflow.task_tree:
        return
    caller = scope.scope_parent
    caller.task_spec.return_from(caller, scope)


class StartEventSpec(ElementSpec):
    """A start event that has happened."""


class ExclusiveGatewaySpec(ElementSpec):
    """Takes the first flow whose condition holds, else the default flow (BPMN 2.0.2, 13.4.2)."""

    def taken(self, task: InstanceTask) -> list[tuple[SequenceFlow, ElementSpec]]:
        """Return the one flow that is taken."""
        variables = task.workflow.visible(task)
        default = getattr(self.node, "default_flow", None)
        for flow, target in self.flows:
            if flow.condition is None or flow.id == default:
                continue
            if compile_expression(flow.condition).evaluate_condition(variables):
                return [(flow, target)]
        return [(flow, target) for flow, target in self.flows if flow.condition is None or flow.id == default]


class ParallelGatewaySpec(ElementSpec):
    """Takes a token from each incoming flow, then gives one to each outgoing flow (BPMN 2.0.2, 13.4.1).

    Tokens of a second round wait behind those of the first: each waiting gateway takes one token of a flow.
    """

    def __init__(self, wf_spec: Any, name: str, node: FlowNode, incoming: int) -> None:
        super().__init__(wf_spec, name, node)
        self._incoming = incoming

    @property
    def joins(self) -> bool:
        """Whether it waits for more than one token."""
        return self._incoming > 1

    def _update_hook(self, my_task: InstanceTask) -> bool:
        if self._incoming <= 1:
            return True
        workflow = my_task.workflow
        # A token that somebody moved here came by no flow: it stands for any one that is missing.
        flow = my_task.arrived_by or f"moved {my_task.id}"
        waiting = workflow.joins[my_task._parent, self.name]
        for join in waiting:
            arrived = join.internal_data["arrived"]
            if flow not in arrived:
                workflow.leave(my_task)
                join.note(arrived=[*arrived, flow])
                if len(arrived) + 1 == self._incoming:
                    waiting.remove(join)
                    join._ready()
                return False
        my_task.note(arrived=[flow])
        my_task._set_state(TaskState.WAITING)
        waiting.append(my_task)
        return False


class EndEventSpec(ElementSpec):
    """Consumes the token; may throw a signal, or end everything in its process run."""

    node: EndEvent

    def _run_hook(self, my_task: InstanceTask) -> bool:
        workflow: InstanceWorkflow = my_task.workflow
        if self.node.signal is not None:
            workflow.thrown.append(self.node.signal)
        if self.node.terminates:
            for child_id in list(my_task.scope_parent._children):
                if child_id != my_task.id and child_id in workflow.tasks:
                    workflow.cancel_task(workflow.tasks[child_id])
        return True


class ThrowEventSpec(ElementSpec):
    """Throws a signal, where one is named."""

    node: IntermediateThrowEvent

    def _run_hook(self, my_task: InstanceTask) -> bool:
        if self.node.signal is not None:
            my_task.workflow.thrown.append(self.node.signal)
        return True


class WaitingSpec(ElementSpec):
    """An element at which a token waits for the outside world: a handler, a person, a time, a message, a signal."""

    def _update_hook(self, my_task: InstanceTask) -> bool:
        workflow: InstanceWorkflow = my_task.workflow
        my_task._set_state(TaskState.WAITING)
        workflow.journal.append(("activated", my_task))
        workflow.opened[my_task.id] = my_task
        attach_boundary_events(my_task, self)
        return False

    def _on_ready_hook(self, my_task: InstanceTask) -> None:
        my_task.workflow.ready.append(my_task)

    def _on_complete(self, my_task: InstanceTask) -> None:
        my_task.workflow.journal.append(("completed", my_task))
        body = my_task.scope_parent
        if isinstance(body.task_spec, MultiInstanceSpec):
            body.task_spec.instance_completed(body, my_task)
        else:
            self.pass_on(my_task)


class ReceivingSpec(WaitingSpec):
    """A receive task or an intermediate catch event."""


class BoundaryEventSpec(ElementSpec):
    """The happening of a boundary event: the token that leaves by it."""

    node: BoundaryEvent


class AttachedEventSpec(ElementSpec):
    """A boundary event that waits at its activity."""

    node: BoundaryEvent

    def __init__(self, wf_spec: Any, name: str, node: BoundaryEvent, happening: BoundaryEventSpec) -> None:
        super().__init__(wf_spec, name, node)
        self.happening = happening


def attach_boundary_events(activity: InstanceTask, spec: ElementSpec) -> None:
    """Let the boundary events of an activity begin to wait; error events do not wait, they are found when needed."""
    workflow: InstanceWorkflow = activity.workflow
    for attached in spec.attached:
        event = workflow.add(attached, activity, TaskState.WAITING)
        workflow.opened[event.id] = event


class CallActivitySpec(WaitingSpec):
    """Runs another process below itself, with variables of its own."""

    node: CallActivity

    def _update_hook(self, my_task: InstanceTask) -> bool:
        workflow: InstanceWorkflow = my_task.workflow
        my_task._set_state(TaskState.STARTED)
        workflow.journal.append(("activated", my_task))
        attach_boundary_events(my_task, self)
        outer = workflow.visible(my_task)
        inherited = dict(outer) if self.node.propagates_parent_variables else {}
        variables = {**inherited, **evaluate_mappings(self.node.inputs, outer)}
        workflow.enter_process(workflow.subprocess_specs[self.node.called_process], my_task, variables)
        return False

    def return_from(self, my_task: InstanceTask, run: InstanceTask) -> None:
        """Take the called process's results into the caller's variables, and go on."""
        workflow: InstanceWorkflow = my_task.workflow
        inner = workflow.scopes[run.id]
        if self.node.outputs:
            results = evaluate_mappings(self.node.outputs, inner)
        else:
            results = dict(inner) if self.node.propagates_child_variables else {}
        workflow.leave(run)
        workflow.assign(my_task, results)
        my_task._ready()


class MultiInstanceSpec(ElementSpec):
    """The body of a multi-instance activity: one instance of the activity for each item (BPMN 2.0.2, 13.3.7).

    The items of a sequential body, and the outputs so far, are variables of the body's scope, each output its own: to
    complete one instance costs the same however many there are.
    """

    node: Activity
    keeps_outputs = True

    def __init__(self, wf_spec: Any, name: str, node: Activity, inner: ElementSpec) -> None:
        super().__init__(wf_spec, name, node)
        assert node.multi_instance is not None  # noqa: S101 - the compiler makes bodies of such nodes only
        self.inner = inner
        self.loop = node.multi_instance

    def _update_hook(self, my_task: InstanceTask) -> bool:
        workflow: InstanceWorkflow = my_task.workflow
        items = evaluate_items(self.loop.input_collection, workflow.visible(my_task))
        my_task._set_state(TaskState.STARTED)
        workflow.journal.append(("activated", my_task))
        my_task.note(total=len(items), started=0, completed=0)
        if not items:
            self._finish(my_task)
            return False
        attach_boundary_events(my_task, self)
        if self.loop.is_sequential:
            workflow.scopes.assign(my_task.id, {_ITEMS: items})
        for item in items[: 1 if self.loop.is_sequential else None]:
            self._start(my_task, item)
        return False

    def _start(self, body: InstanceTask, item: JsonValue) -> None:
        number = body.internal_data["started"] + 1
        body.note(started=number)
        instance = body.workflow.add(self.inner, body, TaskState.FUTURE)
        named = {} if self.loop.input_element is None else {self.loop.input_element: item}
        instance.note(item={"loopCounter": number, **named})
        self.inner._update(instance)

    def instance_completed(self, body: InstanceTask, instance: InstanceTask) -> None:
        """Keep an instance's output; end the body if it was the last one, or if the condition says so."""
        workflow: InstanceWorkflow = body.workflow
        variables = workflow.visible(instance)
        if self.loop.output_element is not None:
            output = compile_expression(self.loop.output_element).evaluate(variables)
            workflow.scopes.assign(body.id, {_output(instance.internal_data["item"]["loopCounter"]): output})
        local = dict(instance.internal_data["item"]) | workflow.scopes[instance.id]
        workflow.leave(instance)
        body.note(completed=body.internal_data["completed"] + 1)
        counts = body.internal_data
        if counts["completed"] == counts["total"] or self._is_enough(body, local):
            self._finish(body)
        elif self.loop.is_sequential:
            items = workflow.scopes[body.id][_ITEMS]
            assert isinstance(items, list)  # noqa: S101 - written by _update_hook
            self._start(body, items[counts["started"]])

    def has_items(self, body: InstanceTask) -> bool:
        """Return whether the items that are still to come are there."""
        counts = body.internal_data
        items = body.workflow.scopes[body.id].get(_ITEMS)
        return counts["started"] == counts["total"] or (isinstance(items, list) and len(items) == counts["total"])

    def _is_enough(self, body: InstanceTask, local: Scope) -> bool:
        if self.loop.completion_condition is None:
            return False
        counts, workflow = body.internal_data, body.workflow
        variables: Scope = {
            **workflow.visible(body),
            **local,
            "numberOfInstances": counts["total"],
            "numberOfActiveInstances": counts["started"] - counts["completed"],
            "numberOfCompletedInstances": counts["completed"],
            "numberOfTerminatedInstances": 0,
        }
        if self.loop.output_collection is not None:
            kept = workflow.scopes[body.id]
            numbers = range(1, counts["started"] + 1)
            variables[self.loop.output_collection] = [kept[_output(n)] for n in numbers if _output(n) in kept]
        return compile_expression(self.loop.completion_condition).evaluate_condition(variables)

    def _collected(self, body: InstanceTask) -> list[JsonValue]:
        kept = body.workflow.scopes[body.id]
        return [kept.get(_output(number)) for number in range(1, body.internal_data["total"] + 1)]

    def _finish(self, body: InstanceTask) -> None:
        workflow: InstanceWorkflow = body.workflow
        for child_id in list(body._children):
            workflow.cancel_task(workflow.tasks[child_id])
        if self.loop.output_collection is not None:
            workflow.assign(body, {self.loop.output_collection: self._collected(body)})
        body._ready()

    def _on_ready_hook(self, my_task: InstanceTask) -> None:
        my_task.workflow.ready.append(my_task)


_ITEMS = "items of the multi-instance body"  # a name that no diagram can use: it is no identifier


def _output(number: int) -> str:
    return f"output {number}"
