"""Whether what names records by their ids may be told to somebody: it has no grants of its own, so theirs count."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, text

from storage.access import Resource, decide
from storage.audit import AuditTrail
from storage.audit.denials import denial_entry
from storage.models import ACLEntry, DataClassification, Permission
from storage.security import SecurityContext
from storage.tenants import enter_tenant

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GRANTS = TypeAdapter(tuple[ACLEntry, ...])
# Deleted records too: what is told of them is as it was.
_RESTRICTED = text(
    "select id, model, body ->> 'owner' as owner, body -> 'acl' as acl from document"
    " where id = any(:ids) and tenant_id = :tenant_id and data_classification = :restricted order by id"
)


def names_withheld_record(
    connection: Connection, audit: AuditTrail, content: str, *, now: datetime, context: SecurityContext
) -> bool:
    """Return whether a text names a RESTRICTED record that the principal may not read; if so, that is on the trail."""
    ids = sorted({UUID(found) for found in _ID.findall(content)})
    enter_tenant(connection, context.tenant_id)
    values = {"ids": ids, "tenant_id": context.tenant_id, "restricted": DataClassification.RESTRICTED.value}
    refused = False
    for row in connection.execute(_RESTRICTED, values):
        resource = _resource(row, context)
        decision = decide(context, Permission.READ, resource, now=now)
        if not decision.allowed:
            audit.deny(denial_entry(Permission.READ.value, resource.name, decision.reason), context=context)
            refused = True
    return refused


def _resource(row: Row[tuple[object, ...]], context: SecurityContext) -> Resource:
    return Resource(
        kind=row.model,
        tenant_id=context.tenant_id,
        data_classification=DataClassification.RESTRICTED,
        resource_id=str(row.id),
        owner=row.owner,
        acl=_GRANTS.validate_python(row.acl),
    )
