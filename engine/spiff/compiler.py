"""From process models to SpiffWorkflow's specs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.bpmn.specs.control import BoundaryEventJoin, BoundaryEventSplit
from SpiffWorkflow.bpmn.specs.event_definitions import NoneEventDefinition
from SpiffWorkflow.bpmn.specs.event_definitions.item_aware_event import ErrorEventDefinition

from engine.bpmn import (
    BoundaryErrorEvent,
    CallActivity,
    EndEvent,
    ExclusiveGateway,
    FlowNode,
    ProcessModel,
    SequenceFlow,
    StartEvent,
)
from engine.spiff.specs import (
    BoundaryErrorEventSpec,
    CallActivitySpec,
    EndEventSpec,
    ExclusiveGatewaySpec,
    FeelCondition,
    StartEventSpec,
    WaitingTaskSpec,
)

# Every process spec comes with tasks named Start and End, which elements may be named too.
_ELEMENT = "element:"


@dataclass(frozen=True)
class CompiledProcess:
    """A process and everything it calls, ready to run; immutable and shared between instances."""

    model: ProcessModel
    called: Mapping[str, ProcessModel]
    spec: Any
    called_specs: Mapping[str, Any]

    def node(self, process_id: str, element_id: str) -> FlowNode:
        """Return an element of this process or of one that it calls."""
        model = self.model if process_id == self.model.process_id else self.called[process_id]
        return model.nodes[element_id]


def compile_process(model: ProcessModel, called: Mapping[str, ProcessModel], start_event_id: str) -> CompiledProcess:
    """Return `model`, started at one of its start events, with the processes that it calls, directly or not."""
    return CompiledProcess(
        model=model,
        called=called,
        spec=_compile(model, start_event_id),
        called_specs={key: _compile(child, _none_start(child)) for key, child in called.items()},
    )


def element_id(spec_name: str) -> str:
    """Return the id of the element that a task spec stands for."""
    return spec_name.removeprefix(_ELEMENT)


def _spec_name(node_id: str) -> str:
    return f"{_ELEMENT}{node_id}"


def _none_start(model: ProcessModel) -> str:
    event = model.none_start_event()
    return event.id if event is not None else model.start_events()[0].id


def _compile(model: ProcessModel, start_event_id: str) -> BpmnProcessSpec:
    spec = BpmnProcessSpec(name=model.process_id, description=model.name)
    reachable = _reachable(model, start_event_id)
    entries = {node.id: _add(spec, model, node) for node in model.nodes.values() if node.id in reachable}
    spec.start.connect(entries[start_event_id])
    for flow in model.flows:
        if flow.source in reachable:
            _connect(spec, model, flow, entries[flow.target])
    return spec


def _reachable(model: ProcessModel, start_event_id: str) -> set[str]:
    reached, frontier = set[str](), [start_event_id]
    while frontier:
        node_id = frontier.pop()
        if node_id not in reached:
            reached.add(node_id)
            frontier += [flow.target for flow in model.outgoing(node_id)]
            frontier += [event.id for event in model.boundary_events(node_id)]
    return reached


def _add(spec: BpmnProcessSpec, model: ProcessModel, node: FlowNode) -> Any:
    """Add the node's spec; return the spec that a flow into the node must lead to."""
    task_spec = _task_spec(spec, node)
    events = model.boundary_events(node.id)
    if not events:
        return task_spec
    split = BoundaryEventSplit(spec, f"split:{node.id}")
    join = BoundaryEventJoin(spec, f"join:{node.id}", split_task=split.name, cancel=True)
    split.connect(task_spec)
    task_spec.connect(join)
    for event in events:
        event_spec = _boundary_event(spec, event)
        split.connect(event_spec)
        event_spec.connect(join)
    return split


def _task_spec(spec: BpmnProcessSpec, node: FlowNode) -> Any:
    name = _spec_name(node.id)
    match node:
        case StartEvent():
            return StartEventSpec(spec, name)
        case EndEvent():
            task_spec = EndEventSpec(spec, name, event_definition=NoneEventDefinition())
            task_spec.connect(spec.end)
            return task_spec
        case ExclusiveGateway():
            return ExclusiveGatewaySpec(spec, name)
        case CallActivity():
            return CallActivitySpec(spec, name, element=node, subworkflow_spec=node.called_process)
        case BoundaryErrorEvent():
            return _boundary_event(spec, node)
        case _:
            return WaitingTaskSpec(spec, name)


def _boundary_event(spec: BpmnProcessSpec, event: BoundaryErrorEvent) -> Any:
    name = _spec_name(event.id)
    if name in spec.task_specs:
        return spec.task_specs[name]
    definition = ErrorEventDefinition(event.id, code=event.error_code)
    return BoundaryErrorEventSpec(spec, name, event_definition=definition, cancel_activity=True)


def _connect(spec: BpmnProcessSpec, model: ProcessModel, flow: SequenceFlow, target: Any) -> None:
    source, node = spec.task_specs[_spec_name(flow.source)], model.nodes[flow.source]
    if isinstance(node, ExclusiveGateway) and flow.condition is not None and flow.id != node.default_flow:
        source.connect_if(FeelCondition(flow.condition), target)
    else:
        source.connect(target)
