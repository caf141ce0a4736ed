"""Whether each event can be told from its neighbours, stands where its trigger has a meaning, and has a valid time."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from engine.bpmn.findings import finding_at
from engine.bpmn.model import (
    Activity,
    BoundaryEvent,
    CallActivity,
    ErrorTrigger,
    FlowNode,
    IntermediateCatchEvent,
    MessageTrigger,
    ProcessModel,
    ReceiveTask,
    ServiceTask,
    SignalTrigger,
    StartEvent,
    TimerTrigger,
    Trigger,
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
        match node:
            case StartEvent(trigger=TimerTrigger() as timer):
                yield from _start_timer(node, timer)
            case IntermediateCatchEvent(trigger=TimerTrigger() as timer):
                yield from _waiting_timer(node, timer, repeats=False)
            case BoundaryEvent():
                yield from _boundary(model, node)
            case UserTask():
                for time in (node.due_date, node.follow_up_date):
                    if time is not None:
                        timer = TimerTrigger("duration" if time.startswith('"P') else "date", time)
                        yield from _waiting_timer(node, timer, repeats=False)
            case _:
                pass


def _boundary(model: ProcessModel, event: BoundaryEvent) -> Iterator[Finding]:
    host = model.nodes.get(event.attached_to)
    if not isinstance(host, Activity):
        message = "It is attached to nothing that can be interrupted."
        yield finding_at(event, "BOUNDARY_MISPLACED", message, "Attach it to a task or call activity.")
    elif isinstance(event.trigger, ErrorTrigger) and not isinstance(host, ServiceTask | CallActivity):
        message = "It is attached to nothing that can raise an error."
        yield finding_at(event, "BOUNDARY_MISPLACED", message, "Attach it to a service task or call activity.")
    if isinstance(event.trigger, TimerTrigger):
        yield from _waiting_timer(event, event.trigger, repeats=not event.is_interrupting)


def _ambiguous_starts(model: ProcessModel) -> Iterator[Finding]:
    first_by_trigger: dict[object, StartEvent] = {}
    for event in model.start_events():
        if isinstance(event.trigger, TimerTrigger):
            continue
        first = first_by_trigger.setdefault(event.trigger, event)
        if first is not event:
            message = f"It begins in the same way as {first.id}."
            yield finding_at(event, "START_EVENT_AMBIGUOUS", message, "Keep one of them.")


def _ambiguous_boundaries(model: ProcessModel) -> Iterator[Finding]:
    catching: dict[tuple[str, Trigger | ErrorTrigger], FlowNode] = {
        (task.id, task.trigger): task for task in model.nodes.values() if isinstance(task, ReceiveTask)
    }
    for event in model.nodes.values():
        if isinstance(event, BoundaryEvent) and not isinstance(event.trigger, TimerTrigger):
            first = catching.setdefault((event.attached_to, event.trigger), event)
            if first is not event:
                message = f"{first.id} catches {_caught(event.trigger)} too."
                yield finding_at(event, "BOUNDARY_AMBIGUOUS", message, "Keep one of them.")


def _caught(trigger: MessageTrigger | SignalTrigger | ErrorTrigger) -> str:
    return (trigger.error_code if isinstance(trigger, ErrorTrigger) else trigger.name) or "every error"


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


def _waiting_timer(node: FlowNode, timer: TimerTrigger, *, repeats: bool) -> Iterator[Finding]:
    if timer.kind == "cycle" and not repeats:
        message = "It happens once; a cycle never ends there."
        hint = "Give it a date or a duration; a boundary event that does not interrupt may have a cycle."
        yield finding_at(node, "TIMER_MISPLACED", message, hint)
        return
    try:
        constant = compile_expression(timer.expression).constant
    except ExpressionError as error:
        yield finding_at(node, error.code, str(error), error.hint)
    else:
        if constant is not None:
            yield from _time(node, timer, constant)


def _time(node: FlowNode, timer: TimerTrigger, value: JsonValue) -> Iterator[Finding]:
    try:
        parse_timer(timer.kind, value if isinstance(value, str) else "")
    except TimerInvalidError as error:
        yield finding_at(node, error.code, str(error), error.hint)
