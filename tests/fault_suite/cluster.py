"""A PostgreSQL of the fault suite's own, which can be made to crash."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from sqlalchemy import make_url

from storage.database import connect_as_owner, migrate
from storage.embedded_postgres import EmbeddedPostgres, embedded_postgres
from storage.errors import DatabaseUnavailableError

_DEADLINE_SECONDS = 60.0
_PAUSE_SECONDS = 0.02


class Cluster:
    """One embedded cluster with a migrated template in it.

    Attributes:
        socket: Where it listens.
    """

    def __init__(self, server: EmbeddedPostgres, folder: Path) -> None:
        self.socket = folder.resolve() / ".s.PGSQL.5432"
        self._server = server
        self._folder = folder
        self._make_template()

    def new_database(self) -> str:
        """Return the URL of a fresh database at the newest revision."""
        name = f"faults_{uuid4().hex[:12]}"
        self._execute(f'create database "{name}" template "migrated"')
        return self._url(name)

    def drop_database(self, url: str) -> None:
        self._execute(f'drop database "{make_url(url).database}" with (force)')

    def stop_immediately(self) -> None:
        """Crash the server, as `pg_ctl stop -m immediate` does: nothing is flushed, no client is told goodbye."""
        pid_file = self._folder / "postmaster.pid"
        os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGQUIT)
        _wait_until_gone(pid_file)

    def start(self) -> None:
        """Start the server again; it recovers from its log first."""
        for _ in _ticks():
            try:
                self._server.restart_if_dead()
            except DatabaseUnavailableError:  # processes of the crashed server still hold its memory
                continue
            return
        raise TimeoutError("PostgreSQL does not start")

    def _make_template(self) -> None:
        self._execute('create database "migrated"')
        engine = connect_as_owner(self._url("migrated"))
        migrate(engine)
        engine.dispose()

    def _url(self, name: str) -> str:
        return make_url(self._server.url).set(database=name).render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server.url, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Run a cluster in a folder of its own; stop it at the end of the block."""
    # Not below pytest's folder, whose permissions keep out the user that a cluster of root runs as.
    with (
        tempfile.TemporaryDirectory(prefix="ami-faults-") as name,
        embedded_postgres(Path(name) / "postgres") as server,
    ):
        Path(name).chmod(0o755)
        cluster = Cluster(server, Path(name) / "postgres")
        try:
            yield cluster
        finally:
            cluster.start()  # a test may have failed while it was down, and only a running server is stopped well


def _wait_until_gone(pid_file: Path) -> None:
    for _ in _ticks():
        if not pid_file.exists():
            return
    raise TimeoutError("PostgreSQL does not stop")


def _ticks() -> Iterator[None]:
    pause = threading.Event()
    for _ in range(round(_DEADLINE_SECONDS / _PAUSE_SECONDS)):
        yield
        pause.wait(_PAUSE_SECONDS)
