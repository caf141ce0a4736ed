"""Deliveries: a message or signal on its way to a task is a job of type `engine.trigger`, executed like any other.

The instance itself is not touched: retries, incidents, suspension and exactly-once are those of every job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from pydantic import JsonValue

from engine.persistence.jobs import TRIGGER_TYPE, notify_workers
from engine.persistence.messages import LONGEST_NAME, MESSAGE_QUERIES, MessageRow, require_text
from engine.persistence.waiting import EventKind, WaitingEvent
from storage import UnitOfWork
from storage.identifiers import new_id
from storage.json_documents import jsonb_text

_MAXIMUM_ATTEMPTS = 3


class Deliveries:
    """What is on its way, on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def send(self, deliveries: Sequence[tuple[WaitingEvent, MessageRow]]) -> None:
        """Send messages to tasks; a task of a suspended instance gets them once it is resumed."""
        if not deliveries:
            return
        rows = [_trigger(receiver, message) for receiver, message in deliveries]
        parameters = {"rows": jsonb_text(rows, model="message"), **_job()}
        MESSAGE_QUERIES.execute(self._connection, "insert_triggers", parameters)
        notify_workers(self._connection)

    def send_to_oldest(
        self, message: MessageRow, *, instance: UUID | None = None, waiting_since_publication: bool = False
    ) -> UUID | None:
        """Send a message to the task that has waited longest for it; return its instance, `None` where nobody waits.

        Under the lock of the message's correlation.

        Args:
            message: Not settled by this.
            instance: The only one that may get it.
            waiting_since_publication: Whether only those count that waited already when it was published.
        """
        parameters = {
            "tenant_id": message.tenant_id,
            "name": message.name,
            "correlation_key": message.correlation_key,
            "process_instance_id": instance,
            "waiting_since": message.published_at if waiting_since_publication else None,
        }
        row = MESSAGE_QUERIES.first(self._connection, "oldest_receiver", parameters)
        if row is None:
            return None
        receiver = WaitingEvent.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name
        MESSAGE_QUERIES.execute(self._connection, "consume_subscription", {"subscription_id": row.subscription_id})
        self.send([(receiver, message)])
        return receiver.process_instance_id

    def broadcast(self, tenant_id: str, name: str, variables: Mapping[str, JsonValue]) -> int:
        """Send a signal to every task of the tenant that waits for it; return how many there are.

        Raises:
            MessageInvalidError, RecordTextError, RecordNumberError: The signal's name or variables cannot be stored.
        """
        require_text("name", name, longest=LONGEST_NAME)
        payload = jsonb_text({"kind": EventKind.SIGNAL, "variables": variables}, model="signal")
        parameters = {"tenant_id": tenant_id, "name": name, "payload": payload, "job_id": str(new_id()), **_job()}
        number = MESSAGE_QUERIES.execute(self._connection, "trigger_signal", parameters)
        if number:
            notify_workers(self._connection)
        return number


def _job() -> dict[str, object]:
    return {"type": TRIGGER_TYPE, "max_attempts": _MAXIMUM_ATTEMPTS}


def _trigger(receiver: WaitingEvent, message: MessageRow) -> dict[str, object]:
    return {
        "job_id": new_id(),
        "process_instance_id": receiver.process_instance_id,
        "task_id": receiver.task_id,
        "element_id": receiver.element_id,
        "tenant_id": receiver.tenant_id,
        "payload": {"kind": EventKind.MESSAGE, "message_id": message.message_id, "variables": message.payload},
    }
