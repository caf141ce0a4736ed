"""Which database a command works on: the one that the settings name, or the embedded one in the platform's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from learning.errors import PlatformNotFoundError, SchemaOutdatedError
from learning.settings import LearningSettings
from storage.database import connect_as_owner, current_revision, migrate, newest_revision, require_owner
from storage.embedded_postgres import embedded_postgres
from storage.stores import MetricMaintenance


@dataclass(frozen=True)
class DatabaseServer:
    """Where the database is; `restart_if_dead` does something only where the server is ours to keep alive."""

    url: str
    restart_if_dead: Callable[[], None] = lambda: None


@contextmanager
def open_database(settings: LearningSettings) -> Iterator[str]:
    """Yield the URL of the database, as `open_database_server` does the server."""
    with open_database_server(settings) as server:
        yield server.url


@contextmanager
def open_current_database(settings: LearningSettings) -> Iterator[str]:
    """Yield the URL of the database of a platform that is there, and of this version.

    Raises:
        PlatformNotFoundError: There is none in the folder; nothing was made.
        DatabaseUnavailableError: It cannot be reached or started.
        SchemaOutdatedError: Its schema is of another version; nothing was changed.
    """
    if settings.database_url is None and not _cluster_folder(settings).exists():
        raise PlatformNotFoundError(home=str(settings.home.resolve()))
    with open_database(settings) as database_url:
        require_current_schema(database_url)
        yield database_url


@contextmanager
def open_prepared_database(settings: LearningSettings) -> Iterator[str]:
    """Yield the URL of the platform's database, the embedded one made and brought up to date, a server's left as it is.

    Raises:
        DatabaseUnavailableError: It cannot be reached or started.
        SchemaOutdatedError: A server's schema is of another version; nothing was changed.
    """
    with open_database(settings) as database_url:
        if settings.database_url is None:
            prepare_database(database_url)
        else:
            require_current_schema(database_url)
        yield database_url


def _cluster_folder(settings: LearningSettings) -> Path:
    return settings.home.resolve() / "postgres"


@contextmanager
def open_database_server(settings: LearningSettings) -> Iterator[DatabaseServer]:
    """Yield the database server: the one that is named, or the embedded one, started for this block.

    Raises:
        DatabaseUnavailableError: It cannot be reached or started.
    """
    if settings.database_url is not None:
        yield DatabaseServer(settings.database_url.get_secret_value())
        return
    with embedded_postgres(_cluster_folder(settings)) as cluster:
        yield DatabaseServer(cluster.url, cluster.restart_if_dead)


def prepare_database(database_url: str) -> None:
    """Bring the schema up to date, with room for the metrics of the months ahead."""
    database = connect_as_owner(database_url)
    try:
        migrate(database)
        require_owner(database)
        with database.begin() as connection:
            MetricMaintenance(connection).create_partitions_ahead(datetime.now(UTC))
    finally:
        database.dispose()


def require_current_schema(database_url: str) -> None:
    """Return if the schema is this version's.

    Raises:
        SchemaOutdatedError: It is not; nothing was changed.
    """
    database = connect_as_owner(database_url)
    try:
        found, newest = current_revision(database), newest_revision()
    finally:
        database.dispose()
    if found != newest:
        raise SchemaOutdatedError(found=found, newest=newest)
