"""The event log: append-only, read without gaps although transactions commit out of order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine.errors import UnknownCursorError
from engine.persistence.statements import EVENT_CHANNEL, QUERIES
from storage import UnitOfWork
from storage.json_documents import jsonb_text


class Event(BaseModel):
    """Something that happened in a process instance.

    Attributes:
        sequence: Names the event and is the cursor to read on from; not necessarily rising between neighbours.
    """

    model_config = ConfigDict(frozen=True)

    sequence: int
    process_instance_id: UUID
    business_key: str | None
    kind: str
    element_id: str | None
    payload: dict[str, Any]
    occurred_at: datetime


class EventLog:
    """Events on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def append(
        self,
        kind: str,
        payload: Mapping[str, JsonValue],
        *,
        tenant_id: str,
        process_instance_id: UUID,
        business_key: str | None,
        element_id: str | None = None,
    ) -> None:
        """Add an event; subscribers see it once the transaction commits."""
        parameters = {
            "tenant_id": tenant_id,
            "process_instance_id": process_instance_id,
            "business_key": business_key,
            "kind": kind,
            "element_id": element_id,
            "payload": jsonb_text(dict(payload), model="event"),
        }
        QUERIES.execute(self._connection, "insert_event", parameters)
        notice = {"channel": EVENT_CHANNEL, "payload": str(process_instance_id)}
        QUERIES.rows(self._connection, "notify", notice)

    def after(
        self,
        sequence: int,
        *,
        tenant_id: str,
        process_instance_id: UUID | None = None,
        business_key: str | None = None,
        limit: int = 500,
    ) -> list[Event]:
        """Return the events behind the cursor (0: from the start), in an order in which none can still appear.

        Raises:
            UnknownCursorError: No event of the tenant has that sequence number.
        """
        parameters = {
            "sequence": sequence,
            "tenant_id": tenant_id,
            "process_instance_id": process_instance_id,
            "business_key": business_key,
            "limit": limit,
        }
        if sequence and QUERIES.first(self._connection, "event_exists", parameters) is None:
            raise UnknownCursorError(sequence=sequence)
        rows = QUERIES.rows(self._connection, "events_after", parameters)
        return [Event.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name

    def has_unsettled(
        self, *, tenant_id: str, process_instance_id: UUID | None = None, business_key: str | None = None
    ) -> bool:
        """Return whether committed events wait for an older transaction to end before `after` shows them."""
        parameters = {
            "tenant_id": tenant_id,
            "process_instance_id": process_instance_id,
            "business_key": business_key,
        }
        row = QUERIES.first(self._connection, "has_unsettled_events", parameters)
        return row is not None and bool(row.unsettled)

    def compensated(self, process_instance_id: UUID, thrown_by: str) -> list[Event]:
        """Return the events of an instance that tell what one throw has undone, in the order in which it was."""
        parameters = {"process_instance_id": process_instance_id, "thrown_by": thrown_by}
        rows = QUERIES.rows(self._connection, "compensated_events", parameters)
        return [Event.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name

    def of_instance(self, process_instance_id: UUID) -> list[Event]:
        """Return all events of an instance, this transaction's own included."""
        parameters = {"process_instance_id": process_instance_id}
        rows = QUERIES.rows(self._connection, "events_of_instance", parameters)
        return [Event.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name
