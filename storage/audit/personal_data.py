"""Erasing what is about persons: the side rows go, the leaves and their trees stay as they are.

A leaf holds a salted commitment to its side row. With the salt gone nobody can tell, not even by guessing, what it
committed to. The erasure is itself on the record, by the `audit_ref` of each leaf and without the person's name.
"""

from __future__ import annotations

from uuid import UUID

from pydantic import JsonValue

from storage.access import Resource, require
from storage.audit.leaves import AuditEntry
from storage.audit.stored_trees import QUERIES
from storage.models.enums import Permission
from storage.security import SecurityContext
from storage.storage import UnitOfWork

ERASED = "audit.erased"
_REFERENCES_A_LEAF = 1_000


def erase_person(work: UnitOfWork, person: str, *, reason: str, context: SecurityContext) -> int:
    """Erase what is about persons in everything that somebody did; return in how many leaves.

    Args:
        work: Acts as the role that may erase.
        person: The user id of who did it.
        reason: For the record.
        context: Who erases, in their own tenant.

    Raises:
        AccessDeniedError: No ADMIN permission.
    """
    _require(context)
    parameters = {"tenant_id": context.tenant_id, "person": person}
    rows = QUERIES.rows(work.connection, "erase_person", parameters)
    return _record(work, [row.audit_ref for row in rows], reason, context)


def erase_leaf(work: UnitOfWork, audit_ref: UUID, *, reason: str, context: SecurityContext) -> int:
    """Erase what is about persons in one leaf, for what it says of somebody else; arguments and errors as above."""
    _require(context)
    parameters = {"tenant_id": context.tenant_id, "audit_ref": audit_ref}
    rows = QUERIES.rows(work.connection, "erase_leaf", parameters)
    return _record(work, [row.audit_ref for row in rows], reason, context)


def _record(work: UnitOfWork, audit_refs: list[UUID], reason: str, context: SecurityContext) -> int:
    erased: list[JsonValue] = [str(audit_ref) for audit_ref in sorted(audit_refs)]
    for start in range(0, len(erased), _REFERENCES_A_LEAF):
        entry = AuditEntry(
            action=ERASED,
            subject="audit_personal",
            details={"audit_refs": erased[start : start + _REFERENCES_A_LEAF]},
            personal={"reason": reason},
        )
        work.audit.record(entry, context=context)
    return len(audit_refs)


def _require(context: SecurityContext) -> None:
    require(context, Permission.ADMIN, Resource(kind="audit trail", tenant_id=context.tenant_id))
