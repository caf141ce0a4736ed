"""A database that goes away in the middle of a job costs time, not an attempt and not the work done."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from diagrams import diagram, end, path, service_task, start
from pydantic import BaseModel
from sqlalchemy import make_url

from engine import (
    Engine,
    ExternalTask,
    InstanceStatus,
    JobContext,
    NotificationHub,
    ServiceTaskRegistry,
    TaskContext,
    TransactionalTask,
    Worker,
    WorkerPolicy,
)
from engine.crash_points import CrashPoint, armed
from storage import SecurityContext, Storage
from storage.errors import DatabaseUnavailableError
from storage.models import RoleType

ADMIN = SecurityContext(user_id="olga", tenant_id="north", roles=frozenset({RoleType.ADMIN}))
ONE_JOB = diagram("p", start(), path("Begin", "Work", "Done"), service_task("Work", "t", retries=3), end())


class Nothing(BaseModel):
    """No fields."""


class Outage(logging.Handler):
    """Shuts a database, and opens it again when the worker has noticed."""

    def __init__(self, database_url: str, cluster_url: str) -> None:
        super().__init__()
        self._name = make_url(database_url).database
        self._cluster_url = cluster_url
        self.noticed: list[str] = []

    def begin(self) -> None:
        self._execute(f'alter database "{self._name}" allow_connections false')
        self._execute(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{self._name}'")

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("database lost"):
            self.noticed.append(record.getMessage())
            self._execute(f'alter database "{self._name}" allow_connections true')

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._cluster_url, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture
def outage(database_url: str, cluster_url: str) -> Iterator[Outage]:
    outage = Outage(database_url, cluster_url)
    logging.getLogger("engine").addHandler(outage)
    yield outage
    logging.getLogger("engine").removeHandler(outage)


@contextmanager
def started(storage: Storage, database_url: str, task: Any) -> Iterator[tuple[Worker, Engine, Any]]:
    engine = Engine(ServiceTaskRegistry(task), {})
    with storage.transaction() as work:
        engine.deploy(work, ONE_JOB, context=ADMIN)
        instance_id = engine.start(work, "p", {}, context=ADMIN)
    policy = WorkerPolicy(lease_seconds=60, backoff_seconds=0)
    yield Worker(engine, storage, NotificationHub(database_url), policy), engine, instance_id


def test_the_result_of_a_long_job_is_written_once_the_database_is_back(
    storage: Storage, database_url: str, outage: Outage
) -> None:
    attempts = []

    def run(context: JobContext, _request: Nothing) -> Nothing:
        attempts.append(context.attempt)
        outage.begin()
        context.report("progress", {"epoch": 1})
        return Nothing()

    with started(storage, database_url, ExternalTask("t", Nothing, run)) as (worker, engine, instance_id):
        worker.run_one()

        with storage.transaction() as work:
            status = engine.describe(work, instance_id, context=ADMIN).status
    assert (attempts, status, outage.noticed) == ([1], InstanceStatus.COMPLETED, ["database lost, writing again"])


def test_a_transactional_job_that_loses_the_database_does_not_lose_an_attempt(
    storage: Storage, database_url: str, outage: Outage
) -> None:
    attempts = []

    def run(context: TaskContext, _request: Nothing) -> Nothing:
        attempts.append(context.attempt)
        if len(attempts) == 1:
            outage.begin()
        return Nothing()

    with started(storage, database_url, TransactionalTask("t", Nothing, run)) as (worker, engine, instance_id):
        while worker.run_one():
            pass

        with storage.transaction() as work:
            status = engine.describe(work, instance_id, context=ADMIN).status
    assert (attempts, status) == ([1, 1], InstanceStatus.COMPLETED)


def test_a_job_that_was_claimed_before_an_outage_is_done_after_it(
    storage: Storage, database_url: str, outage: Outage
) -> None:
    def begin_outage(point: CrashPoint) -> None:
        if point == "after_claim" and not outage.noticed:
            outage.begin()

    task = TransactionalTask("t", Nothing, lambda _context, _request: Nothing())
    with started(storage, database_url, task) as (worker, engine, instance_id), armed(begin_outage):
        while worker.run_one():
            pass

        with storage.transaction() as work:
            status = engine.describe(work, instance_id, context=ADMIN).status
    assert status is InstanceStatus.COMPLETED


def test_a_lost_connection_is_reported_without_the_drivers_words(storage: Storage, outage: Outage) -> None:
    with storage.transaction() as work:
        work.now  # noqa: B018 - opens the connection
    outage.begin()

    with pytest.raises(DatabaseUnavailableError) as failure, storage.transaction() as work:
        work.now  # noqa: B018 - asks the database

    assert (failure.value.reason, failure.value.retryable) == ("the connection was lost", True)
