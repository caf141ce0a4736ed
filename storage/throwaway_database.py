"""A database for one purpose: an embedded cluster in a temporary folder, at the newest revision, gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from sqlalchemy import make_url

from storage.database import ENGINE_ROLE, connect, connect_as_owner, migrate
from storage.embedded_postgres import EmbeddedPostgres, embedded_postgres
from storage.objects import FolderObjectStore
from storage.storage import Storage

_POOL_SIZE = 4
_TEMPLATE = "migrated"


@contextmanager
def throwaway_database() -> Iterator[str]:
    """Yield the URL of a fresh database that nobody else knows; at the end its server and its files are gone.

    Raises:
        DatabaseUnavailableError: The server does not start.
    """
    with _server() as server:
        _migrate(server.url)
        yield server.url


class ThrowawayCluster:
    """A server with a migrated database, which is copied as often as wanted."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._execute(f'create database "{_TEMPLATE}"')
        _migrate(self._url_of(_TEMPLATE))

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the URL of a fresh database; drop it at the end."""
        name = f"simulated_{uuid4().hex}"
        self._execute(f'create database "{name}" template "{_TEMPLATE}"')
        try:
            yield self._url_of(name)
        finally:
            self._execute(f'drop database "{name}" with (force)')

    def _url_of(self, name: str) -> str:
        return make_url(self._url).set(database=name).render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        engine = connect_as_owner(self._url)
        try:
            with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                connection.exec_driver_sql(statement)
        finally:
            engine.dispose()


@contextmanager
def throwaway_cluster() -> Iterator[ThrowawayCluster]:
    """Yield a server of which databases are made, each fresh; at the end it and its files are gone.

    Raises:
        DatabaseUnavailableError: The server does not start.
    """
    with _server() as server:
        yield ThrowawayCluster(server.url)


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
    database = connect(url, pool_size=_POOL_SIZE, role=ENGINE_ROLE)
    try:
        with tempfile.TemporaryDirectory(prefix="ami-simulation-") as name:
            yield Storage(database, FolderObjectStore(Path(name)))
    finally:
        database.dispose()


@contextmanager
def _server() -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="ami-simulation-") as name:
        Path(name).chmod(0o755)  # a cluster of root runs as another user, who has to get through
        with embedded_postgres(Path(name) / "postgres") as server:
            yield server


def _migrate(url: str) -> None:
    database = connect_as_owner(url)
    try:
        migrate(database)
    finally:
        database.dispose()
