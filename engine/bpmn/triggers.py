"""Whether each event can be told from its neighbours, stands where its trigger has a meaning, and has a valid time."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from engine.bpmn.findings import finding_at, warning_at
from engine.bpmn.model import (
    Activity,
    BoundaryEvent,
    BoundaryTrigger,
    BusinessRuleTask,
    CancelTrigger,
    CompensationTrigger,
    ConditionTrigger,
    EndEvent,
    ErrorTrigger,
    EscalationTrigger,
    EventSubProcess,
    FlowNode,
    IntermediateCatchEvent,
    IntermediateThrowEvent,
    PlainTask,
    ProcessModel,
    ReceiveTask,
    ScriptTask,
    SendTask,
    StartEvent,
    TimerTrigger,
    UserTask,
)
from engine.errors import ExpressionError, Finding, TimerInvalidError
from engine.feel import compile_expression
from engine.timers import parse_timer


def check_triggers(model: ProcessModel) -> Iterator[Finding]:
    """Return the faults of events and of what they are attached to."""
    yield from _ambiguous_starts(model)
    yield from _ambiguous_boundaries(model)
    for node in model.nodes.values():
        yield from _times(node)
        if isinstance(node, BoundaryEvent):
            yield from _boundary(model, node)


def _times(node: FlowNode) -> Iterator[Finding]:
    """Return what is wrong with the times of a node; those of boundary events are looked at with them."""
    match node:
        case StartEvent(trigger=TimerTrigger() as timer) if node.scope is not None:
            yield from _waiting_timer(node, timer)
        case StartEvent(trigger=TimerTrigger() as timer):
            yield from _start_timer(node, timer)
        case IntermediateCatchEvent(trigger=TimerTrigger() as timer):
            yield from _waiting_timer(node, timer)
        case UserTask():
            for time in (node.due_date, node.follow_up_date):
                if time is not None:
                    timer = TimerTrigger("duration" if time.startswith('"P') else "date", time)
                    yield from _waiting_timer(node, timer)
        case SendTask() | IntermediateThrowEvent() | EndEvent():
            if node.message is not None:
                time_to_live = TimerTrigger("duration", node.message.time_to_live)
                yield from _waiting_timer(node, time_to_live)
        case _:
            pass


def _boundary(model: ProcessModel, event: BoundaryEvent) -> Iterator[Finding]:
    host = model.nodes.get(event.attached_to)
    if not isinstance(host, Activity):
        message = "It is attached to no activity."
        yield finding_at(event, "BOUNDARY_MISPLACED", message, "Attach it to a task, a subprocess or a call activity.")
    elif host.scope != event.scope:
        message = "It is attached to an activity of another scope."
        yield finding_at(event, "BOUNDARY_MISPLACED", message, "Draw both in the same subprocess.")
    elif _never_happens(event, host):
        message = f"It cannot happen: {host.id} takes no time, or throws nothing that it could catch."
        hint = "Attach it to a subprocess, a call activity, or a service or user task, or leave it out."
        yield warning_at(event, "BOUNDARY_IDLE", message, hint)
    if isinstance(event.trigger, TimerTrigger):
        yield from _waiting_timer(event, event.trigger)


def _never_happens(event: BoundaryEvent, host: Activity) -> bool:
    if isinstance(event.trigger, ErrorTrigger | EscalationTrigger) and isinstance(host, ReceiveTask | BusinessRuleTask):
        return True
    return isinstance(host, PlainTask | ScriptTask | SendTask)


def _ambiguous_starts(model: ProcessModel) -> Iterator[Finding]:
    first_by_trigger: dict[object, StartEvent] = {}
    events = (event for scope in model.scopes() for event in model.start_events(scope))
    for event in events:
        if isinstance(event.trigger, TimerTrigger) or isinstance(model.nodes.get(event.scope or ""), EventSubProcess):
            continue
        first = first_by_trigger.setdefault((event.scope, event.trigger), event)
        if first is not event:
            message = f"It begins in the same way as {first.id}."
            yield finding_at(event, "START_EVENT_AMBIGUOUS", message, "Keep one of them.")


def _ambiguous_boundaries(model: ProcessModel) -> Iterator[Finding]:
    """Return events that wait for the same beside one activity, or begin beside the tokens of one scope."""
    catching: dict[tuple[str | None, BoundaryTrigger], FlowNode] = {
        (task.id, task.trigger): task for task in model.nodes.values() if isinstance(task, ReceiveTask)
    }
    for place, trigger, event in _beside(model):
        first = catching.setdefault((place, trigger), event)
        if first is not event:
            message = f"{first.id} catches {_caught(trigger)} too."
            yield finding_at(event, "BOUNDARY_AMBIGUOUS", message, "Keep one of them.")


def _beside(model: ProcessModel) -> Iterator[tuple[str | None, BoundaryTrigger, FlowNode]]:
    for node in model.nodes.values():
        if isinstance(node, BoundaryEvent) and not isinstance(node.trigger, TimerTrigger | ConditionTrigger):
            yield node.attached_to, node.trigger, node
    for scope in model.scopes():
        for subprocess in model.event_subprocesses(scope):
            for event in model.start_events(subprocess.id):
                if event.trigger is not None and not isinstance(event.trigger, TimerTrigger | ConditionTrigger):
                    yield f"within {scope}", event.trigger, event


def _caught(trigger: BoundaryTrigger) -> str:
    match trigger:
        case ErrorTrigger(error_code=code):
            return code or "every error"
        case EscalationTrigger(escalation_code=code):
            return code or "every escalation"
        case CancelTrigger():
            return "the cancelling"
        case CompensationTrigger():
            return "the compensation"
        case _:
            return str(getattr(trigger, "name", "it"))


def _start_timer(event: StartEvent, timer: TimerTrigger) -> Iterator[Finding]:
    if timer.kind == "duration":
        message = "Nothing has begun from which a start event could measure a duration."
        yield finding_at(event, "TIMER_MISPLACED", message, "Give it a date or a cycle.")
        return
    try:
        value = compile_expression(timer.expression).evaluate({})
    except ExpressionError as error:
        yield finding_at(event, error.code, str(error), error.hint)
    else:
        yield from _time(event, timer, value)


def _waiting_timer(node: FlowNode, timer: TimerTrigger) -> Iterator[Finding]:
    try:
        constant = compile_expression(timer.expression).constant
    except ExpressionError as error:
        yield finding_at(node, error.code, str(error), error.hint)
    else:
        if constant is not None:
            yield from _time(node, timer, constant)


def _time(node: FlowNode, timer: TimerTrigger, value: JsonValue) -> Iterator[Finding]:
    try:
        parse_timer(timer.kind, value if isinstance(value, str) else f"={timer.expression}")
    except TimerInvalidError as error:
        yield finding_at(node, error.code, str(error), error.hint)
