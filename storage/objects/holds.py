"""Legal holds: while one is in force, no object that its subject names is removed, whatever is deleted."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from storage.errors import RecordNotFoundError
from storage.objects.keys import mentioned_uris
from storage.objects.references import QUERIES
from storage.tenants import enter_tenant


class Hold(BaseModel):
    """A hold.

    Attributes:
        subject: A record's id, for all objects that it names, or an object's URI.
    """

    model_config = ConfigDict(frozen=True)

    hold_id: UUID
    tenant_id: str
    subject: str
    reason: str
    placed_by: str
    placed_at: datetime
    release_reason: str | None = None
    released_by: str | None = None
    released_at: datetime | None = None


class Holds:
    """The holds of one tenant, on the caller's transaction; who may place and release them is decided above."""

    def __init__(self, connection: Connection, tenant_id: str) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        enter_tenant(connection, tenant_id)

    def place(self, hold_id: UUID, subject: str, reason: str, placed_by: str) -> Hold:
        """Hold what a record names, or one object.

        Raises:
            RecordNotFoundError: The tenant has no such record, deleted or not, and none that names such an object.
        """
        QUERIES.rows(self._connection, "lock_holds", {"tenant_id": self._tenant_id})
        if not self._is_known(subject):
            raise RecordNotFoundError(model="Record or object", record_id=subject)
        values = {"hold_id": hold_id, "tenant_id": self._tenant_id, "subject": subject, "reason": reason}
        (row,) = QUERIES.rows(self._connection, "place_hold", {**values, "placed_by": placed_by})
        return Hold.model_validate({**values, "placed_by": placed_by, "placed_at": row.placed_at})

    def release(self, hold_id: UUID, reason: str, released_by: str) -> None:
        """End a hold.

        Raises:
            RecordNotFoundError: No such hold is in force.
        """
        values = {"hold_id": hold_id, "tenant_id": self._tenant_id, "reason": reason, "released_by": released_by}
        if QUERIES.execute(self._connection, "release_hold", values) != 1:
            raise RecordNotFoundError(model="Hold in force", record_id=hold_id)

    def all(self) -> list[Hold]:
        """Return the holds, released ones as well, oldest first."""
        rows = QUERIES.rows(self._connection, "list_holds", {"tenant_id": self._tenant_id})
        return [Hold.model_validate(row._asdict()) for row in rows]

    def _is_known(self, subject: str) -> bool:
        key = {"tenant_id": self._tenant_id, "subject": subject}
        if mentioned_uris(subject) == {subject}:
            row = QUERIES.first(self._connection, "names_object", key)
            return row is not None and bool(row.is_named)
        return _is_record_id(subject) and QUERIES.first(self._connection, "find_record", key) is not None


def _is_record_id(subject: str) -> bool:
    """Return whether a text is an id as it is compared with later: in lower case, with hyphens."""
    try:
        return str(UUID(subject)) == subject
    except ValueError:
        return False
