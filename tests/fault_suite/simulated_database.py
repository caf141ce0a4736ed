"""What a simulation stands on: a database whose clock it sets, and storage that it may interrupt."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import SimpleNamespace
from typing import Protocol
from unittest import mock

import psycopg
from fault_suite.actors import Actor
from fault_suite.cluster import Cluster
from fault_suite.handlers import TABLES
from sqlalchemy import Engine as Pool

from storage import ObjectStore, Storage, UnitOfWork, identifiers
from storage.errors import DatabaseUnavailableError

_CLOCK = """
create table simulated_clock (shows timestamptz not null);
create or replace function engine_now() returns timestamptz
language sql volatile as 'select shows from simulated_clock';
"""
_NO_OTHER_CLOCK = """
do $$ declare c record; begin
    for c in select table_name, column_name from information_schema.columns
             where table_schema = 'public' and column_default like '%clock_timestamp()%' loop
        execute format('alter table %I alter column %I set default engine_now()', c.table_name, c.column_name);
    end loop;
end $$;
"""
# Statistics would change plans, and with them the order of rows that are equal, at moments that no seed decides.
_NO_AUTOVACUUM = """
do $$ declare name text; begin
    for name in select format('%I', relname) from pg_class
                where relnamespace = 'public'::regnamespace and relkind = 'r' loop
        execute format('alter table %s set (autovacuum_enabled = false)', name);
    end loop;
end $$;
"""


class Interruptions(Protocol):
    """Who decides what happens around a transaction."""

    def at_boundary(self, place: str) -> None:
        """Let others go on first, or end the actor's process."""

    def loses_connection(self, *, after_commit: bool) -> bool:
        """Decide whether the connection is lost now."""


@contextmanager
def simulated_database(cluster: Cluster, begin: datetime) -> Iterator[str]:
    """Give the URL of a fresh database whose clock shows `begin` until somebody sets it; drop it at the end."""
    url = cluster.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        fast = f'alter database "{connection.info.dbname}" set synchronous_commit = off'
        for statement in (TABLES, _CLOCK, _NO_OTHER_CLOCK, _NO_AUTOVACUUM, fast):
            connection.execute(statement.encode())
        connection.execute("insert into simulated_clock values (%s)", [begin])
    try:
        yield url
    finally:
        cluster.drop_database(url)


class SimulatedStorage(Storage):
    """The product's storage, with a place to be interrupted around every transaction."""

    def __init__(self, pool: Pool, objects: ObjectStore, interruptions: Interruptions) -> None:
        super().__init__(pool, objects)
        self._interruptions = interruptions

    @contextmanager
    def transaction(self, tenant_id: str | None = None) -> Iterator[UnitOfWork]:
        with self._interrupted(), super().transaction(tenant_id) as work:
            yield work

    @contextmanager
    def statement(self) -> Iterator[UnitOfWork]:
        with self._interrupted(), super().statement() as work:
            yield work

    @contextmanager
    def _interrupted(self) -> Iterator[None]:
        self._interruptions.at_boundary("transaction")
        if self._interruptions.loses_connection(after_commit=False):
            raise DatabaseUnavailableError(reason="the simulation says so")
        with _inside(Actor.current()):
            yield
        if self._interruptions.loses_connection(after_commit=True):
            raise DatabaseUnavailableError(reason="the simulation says so, after the commit")


@contextmanager
def _inside(actor: Actor | None) -> Iterator[None]:
    if actor is None:
        yield
        return
    actor.depth += 1
    try:
        yield
    finally:
        actor.depth -= 1


@contextmanager
def seeded_identifiers(chance: random.Random, now: Callable[[], datetime]) -> Iterator[None]:
    """Let identifiers follow from a seed and from a simulated clock."""
    factory = identifiers.new_id
    clock = SimpleNamespace(time_ns=lambda: int(now().timestamp() * 1e9))
    with (
        mock.patch.object(identifiers, "os", SimpleNamespace(urandom=chance.randbytes)),
        mock.patch.object(identifiers, "time", clock),
        mock.patch.object(factory, "_last_milliseconds", 0),
        mock.patch.object(factory, "_counter", 0),
        mock.patch.object(factory, "_drawn", []),
    ):
        yield
