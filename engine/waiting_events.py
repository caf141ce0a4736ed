"""Events that wait: what a timer, a message or a signal needs in the database while a task waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from pydantic import JsonValue

from engine.bpmn import MessageTrigger, SignalTrigger, TimerTrigger
from engine.errors import ExpressionEvaluationError, TimerInvalidError
from engine.persistence import EventKind, InstanceRow, Subscriptions, TimerRow, Timers, WaitingEvent
from engine.spiff import ProcessTree, WaitingTask
from engine.timers import arm, parse_timer
from storage import UnitOfWork
from storage.identifiers import new_id


def exchange_events(
    work: UnitOfWork,
    row: InstanceRow,
    tree: ProcessTree,
    *,
    opened: Sequence[WaitingTask],
    closed: Sequence[WaitingTask],
    executing: UUID | None,
) -> None:
    """Arm and subscribe for the tasks that begin to wait, disarm and unsubscribe those that wait no more.

    Before the step's own rows are written: a message on its way to a closed task is recalled with its job.

    Args:
        work: The step's transaction.
        row: The instance.
        tree: Evaluates the texts and correlation keys of the diagram.
        opened: Tasks that begin to wait.
        closed: Tasks that wait no more.
        executing: The trigger job whose step this is.

    Raises:
        ExpressionEvaluationError, TimerInvalidError: A time or a correlation key is none.
        MessageInvalidError: A correlation key that nothing can be found under.
    """
    past = [task.task_id for task in closed if isinstance(task.trigger, TimerTrigger)]
    if past:
        Timers(work).close(row.process_instance_id, past)
    timers = [_timer(work, row, tree, task) for task in opened if isinstance(task.trigger, TimerTrigger)]
    if timers:
        Timers(work).insert_all(timers)
    waiting = [_waiting_event(row, tree, task) for task in opened if _is_received(task)]
    unsubscribed = [task.task_id for task in closed if _is_received(task)]
    if waiting or unsubscribed:
        Subscriptions(work).change(row.process_instance_id, closed=unsubscribed, opened=waiting, executing=executing)


def correlation_text(source: str, value: JsonValue) -> str:
    """Return a correlation key as the text under which messages are found.

    Raises:
        ExpressionEvaluationError: The value is no text, number or boolean.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case _:
            reason = "A correlation key is a text or a number"
            raise ExpressionEvaluationError(source=source, position=0, reason=reason)


def _correlation_key(tree: ProcessTree, task: WaitingTask, source: str) -> str:
    try:
        return correlation_text(source, tree.evaluate(task.task_id, source))
    except ExpressionEvaluationError as error:
        raise error.standing_at(task.element.id) from error


def _is_received(task: WaitingTask) -> bool:
    return isinstance(task.trigger, MessageTrigger | SignalTrigger)


def _timer(work: UnitOfWork, row: InstanceRow, tree: ProcessTree, task: WaitingTask) -> TimerRow:
    trigger = task.trigger
    assert isinstance(trigger, TimerTrigger)  # noqa: S101 - chosen so
    value, element_id = tree.evaluate(task.task_id, trigger.expression), task.element.id
    if not isinstance(value, str):
        raise TimerInvalidError(kind=trigger.kind, text=str(value), reason="it is no text", element_id=element_id)
    try:
        armed = arm(parse_timer(trigger.kind, value), work.now)
    except TimerInvalidError as error:
        raise TimerInvalidError(kind=error.kind, text=error.text, reason=error.reason, element_id=element_id) from error
    return TimerRow(
        timer_id=new_id(),
        process_instance_id=row.process_instance_id,
        task_id=task.task_id,
        tenant_id=row.tenant_id,
        element_id=element_id,
        due_at=armed.due_at,
        # Only a boundary event that does not interrupt is still there after it has happened.
        cycle=armed.cycle_text if task.is_repeating else None,
        remaining=armed.remaining,
    )


def _waiting_event(row: InstanceRow, tree: ProcessTree, task: WaitingTask) -> WaitingEvent:
    key: str | None = None
    match task.trigger:
        case MessageTrigger(name=name, correlation_key=str(source)):
            kind, key = EventKind.MESSAGE, _correlation_key(tree, task, source)
        case SignalTrigger(name=name):
            kind = EventKind.SIGNAL
        case _:
            raise TypeError(task.trigger)  # the verifier demands a correlation key
    return WaitingEvent(
        kind=kind,
        name=name,
        correlation_key=key,
        tenant_id=row.tenant_id,
        process_instance_id=row.process_instance_id,
        task_id=task.task_id,
        element_id=task.element.id,
        process_id=task.process_id,
        is_repeating=task.is_repeating,
    )
