"""A look at the whole database, past the tenants' walls: what tests may do and the platform may not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from storage import Storage


@contextmanager
def as_owner(storage: Storage) -> Iterator[Connection]:
    """Open a transaction that acts as the login, who owns the tables, instead of as the application's role."""
    with storage.transaction() as work:
        work.connection.execute(text("set local role none"))
        yield work.connection
