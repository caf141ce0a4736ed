"""The audit trail: one leaf for each effect, written in the effect's own transaction.

A leaf is canonical JSON (RFC 8785) and its hash with the leaf prefix of RFC 6962, 2.1. The table accepts inserts only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import to_json, to_jsonable_python
from sqlalchemy import Connection

from storage.errors import RecordNotFoundError
from storage.identifiers import new_id
from storage.json_documents import require_storable
from storage.security import SecurityContext
from storage.sql import Queries
from storage.tenants import enter_tenant

_LARGEST_EXACT_INTEGER = 2**53 - 1
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


class AuditEntry(BaseModel):
    """What happened.

    Attributes:
        details: Values that an auditor may read.
        digest_of: Values recorded only as their SHA-256, because the leaf outlives their classification.
    """

    model_config = ConfigDict(frozen=True)

    action: str
    subject: str
    details: dict[str, JsonValue] = Field(default_factory=dict)
    digest_of: dict[str, JsonValue] = Field(default_factory=dict)


@dataclass(frozen=True)
class AuditLeaf:
    """One leaf, ready to be stored; `canonical_text` is what is hashed."""

    audit_ref: UUID
    tenant_id: str
    canonical_text: str


class AuditTrail:
    """Writes leaves on one connection."""

    def __init__(self, connection: Connection, queries: Queries) -> None:
        self._connection = connection
        self._queries = queries

    def record(self, entry: AuditEntry, *, context: SecurityContext) -> UUID:
        """Write one leaf; return its `audit_ref`."""
        leaf = make_leaf(entry, context=context)
        row = {"audit_ref": leaf.audit_ref, "tenant_id": leaf.tenant_id, "leaf": leaf.canonical_text}
        self._queries.rows(self._connection, "append_audit_leaves", {"leaves": to_json([row]).decode()})
        return leaf.audit_ref

    def read(self, audit_ref: UUID, *, context: SecurityContext) -> dict[str, JsonValue]:
        """Return the leaf that an `audit_ref` names.

        Raises:
            RecordNotFoundError: The tenant has no such leaf.
        """
        enter_tenant(self._connection, context.tenant_id)
        parameters = {"audit_ref": audit_ref, "tenant_id": context.tenant_id}
        row = self._queries.first(self._connection, "read_audit_leaf", parameters)
        if row is None:
            raise RecordNotFoundError(model="AuditLeaf", record_id=audit_ref)
        leaf: dict[str, JsonValue] = json.loads(row.canonical_bytes)
        return leaf


def make_leaf(entry: AuditEntry, *, context: SecurityContext) -> AuditLeaf:
    """Return the leaf of an entry, for whoever stores it in the effect's own transaction.

    Raises:
        RecordTextError, RecordNumberError: A value that is no JSON text or number.
    """
    audit_ref = new_id()
    leaf = canonical_leaf(audit_ref, entry, context, datetime.now(UTC))
    return AuditLeaf(audit_ref=audit_ref, tenant_id=context.tenant_id, canonical_text=leaf.decode())


def canonical_leaf(audit_ref: UUID, entry: AuditEntry, context: SecurityContext, at: datetime) -> bytes:
    """Return the RFC 8785 bytes of a leaf; integers beyond 53 bits appear as decimal text (RFC 8785, appendix D).

    Raises:
        RecordTextError, RecordNumberError: A value that is no JSON text or number.
    """
    leaf = {
        "audit_ref": str(audit_ref),
        "recorded_at": at.isoformat(),
        "tenant_id": context.tenant_id,
        "actor": context.user_id,
        "roles": sorted(map(str, context.roles)),
        "action": entry.action,
        "subject": entry.subject,
        "details": entry.details,
    }
    if entry.digest_of:
        leaf["content_sha256"] = hashlib.sha256(_canonical(entry.digest_of)).hexdigest()
    return _canonical(leaf)


def _canonical(document: Mapping[str, object]) -> bytes:
    if _is_plain(document):
        return _ENCODER.encode(document).encode()
    value = to_jsonable_python(document)
    try:
        return rfc8785.dumps(_exact(value))
    except rfc8785.CanonicalizationError:
        require_storable(value, model="AuditLeaf")
        raise


def _is_plain(value: object) -> bool:
    """Return whether sorted JSON without spaces is what RFC 8785 says: no floats, exact integers, ASCII.

    Loops and exact types, because every step asks this of all its leaves: it takes a third of what a `match` takes.
    """
    if type(value) is str:
        return value.isascii()
    if type(value) is dict:
        for name, item in value.items():
            if type(name) is not str or not name.isascii() or not _is_plain(item):
                return False
        return True
    if type(value) is list:
        return all(map(_is_plain, value))
    if type(value) is int:
        return -_LARGEST_EXACT_INTEGER <= value <= _LARGEST_EXACT_INTEGER
    return value is None or type(value) is bool


def _exact(value: JsonValue) -> JsonValue:
    match value:
        case dict():
            return {name: _exact(item) for name, item in value.items()}
        case list():
            return [_exact(item) for item in value]
        case int() if abs(value) > _LARGEST_EXACT_INTEGER:
            return str(value)
        case _:
            return value
