"""Who waits for a lock in this database; the server is shared with whatever test runs at the same time."""

from __future__ import annotations

from sqlalchemy import Connection, text

_WAITS = text("""
    select count(*) from pg_locks
    where locktype = 'advisory' and not granted
        and database = (select oid from pg_database where datname = current_database())
""")


def lock_waits(connection: Connection) -> int:
    """Return how many sessions wait for a named lock."""
    return int(connection.execute(_WAITS).scalar_one())
