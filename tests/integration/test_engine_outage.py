"""A database that goes away in the middle of a job costs time, not an attempt and not the work done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from diagrams import diagram, end, path, service_task, start
from outage import Outage, listening
from pydantic import BaseModel

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


@pytest.fixture
def outage(database_url: str, cluster_url: str) -> Iterator[Outage]:
    with listening(Outage(database_url, cluster_url, notice="database lost"), "engine") as outage:
        yield outage


@contextmanager
def started(storage: Storage, database_url: str, task: Any) -> Iterator[tuple[Worker, Engine, Any]]:
    engine = Engine(ServiceTaskRegistry(task), {}, platform_tenant="north")
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
