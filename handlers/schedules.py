"""Schedules and scheduled events as callers see them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self, assert_never
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from engine import (
    WITHHELD,
    Discretion,
    ExpectedEvent,
    FireOutcome,
    FireSelection,
    ScheduleFire,
    ScheduleRow,
    ScheduleStatus,
    expected_by_instance,
    expected_by_process,
)
from handlers.services import Services
from storage import SecurityContext, UnitOfWork
from storage.models import JsonObject


class ScheduleDescription(BaseModel):
    """A schedule, whose instances are started as `started_by`, and what became of its fires so far.

    Attributes:
        variables: Of the instances; nothing where they name a restricted record that the caller may not read.
        is_withheld: Whether that is so.
    """

    model_config = ConfigDict(frozen=True)

    schedule_id: UUID
    process_id: str
    status: ScheduleStatus
    definition: JsonObject
    variables: JsonObject
    started_by: str
    next_fire_at: datetime | None
    last_fire_at: datetime | None
    last_error: dict[str, JsonValue] | None
    started: int
    skipped: int
    failed: int
    sla_breaches: int
    is_withheld: bool = False


class EventState(StrEnum):
    """Where a scheduled event is.

    `expected`: an instance waits for it. `scheduled`: a schedule fires next. `started`, `skipped` and `failed`: what
    became of a fire.
    """

    EXPECTED = "expected"
    SCHEDULED = "scheduled"
    STARTED = "started"
    SKIPPED = "skipped"
    FAILED = "failed"


class ScheduledEvent(BaseModel):
    """Something that happens at a time, or once somebody sends it.

    Attributes:
        kind: `timer`, `message`, `signal` or `schedule`.
        at: When a timer or schedule is due, or was.
        name: Of a message or signal.
        reason: Why a fire was skipped.
        error: Code and message where a start failed.
    """

    model_config = ConfigDict(frozen=True)

    state: EventState
    kind: str
    at: datetime | None = None
    process_instance_id: UUID | None = None
    element_id: str | None = None
    schedule_id: UUID | None = None
    name: str | None = None
    correlation_key: str | None = None
    reason: str | None = None
    error: dict[str, JsonValue] | None = None


class EventQuery(BaseModel):
    """Which scheduled events are asked for: those of a process with its instances, or those of one instance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    process_id: str | None = None
    instance_id: UUID | None = None
    states: tuple[EventState, ...] = tuple(EventState)
    limit: Annotated[int, Field(ge=1, le=500)] = 100

    @model_validator(mode="after")
    def _names_one_scope(self) -> Self:
        if (self.process_id is None) == (self.instance_id is None):
            raise ValueError("give either process_id or instance_id")
        return self


_FIRED = {
    EventState.STARTED: FireOutcome.STARTED,
    EventState.SKIPPED: FireOutcome.SKIPPED,
    EventState.FAILED: FireOutcome.FAILED,
}


def list_schedules(
    services: Services, process_id: str | None = None, *, context: SecurityContext
) -> tuple[ScheduleDescription, ...]:
    """Return the tenant's schedules, oldest first; needs READ."""
    with services.storage.transaction(context.tenant_id) as work:
        rows = services.schedules.schedules(work, context=context, process_id=process_id)
        discretion = Discretion(work, context)
        return tuple(_description(row, discretion) for row in rows)


def set_schedule_status(
    services: Services, schedule_id: UUID, status: ScheduleStatus, *, context: SecurityContext
) -> ScheduleDescription:
    """Pause, resume or end a schedule; one that has the status already stays as it is.

    Raises:
        AccessDeniedError: No EXECUTE permission.
        UnknownScheduleError: There is none in the principal's tenant.
        ScheduleEndedError: It has ended, and can be neither paused nor resumed.
    """
    book = services.schedules
    with services.storage.transaction(context.tenant_id) as work:
        match status:
            case ScheduleStatus.ACTIVE:
                book.resume(work, schedule_id, context=context)
            case ScheduleStatus.PAUSED:
                book.pause(work, schedule_id, context=context)
            case ScheduleStatus.ENDED:
                book.deactivate(work, schedule_id, context=context)
            case _:
                assert_never(status)
        return _description(book.read(work, schedule_id, context=context), Discretion(work, context))


def scheduled_events(services: Services, query: EventQuery, *, context: SecurityContext) -> tuple[ScheduledEvent, ...]:
    """Return what is ahead, the next first, then what became of fires, the latest first; at most `limit` of each.

    Raises:
        AccessDeniedError: No READ permission.
        UnknownInstanceError: There is no such instance in the principal's tenant.
    """
    with services.storage.transaction(context.tenant_id) as work:
        ahead = [*_next_fires(services, work, query, context), *_expected_events(work, query, context)]
        fires = _fires(services, work, query, context)
    return (*_in_order(ahead)[: query.limit], *fires)


def _next_fires(
    services: Services, work: UnitOfWork, query: EventQuery, context: SecurityContext
) -> list[ScheduledEvent]:
    if query.process_id is None or EventState.SCHEDULED not in query.states:
        return []
    rows = services.schedules.schedules(work, context=context, process_id=query.process_id)
    return [_next_fire(row) for row in rows if row.next_fire_at is not None]


def _expected_events(work: UnitOfWork, query: EventQuery, context: SecurityContext) -> list[ScheduledEvent]:
    if query.process_id is not None:
        found = expected_by_process(work, query.process_id, context=context, limit=query.limit)
    else:
        assert query.instance_id is not None  # noqa: S101 - the query names one of the two
        found = expected_by_instance(work, query.instance_id, context=context, limit=query.limit)
    return list(map(_expected, found)) if EventState.EXPECTED in query.states else []


def _fires(services: Services, work: UnitOfWork, query: EventQuery, context: SecurityContext) -> list[ScheduledEvent]:
    outcomes = tuple(outcome for state, outcome in _FIRED.items() if state in query.states)
    if not outcomes:
        return []
    selection = FireSelection(
        process_id=query.process_id, process_instance_id=query.instance_id, outcomes=outcomes, limit=query.limit
    )
    fires, discretion = services.schedules.fires(work, selection, context=context), Discretion(work, context)
    failed = {fire.schedule_id for fire in fires if fire.error is not None}
    rows = (services.schedules.read(work, schedule_id, context=context) for schedule_id in failed)
    withheld = {row.schedule_id for row in rows if discretion.names_withheld(row.variables)}
    return [_fired(fire, is_withheld=fire.schedule_id in withheld) for fire in fires]


def _in_order(events: list[ScheduledEvent]) -> list[ScheduledEvent]:
    """Return what has a time by its time, then what has none."""
    return sorted(events, key=lambda event: (event.at is None, event.at and event.at.timestamp()))


def _description(row: ScheduleRow, discretion: Discretion) -> ScheduleDescription:
    fields = row.model_dump(include=set(ScheduleDescription.model_fields) - {"definition", "started_by"})
    if discretion.names_withheld(row.variables):
        fields |= {"variables": {}, "last_error": _discreet(row.last_error), "is_withheld": True}
    definition = row.definition.model_dump(mode="json", exclude_none=True)
    return ScheduleDescription(definition=definition, started_by=row.started_by.user_id, **fields)


def _next_fire(row: ScheduleRow) -> ScheduledEvent:
    return ScheduledEvent(state=EventState.SCHEDULED, kind="schedule", at=row.next_fire_at, schedule_id=row.schedule_id)


def _expected(event: ExpectedEvent) -> ScheduledEvent:
    return ScheduledEvent(
        state=EventState.EXPECTED,
        kind=event.kind.value,
        at=event.due_at,
        process_instance_id=event.process_instance_id,
        element_id=event.element_id,
        name=event.name,
        correlation_key=event.correlation_key,
    )


def _discreet(error: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
    return None if error is None else {"code": error.get("code"), "message": WITHHELD}


def _fired(fire: ScheduleFire, *, is_withheld: bool) -> ScheduledEvent:
    return ScheduledEvent(
        state=EventState(fire.outcome.value),
        kind="schedule",
        at=fire.fire_at,
        process_instance_id=fire.process_instance_id,
        schedule_id=fire.schedule_id,
        reason=fire.reason,
        error=_discreet(fire.error) if is_withheld else fire.error,
    )
