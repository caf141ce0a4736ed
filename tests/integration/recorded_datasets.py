"""People of one tenant, what they do to datasets, and what of that is on the record."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from database_owner import as_owner
from sqlalchemy import text

from storage import SecurityContext, Storage
from storage.models import (
    ACLEntry,
    Dataset,
    Permission,
    ProcessObservation,
    RoleType,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def principal(user_id: str, *roles: RoleType, **more: Any) -> SecurityContext:
    return SecurityContext(user_id=user_id, tenant_id="north", roles=frozenset(roles), **more)


ADA = principal("ada", RoleType.MEMBER)


BOB = principal("bob", RoleType.MEMBER)


VERA = principal("vera", RoleType.VIEWER)


OLGA = principal("olga", RoleType.OWNER)


LEARNER = principal("gsom", RoleType.SERVICE)


def dataset(**fields: Any) -> Dataset:
    return Dataset(**{"tenant_id": "north", "name": "iris", "source_uri": "file:///iris.csv", **fields})


def create(storage: Storage, record: Dataset, context: SecurityContext = ADA) -> Dataset:
    with storage.transaction() as work:
        return work.get_crud(Dataset).create(record, context=context)


def update(storage: Storage, record: Dataset, context: SecurityContext, **patch: Any) -> Dataset:
    with storage.transaction() as work:
        return work.get_crud(Dataset).update(record, patch, context=context)


def delete(storage: Storage, record: Dataset, context: SecurityContext) -> None:
    with storage.transaction() as work:
        work.get_crud(Dataset).delete(record, context=context)


def seen_by(storage: Storage, context: SecurityContext) -> list[Dataset]:
    with storage.transaction() as work:
        datasets = work.get_crud(Dataset)
        found = datasets.query({}, context=context)
        assert datasets.count({}, context=context) == len(found)
        assert all(datasets.read(record.id, context=context) == record for record in found)
    return found


def grant(*permissions: Permission, to: str, **more: Any) -> ACLEntry:
    fields = {
        "principal": to,
        "principal_type": "user",
        "permissions": permissions,
        "granted_by": "ada",
        "granted_at": NOW,
    }
    return ACLEntry.model_validate({"granted_by": "ada", "granted_at": NOW, **fields, **more})


def leaves(storage: Storage, action: str) -> list[dict[str, Any]]:
    with as_owner(storage) as connection:
        rows = connection.execute(text("select canonical_bytes from audit_leaf order by audit_ref")).scalars()
        return [leaf for leaf in map(json.loads, map(bytes, rows)) if leaf["action"] == action]


def observations(storage: Storage) -> list[ProcessObservation]:
    with storage.transaction() as work:
        return work.get_crud(ProcessObservation).query({}, context=LEARNER)[::-1]
