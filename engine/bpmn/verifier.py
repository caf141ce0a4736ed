"""Deploy is verification: what a process model must satisfy before it may run.

Checks references, reachability, gateways, expressions and contracts with handlers, forms and called processes. A first
cut: soundness of concurrent flows needs no check while there is no parallel gateway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.bpmn.calls import find_call_cycles
from engine.bpmn.model import (
    Activity,
    BoundaryErrorEvent,
    CallActivity,
    EndEvent,
    ExclusiveGateway,
    FlowNode,
    ProcessModel,
    SequenceFlow,
    ServiceTask,
    StartEvent,
    UserTask,
)
from engine.errors import ExpressionError, Finding
from engine.feel import compile_expression


@dataclass(frozen=True)
class Contracts:
    """What exists around a diagram.

    Attributes:
        inputs: Service-task type to the names of its handler's inputs; `True` where one is required.
        calls: Each process that exists, this one included, to those that it calls directly.
    """

    inputs: dict[str, dict[str, bool]]
    form_ids: frozenset[str]
    calls: Mapping[str, frozenset[str]]


def verify(model: ProcessModel, contracts: Contracts) -> tuple[Finding, ...]:
    """Return every reason not to deploy `model`; empty means that it runs as drawn."""
    return (
        *_structure(model),
        *_reachability(model),
        *find_call_cycles(model, contracts.calls),
        *(finding for flow in model.flows for finding in _flow(model, flow)),
        *_ambiguous_boundaries(model),
        *(finding for node in model.nodes.values() for finding in _node(model, node, contracts)),
    )


def _structure(model: ProcessModel) -> Iterator[Finding]:
    if not model.start_events():
        yield _finding(model, "START_EVENT_MISSING", "The process has no start event.", "Draw a start event.")
    if sum(event.message is None for event in model.start_events()) > 1:
        yield _finding(model, "START_EVENT_AMBIGUOUS", "More than one none start event.", "Keep one of them.")
    for node in model.nodes.values():
        leaves = model.outgoing(node.id)
        if isinstance(node, EndEvent) and leaves:
            yield _finding(node, "FLOW_AFTER_END", "A flow leaves an end event.", "Remove the flow.")
        elif not isinstance(node, EndEvent | ExclusiveGateway) and len(leaves) != 1:
            message = f"{len(leaves)} flows leave it; exactly one is executed as drawn."
            yield _finding(node, "OUTGOING_FLOWS", message, "Draw one outgoing flow; branch with a gateway.")


def _reachability(model: ProcessModel) -> Iterator[Finding]:
    reached: set[str] = set()
    frontier = [event.id for event in model.start_events()]
    while frontier:
        node_id = frontier.pop()
        if node_id in reached:
            continue
        reached.add(node_id)
        frontier += [flow.target for flow in model.outgoing(node_id)]
        frontier += [event.id for event in model.boundary_events(node_id)]
    for node in model.nodes.values():
        if node.id not in reached:
            yield _finding(node, "UNREACHABLE", "No path from a start event leads here.", "Connect or remove it.")


def _flow(model: ProcessModel, flow: SequenceFlow) -> Iterator[Finding]:
    for end in (flow.source, flow.target):
        if end not in model.nodes:
            yield _finding(flow, "REFERENCE_MISSING", f"It refers to {end!r}, which is not there.", "Reconnect it.")
    if isinstance(model.nodes.get(flow.target), StartEvent | BoundaryErrorEvent):
        yield _finding(flow, "FLOW_INTO_EVENT", "It enters a start or boundary event.", "Reconnect it.")
    source = model.nodes.get(flow.source)
    if flow.condition is not None:
        if not isinstance(source, ExclusiveGateway):
            message = "A condition stands on a flow that leaves no gateway."
            yield _finding(flow, "CONDITION_MISPLACED", message, "Branch with an exclusive gateway.")
        yield from _expression(flow, flow.condition)


def _node(model: ProcessModel, node: FlowNode, contracts: Contracts) -> Iterator[Finding]:  # noqa: C901 - one case a kind
    if isinstance(node, Activity):
        for mapping in (*node.inputs, *node.outputs):
            yield from _expression(node, mapping.source)
    match node:
        case ExclusiveGateway():
            yield from _gateway(model, node)
        case BoundaryErrorEvent():
            if not isinstance(model.nodes.get(node.attached_to), ServiceTask | CallActivity):
                message = "It is attached to nothing that can raise an error."
                yield _finding(node, "BOUNDARY_MISPLACED", message, "Attach it to a service task or call activity.")
        case ServiceTask():
            yield from _handler_contract(node, contracts)
        case UserTask():
            if node.form_id is not None and node.form_id not in contracts.form_ids:
                known = ", ".join(sorted(contracts.form_ids)) or "none"
                yield _finding(node, "FORM_UNKNOWN", f"No form {node.form_id!r}.", f"Known forms: {known}.")
        case CallActivity():
            if node.called_process not in contracts.calls:
                message = f"No process {node.called_process!r} is deployed."
                yield _finding(node, "PROCESS_UNKNOWN", message, "Deploy the called process first, or with this one.")


def _ambiguous_boundaries(model: ProcessModel) -> Iterator[Finding]:
    catching: dict[tuple[str, str | None], FlowNode] = {}
    for node in model.nodes.values():
        if isinstance(node, BoundaryErrorEvent):
            first = catching.setdefault((node.attached_to, node.error_code), node)
            if first is not node:
                caught = node.error_code or "every error"
                yield _finding(node, "BOUNDARY_AMBIGUOUS", f"{first.id} catches {caught} too.", "Keep one of them.")


def _gateway(model: ProcessModel, gateway: ExclusiveGateway) -> Iterator[Finding]:
    flows = model.outgoing(gateway.id)
    if not flows:
        yield _finding(gateway, "OUTGOING_FLOWS", "No flow leaves the gateway.", "Draw an outgoing flow.")
    if gateway.default_flow is not None and gateway.default_flow not in {flow.id for flow in flows}:
        yield _finding(gateway, "DEFAULT_FLOW_MISSING", "Its default flow is not one of its flows.", "Choose it anew.")
    if len(flows) == 1 and flows[0].condition is None:
        return
    if gateway.default_flow is None:
        yield _finding(gateway, "DEFAULT_FLOW_MISSING", "No flow is the default.", "Mark one flow as default.")
    for flow in flows:
        if flow.id != gateway.default_flow and flow.condition is None:
            yield _finding(flow, "CONDITION_MISSING", "It has no condition.", "Give it one, or make it the default.")
        if not flow.name:
            yield _finding(flow, "LABEL_MISSING", "A flow out of a gateway has no label.", "Write on it what it means.")


def _handler_contract(task: ServiceTask, contracts: Contracts) -> Iterator[Finding]:
    inputs = contracts.inputs.get(task.type)
    if inputs is None:
        known = ", ".join(sorted(contracts.inputs)) or "none"
        yield _finding(task, "HANDLER_UNKNOWN", f"No handler for {task.type!r}.", f"Known types: {known}.")
        return
    given = {mapping.target for mapping in task.inputs}
    for name in sorted(given - set(inputs)):
        message = f"{task.type} has no input {name!r}."
        yield _finding(task, "INPUT_UNKNOWN", message, f"Inputs: {', '.join(inputs)}.")
    for name in sorted(name for name, required in inputs.items() if required and name not in given):
        yield _finding(task, "INPUT_MISSING", f"{task.type} needs the input {name!r}.", "Add an input mapping.")


def _expression(owner: FlowNode | SequenceFlow, source: str) -> Iterator[Finding]:
    try:
        compile_expression(source)
    except ExpressionError as error:
        yield _finding(owner, error.code, str(error), error.hint)


def _finding(owner: FlowNode | SequenceFlow | ProcessModel, code: str, message: str, hint: str) -> Finding:
    element_id = owner.process_id if isinstance(owner, ProcessModel) else owner.id
    return Finding(line=owner.line, element_id=element_id, code=code, message=message, hint=hint)
