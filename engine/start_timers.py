"""Timer start events: each owns a schedule for as long as its version of the process is the newest."""

from __future__ import annotations

from pydantic import JsonValue

from engine.bpmn import ProcessModel, TimerTrigger
from engine.errors import ExpressionError, TimerInvalidError
from engine.feel import compile_expression
from engine.persistence.definitions import DefinitionRef
from engine.persistence.schedules import ScheduleRow, Schedules, ScheduleStatus
from engine.schedule_audit import audit_schedule
from engine.schedule_definition import CronTrigger, DateTrigger, IntervalTrigger, ScheduleDefinition
from engine.timers import CronCycle, DateTimer, DurationTimer, IntervalCycle, parse_timer
from storage import SecurityContext, UnitOfWork
from storage.identifiers import new_id


def replace_start_timers(work: UnitOfWork, ref: DefinitionRef, model: ProcessModel, context: SecurityContext) -> None:
    """Let the timer start events of the newest version own the process's schedules.

    A timer that stays as it was goes on in its rhythm; the others of older versions end, new ones begin. Times that
    have passed are not made up. Instances are started as `context`, at the start event. Calling it again for the same
    version changes nothing, whatever has become of its schedules.

    Raises:
        TimerInvalidError: A timer has no date and no cycle.
    """
    schedules = Schedules(work)
    wanted = {
        event.id: _definition(event.trigger)
        for event in model.start_events()
        if isinstance(event.trigger, TimerTrigger)
    }
    for row in schedules.lock_of_start_events(ref.process_id, ref.process_definition_id):
        event_id = row.start_event_id or ""
        if row.process_definition_id == ref.process_definition_id:
            wanted.pop(event_id, None)
        elif row.definition == wanted.get(event_id) and row.tenant_id == context.tenant_id:
            schedules.adopt(row.schedule_id, ref.process_definition_id, context)
            del wanted[event_id]
        else:
            schedules.set_status(row.schedule_id, ScheduleStatus.ENDED)
            audit_schedule(work, "schedule.replaced", row.schedule_id, {"version": ref.version}, context)
    for event_id, definition in wanted.items():
        _begin(work, ref, event_id, definition, context)


def _begin(
    work: UnitOfWork, ref: DefinitionRef, event_id: str, definition: ScheduleDefinition, context: SecurityContext
) -> None:
    first_fire_at = definition.fire_after(work.now, work.now)
    if first_fire_at is None:
        return
    row = ScheduleRow(
        schedule_id=new_id(),
        tenant_id=context.tenant_id,
        process_id=ref.process_id,
        variables={},
        definition=definition,
        anchor_at=work.now,
        next_fire_at=first_fire_at,
        due_at=first_fire_at,
        started_by=context,
        start_event_id=event_id,
        process_definition_id=ref.process_definition_id,
    )
    Schedules(work).insert(row)
    facts: dict[str, JsonValue] = {"process_id": ref.process_id, "version": ref.version, "start_event_id": event_id}
    audit_schedule(work, "schedule.defined", row.schedule_id, facts, context)


def _definition(trigger: TimerTrigger) -> ScheduleDefinition:
    text = _text(trigger)
    match parse_timer(trigger.kind, text):
        case DateTimer(at):
            return ScheduleDefinition(trigger=DateTrigger(at=at))
        case IntervalCycle(step, repetitions, start):
            interval = IntervalTrigger(every=step, first_fire_at=start, repetitions=repetitions)
            return ScheduleDefinition(trigger=interval)
        case CronCycle(line):
            return ScheduleDefinition(trigger=CronTrigger(line=line.text))
        case DurationTimer():
            raise TimerInvalidError(
                kind="date or cycle", text=text, reason="a start event has nothing to count it from"
            )


def _text(trigger: TimerTrigger) -> str:
    try:
        value = compile_expression(trigger.expression).evaluate({})
    except ExpressionError as error:
        raise TimerInvalidError(kind=trigger.kind, text=trigger.expression, reason=str(error)) from error
    if not isinstance(value, str):
        raise TimerInvalidError(kind=trigger.kind, text=trigger.expression, reason="it gives no text")
    return value
