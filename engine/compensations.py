"""The account of a compensation: what was undone, by which handler, by whom and when, in the order in which it was."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from engine.persistence import Event, EventLog, StepDocument
from engine.spiff import JournalEntry, TreeChanges
from storage import SecurityContext, UnitOfWork

COMPENSATED, COMPLETED, CANCELLED = "element.compensated", "compensation.completed", "process.cancelled"


class Undone(BaseModel):
    """One activity that was undone.

    Attributes:
        task_id: The task that the activity was.
        undone_by: The handler; `None` where the activity was undone by undoing what had been done in it.
        by: Who completed the handler, or on whose behalf it ran.
    """

    model_config = ConfigDict(frozen=True)

    element_id: str
    task_id: str
    undone_by: str | None
    by: str
    at: datetime


class CompensationAccount(BaseModel):
    """What one throw undid, the last completion first.

    Attributes:
        element_id: The event that threw; `None` where an operator had the instance rolled back.
    """

    model_config = ConfigDict(frozen=True)

    element_id: str | None
    completed_at: datetime
    undone: tuple[Undone, ...]


def undone_payload(entry: JournalEntry, context: SecurityContext) -> dict[str, JsonValue]:
    """Return what an event says of an undone activity, besides what it says of the element."""
    thrown_by = None if entry.thrown_by is None else str(entry.thrown_by)
    return {"undone_by": entry.undone_by, "thrown_by": thrown_by, "by": context.user_id}


def close_compensations(
    work: UnitOfWork, document: StepDocument, changes: TreeChanges, context: SecurityContext
) -> None:
    """Add to a step the accounts of the compensations that it brings to an end, and the end of a rolled-back instance.

    Events of earlier steps are read from the log, those of this step from the document.
    """
    for compensation in changes.compensations:
        element_id = None if compensation.element is None else compensation.element.id
        throw = str(compensation.task_id)
        undone: list[JsonValue] = [*_earlier(work, document, throw), *_now(work, document, throw)]
        payload: dict[str, JsonValue] = {"task_id": throw, "undone": undone}
        document.add_event(COMPLETED, payload, element_id)
        document.add_leaf(COMPLETED, {"element_id": element_id, **payload}, context)
    if changes.rolled_back is not None:
        document.add_event(CANCELLED, dict(changes.rolled_back))
        document.add_leaf(CANCELLED, dict(changes.rolled_back), context)


def accounts_of(events: list[Event]) -> tuple[CompensationAccount, ...]:
    """Return the accounts of an instance's compensations that have come to their end."""
    return tuple(
        CompensationAccount(element_id=event.element_id, completed_at=event.occurred_at, undone=event.payload["undone"])
        for event in events
        if event.kind == COMPLETED
    )


def _earlier(work: UnitOfWork, document: StepDocument, throw: str) -> list[JsonValue]:
    events = EventLog(work).compensated(document.instance.process_instance_id, throw)
    return [_undone(event.element_id, event.payload, event.occurred_at) for event in events]


def _now(work: UnitOfWork, document: StepDocument, throw: str) -> list[JsonValue]:
    return [
        _undone(row["element_id"], row["payload"], work.now)
        for row in document.events
        if row["kind"] == COMPENSATED and row["payload"]["thrown_by"] == throw
    ]


def _undone(element_id: str | None, payload: dict[str, Any], at: datetime) -> JsonValue:
    told = {key: payload[key] for key in ("task_id", "undone_by", "by")}
    return {"element_id": element_id, **told, "at": at.isoformat()}
