"""What a platform holds, to see whether something changed it."""

from __future__ import annotations

import json
from typing import NamedTuple

from database_owner import as_owner
from handlers_platform import Workshop
from sqlalchemy import text

from storage import Storage


class Holdings(NamedTuple):
    """Rows of each table, all but the audit trail's, and the objects."""

    rows: dict[str, int]
    objects: frozenset[str]


def holdings(shop: Workshop) -> Holdings:
    """Return what there is now."""
    objects = frozenset(str(path) for path in shop.objects.rglob("*") if path.is_file())
    return Holdings(count_rows(shop.services.storage), objects)


def count_rows(storage: Storage) -> dict[str, int]:
    """Return how many rows each table has, of all tenants; what was asked and refused is on record, and not counted."""
    with as_owner(storage) as connection:
        names = connection.execute(text("select tablename from pg_tables where schemaname = 'public'")).scalars().all()
        tables = sorted(name for name in names if not name.startswith("audit_"))
        counting = " union all ".join(f"select '{name}', count(*) from {name}" for name in tables)
        return {row[0]: row[1] for row in connection.execute(text(counting))}


def denials(shop: Workshop, user_id: str) -> list[str]:
    """What a person was refused, one time after another, by the audit trail."""
    with as_owner(shop.services.storage) as connection:
        query = text("select canonical_bytes from audit_leaf order by audit_ref")
        found = [json.loads(bytes(leaf)) for leaf in connection.execute(query).scalars()]
    return [leaf["subject"] for leaf in found if (leaf["actor"], leaf["action"]) == (user_id, "access.denied")]
