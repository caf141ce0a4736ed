"""Leaves of access denials: an effect that did not happen, which is why no transaction carries them."""

from __future__ import annotations

from storage.audit.leaves import AuditEntry, AuditLeaf, make_leaf
from storage.errors import AccessDeniedError
from storage.security import SecurityContext


def denial_entry(permission: str, resource: str, reason: str) -> AuditEntry:
    """Return what the trail says of a decision that was no."""
    return AuditEntry(action="access.denied", subject=resource, details={"permission": permission, "reason": reason})


def denial_leaves(error: AccessDeniedError) -> list[AuditLeaf]:
    """Return the leaf of a denial; none where the error was raised without knowing for whom."""
    if not isinstance(error.context, SecurityContext):
        return []
    return [make_leaf(denial_entry(error.permission, error.resource, error.reason), context=error.context)]
