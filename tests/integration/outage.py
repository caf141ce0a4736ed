"""A database that goes away in the middle of something, and comes back once the product has noticed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import make_url


class Outage(logging.Handler):
    """Shuts a database, and opens it again when somebody has told of it in words that begin as given."""

    def __init__(self, database_url: str, cluster_url: str, notice: str = "") -> None:
        super().__init__()
        self._name = make_url(database_url).database
        self._cluster_url = cluster_url
        self._notice = notice
        self.noticed: list[str] = []

    def begin(self) -> None:
        self._execute(f'alter database "{self._name}" allow_connections false')
        self._execute(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{self._name}'")

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith(self._notice):
            self._execute(f'alter database "{self._name}" allow_connections true')
            self.noticed.append(record.getMessage())

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._cluster_url, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def listening(outage: Outage, logger: str) -> Iterator[Outage]:
    """Let an outage hear what a logger is told, until the end of the block."""
    logging.getLogger(logger).addHandler(outage)
    try:
        yield outage
    finally:
        logging.getLogger(logger).removeHandler(outage)
