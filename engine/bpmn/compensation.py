"""Compensation contracts: who undoes what, and what a throw, a transaction or a handler needs to run as drawn."""

from __future__ import annotations

from collections.abc import Iterator

from engine.bpmn.contracts import Contracts
from engine.bpmn.findings import finding_at, warning_at
from engine.bpmn.model import (
    Activity,
    BoundaryEvent,
    CallActivity,
    CancelTrigger,
    CompensationEvent,
    CompensationThrow,
    CompensationTrigger,
    EndEvent,
    EventBasedGateway,
    EventSubProcess,
    FlowNode,
    ProcessModel,
    ServiceTask,
    StartEvent,
    SubProcess,
)
from engine.errors import Finding


def check_compensation(model: ProcessModel) -> Iterator[Finding]:
    """Return the faults of compensation events, handlers, throws and transactions."""
    undoing = [handler for event in _events(model) for handler in event.handlers]
    for node in model.nodes.values():
        match node:
            case CompensationEvent():
                yield from _event(model, node)
            case Activity(is_for_compensation=True):
                yield from _handler(model, node, undoing.count(node.id))
            case StartEvent(trigger=CompensationTrigger()):
                yield from _start(model, node)
            case BoundaryEvent(trigger=CancelTrigger()):
                yield from _cancel_boundary(model, node)
            case EndEvent(cancels=True):
                yield from _cancel_end(model, node)
            case _:
                pass
        throw = getattr(node, "compensation", None)
        if isinstance(throw, CompensationThrow):
            yield from _throw(model, node, throw)


def check_inverse(model: ProcessModel, task: ServiceTask, contracts: Contracts) -> Iterator[Finding]:
    """Warn of a service task whose handler has an inverse that nothing in the diagram would use."""
    inverse = contracts.signature(task.type).inverse
    if inverse is None or task.is_for_compensation or _is_undone(model, task):
        return
    message = f"{inverse} undoes what {task.type} does, and nothing here would have it done."
    hint = "Draw a compensation event on its boundary, with a handler of that type."
    yield warning_at(task, "COMPENSATION_MISSING", message, hint)


def _events(model: ProcessModel) -> Iterator[CompensationEvent]:
    return (node for node in model.nodes.values() if isinstance(node, CompensationEvent))


def _is_undone(model: ProcessModel, node: FlowNode) -> bool:
    """Return whether a handler stands for a node, or for a subprocess around it."""
    place: FlowNode | None = node
    while place is not None:
        if model.compensation_events(place.id) or getattr(place, "is_for_compensation", False):
            return True
        place = None if place.scope is None else model.nodes[place.scope]
    return False


def _event(model: ProcessModel, event: CompensationEvent) -> Iterator[Finding]:
    host = model.nodes.get(event.attached_to)
    if not isinstance(host, Activity) or host.is_for_compensation or host.scope != event.scope:
        message = "It is attached to nothing that can be undone."
        yield finding_at(event, "BOUNDARY_MISPLACED", message, "Attach it to an activity of its own scope.")
        return
    if model.compensation_events(host.id)[0] is not event:
        message = f"{model.compensation_events(host.id)[0].id} says what undoes {host.id}, too."
        yield finding_at(event, "BOUNDARY_AMBIGUOUS", message, "Keep one of them.")
    if any(isinstance(model.nodes.get(flow.source), EventBasedGateway) for flow in model.incoming(host.id)):
        message = "Behind an event-based gateway a receive task is an event, and nothing more."
        yield finding_at(event, "EVENT_GATEWAY_INVALID", message, "Remove its boundary events and markers.")
    handlers = [model.nodes.get(handler) for handler in event.handlers]
    right = [each for each in handlers if isinstance(each, Activity) and each.is_for_compensation]
    if len(handlers) != 1 or len(right) != 1 or right[0].scope != event.scope:
        message = "Not exactly one activity for compensation, of its own scope, is associated with it."
        hint = "Draw an association to the activity that undoes this one, and mark that one as for compensation."
        yield finding_at(event, "COMPENSATION_HANDLER_MISSING", message, hint)
    if _is_connected(model, event):
        message = "A flow leads to or from a compensation event: it is connected by an association."
        yield finding_at(event, "COMPENSATION_CONNECTED", message, "Remove the flow.")


def _handler(model: ProcessModel, handler: Activity, uses: int) -> Iterator[Finding]:
    if uses != 1:
        message = f"It is associated with {uses} activities." if uses else "It is associated with no activity."
        hint = "Associate it with the compensation event of exactly one activity, or let a flow lead to it."
        yield finding_at(handler, "COMPENSATION_HANDLER_UNUSED", message, hint)
    if _is_connected(model, handler) or model.boundary_events(handler.id):
        message = "A flow or a boundary event leads to or from a handler, which is no part of any path."
        hint = "Remove it; draw a subprocess as handler, and the ways in it."
        yield finding_at(handler, "COMPENSATION_CONNECTED", message, hint)


def _is_connected(model: ProcessModel, node: FlowNode) -> bool:
    return bool(model.incoming(node.id) or model.outgoing(node.id))


def _start(model: ProcessModel, event: StartEvent) -> Iterator[Finding]:
    subprocess = model.nodes[event.scope or ""]
    around = model.nodes.get(subprocess.scope or "")
    if not isinstance(around, SubProcess):
        message = "Only a subprocess is undone by an event subprocess in it."
        yield finding_at(event, "COMPENSATION_MISPLACED", message, "Draw it in a subprocess.")
        return
    if model.compensation_events(around.id):
        message = f"{around.id} has a handler of its own, so this would never begin."
        yield finding_at(event, "COMPENSATION_MISPLACED", message, "Keep one of them.")
    if not event.is_interrupting:
        message = "What is undone is over: there is nothing that it could leave uninterrupted."
        yield finding_at(event, "ATTRIBUTE_UNSUPPORTED", message, "Leave out the attribute isInterrupting.")


def _cancel_boundary(model: ProcessModel, event: BoundaryEvent) -> Iterator[Finding]:
    host = model.nodes.get(event.attached_to)
    if not isinstance(host, SubProcess) or not host.is_transaction:
        message = "Only a transaction can be cancelled."
        yield finding_at(event, "BOUNDARY_MISPLACED", message, "Attach it to a transaction.")


def _cancel_end(model: ProcessModel, event: EndEvent) -> Iterator[Finding]:
    around = model.nodes.get(event.scope or "")
    if not isinstance(around, SubProcess) or not around.is_transaction:
        message = "It gives up a transaction, and does not stand in one."
        yield finding_at(event, "COMPENSATION_MISPLACED", message, "Draw it directly in a transaction.")
    elif not any(isinstance(each.trigger, CancelTrigger) for each in model.boundary_events(around.id)):
        message = f"Nothing says how it goes on behind {around.id} once that is given up."
        yield finding_at(event, "CANCEL_UNCAUGHT", message, "Attach a cancel boundary event to the transaction.")


def _throw(model: ProcessModel, event: FlowNode, throw: CompensationThrow) -> Iterator[Finding]:
    if throw.activity is None:
        return
    target = model.nodes.get(throw.activity)
    if not isinstance(target, Activity) or target.is_for_compensation or target.scope not in _scopes(model, event):
        message = f"It undoes {throw.activity!r}, which is no activity of its scope."
        hint = "Choose an activity beside it, or beside the event subprocess in which it stands."
        yield finding_at(event, "COMPENSATION_TARGET_UNKNOWN", message, hint)
    elif not model.compensation_events(target.id) and not _holds_work(model, target):
        message = f"Nothing says what undoes {target.id}."
        hint = "Attach a compensation event with a handler to it, or let it throw for the whole scope."
        yield finding_at(event, "COMPENSATION_TARGET_UNKNOWN", message, hint)


def _scopes(model: ProcessModel, event: FlowNode) -> list[str | None]:
    """Return the scopes of which an event can undo the activities: its own, and those beside which that stands."""
    scopes = [event.scope]
    while isinstance(node := model.nodes.get(scopes[-1] or ""), EventSubProcess):
        scopes.append(node.scope)
    return scopes


def _holds_work(model: ProcessModel, activity: Activity) -> bool:
    """Return whether there can be something in an activity that is undone with it."""
    if not isinstance(activity, SubProcess):
        return isinstance(activity, CallActivity)
    frontier = list(model.members(activity.id))
    while frontier:
        node = frontier.pop()
        if isinstance(node, CompensationEvent | CallActivity):
            return True
        if isinstance(node, StartEvent) and isinstance(node.trigger, CompensationTrigger):
            return True
        frontier += model.members(node.id)
    return False
