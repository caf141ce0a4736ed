"""Messages and signals: a message has one receiver, a signal everybody who waits.

A published message goes to the task that has waited longest under its name and correlation key; where none waits, it
starts one instance of every process that begins with it; where there is neither, it is kept for as long as its time to
live. So what runs comes before what could be started, and nothing receives a message twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine.bpmn import MessageTrigger, ProcessModel, SignalTrigger
from engine.crash_points import crash_point
from engine.errors import IdempotencyConflictError, MessageInvalidError, MessageNotAwaitedError
from engine.persistence import DefinitionRef, Definitions
from engine.persistence.deliveries import Deliveries
from engine.persistence.messages import (
    LONGEST_KEY,
    Correlation,
    MessageRow,
    Messages,
    MessageStatus,
    NewMessage,
    require_text,
)
from engine.persistence.subscriptions import Subscriptions
from engine.persistence.waiting import EventKind
from storage import AuditEntry, SecurityContext, UnitOfWork
from storage.access import Resource, require
from storage.identifiers import new_id
from storage.json_documents import jsonb_text
from storage.models import Permission

LONGEST_TIME_TO_LIVE_SECONDS = 365 * 24 * 3_600.0


class StartInstance(Protocol):
    """Starts an instance on the transaction at hand; under a known idempotency key it returns the known one."""

    def __call__(
        self,
        ref: DefinitionRef,
        start_event_id: str,
        variables: Mapping[str, JsonValue],
        *,
        business_key: str | None,
        idempotency_key: str | None,
        context: SecurityContext,
    ) -> UUID:
        """Return the instance's id."""
        ...


class MessageOutcome(StrEnum):
    """What publishing a message led to."""

    RECEIVED = "received"
    STARTED = "started"
    BUFFERED = "buffered"
    DROPPED = "dropped"


class PublishedMessage(BaseModel):
    """What became of a message when it was published.

    Attributes:
        message_id: The platform's, not the publisher's.
        process_instance_id: The instance that waited for it.
        started: The instances that it started, by process id.
        is_duplicate: Whether a message with this publisher's id had been published before; then this is its answer.
        audit_ref: The leaf that records the publication.
    """

    model_config = ConfigDict(frozen=True)

    message_id: UUID
    outcome: MessageOutcome
    process_instance_id: UUID | None = None
    started: tuple[UUID, ...] = ()
    is_duplicate: bool = False
    audit_ref: UUID


class BroadcastSignal(BaseModel):
    """What a signal set off.

    Attributes:
        received: How many tasks waited for it.
        started: The instances that it started, by process id.
    """

    model_config = ConfigDict(frozen=True)

    received: int
    started: tuple[UUID, ...]
    audit_ref: UUID


class Messenger:
    """Publishes messages and broadcasts signals on one transaction."""

    def __init__(self, work: UnitOfWork, start: StartInstance) -> None:
        self._work = work
        self._start = start
        self._messages = Messages(work)
        self._deliveries = Deliveries(work)

    def publish(
        self,
        name: str,
        correlation_key: str,
        payload: Mapping[str, JsonValue],
        *,
        context: SecurityContext,
        message_id: str | None = None,
        time_to_live_seconds: float = 0,
    ) -> PublishedMessage:
        """Send a message to one waiting task, or to start events, or keep it for whoever waits within its time to live.

        Args:
            name: As the diagrams write it.
            correlation_key: Compared as text with what receivers wait for; the business key of started instances.
            payload: Becomes variables of the receiver.
            context: Who publishes; a message stays within the tenant.
            message_id: The publisher's own; with the same name it is published once, for at least thirty days.
            time_to_live_seconds: 0: who does not wait now does not get it.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            MessageInvalidError, RecordTextError, RecordNumberError: It cannot be correlated or stored.
            IdempotencyConflictError: The id was used for a message with another key or payload.
        """
        require(context, Permission.EXECUTE, Resource(kind="messages", tenant_id=context.tenant_id))
        if message_id is not None:
            require_text("message_id", message_id, longest=LONGEST_KEY)
        message = NewMessage(
            message_id=new_id(),
            correlation=Correlation(context.tenant_id, name, correlation_key),
            payload=payload,
            deduplication_id=message_id,
            time_to_live_seconds=_checked_time_to_live(time_to_live_seconds),
        )
        self._messages.lock([message.correlation])
        stored = self._messages.insert(message, context)
        if stored.message_id != message.message_id:
            return _replayed(stored, message)
        crash_point("after_message_insert")
        return self._deliver(stored, context, is_kept=time_to_live_seconds > 0)

    def send(
        self, process_instance_id: UUID, name: str, payload: Mapping[str, JsonValue], *, context: SecurityContext
    ) -> PublishedMessage:
        """Send a message to one instance that waits for it, whatever its correlation key is.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            MessageNotAwaitedError: The instance does not wait for a message of that name now.
            RecordTextError, RecordNumberError: The payload cannot be stored.
        """
        require(context, Permission.EXECUTE, Resource(kind="messages", tenant_id=context.tenant_id))
        awaited = Subscriptions(self._work).awaited_by(process_instance_id, context.tenant_id)
        correlation = next((each for each in awaited if each.name == name), None)
        receiver: UUID | None = None
        if correlation is not None:
            self._messages.lock([correlation])
            message = NewMessage(new_id(), correlation, payload, deduplication_id=None, time_to_live_seconds=0)
            stored = self._messages.insert(message, context)
            receiver = self._deliveries.send_to_oldest(stored, instance=process_instance_id)
        if receiver is None:
            names = tuple(dict.fromkeys(each.name for each in awaited))
            raise MessageNotAwaitedError(process_instance_id=process_instance_id, name=name, awaited=names)
        return self._settle(stored, MessageOutcome.RECEIVED, MessageStatus.DELIVERED, (receiver,), context)

    def broadcast_signal(
        self, name: str, variables: Mapping[str, JsonValue], *, context: SecurityContext
    ) -> BroadcastSignal:
        """Send a signal to every task of the tenant that waits for it, and to the start events of every process.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            MessageInvalidError, RecordTextError, RecordNumberError: Its name or variables cannot be stored.
        """
        require(context, Permission.EXECUTE, Resource(kind="messages", tenant_id=context.tenant_id))
        received = self._deliveries.broadcast(context.tenant_id, name, variables)
        started = self._start_all(EventKind.SIGNAL, name, variables, context)
        details: dict[str, JsonValue] = {"received": received, "started": [str(each) for each in started]}
        digest_of: dict[str, JsonValue] = {"variables": dict(variables)}
        entry = AuditEntry(action="signal.broadcast", subject=f"signal/{name}", details=details, digest_of=digest_of)
        audit_ref = self._work.audit.record(entry, context=context)
        return BroadcastSignal(received=received, started=started, audit_ref=audit_ref)

    def _deliver(self, message: MessageRow, context: SecurityContext, *, is_kept: bool) -> PublishedMessage:
        receiver = self._deliveries.send_to_oldest(message)
        started = () if receiver is not None else self._start_by_message(message, context)
        if receiver is not None:
            outcome, status = MessageOutcome.RECEIVED, MessageStatus.DELIVERED
        elif started:
            outcome, status = MessageOutcome.STARTED, MessageStatus.STARTED
        elif is_kept:
            outcome, status = MessageOutcome.BUFFERED, MessageStatus.BUFFERED
        else:
            outcome, status = MessageOutcome.DROPPED, MessageStatus.DROPPED
        receivers = started if receiver is None else (receiver,)
        return self._settle(message, outcome, status, receivers, context)

    def _settle(
        self,
        message: MessageRow,
        outcome: MessageOutcome,
        status: MessageStatus,
        receivers: tuple[UUID, ...],
        context: SecurityContext,
    ) -> PublishedMessage:
        published = PublishedMessage(
            message_id=message.message_id,
            outcome=outcome,
            process_instance_id=receivers[0] if outcome is MessageOutcome.RECEIVED else None,
            started=receivers if outcome is MessageOutcome.STARTED else (),
            audit_ref=self._audit_message(message, outcome, context),
        )
        self._messages.settle(message.message_id, status, receivers, published.model_dump_json())
        return published

    def _start_by_message(self, message: MessageRow, context: SecurityContext) -> tuple[UUID, ...]:
        return self._start_all(
            EventKind.MESSAGE,
            message.name,
            message.payload,
            context,
            business_key=message.correlation_key or None,
            deduplication_id=message.deduplication_id,
        )

    def _start_all(
        self,
        kind: EventKind,
        name: str,
        variables: Mapping[str, JsonValue],
        context: SecurityContext,
        *,
        business_key: str | None = None,
        deduplication_id: str | None = None,
    ) -> tuple[UUID, ...]:
        events = Subscriptions(self._work).starts(kind, name)
        if not events:
            return ()
        found = Definitions(self._work).by_id([event.process_definition_id for event in events])
        refs = {ref.process_definition_id: ref for ref in found}
        return tuple(
            self._start(
                refs[event.process_definition_id],
                event.element_id,
                variables,
                business_key=business_key,
                idempotency_key=_idempotency_key(kind, name, deduplication_id, event.process_id),
                context=context,
            )
            for event in events
        )

    def _audit_message(self, message: MessageRow, outcome: MessageOutcome, context: SecurityContext) -> UUID:
        details: dict[str, JsonValue] = {
            "name": message.name,
            "correlation_key": message.correlation_key,
            "published_id": message.deduplication_id,
            "outcome": outcome.value,
        }
        subject = f"message/{message.message_id}"
        digest_of: dict[str, JsonValue] = {"payload": message.payload}
        entry = AuditEntry(action="message.published", subject=subject, details=details, digest_of=digest_of)
        return self._work.audit.record(entry, context=context)


def replace_start_subscriptions(work: UnitOfWork, ref: DefinitionRef, model: ProcessModel) -> None:
    """Let messages and signals start this definition from now on, and no older version of its process.

    Repeating it changes nothing.

    Raises:
        MessageInvalidError: A message or signal of a start event has no name that can be found.
    """
    events = [
        (event.id, EventKind.MESSAGE if isinstance(event.trigger, MessageTrigger) else EventKind.SIGNAL, name)
        for event in model.start_events()
        if isinstance(event.trigger, MessageTrigger | SignalTrigger) and (name := event.trigger.name)
    ]
    Subscriptions(work).replace_starts(ref.process_id, ref.process_definition_id, events)


def expire_messages(work: UnitOfWork, limit: int = 1_000) -> int:
    """Close messages that nobody came for in time, and forget those that nobody can ask for; return how many.

    For the scheduler: again while it returns more than 0.
    """
    return Messages(work).expire(limit)


def _checked_time_to_live(seconds: float) -> float:
    if not 0 <= seconds <= LONGEST_TIME_TO_LIVE_SECONDS:
        reason = f"{seconds} is not between 0 and {LONGEST_TIME_TO_LIVE_SECONDS:,.0f}"
        raise MessageInvalidError(field="time_to_live_seconds", reason=reason)
    return seconds


def _replayed(known: MessageRow, message: NewMessage) -> PublishedMessage:
    payload = json.loads(jsonb_text(message.payload, model="message"))
    if (known.correlation_key, known.payload) != (message.correlation.correlation_key, payload):
        raise IdempotencyConflictError(idempotency_key=known.deduplication_id or "")
    return PublishedMessage.model_validate(known.result).model_copy(update={"is_duplicate": True})


def _idempotency_key(kind: EventKind, name: str, deduplication_id: str | None, process_id: str) -> str | None:
    return None if deduplication_id is None else json.dumps([kind, name, deduplication_id, process_id])
