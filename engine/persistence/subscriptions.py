"""Subscriptions: opening and closing them, so that a message has exactly one receiver and is never lost.

Publishing and waiting take the same lock on what they have in common (tenant, name, correlation key) and hold it until
they commit, so whichever is second sees the first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from engine.persistence.deliveries import Deliveries
from engine.persistence.jobs import TRIGGER_TYPE
from engine.persistence.messages import (
    LONGEST_NAME,
    MESSAGE_QUERIES,
    Correlation,
    MessageRow,
    Messages,
    MessageStatus,
    require_text,
)
from engine.persistence.waiting import EventKind, StartSubscription, WaitingEvent, correlations, match, wanted
from storage import UnitOfWork
from storage.identifiers import new_id
from storage.json_documents import jsonb_text


class Subscriptions:
    """Subscriptions on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._connection = work.connection
        self._messages = Messages(work)
        self._deliveries = Deliveries(work)

    def open(self, waiting: Sequence[WaitingEvent]) -> None:
        """Let tasks wait; what is buffered for them is on its way at once.

        Raises:
            MessageInvalidError, RecordTextError: A name or correlation key that nothing can be found under.
        """
        self._messages.lock(correlations(waiting))
        self._open(waiting)

    def close(self, process_instance_id: UUID, task_ids: Collection[UUID], *, executing: UUID | None = None) -> None:
        """Let tasks wait no more; a message that was on its way to one goes to the next receiver, or waits again.

        To be called before anything else deletes the tasks' jobs.

        Args:
            process_instance_id: Of the tasks.
            task_ids: Which tasks; one that waits for something else does no harm.
            executing: The trigger job whose step this is: what it brings has arrived.
        """
        self.change(process_instance_id, closed=task_ids, opened=(), executing=executing)

    def change(
        self,
        process_instance_id: UUID,
        *,
        closed: Collection[UUID],
        opened: Sequence[WaitingEvent],
        executing: UUID | None = None,
    ) -> None:
        """Close, then open, under locks that are taken together; arguments and errors are those of the two."""
        tasks = {"process_instance_id": process_instance_id, "task_ids": list(closed), "type": TRIGGER_TYPE}
        shared = correlations(opened)
        if closed:
            rows = MESSAGE_QUERIES.rows(self._connection, "correlations_of_tasks", tasks)
            shared |= {Correlation(row.tenant_id, row.name, row.correlation_key) for row in rows}
        self._messages.lock(shared)
        if closed:
            self._close(tasks, executing)
        self._open(opened)

    def give_back(self, message_ids: Collection[UUID]) -> None:
        """Let messages that did not reach their receiver go to the next one, or wait again if they have time left."""
        messages = self._messages.with_ids(message_ids)
        self._messages.lock({message.correlation for message in messages})
        for message in messages:
            self._redeliver(message)

    def starts(self, kind: EventKind, name: str) -> tuple[StartSubscription, ...]:
        """Return one start event of every process that begins with it, by process id."""
        rows = MESSAGE_QUERIES.rows(self._connection, "start_subscriptions", {"kind": kind.value, "name": name})
        return tuple(StartSubscription.model_validate(row._mapping) for row in rows)  # noqa: SLF001 - SQLAlchemy's name

    def awaited_by(self, process_instance_id: UUID, tenant_id: str) -> list[Correlation]:
        """Return the messages that an instance of the tenant waits for, the longest awaited first."""
        parameters = {"process_instance_id": process_instance_id, "tenant_id": tenant_id}
        rows = MESSAGE_QUERIES.rows(self._connection, "awaited_by_instance", parameters)
        return [Correlation(tenant_id, row.name, row.correlation_key) for row in rows]

    def of_tenant(
        self, tenant_id: str, *, process_id: str | None, process_instance_id: UUID | None, limit: int
    ) -> list[WaitingEvent]:
        """Return what tasks of the tenant wait for, the longest waiting first."""
        parameters = {
            "tenant_id": tenant_id,
            "process_id": process_id,
            "process_instance_id": process_instance_id,
            "limit": limit,
        }
        rows = MESSAGE_QUERIES.rows(self._connection, "awaited_events", parameters)
        return [WaitingEvent.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name

    def replace_starts(
        self, process_id: str, process_definition_id: UUID, events: Sequence[tuple[str, EventKind, str]]
    ) -> None:
        """Let these start events (element id, kind, name) be the process's, and no others.

        Raises:
            MessageInvalidError, RecordTextError: A name that nothing can be found under.
        """
        for _, _, name in events:
            require_text("name", name, longest=LONGEST_NAME)
        MESSAGE_QUERIES.execute(self._connection, "close_start_subscriptions", {"process_id": process_id})
        definition = {"process_id": process_id, "process_definition_id": process_definition_id, "is_repeating": True}
        self._insert([{"element_id": e, "kind": kind, "name": name, **definition} for e, kind, name in events])

    def _open(self, waiting: Sequence[WaitingEvent]) -> None:
        expected = wanted(waiting)
        buffered = self._messages.buffered(expected) if expected else {}
        deliveries, unanswered = match(waiting, buffered)
        self._deliveries.send(deliveries)
        for receiver, message in deliveries:
            self._messages.settle(message.message_id, MessageStatus.DELIVERED, [receiver.process_instance_id])
        self._insert([event.model_dump(mode="json") for event in unanswered])

    def _close(self, tasks: dict[str, Any], executing: UUID | None) -> None:
        MESSAGE_QUERIES.execute(self._connection, "close_subscriptions", tasks)
        recalled = MESSAGE_QUERIES.rows(self._connection, "recall_triggers", {**tasks, "executing": executing})
        message_ids = [row.message_id for row in recalled if row.message_id is not None]
        if message_ids:
            for message in self._messages.with_ids(message_ids):
                self._redeliver(message)

    def _redeliver(self, message: MessageRow) -> None:
        has_expired = message.expires_at <= self._work.now
        receiver = self._deliveries.send_to_oldest(message, waiting_since_publication=has_expired)
        if receiver is not None:
            self._messages.settle(message.message_id, MessageStatus.DELIVERED, [receiver])
        else:
            self._messages.settle(message.message_id, MessageStatus.EXPIRED if has_expired else MessageStatus.BUFFERED)

    def _insert(self, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            identified = [{"subscription_id": new_id(), **row} for row in rows]
            text = jsonb_text(identified, model="subscription")
            MESSAGE_QUERIES.execute(self._connection, "insert_subscriptions", {"rows": text})
