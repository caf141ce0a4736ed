"""A database for one purpose: an embedded cluster in a temporary folder, at the newest revision, gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.database import connect, connect_as_owner, migrate
from storage.embedded_postgres import embedded_postgres
from storage.objects import FolderObjectStore
from storage.storage import Storage

_POOL_SIZE = 4


@contextmanager
def throwaway_database() -> Iterator[str]:
    """Yield the URL of a fresh database that nobody else knows; at the end its server and its files are gone.

    Raises:
        DatabaseUnavailableError: The server does not start.
    """
    with tempfile.TemporaryDirectory(prefix="ami-simulation-") as name:
        Path(name).chmod(0o755)  # a cluster of root runs as another user, who has to get through
        with embedded_postgres(Path(name) / "postgres") as server:
            _migrate(server.url)
            yield server.url


@contextmanager
def owner_storage(url: str) -> Iterator[Storage]:
    """Yield the stores as who owns the tables, to make the database what is needed before anything happens in it."""
    database = connect_as_owner(url)
    try:
        yield Storage(database, FolderObjectStore(Path(tempfile.gettempdir())))
    finally:
        database.dispose()


@contextmanager
def throwaway_storage(url: str) -> Iterator[Storage]:
    """Yield the stores on a throw-away database; its objects are in a folder that goes with it."""
    database = connect(url, pool_size=_POOL_SIZE)
    try:
        with tempfile.TemporaryDirectory(prefix="ami-simulation-") as name:
            yield Storage(database, FolderObjectStore(Path(name)))
    finally:
        database.dispose()


def _migrate(url: str) -> None:
    database = connect_as_owner(url)
    try:
        migrate(database)
    finally:
        database.dispose()
