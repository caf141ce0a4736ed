"""Messages: each stored from its publication until nobody can ask for it any more, delivered or not."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from engine.errors import MessageInvalidError
from storage import SecurityContext, UnitOfWork
from storage.json_documents import jsonb_text, require_storable
from storage.sql import Queries

MESSAGE_QUERIES = Queries(Path(__file__).with_name("messages.sql"))
LONGEST_NAME = 200
LONGEST_KEY = 300  # with the name, at four bytes a character, this still fits into a row of an index

_LOCK_SPACE = 0x6D657373  # "mess": apart from all other advisory locks
_KEPT_SECONDS = 24 * 3_600
_KEPT_WITH_ID_SECONDS = 30 * 24 * 3_600


class MessageStatus(StrEnum):
    """Where a message is: with an instance, in the one it started, waiting, or nowhere."""

    DELIVERED = "delivered"
    STARTED = "started"
    BUFFERED = "buffered"
    DROPPED = "dropped"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Correlation:
    """What a message and whoever waits for it have in common.

    Raises:
        MessageInvalidError, RecordTextError: Nothing can be found under this name or key.
    """

    tenant_id: str
    name: str
    correlation_key: str

    def __post_init__(self) -> None:
        require_text("name", self.name, longest=LONGEST_NAME)
        require_text("correlation_key", self.correlation_key, longest=LONGEST_KEY, may_be_empty=True)


def require_text(field: str, text: str, *, longest: int, may_be_empty: bool = False) -> None:
    """Return if `text` can be stored and found again.

    Raises:
        MessageInvalidError: It is too long, or empty.
        RecordTextError: The database cannot hold it.
    """
    require_storable({field: text}, model="message")
    if len(text) > longest or not (text or may_be_empty):
        raise MessageInvalidError(field=field, reason=f"it has {len(text):,} characters and may have {longest}")


class MessageRow(BaseModel):
    """One message as stored.

    Attributes:
        deduplication_id: The id that its publisher gave it.
        expires_at: Until then it waits for a receiver.
        kept_until: Until then its publisher's id is known, and it can be given back.
        receivers: The instance it was delivered to, or those that it started.
        result: What its publisher was answered.
    """

    model_config = ConfigDict(frozen=True)

    message_id: UUID
    tenant_id: str
    name: str
    correlation_key: str
    deduplication_id: str | None
    payload: dict[str, Any]
    published_by: SecurityContext
    published_at: datetime
    expires_at: datetime
    kept_until: datetime
    status: MessageStatus
    receivers: tuple[UUID, ...]
    result: dict[str, Any] | None

    @property
    def correlation(self) -> Correlation:
        """What it has in common with its receiver."""
        return Correlation(self.tenant_id, self.name, self.correlation_key)


@dataclass(frozen=True)
class NewMessage:
    """A message that is about to be published."""

    message_id: UUID
    correlation: Correlation
    payload: Mapping[str, Any]
    deduplication_id: str | None
    time_to_live_seconds: float


class Messages:
    """Messages on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def lock(self, correlations: Collection[Correlation]) -> None:
        """Let nobody else publish or wait under these until the transaction ends.

        What is read afterwards is complete: every other transaction under them has ended, or has not begun to look.
        """
        if correlations:
            names = [json.dumps([c.tenant_id, c.name, c.correlation_key]) for c in correlations]
            MESSAGE_QUERIES.rows(self._connection, "lock_correlations", {"space": _LOCK_SPACE, "names": names})

    def insert(self, message: NewMessage, published_by: SecurityContext) -> MessageRow:
        """Store a message as dropped until it is settled; return the known one where its publisher's id is known."""
        parameters = {
            "message_id": message.message_id,
            "tenant_id": message.correlation.tenant_id,
            "name": message.correlation.name,
            "correlation_key": message.correlation.correlation_key,
            "deduplication_id": message.deduplication_id,
            "payload": jsonb_text(message.payload, model="message"),
            "published_by": published_by.model_dump_json(),
            "time_to_live_seconds": message.time_to_live_seconds,
            "kept_seconds": _KEPT_SECONDS if message.deduplication_id is None else _KEPT_WITH_ID_SECONDS,
        }
        (row,) = MESSAGE_QUERIES.rows(self._connection, "insert_message", parameters)
        return _message(row)

    def settle(
        self, message_id: UUID, status: MessageStatus, receivers: Collection[UUID] = (), result: str | None = None
    ) -> None:
        """Record where a message is; `result` is the JSON text of the publisher's answer."""
        parameters = {
            "message_id": message_id,
            "status": status.value,
            "receivers": json.dumps([str(receiver) for receiver in receivers]),
            "result": result,
        }
        MESSAGE_QUERIES.execute(self._connection, "settle_message", parameters)

    def with_ids(self, message_ids: Collection[UUID]) -> list[MessageRow]:
        """Return those of the messages that are still kept, oldest first."""
        rows = MESSAGE_QUERIES.rows(self._connection, "messages_by_id", {"message_ids": list(message_ids)})
        return [_message(row) for row in rows]

    def buffered(self, wanted: Mapping[Correlation, int | None]) -> dict[Correlation, deque[MessageRow]]:
        """Return the unexpired messages that wait, oldest first, as many as wanted of each; `None` is all."""
        rows = [
            {"tenant_id": c.tenant_id, "name": c.name, "correlation_key": c.correlation_key, "number": number}
            for c, number in wanted.items()
        ]
        found = defaultdict[Correlation, deque[MessageRow]](deque)
        for row in MESSAGE_QUERIES.rows(self._connection, "buffered_messages", {"wanted": json.dumps(rows)}):
            message = _message(row)
            found[message.correlation].append(message)
        return found

    def expire(self, limit: int) -> int:
        """Close at most `limit` messages that nobody came for, and forget as many that nobody can ask for any more."""
        return sum(
            MESSAGE_QUERIES.execute(self._connection, statement, {"limit": limit})
            for statement in ("expire_messages", "forget_messages")
        )


def _message(row: Any) -> MessageRow:
    return MessageRow.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name
