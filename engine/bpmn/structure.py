"""How nodes and flows must hang together for every way through the process to be executed as drawn."""

from __future__ import annotations

from collections.abc import Iterator

from engine.bpmn.findings import finding_at, warning_at
from engine.bpmn.links import check_links
from engine.bpmn.model import (
    Activity,
    BoundaryEvent,
    CompensationEvent,
    EndEvent,
    EventBasedGateway,
    EventSubProcess,
    ExclusiveGateway,
    FlowNode,
    InclusiveGateway,
    IntermediateCatchEvent,
    LinkEvent,
    ParallelGateway,
    ProcessModel,
    ReceiveTask,
    SequenceFlow,
    StartEvent,
    SubProcess,
)
from engine.bpmn.reachability import reached_within
from engine.errors import Finding

_MAY_HAVE_CONDITIONS = (Activity, ExclusiveGateway, InclusiveGateway)


def check_structure(model: ProcessModel) -> Iterator[Finding]:
    """Return the faults of nodes, flows and gateways."""
    for node in (None, *model.nodes.values()):
        yield from _beginning(model, node)
    for node in model.nodes.values():
        yield from _outgoing(model, node)
        yield from _choices(model, node)
        if isinstance(node, EventBasedGateway):
            yield from _awaited(model, node)
    yield from check_links(model)
    yield from _reachability(model)
    for flow in model.flows:
        yield from _flow(model, flow)


def _beginning(model: ProcessModel, scope: FlowNode | None) -> Iterator[Finding]:
    """Return what is wrong with how a scope begins: `None` stands for the process itself."""
    owner, starts = scope or model, model.start_events(None if scope is None else scope.id)
    if isinstance(scope, SubProcess | EventSubProcess | None) and not starts:
        yield finding_at(owner, "START_EVENT_MISSING", "It has no start event.", "Draw a start event in it.")
    match scope:
        case SubProcess():
            for event in starts:
                if event.trigger is not None:
                    message = "A subprocess begins when a token arrives, and by nothing else."
                    yield finding_at(event, "START_EVENT_MISPLACED", message, "Make it a none start event.")
        case EventSubProcess():
            if len(starts) > 1:
                message = f"{len(starts)} start events stand in one event subprocess."
                yield finding_at(scope, "START_EVENT_AMBIGUOUS", message, "Draw an event subprocess for each.")
            for event in starts:
                if event.trigger is None:
                    message = "Nothing says what begins the event subprocess."
                    yield finding_at(event, "START_EVENT_MISPLACED", message, "Give its start event a trigger.")
            if model.incoming(scope.id) or model.outgoing(scope.id):
                message = "A flow leads to or from an event subprocess, which only its event begins."
                yield finding_at(scope, "EVENT_SUBPROCESS_CONNECTED", message, "Remove the flow.")
        case _:
            pass


def _outgoing(model: ProcessModel, node: FlowNode) -> Iterator[Finding]:
    flows = model.outgoing(node.id)
    match node:
        case EndEvent():
            if flows:
                yield finding_at(node, "FLOW_AFTER_END", "A flow leaves an end event.", "Remove the flow.")
        case ParallelGateway() | InclusiveGateway() if len(model.incoming(node.id)) > 1:
            pass  # without an outgoing flow, what it joins ends there
        case ExclusiveGateway() | InclusiveGateway() | ParallelGateway() | EventBasedGateway():
            if not flows:
                yield finding_at(node, "OUTGOING_FLOWS", "No flow leaves the gateway.", "Draw an outgoing flow.")
        case StartEvent() | BoundaryEvent():
            if not flows:
                yield finding_at(node, "OUTGOING_FLOWS", "No flow leaves the event.", "Draw an outgoing flow.")
        case LinkEvent(is_catching=True):
            if not flows:
                yield finding_at(node, "OUTGOING_FLOWS", "No flow leaves the link.", "Draw an outgoing flow.")
        case _:
            pass  # without an outgoing flow, its path ends there


def _choices(model: ProcessModel, node: FlowNode) -> Iterator[Finding]:
    """Return what is wrong with conditions and default flows."""
    flows, default = model.outgoing(node.id), getattr(node, "default_flow", None)
    if default is not None and default not in {flow.id for flow in flows}:
        message = "Its default flow is not one of its flows."
        yield finding_at(node, "DEFAULT_FLOW_MISSING", message, "Choose it anew.")
    conditional = [flow for flow in flows if flow.condition is not None]
    match node:
        case ExclusiveGateway() if len(flows) > 1 or conditional:
            yield from _exclusive(node, flows)
        case InclusiveGateway() if len(flows) > 1 or conditional:
            yield from _inclusive(node, flows)
        case Activity() if conditional and default is None and len(conditional) == len(flows):
            message = "Where no condition holds, its path would end without a word."
            yield finding_at(node, "DEFAULT_FLOW_MISSING", message, "Mark one flow as default.")
        case _:
            pass


def _exclusive(gateway: ExclusiveGateway, flows: tuple[SequenceFlow, ...]) -> Iterator[Finding]:
    yield from _labels(gateway, flows)
    if gateway.default_flow is None:
        yield finding_at(gateway, "DEFAULT_FLOW_MISSING", "No flow is the default.", "Mark one flow as default.")
    for flow in flows:
        if flow.id != gateway.default_flow and flow.condition is None:
            yield finding_at(flow, "CONDITION_MISSING", "It has no condition.", "Give it one, or make it the default.")


def _inclusive(gateway: InclusiveGateway, flows: tuple[SequenceFlow, ...]) -> Iterator[Finding]:
    yield from _labels(gateway, flows)
    if gateway.default_flow is None and all(flow.condition is not None for flow in flows):
        yield finding_at(gateway, "DEFAULT_FLOW_MISSING", "No flow is the default.", "Mark one flow as default.")


def _labels(gateway: FlowNode, flows: tuple[SequenceFlow, ...]) -> Iterator[Finding]:
    if gateway.name == gateway.id:
        message = "A gateway that chooses has no label."
        yield warning_at(gateway, "LABEL_MISSING", message, "Write on it what it asks.")
    for flow in flows:
        if not flow.name:
            message = "A flow out of a gateway has no label."
            yield warning_at(flow, "LABEL_MISSING", message, "Write on it what it means.")


def _awaited(model: ProcessModel, gateway: EventBasedGateway) -> Iterator[Finding]:
    """Return what stands behind an event-based gateway and cannot be waited for there (BPMN 2.0.2, 10.6.6)."""
    for flow in model.outgoing(gateway.id):
        node = model.nodes.get(flow.target)
        if not isinstance(node, IntermediateCatchEvent | ReceiveTask):
            message = "Behind an event-based gateway stands something that is not waited for."
            yield finding_at(flow, "EVENT_GATEWAY_INVALID", message, "Let it lead to catching events.")
        elif len(model.incoming(node.id)) > 1:
            message = "A second flow leads to an event that an event-based gateway waits for."
            yield finding_at(node, "EVENT_GATEWAY_INVALID", message, "Merge the flows before the gateway.")
        elif isinstance(node, ReceiveTask) and (model.boundary_events(node.id) or node.multi_instance or node.loop):
            message = "Behind an event-based gateway a receive task is an event, and nothing more."
            yield finding_at(node, "EVENT_GATEWAY_INVALID", message, "Remove its boundary events and markers.")


def _reachability(model: ProcessModel) -> Iterator[Finding]:
    reached = reached_within(model, [event.id for event in model.start_events()])
    for node in model.nodes.values():
        if node.id not in reached and not isinstance(node, CompensationEvent) and not _is_handler(node):
            yield finding_at(node, "UNREACHABLE", "No path from a start event leads here.", "Connect or remove it.")


def _is_handler(node: FlowNode) -> bool:
    return isinstance(node, Activity) and node.is_for_compensation


def _flow(model: ProcessModel, flow: SequenceFlow) -> Iterator[Finding]:
    source, target = model.nodes.get(flow.source), model.nodes.get(flow.target)
    for end, node in ((flow.source, source), (flow.target, target)):
        if node is None:
            message = f"It refers to {end!r}, which is not there."
            yield finding_at(flow, "REFERENCE_MISSING", message, "Reconnect it.")
    if source is not None and target is not None and source.scope != target.scope:
        message = "It crosses the border of a subprocess."
        yield finding_at(flow, "FLOW_ACROSS_SCOPES", message, "Lead it to the subprocess itself, or throw an event.")
    if isinstance(target, StartEvent | BoundaryEvent | CompensationEvent):
        yield finding_at(flow, "FLOW_INTO_EVENT", "It enters a start or boundary event.", "Reconnect it.")
    if flow.condition is not None and source is not None and not isinstance(source, _MAY_HAVE_CONDITIONS):
        message = "A condition stands on a flow that leaves neither an activity nor a gateway that chooses."
        yield finding_at(flow, "CONDITION_MISPLACED", message, "Branch with an exclusive or inclusive gateway.")
