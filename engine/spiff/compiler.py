"""From process models to SpiffWorkflow's specs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.bpmn import (
    Activity,
    BoundaryEvent,
    BusinessRuleTask,
    CallActivity,
    CancelTrigger,
    CompensationEvent,
    CompensationTrigger,
    EndEvent,
    ErrorTrigger,
    EscalationTrigger,
    EventBasedGateway,
    EventSubProcess,
    ExclusiveGateway,
    FlowNode,
    InclusiveGateway,
    IntermediateCatchEvent,
    IntermediateThrowEvent,
    LinkEvent,
    ParallelGateway,
    PlainTask,
    ProcessModel,
    ReceiveTask,
    ScriptTask,
    SendTask,
    ServiceTask,
    StartEvent,
    SubProcess,
    UserTask,
    called_key,
    decision_key,
    entries_ahead,
    names_read_by,
    reached_within,
)
from engine.dmn import DeployedDecision
from engine.spiff.activities import AutomaticTaskSpec, CallActivitySpec, ReceivingSpec, SubprocessSpec, WaitingSpec
from engine.spiff.boundary import ActivitySpec, AttachedEventSpec, BoundaryEventSpec
from engine.spiff.compensation import CancelEndSpec, CompensatingSpec, RecordSpec, RollingBackSpec
from engine.spiff.decisions import DecisionTaskSpec
from engine.spiff.elements import ElementSpec, Judge, LinkEventSpec, StartEventSpec, holds
from engine.spiff.gateways import (
    Ahead,
    EventBasedGatewaySpec,
    ExclusiveGatewaySpec,
    InclusiveGatewaySpec,
    ParallelGatewaySpec,
)
from engine.spiff.repetition import MultiInstanceSpec, StandardLoopSpec
from engine.spiff.scope_specs import EventSubprocessSpec, ListenerSpec, ProcessSpec, ScopeContent
from engine.spiff.throwing import EndEventSpec, ErrorEndEventSpec, SendTaskSpec, ThrowingSpec

# Every process spec comes with tasks named Start and End, which elements may be named too.
ELEMENT, BODY, ATTACHED, LISTENING = "element:", "body:", "attached:", "listening:"


@dataclass(frozen=True)
class CompiledProcess:
    """A process and everything it calls, ready to run; immutable and shared between instances.

    Attributes:
        specs: The process's spec and those of the processes it calls, by the key that the calls have for them.
    """

    model: ProcessModel
    specs: Mapping[str, ProcessSpec]

    @property
    def spec(self) -> ProcessSpec:
        """The spec of the process itself."""
        return self.specs[self.model.process_id]


def compile_process(
    model: ProcessModel,
    called: Mapping[str, ProcessModel],
    start_event_id: str,
    *,
    decisions: Mapping[str, DeployedDecision] | None = None,
    judge: Judge = holds,
) -> CompiledProcess:
    """Return `model`, started at one of its start events, with the processes that it calls, directly or not.

    Args:
        model: The process.
        called: The called processes by their keys: see `called_key`.
        start_event_id: Where the instance begins.
        decisions: The decisions that all of them ask, by their keys: see `decision_key`.
        judge: Says whether the condition of a flow holds.
    """
    asked = decisions or {}
    specs = {key: _Compiler(child, key, _none_start(child), asked).spec for key, child in called.items()}
    own = _Compiler(model, model.process_id, start_event_id, asked).spec
    for spec in (own, *specs.values()):
        for task_spec in spec.task_specs.values():
            task_spec.judge = judge
    return CompiledProcess(model=model, specs={**specs, model.process_id: own})


def _none_start(model: ProcessModel) -> str:
    event = model.none_start_event()
    return event.id if event is not None else model.start_events()[0].id


class _Compiler:
    """Compiles what can be reached from one start event; a gateway does not wait for what cannot come."""

    def __init__(
        self, model: ProcessModel, key: str, start_event_id: str, decisions: Mapping[str, DeployedDecision]
    ) -> None:
        self._model = model
        self._decisions = decisions
        self._reachable = reached_within(model, [start_event_id])
        self.spec = ProcessSpec(key, model.process_id, model.name)
        nodes = [model.nodes[node_id] for node_id in sorted(self._reachable)]
        self._elements = {node.id: self._element(node) for node in nodes if not isinstance(node, CompensationEvent)}
        entries = {node_id: self._entry(element) for node_id, element in self._elements.items()}
        for element in self._elements.values():
            if isinstance(element.node, Activity):
                self._attach(entries[element.node.id])
        for flow in model.flows:
            if flow.source in self._reachable:
                entries[flow.source].lead_to(flow, entries[flow.target])
        self._fill(self.spec.start.content, None, start_event_id)
        for element in self._elements.values():
            if isinstance(element, SubprocessSpec | EventSubprocessSpec):
                self._fill(element.content, element.node.id, model.start_events(element.node.id)[0].id)
        self.spec.start.rolling_back = RollingBackSpec(self.spec)
        self._keep_records(entries)

    def _element(self, node: FlowNode) -> ElementSpec:  # noqa: C901, PLR0911, PLR0912 - one case a kind
        name = f"{ELEMENT}{node.id}"
        match node:
            case StartEvent():
                return StartEventSpec(self.spec, name, node)
            case EndEvent(cancels=True):
                return CancelEndSpec(self.spec, name, node)
            case EndEvent() | IntermediateThrowEvent() if node.compensation is not None:
                return CompensatingSpec(self.spec, name, node)
            case EndEvent(error_code=str()):
                return ErrorEndEventSpec(self.spec, name, node)
            case EndEvent():
                return EndEventSpec(self.spec, name, node)
            case IntermediateThrowEvent():
                return ThrowingSpec(self.spec, name, node)
            case LinkEvent():
                return LinkEventSpec(self.spec, name, node)
            case ExclusiveGateway():
                return ExclusiveGatewaySpec(self.spec, name, node)
            case ParallelGateway():
                return ParallelGatewaySpec(self.spec, name, node, self._incoming(node))
            case InclusiveGateway():
                ahead = entries_ahead(self._model, node.id)
                by_flows = entries_ahead(self._model, node.id, by_events=False)
                return InclusiveGatewaySpec(self.spec, name, node, self._incoming(node), Ahead(ahead, by_flows))
            case EventBasedGateway():
                return EventBasedGatewaySpec(self.spec, name, node)
            case BoundaryEvent():
                return BoundaryEventSpec(self.spec, name, node)
            case EventSubProcess():
                return EventSubprocessSpec(self.spec, name, node, self._model.start_events(node.id)[0])
            case _:
                return self._activity(node, name)

    def _activity(self, node: FlowNode, name: str) -> ElementSpec:  # noqa: PLR0911 - one case a kind
        match node:
            case SubProcess():
                return SubprocessSpec(self.spec, name, node)
            case CallActivity():
                return CallActivitySpec(self.spec, name, node, called_key(self.spec.name, node))
            case IntermediateCatchEvent() | ReceiveTask():
                return ReceivingSpec(self.spec, name, node)
            case ServiceTask() | UserTask():
                return WaitingSpec(self.spec, name, node)
            case SendTask():
                return SendTaskSpec(self.spec, name, node)
            case BusinessRuleTask():
                return DecisionTaskSpec(self.spec, name, node, self._decisions[decision_key(self.spec.name, node)])
            case PlainTask() | ScriptTask():
                return AutomaticTaskSpec(self.spec, name, node)
            case _:
                raise TypeError(type(node).__name__)

    def _incoming(self, node: FlowNode) -> frozenset[str]:
        return frozenset(flow.id for flow in self._model.incoming(node.id) if flow.source in self._reachable)

    def _entry(self, element: ElementSpec) -> ElementSpec:
        """Return the spec at which flows into the element arrive."""
        node = element.node
        if isinstance(node, Activity) and node.multi_instance is not None:
            return MultiInstanceSpec(self.spec, f"{BODY}{node.id}", node, element)
        if isinstance(node, Activity) and node.loop is not None:
            return StandardLoopSpec(self.spec, f"{BODY}{node.id}", node, element)
        return element

    def _attach(self, entry: ElementSpec) -> None:
        for event in self._model.boundary_events(entry.node.id):
            happening: Any = self._elements[event.id]
            assert isinstance(entry, ActivitySpec)  # noqa: S101 - events stand on no other boundary
            if isinstance(event.trigger, ErrorTrigger | EscalationTrigger | CancelTrigger):
                entry.catching.append(happening)
            else:
                entry.attached.append(AttachedEventSpec(self.spec, f"{ATTACHED}{event.id}", event, happening))

    def _fill(self, content: ScopeContent, scope: str | None, start_event_id: str) -> None:
        content.entry = self._elements[start_event_id]
        for node in self._model.event_subprocesses(scope):
            subprocess: Any = self._elements[node.id]
            if isinstance(subprocess.start.trigger, CompensationTrigger):
                content.compensation = subprocess
            elif isinstance(subprocess.start.trigger, ErrorTrigger | EscalationTrigger):
                content.handlers.append(subprocess)
            else:
                name = f"{LISTENING}{subprocess.start.id}"
                content.listeners.append(ListenerSpec(self.spec, name, subprocess.start, subprocess))

    def _keep_records(self, entries: Mapping[str, ElementSpec]) -> None:
        """Let completed tasks leave records where something can be compensated: here, or in a called process."""
        self.spec.start.record = RecordSpec(self.spec.start)
        if not any(map(self._can_be_undone, self._elements.values())):
            return
        for node_id, element in self._elements.items():
            handler = self._model.handler_of(node_id)
            if handler is not None:
                element.record = RecordSpec(element, entries[handler], names_read_by(self._model, handler))
            elif _undoes_its_scope(element):
                element.record = RecordSpec(element, element, names_read_by(self._model, node_id))
            elif isinstance(element, SubprocessSpec | EventSubprocessSpec | CallActivitySpec):
                element.record = RecordSpec(element)
            if entries[node_id] is not element:
                entries[node_id].record = RecordSpec(entries[node_id])

    def _can_be_undone(self, element: ElementSpec) -> bool:
        has_handler = self._model.handler_of(element.node.id) is not None
        return has_handler or isinstance(element, CallActivitySpec) or _undoes_its_scope(element)


def _undoes_its_scope(element: ElementSpec) -> bool:
    return isinstance(element, EventSubprocessSpec) and isinstance(element.start.trigger, CompensationTrigger)
