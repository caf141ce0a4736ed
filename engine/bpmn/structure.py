"""How nodes and flows must hang together for every way through the process to be executed as drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.bpmn.findings import finding_at, warning_at
from engine.bpmn.model import (
    BoundaryEvent,
    EndEvent,
    ExclusiveGateway,
    FlowNode,
    ParallelGateway,
    ProcessModel,
    SequenceFlow,
    StartEvent,
)
from engine.errors import Finding


def check_structure(model: ProcessModel) -> Iterator[Finding]:
    """Return the faults of nodes, flows and gateways."""
    if not model.start_events():
        yield finding_at(model, "START_EVENT_MISSING", "The process has no start event.", "Draw a start event.")
    for node in model.nodes.values():
        yield from _outgoing(model, node)
    yield from _reachability(model)
    for flow in model.flows:
        yield from _flow(model, flow)


def _outgoing(model: ProcessModel, node: FlowNode) -> Iterator[Finding]:
    flows = model.outgoing(node.id)
    match node:
        case EndEvent():
            if flows:
                yield finding_at(node, "FLOW_AFTER_END", "A flow leaves an end event.", "Remove the flow.")
        case ExclusiveGateway() | ParallelGateway():
            if not flows:
                yield finding_at(node, "OUTGOING_FLOWS", "No flow leaves the gateway.", "Draw an outgoing flow.")
            if isinstance(node, ExclusiveGateway):
                yield from _choices(node, flows)
        case _:
            if len(flows) != 1:
                message = f"{len(flows)} flows leave it; exactly one is executed as drawn."
                yield finding_at(node, "OUTGOING_FLOWS", message, "Draw one outgoing flow; branch with a gateway.")


def _choices(gateway: ExclusiveGateway, flows: tuple[SequenceFlow, ...]) -> Iterator[Finding]:
    if gateway.default_flow is not None and gateway.default_flow not in {flow.id for flow in flows}:
        message = "Its default flow is not one of its flows."
        yield finding_at(gateway, "DEFAULT_FLOW_MISSING", message, "Choose it anew.")
    if len(flows) == 1 and flows[0].condition is None:
        return
    if gateway.name == gateway.id:
        message = "A gateway that chooses has no label."
        yield warning_at(gateway, "LABEL_MISSING", message, "Write on it what it asks.")
    if gateway.default_flow is None:
        yield finding_at(gateway, "DEFAULT_FLOW_MISSING", "No flow is the default.", "Mark one flow as default.")
    for flow in flows:
        if flow.id != gateway.default_flow and flow.condition is None:
            yield finding_at(flow, "CONDITION_MISSING", "It has no condition.", "Give it one, or make it the default.")
        if not flow.name:
            message = "A flow out of a gateway has no label."
            yield warning_at(flow, "LABEL_MISSING", message, "Write on it what it means.")


def _reachability(model: ProcessModel) -> Iterator[Finding]:
    reached = reached_from(model, [event.id for event in model.start_events()])
    for node in model.nodes.values():
        if node.id not in reached:
            yield finding_at(node, "UNREACHABLE", "No path from a start event leads here.", "Connect or remove it.")


def reached_from(model: ProcessModel, node_ids: Iterable[str]) -> dict[str, None]:
    """Return the ids of all nodes that some lead to, these included, in an order that is always the same."""
    reached, frontier = dict[str, None](), list(node_ids)
    while frontier:
        node_id = frontier.pop()
        if node_id not in reached:
            reached[node_id] = None
            frontier += [flow.target for flow in model.outgoing(node_id)]
            frontier += [event.id for event in model.boundary_events(node_id)]
    return reached


def _flow(model: ProcessModel, flow: SequenceFlow) -> Iterator[Finding]:
    for end in (flow.source, flow.target):
        if end not in model.nodes:
            message = f"It refers to {end!r}, which is not there."
            yield finding_at(flow, "REFERENCE_MISSING", message, "Reconnect it.")
    if isinstance(model.nodes.get(flow.target), StartEvent | BoundaryEvent):
        yield finding_at(flow, "FLOW_INTO_EVENT", "It enters a start or boundary event.", "Reconnect it.")
    if flow.condition is not None and not isinstance(model.nodes.get(flow.source), ExclusiveGateway):
        message = "A condition stands on a flow that leaves no exclusive gateway."
        yield finding_at(flow, "CONDITION_MISPLACED", message, "Branch with an exclusive gateway.")
