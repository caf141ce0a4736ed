"""A scheduler outlives a database that goes away, and fires what became due meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from clockwork import JOIN_SECONDS, Clockwork, ago, every
from engine_shop import becomes
from sqlalchemy import make_url

from engine import Engine, Scheduler, SchedulerPolicy, ServiceTaskRegistry
from storage import Storage


class Outage(logging.Handler):
    """Shuts a database, and opens it again when a scheduler has told of it."""

    def __init__(self, database_url: str, cluster_url: str) -> None:
        super().__init__()
        self._name = make_url(database_url).database
        self._cluster_url = cluster_url
        self.noticed: list[str] = []

    def begin(self) -> None:
        self._execute(f'alter database "{self._name}" allow_connections false')
        self._execute(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{self._name}'")

    def emit(self, record: logging.LogRecord) -> None:
        self._execute(f'alter database "{self._name}" allow_connections true')
        self.noticed.append(record.getMessage())

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._cluster_url, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture
def outage(database_url: str, cluster_url: str) -> Iterator[Outage]:
    outage = Outage(database_url, cluster_url)
    logging.getLogger("engine.scheduler").addHandler(outage)
    yield outage
    logging.getLogger("engine.scheduler").removeHandler(outage)


class OnceInterrupted(Engine):
    """An engine under whose first start the database goes away."""

    def __init__(self, outage: Outage) -> None:
        super().__init__(ServiceTaskRegistry(), {})
        self.outage = outage
        self.starts = 0

    def start(self, *arguments: Any, **named: Any) -> UUID:
        self.starts += 1
        if self.starts == 1:
            self.outage.begin()
        return super().start(*arguments, **named)


def test_a_start_that_loses_the_database_is_made_when_it_is_back_and_counts_as_no_failure(
    storage: Storage, outage: Outage
) -> None:
    clock = Clockwork(storage)
    clock.define(every("P1D", ago(minutes=1)))
    engine = OnceInterrupted(outage)
    scheduler = Scheduler(engine, storage, SchedulerPolicy(poll_seconds=0.1))
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    try:
        assert becomes(lambda: bool(outage.noticed) and bool(clock.started()))
    finally:
        scheduler.stop()
        thread.join(JOIN_SECONDS)

    (fire,) = clock.fires()
    assert (outage.noticed, engine.starts) == (["scheduler lost the database"], 2)
    assert (clock.schedule().failures, [fire.process_instance_id]) == (0, clock.started())
