"""Leaves of the audit trail: what happened, as canonical bytes (RFC 8785).

What a leaf says stays for ever. What is about persons is therefore not in it: the leaf holds a salted commitment to a
side row, and the side row can be erased.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from pydantic import JsonValue

from storage.audit.canonical import canonical_bytes, canonical_text
from storage.identifiers import new_id
from storage.json_documents import require_storable
from storage.models.enums import RoleType
from storage.security import SecurityContext

_SALT_BYTES = 16
_ADDRESS = re.compile(r"[^\s\"@]@[^\s\"@]+\.[^\s\"@]")
_NOTHING: Mapping[str, JsonValue] = MappingProxyType({})


class AuditEntry(NamedTuple):
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

    action: str
    subject: str
    details: Mapping[str, JsonValue] = _NOTHING
    digest_of: Mapping[str, JsonValue] = _NOTHING
    before: Mapping[str, JsonValue] | None = None
    after: Mapping[str, JsonValue] | None = None
    personal: Mapping[str, JsonValue] = _NOTHING
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


class AuditLeaf(NamedTuple):
    """One leaf, ready to be stored; `canonical_text` is what is hashed."""

    audit_ref: UUID
    tenant_id: str
    canonical_text: str
    personal: PersonalData | None = None

    def as_parameters(self) -> dict[str, object]:
        """Return the leaf, without what is beside it, as parameters of a statement."""
        return {
            "audit_ref": self.audit_ref,
            "tenant_id": self.tenant_id,
            "canonical_bytes": self.canonical_text.encode(),
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
    personal = personal_data(entry, context, os.urandom)
    leaf = canonical_leaf(audit_ref, entry, context, at, personal)
    if "@" in leaf:  # looked for in the whole leaf at once, because there is hardly ever one
        entry = without_addresses(entry)
        personal = personal_data(entry, context, os.urandom)
        leaf = canonical_leaf(audit_ref, entry, context, at, personal)
    return AuditLeaf(audit_ref, context.tenant_id, leaf, personal)


def without_addresses(entry: AuditEntry) -> AuditEntry:
    """Return the entry with those details beside the leaf in which an e-mail address stands."""
    found = {name: value for name, value in entry.details.items() if _ADDRESS.search(json.dumps(value))}
    rest = {name: value for name, value in entry.details.items() if name not in found}
    return entry._replace(details=rest, personal={**found, **entry.personal})


def personal_data(
    entry: AuditEntry, context: SecurityContext, random_bytes: Callable[[int], bytes]
) -> PersonalData | None:
    """Return what has to be kept beside the leaf; an actor whose id is an e-mail address belongs to it."""
    has_address = "@" in context.user_id
    if not entry.personal and not has_address:
        return None
    personal = {**entry.personal, "actor": context.user_id} if has_address else dict(entry.personal)
    return PersonalData(context.user_id, random_bytes(_SALT_BYTES), canonical_bytes(personal).decode())


def canonical_leaf(
    audit_ref: UUID,
    entry: AuditEntry,
    context: SecurityContext,
    at: datetime,
    personal: PersonalData | None = None,
) -> str:
    """Return a leaf as RFC 8785 writes it; integers beyond 53 bits appear as decimal text (RFC 8785, appendix D).

    Its own members are written one by one in their order, which takes a third of what it takes to sort them.

    Raises:
        RecordTextError, RecordNumberError: A value that is no JSON text or number.
    """
    actor, roles, tenant_id = _asker(context.user_id, context.roles, context.tenant_id)
    leaf = (
        f'{{"action":{canonical_text(entry.action)},"actor":{actor}'
        f'{_digest("after_sha256", entry.after)},"audit_ref":"{audit_ref}"'
        f"{_digest('before_sha256', entry.before)}{_digest('content_sha256', entry.digest_of or None)}"
        f'{_text("definition_sha256", entry.definition_sha256)},"details":{_details(entry)}'
        f"{_text('element_id', entry.element_id)}"
        f"{_text('personal_sha256', None if personal is None else personal.commitment)}"
        f',"recorded_at":"{at.isoformat()}","roles":{roles},"subject":{canonical_text(entry.subject)}'
        f',"tenant_id":{tenant_id}{_text("tool", entry.tool)}}}'
    )
    try:
        leaf.encode()
    except UnicodeEncodeError:
        _require_text(entry, context)
        raise
    return leaf


@lru_cache(maxsize=1_024)
def _asker(user_id: str, roles: frozenset[RoleType], tenant_id: str) -> tuple[str, str, str]:
    actor = "null" if "@" in user_id else canonical_text(user_id)
    named = ",".join(canonical_text(role) for role in sorted(map(str, roles)))
    return actor, f"[{named}]", canonical_text(tenant_id)


def _details(entry: AuditEntry) -> str:
    return canonical_bytes(entry.details).decode() if entry.details else "{}"


def _text(name: str, value: str | None) -> str:
    return "" if value is None else f',"{name}":{canonical_text(value)}'


def _digest(name: str, values: Mapping[str, JsonValue] | None) -> str:
    return "" if values is None else f',"{name}":"{hashlib.sha256(canonical_bytes(values)).hexdigest()}"'


def _require_text(entry: AuditEntry, context: SecurityContext) -> None:
    """Return if the leaf's own texts can be encoded; its details were by now."""
    texts: dict[str, JsonValue] = {
        "action": entry.action,
        "subject": entry.subject,
        "tool": entry.tool,
        "element_id": entry.element_id,
        "definition_sha256": entry.definition_sha256,
        "actor": context.user_id,
        "tenant_id": context.tenant_id,
    }
    require_storable(texts, model="AuditLeaf")
