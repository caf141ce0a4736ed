"""Writing and reading the audit trail on one transaction.

A leaf commits with the effect that it tells of. A denial has no effect: its leaf is written when the transaction in
which it happened is over, however that ended.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from pydantic import JsonValue
from pydantic_core import to_json
from sqlalchemy import Connection

from storage.audit.leaves import AuditEntry, AuditLeaf, make_leaf
from storage.errors import RecordNotFoundError
from storage.security import SecurityContext
from storage.sql import Queries
from storage.tenants import enter_tenant

_QUERIES = Queries(Path(__file__).with_name("trail.sql"))


class AuditTrail:
    """Writes leaves on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._denials: list[AuditLeaf] = []

    def record(self, entry: AuditEntry, *, context: SecurityContext) -> UUID:
        """Write one leaf; return its `audit_ref`.

        Raises:
            RecordTextError, RecordNumberError: A value that is no JSON text or number.
        """
        leaf = make_leaf(entry, context=context)
        self.append([leaf])
        return leaf.audit_ref

    def append(self, leaves: Sequence[AuditLeaf]) -> None:
        """Write leaves that were made already."""
        if len(leaves) == 1 and leaves[0].personal is None:
            _QUERIES.execute(self._connection, "append_audit_leaf", leaves[0].as_parameters())
            return
        rows = to_json([leaf.as_row() for leaf in leaves]).decode()
        _QUERIES.rows(self._connection, "append_audit_leaves", {"leaves": rows})

    def deny(self, entry: AuditEntry, *, context: SecurityContext) -> UUID:
        """Keep the leaf of a denial until the transaction is over; return its `audit_ref`."""
        leaf = make_leaf(entry, context=context)
        self._denials.append(leaf)
        return leaf.audit_ref

    def take_denials(self) -> list[AuditLeaf]:
        """Return the denials that are still to be written, once."""
        denials, self._denials = self._denials, []
        return denials

    def read(self, audit_ref: UUID, *, context: SecurityContext) -> dict[str, JsonValue]:
        """Return the leaf that an `audit_ref` names, with `personal` as long as that is not erased.

        Raises:
            RecordNotFoundError: The tenant has no such leaf.
        """
        enter_tenant(self._connection, context.tenant_id)
        parameters = {"audit_ref": audit_ref, "tenant_id": context.tenant_id}
        row = _QUERIES.first(self._connection, "read_audit_leaf", parameters)
        if row is None:
            raise RecordNotFoundError(model="AuditLeaf", record_id=audit_ref)
        leaf: dict[str, JsonValue] = json.loads(row.canonical_bytes)
        return leaf if row.content is None else {**leaf, "personal": json.loads(row.content)}
