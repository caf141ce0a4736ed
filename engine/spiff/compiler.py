"""From process models to SpiffWorkflow's specs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec

from engine.bpmn import (
    Activity,
    BoundaryEvent,
    CallActivity,
    EndEvent,
    ErrorTrigger,
    ExclusiveGateway,
    FlowNode,
    IntermediateCatchEvent,
    IntermediateThrowEvent,
    ParallelGateway,
    ProcessModel,
    ReceiveTask,
    ServiceTask,
    StartEvent,
    UserTask,
)
from engine.spiff.specs import (
    AttachedEventSpec,
    BoundaryEventSpec,
    CallActivitySpec,
    ElementSpec,
    EndEventSpec,
    ExclusiveGatewaySpec,
    MultiInstanceSpec,
    ParallelGatewaySpec,
    ReceivingSpec,
    StartEventSpec,
    ThrowEventSpec,
    WaitingSpec,
)

# Every process spec comes with tasks named Start and End, which elements may be named too.
ELEMENT, BODY, ATTACHED = "element:", "body:", "attached:"


@dataclass(frozen=True)
class CompiledProcess:
    """A process and everything it calls, ready to run; immutable and shared between instances.

    Attributes:
        specs: The process's spec and those of the processes it calls, by process id.
    """

    model: ProcessModel
    specs: Mapping[str, Any]

    @property
    def spec(self) -> Any:
        """The spec of the process itself."""
        return self.specs[self.model.process_id]


def compile_process(model: ProcessModel, called: Mapping[str, ProcessModel], start_event_id: str) -> CompiledProcess:
    """Return `model`, started at one of its start events, with the processes that it calls, directly or not."""
    specs = {process_id: _Compiler(child, _none_start(child)).spec for process_id, child in called.items()}
    return CompiledProcess(model=model, specs={**specs, model.process_id: _Compiler(model, start_event_id).spec})


def _none_start(model: ProcessModel) -> str:
    event = model.none_start_event()
    return event.id if event is not None else model.start_events()[0].id


class _Compiler:
    """Compiles what can be reached from one start event; a gateway does not wait for what cannot come."""

    def __init__(self, model: ProcessModel, start_event_id: str) -> None:
        self._model = model
        self._reachable = _reachable(model, start_event_id)
        self.spec = BpmnProcessSpec(name=model.process_id, description=model.name)
        self._elements = {node_id: self._element(model.nodes[node_id]) for node_id in sorted(self._reachable)}
        entries = {node_id: self._entry(element) for node_id, element in self._elements.items()}
        for element in self._elements.values():
            if isinstance(element.node, Activity):
                self._attach(entries[element.node.id])
        for flow in model.flows:
            if flow.source in self._reachable:
                entries[flow.source].lead_to(flow, entries[flow.target])
        self.spec.start.connect(entries[start_event_id])

    def _element(self, node: FlowNode) -> ElementSpec:  # noqa: PLR0911 - one case a kind
        name = f"{ELEMENT}{node.id}"
        match node:
            case StartEvent():
                return StartEventSpec(self.spec, name, node)
            case EndEvent():
                return EndEventSpec(self.spec, name, node)
            case IntermediateThrowEvent():
                return ThrowEventSpec(self.spec, name, node)
            case ExclusiveGateway():
                return ExclusiveGatewaySpec(self.spec, name, node)
            case ParallelGateway():
                incoming = sum(flow.source in self._reachable for flow in self._model.incoming(node.id))
                return ParallelGatewaySpec(self.spec, name, node, incoming)
            case BoundaryEvent():
                return BoundaryEventSpec(self.spec, name, node)
            case CallActivity():
                return CallActivitySpec(self.spec, name, node)
            case IntermediateCatchEvent() | ReceiveTask():
                return ReceivingSpec(self.spec, name, node)
            case ServiceTask() | UserTask():
                return WaitingSpec(self.spec, name, node)
            case _:
                raise TypeError(type(node).__name__)

    def _entry(self, element: ElementSpec) -> ElementSpec:
        """Return the spec at which flows into the element arrive."""
        node = element.node
        if isinstance(node, Activity) and node.multi_instance is not None:
            return MultiInstanceSpec(self.spec, f"{BODY}{node.id}", node, element)
        return element

    def _attach(self, entry: ElementSpec) -> None:
        for event in self._model.boundary_events(entry.node.id):
            happening = self._elements[event.id]
            assert isinstance(happening, BoundaryEventSpec)  # noqa: S101 - made so above
            if isinstance(event.trigger, ErrorTrigger):
                entry.error_events.append(happening)
            else:
                entry.attached.append(AttachedEventSpec(self.spec, f"{ATTACHED}{event.id}", event, happening))


def _reachable(model: ProcessModel, start_event_id: str) -> set[str]:
    reached, frontier = set[str](), [start_event_id]
    while frontier:
        node_id = frontier.pop()
        if node_id not in reached:
            reached.add(node_id)
            frontier += [flow.target for flow in model.outgoing(node_id)]
            frontier += [event.id for event in model.boundary_events(node_id)]
    return reached
