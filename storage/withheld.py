"""The RESTRICTED records that something names by their ids: it has no grants of its own, so theirs count."""

from __future__ import annotations

import re
from collections.abc import Collection
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, text

from storage.access import Resource
from storage.models import ACLEntry, DataClassification
from storage.security import SecurityContext
from storage.tenants import enter_tenant

ID_PATTERN = "[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}"
"""An id as any reader of ids takes it: with hyphens or without, in small letters or capitals."""

_ID = re.compile(ID_PATTERN, re.IGNORECASE)
_GRANTS = TypeAdapter(tuple[ACLEntry, ...])
_ARE_THERE_ANY = text(
    "select exists (select from document where tenant_id = :tenant_id and data_classification = 'restricted')"
)
# Deleted records too: what is told of them is as it was.
_RESTRICTED = text(
    "select id, model, body ->> 'owner' as owner, body -> 'acl' as acl from document"
    " where id = any(:ids) and tenant_id = :tenant_id and data_classification = 'restricted' order by id"
)


def ids_named(content: str) -> frozenset[UUID]:
    """Return everything in a text that could be the id of a record."""
    return frozenset(map(UUID, _ID.findall(content)))


def has_restricted_records(connection: Connection, context: SecurityContext) -> bool:
    """Return whether the principal's tenant has any record that is RESTRICTED, deleted ones included."""
    enter_tenant(connection, context.tenant_id)
    return bool(connection.execute(_ARE_THERE_ANY, {"tenant_id": context.tenant_id}).scalar_one())


def restricted_records(connection: Connection, ids: Collection[UUID], context: SecurityContext) -> dict[UUID, Resource]:
    """Return those of the principal's tenant that are RESTRICTED, by their ids, deleted ones included."""
    if not ids:
        return {}
    enter_tenant(connection, context.tenant_id)
    rows = connection.execute(_RESTRICTED, {"ids": sorted(ids), "tenant_id": context.tenant_id})
    return {row.id: _resource(row, context) for row in rows}


def _resource(row: Row[tuple[object, ...]], context: SecurityContext) -> Resource:
    return Resource(
        kind=row.model,
        tenant_id=context.tenant_id,
        data_classification=DataClassification.RESTRICTED,
        resource_id=str(row.id),
        owner=row.owner,
        acl=_GRANTS.validate_python(row.acl),
    )
