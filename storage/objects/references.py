"""Who needs which object: read from the rows that name them, each time anew, so that no count can be wrong.

What names an object is found by the form of its URI in the rows of every table (`object_references` in the database),
and in the small JSON objects that are themselves needed, such as the manifest of a model package.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from storage.objects.keys import stored_digest_of
from storage.objects.retention import RetentionPolicy
from storage.sql import Queries

QUERIES = Queries(Path(__file__).with_name("references.sql"))


class Reference(BaseModel):
    """A row that names an object.

    Attributes:
        model: The record's model, or the name of a table that holds no records.
        deleted_at: When the record was deleted; `None` where it was not.
        in_production: Whether a model in service came of the record.
    """

    model_config = ConfigDict(frozen=True)

    uri: str
    model: str
    record_id: str | None = None
    tenant_id: str | None = None
    data_classification: str | None = None
    deleted_at: datetime | None = None
    in_production: bool = False


class HoldInForce(BaseModel):
    """A hold as garbage collection sees it."""

    model_config = ConfigDict(frozen=True)

    hold_id: UUID
    tenant_id: str
    subject: str
    reason: str


class Need(StrEnum):
    """Why an object is kept, the strongest reason first."""

    LEGAL_HOLD = "legal hold"
    IN_PRODUCTION = "in production"
    RECORD = "named by a record"
    PROCESS = "named by a process or its like"
    RETENTION = "retained after deletion"


_STRENGTH = {need: strength for strength, need in enumerate(Need)}


class Needed(NamedTuple):
    """An object that is needed, and the strongest reason."""

    uri: str
    need: Need


@contextmanager
def one_at_a_time(connection: Connection) -> Iterator[None]:
    """Wait until no other collection of this database runs; `connection` commits by itself."""
    QUERIES.rows(connection, "lock_collection")
    try:
        yield
    finally:
        QUERIES.rows(connection, "unlock_collection")


@contextmanager
def holds_standing_still(connection: Connection) -> Iterator[list[HoldInForce]]:
    """Return the holds in force; until the block ends, nobody places another. `connection` commits by itself."""
    QUERIES.rows(connection, "lock_removals")
    try:
        yield _holds(connection)
    finally:
        QUERIES.rows(connection, "unlock_removals")


def read_references(connection: Connection) -> tuple[list[Reference], list[HoldInForce]]:
    """Return which rows of all tenants name which objects, and the holds in force; only the custodian may ask."""
    references = [Reference.model_validate(row._asdict()) for row in QUERIES.rows(connection, "read_references")]
    return references, _holds(connection)


def needed_objects(
    references: Iterable[Reference], holds: Iterable[HoldInForce], policy: RetentionPolicy, now: datetime
) -> dict[str, Needed]:
    """Return the objects that are needed, by the digest of their stored bytes."""
    held_records = {(hold.tenant_id, hold.subject) for hold in holds}
    needed = {
        stored_digest_of(hold.subject): Needed(hold.subject, Need.LEGAL_HOLD)
        for hold in holds
        if hold.subject.startswith("object://")
    }
    for reference in references:
        is_held = (reference.tenant_id, reference.record_id) in held_records
        need = Need.LEGAL_HOLD if is_held else _need(reference, policy, now)
        if need is not None:
            strengthen(needed, reference.uri, need)
    return needed


def strengthen(needed: dict[str, Needed], uri: str, need: Need) -> bool:
    """Note a need, unless there is one as strong; return whether that was news."""
    digest = stored_digest_of(uri)
    known = needed.get(digest)
    if known is not None and _STRENGTH[known.need] <= _STRENGTH[need]:
        return False
    needed[digest] = Needed(uri, need)
    return True


def _holds(connection: Connection) -> list[HoldInForce]:
    return [HoldInForce.model_validate(row._asdict()) for row in QUERIES.rows(connection, "read_holds")]


def _need(reference: Reference, policy: RetentionPolicy, now: datetime) -> Need | None:
    if reference.in_production:
        return Need.IN_PRODUCTION
    if reference.deleted_at is not None:
        classification = str(reference.data_classification)
        until = policy.retained_until(reference.model, classification, reference.deleted_at)
        return Need.RETENTION if now < until else None
    return Need.PROCESS if reference.record_id is None else Need.RECORD
