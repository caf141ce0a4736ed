"""The audit leaf of a change to a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from pydantic import JsonValue

from storage import AuditEntry, SecurityContext, UnitOfWork


def audit_schedule(
    work: UnitOfWork, action: str, schedule_id: UUID, details: Mapping[str, JsonValue], context: SecurityContext
) -> UUID:
    """Record that `context` changed a schedule; return the `audit_ref`."""
    entry = AuditEntry(action=action, subject=f"schedule/{schedule_id}", details=dict(details))
    return work.audit.record(entry, context=context)
