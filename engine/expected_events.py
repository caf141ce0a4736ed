"""What processes wait for: timers, messages and signals, of one instance or of all instances of a process."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from engine.discretion import Discretion
from engine.errors import UnknownInstanceError
from engine.persistence import EventKind, Instances, Subscriptions, TimerRow, Timers, WaitingEvent
from storage import SecurityContext, UnitOfWork
from storage.access import Resource, require
from storage.models import Permission


class ExpectedKind(StrEnum):
    """What is waited for."""

    TIMER = "timer"
    MESSAGE = "message"
    SIGNAL = "signal"


class ExpectedEvent(BaseModel):
    """One event that an instance waits for.

    Attributes:
        name: Of a message or signal.
        correlation_key: Of a message; `None` where it is withheld.
        due_at: Of a timer.
    """

    model_config = ConfigDict(frozen=True)

    kind: ExpectedKind
    process_instance_id: UUID
    element_id: str
    name: str | None = None
    correlation_key: str | None = None
    due_at: datetime | None = None


def expected_by_instance(
    work: UnitOfWork, process_instance_id: UUID, *, context: SecurityContext, limit: int = 100
) -> list[ExpectedEvent]:
    """Return what an instance waits for: timers first, the next due first, then what has waited longest.

    Raises:
        AccessDeniedError: No READ permission.
        UnknownInstanceError: There is none in the principal's tenant.
    """
    _require_read(context)
    if Instances(work).read(process_instance_id, context.tenant_id) is None:
        raise UnknownInstanceError(process_instance_id=process_instance_id)
    timers = Timers(work).of_instance(process_instance_id)
    waiting = Subscriptions(work).of_tenant(
        context.tenant_id, process_id=None, process_instance_id=process_instance_id, limit=limit
    )
    return _discreet(work, _listed(timers, waiting, limit), context)


def expected_by_process(
    work: UnitOfWork, process_id: str, *, context: SecurityContext, limit: int = 100
) -> list[ExpectedEvent]:
    """Return what the tenant's instances of a process wait for, in the order of `expected_by_instance`.

    Raises:
        AccessDeniedError: No READ permission.
    """
    _require_read(context)
    timers = Timers(work).of_process(process_id, context.tenant_id, limit)
    waiting = Subscriptions(work).of_tenant(
        context.tenant_id, process_id=process_id, process_instance_id=None, limit=limit
    )
    return _discreet(work, _listed(timers, waiting, limit), context)


def _discreet(work: UnitOfWork, events: list[ExpectedEvent], context: SecurityContext) -> list[ExpectedEvent]:
    """Return events without the keys of instances that are about what is kept from the principal."""
    withheld = Discretion(work, context).withheld({event.process_instance_id for event in events})
    return [
        event.model_copy(update={"correlation_key": None}) if event.process_instance_id in withheld else event
        for event in events
    ]


def _listed(timers: list[TimerRow], waiting: list[WaitingEvent], limit: int) -> list[ExpectedEvent]:
    return [*map(_of_timer, timers), *map(_of_subscription, waiting)][:limit]


def _of_timer(timer: TimerRow) -> ExpectedEvent:
    return ExpectedEvent(
        kind=ExpectedKind.TIMER,
        process_instance_id=timer.process_instance_id,
        element_id=timer.element_id,
        due_at=timer.due_at,
    )


def _of_subscription(waiting: WaitingEvent) -> ExpectedEvent:
    return ExpectedEvent(
        kind=ExpectedKind.SIGNAL if waiting.kind is EventKind.SIGNAL else ExpectedKind.MESSAGE,
        process_instance_id=waiting.process_instance_id,
        element_id=waiting.element_id,
        name=waiting.name,
        correlation_key=waiting.correlation_key,
    )


def _require_read(context: SecurityContext) -> None:
    require(context, Permission.READ, Resource(kind="process instances", tenant_id=context.tenant_id))
