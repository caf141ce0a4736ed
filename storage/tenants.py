"""For whom a transaction works: the setting that PostgreSQL's row-level security reads.

Every statement on records names its tenant by itself too. This is the second lock: a statement that forgot, or one that
was turned by its input, still sees the rows of one tenant alone.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

_ENTER = text("select set_config('learning.tenant_id', :tenant_id, true)")


def enter_tenant(connection: Connection, tenant_id: str) -> None:
    """Show this transaction, until it ends or enters another tenant, the rows of `tenant_id` and no others."""
    connection.execute(_ENTER, {"tenant_id": tenant_id})
