"""Leaves of the audit trail: what happened, as canonical bytes (RFC 8785).

What a leaf says stays for ever. What is about persons is therefore not in it: the leaf holds a salted commitment to a
side row, and the side row can be erased.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from storage.audit.canonical import canonical_bytes
from storage.audit.merkle import leaf_hash
from storage.identifiers import new_id
from storage.security import SecurityContext

_SALT_BYTES = 16
_ADDRESS = re.compile(r"[^\s\"@]@[^\s\"@]+\.[^\s\"@]")


class AuditEntry(BaseModel):
    """What happened.

    Attributes:
        details: Values that an auditor may read for ever.
        digest_of: Values recorded only as their SHA-256, because the leaf outlives their classification.
        before: What was changed, as it was; recorded as its SHA-256.
        after: What was changed, as it is; recorded as its SHA-256.
        personal: Names, addresses and free text, with the `reason` among them; kept beside the leaf, erasable.
        tool: The tool that was called.
        element_id: The BPMN element that was executed.
        definition_sha256: The diagram that it stands in.
    """

    model_config = ConfigDict(frozen=True)

    action: str
    subject: str
    details: dict[str, JsonValue] = Field(default_factory=dict)
    digest_of: dict[str, JsonValue] = Field(default_factory=dict)
    before: dict[str, JsonValue] | None = None
    after: dict[str, JsonValue] | None = None
    personal: dict[str, JsonValue] = Field(default_factory=dict)
    tool: str | None = None
    element_id: str | None = None
    definition_sha256: str | None = None


@dataclass(frozen=True)
class PersonalData:
    """The erasable side row of a leaf.

    Attributes:
        person: Who acted.
        canonical_text: What is committed to.
    """

    person: str
    salt: bytes
    canonical_text: str

    @property
    def commitment(self) -> str:
        """The SHA-256 of salt and text: tells nothing once both are gone, not even by guessing."""
        return hashlib.sha256(self.salt + self.canonical_text.encode()).hexdigest()


@dataclass(frozen=True)
class AuditLeaf:
    """One leaf, ready to be stored; `canonical_text` is what is hashed."""

    audit_ref: UUID
    tenant_id: str
    canonical_text: str
    personal: PersonalData | None = None

    def as_parameters(self) -> dict[str, object]:
        """Return the leaf, without what is beside it, as parameters of a statement."""
        content = self.canonical_text.encode()
        return {
            "audit_ref": self.audit_ref,
            "tenant_id": self.tenant_id,
            "canonical_bytes": content,
            "leaf_hash": leaf_hash(content),
        }

    def as_row(self) -> dict[str, JsonValue]:
        """Return the leaf as the database's `append_audit_leaves` takes it."""
        row: dict[str, JsonValue] = {
            "audit_ref": str(self.audit_ref),
            "tenant_id": self.tenant_id,
            "leaf": self.canonical_text,
        }
        if self.personal is not None:
            row |= {
                "person": self.personal.person,
                "salt": self.personal.salt.hex(),
                "personal": self.personal.canonical_text,
            }
        return row


def make_leaf(entry: AuditEntry, *, context: SecurityContext, audit_ref: UUID | None = None) -> AuditLeaf:
    """Return the leaf of an entry, for whoever stores it in the effect's own transaction.

    Raises:
        RecordTextError, RecordNumberError: A value that is no JSON text or number.
    """
    audit_ref, at = audit_ref or new_id(), datetime.now(UTC)
    personal = personal_data(entry, context, os.urandom(_SALT_BYTES))
    leaf = canonical_leaf(audit_ref, entry, context, at, personal)
    if b"@" in leaf:  # looked for in the whole leaf at once, because there is hardly ever one
        entry = without_addresses(entry)
        personal = personal_data(entry, context, os.urandom(_SALT_BYTES))
        leaf = canonical_leaf(audit_ref, entry, context, at, personal)
    return AuditLeaf(audit_ref, context.tenant_id, leaf.decode(), personal)


def without_addresses(entry: AuditEntry) -> AuditEntry:
    """Return the entry with those details beside the leaf in which an e-mail address stands."""
    found = {name: value for name, value in entry.details.items() if _ADDRESS.search(json.dumps(value))}
    rest = {name: value for name, value in entry.details.items() if name not in found}
    return entry.model_copy(update={"details": rest, "personal": {**found, **entry.personal}})


def personal_data(entry: AuditEntry, context: SecurityContext, salt: bytes) -> PersonalData | None:
    """Return what has to be kept beside the leaf; an actor whose id is an e-mail address belongs to it."""
    personal = dict(entry.personal)
    if "@" in context.user_id:
        personal["actor"] = context.user_id
    if not personal:
        return None
    return PersonalData(context.user_id, salt, canonical_bytes(personal).decode())


def canonical_leaf(
    audit_ref: UUID,
    entry: AuditEntry,
    context: SecurityContext,
    at: datetime,
    personal: PersonalData | None = None,
) -> bytes:
    """Return the RFC 8785 bytes of a leaf; integers beyond 53 bits appear as decimal text (RFC 8785, appendix D).

    Raises:
        RecordTextError, RecordNumberError: A value that is no JSON text or number.
    """
    leaf: dict[str, object] = {
        "audit_ref": str(audit_ref),
        "recorded_at": at.isoformat(),
        "tenant_id": context.tenant_id,
        "actor": None if "@" in context.user_id else context.user_id,
        "roles": sorted(map(str, context.roles)),
        "action": entry.action,
        "subject": entry.subject,
        "details": entry.details,
    }
    if entry.tool is not None:
        leaf["tool"] = entry.tool
    if entry.element_id is not None:
        leaf["element_id"] = entry.element_id
    if entry.definition_sha256 is not None:
        leaf["definition_sha256"] = entry.definition_sha256
    if entry.digest_of:
        leaf["content_sha256"] = _digest(entry.digest_of)
    if entry.before is not None:
        leaf["before_sha256"] = _digest(entry.before)
    if entry.after is not None:
        leaf["after_sha256"] = _digest(entry.after)
    if personal is not None:
        leaf["personal_sha256"] = personal.commitment
    return canonical_bytes(leaf)


def _digest(values: Mapping[str, JsonValue]) -> str:
    return hashlib.sha256(canonical_bytes(values)).hexdigest()
