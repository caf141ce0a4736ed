"""Steps of brief jobs are committed together; what goes wrong with one of them does not touch the others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from uuid import UUID

import pytest
from diagrams import diagram, end, path, service_task, start
from engine_shop import ADMIN, EAGER, ONE_JOB, Nothing, Result, Shop, external, five, running, transactional
from patience import becomes
from sqlalchemy import text

from engine import (
    InstanceStatus,
    JobContext,
    NotificationHub,
    TaskContext,
    TransactionalTask,
    Worker,
    WorkerPolicy,
    inline_tasks,
)
from storage import Storage

EVERY_JOB_IS_BRIEF = WorkerPolicy(lease_seconds=60, backoff_seconds=0, brief_seconds=3_600, patience_seconds=0.05)
NO_JOB_IS_BRIEF = WorkerPolicy(lease_seconds=60, brief_seconds=0)
TRUST = 4  # brief runs, after which a handler counts as brief


def seasoned(shop: Shop, policy: WorkerPolicy = EVERY_JOB_IS_BRIEF) -> Worker:
    """Return a worker that has seen the handler often enough to know how long it takes."""
    worker = shop.worker(policy)
    for _ in range(TRUST):
        shop.start()
        worker.run_one()
    return worker


def commits(shop: Shop, instances: list[UUID]) -> int:
    """Return in how many transactions the instances were completed."""
    statement = (
        "select count(distinct xid) from event where kind = 'process.completed' and process_instance_id = any(:i)"
    )
    with shop.storage.transaction() as work:
        number = work.connection.execute(text(statement), {"i": instances}).scalar_one()
    return int(number)


def statuses(shop: Shop, instances: list[UUID]) -> list[InstanceStatus]:
    return [shop.describe(instance).status for instance in instances]


def idle(_context: TaskContext, _request: Nothing) -> Result:
    return Result()


@pytest.mark.parametrize("task", [external(five), transactional(idle)], ids=["external", "transactional"])
def test_brief_jobs_of_several_instances_are_one_commit(storage: Storage, hub: NotificationHub, task: object) -> None:
    shop = Shop(storage, hub, ONE_JOB, task)
    worker = seasoned(shop)
    instances = [shop.start() for _ in range(5)]

    worker.run_one()

    assert (statuses(shop, instances), commits(shop, instances)) == ([InstanceStatus.COMPLETED] * 5, 1)


def test_of_jobs_that_may_take_long_one_is_taken_at_a_time(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, ONE_JOB, external(five))
    worker = seasoned(shop, NO_JOB_IS_BRIEF)
    for _ in range(3):
        shop.start()

    assert len(worker.claim()) == 1


def on_call(number: int, act: Callable[[], None]) -> Callable[[JobContext, Nothing], Result]:
    """Return a handler that does something else as well when it is called for the n-th time."""
    calls: list[UUID] = []

    def run(context: JobContext, _request: Nothing) -> Result:
        calls.append(context.process_instance_id)
        if len(calls) == number:
            act()
        return Result(value=5)

    return run


def test_a_job_that_is_lost_meanwhile_is_refused_and_the_others_of_its_group_are_not(
    storage: Storage, hub: NotificationHub
) -> None:
    def steal() -> None:
        shop.execute(f"update job set epoch = epoch + 1 where process_instance_id = '{instances[0]}'")

    shop = Shop(storage, hub, ONE_JOB, external(on_call(TRUST + 3, steal)))
    worker = seasoned(shop)
    instances = [shop.start() for _ in range(3)]

    worker.run_one()

    assert worker.refused_outcomes == 1
    assert sorted(statuses(shop, instances)) == [InstanceStatus.COMPLETED, InstanceStatus.COMPLETED, "running"]
    assert shop.job("status, epoch") == ("running", 2)


def test_a_handler_that_takes_longer_than_usual_does_not_hold_up_finished_steps(
    storage: Storage, hub: NotificationHub
) -> None:
    finished = threading.Event()
    seen: list[bool] = []

    def wait_for_the_first() -> None:
        seen.append(becomes(lambda: InstanceStatus.COMPLETED in statuses(shop, instances)))
        finished.set()

    shop = Shop(storage, hub, ONE_JOB, external(on_call(TRUST + 2, wait_for_the_first)))
    worker = seasoned(shop)
    instances = [shop.start() for _ in range(2)]

    with running(worker, hub):
        assert finished.wait(60)

    assert seen == [True]
    assert statuses(shop, instances) == [InstanceStatus.COMPLETED] * 2


def test_a_transactional_handler_that_fails_undoes_nothing_of_the_others(
    storage: Storage, hub: NotificationHub
) -> None:
    failures: list[UUID] = []

    def run(context: TaskContext, _request: Nothing) -> Result:
        if context.process_instance_id == bad and context.attempt == 1:
            failures.append(bad)
            raise ConnectionError
        return Result(value=context.attempt)

    bad = UUID(int=0)
    shop = Shop(storage, hub, ONE_JOB, transactional(run))
    worker = seasoned(shop)
    instances = [shop.start() for _ in range(3)]
    bad = instances[1]

    worker.run_one()
    assert statuses(shop, instances) == [InstanceStatus.COMPLETED, InstanceStatus.RUNNING, InstanceStatus.COMPLETED]
    assert shop.job() == ("available", 2, 1)
    worker.run_one()

    assert [shop.variables(each) for each in instances] == [{"value": 1}, {"value": 2}, {"value": 1}]
    assert len(failures) == 2  # once together with the others, once alone


def test_the_time_that_a_transaction_may_take_is_that_of_all_its_steps_together(
    storage: Storage, hub: NotificationHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_slow(_context: TaskContext, _request: Nothing) -> Result:
        clock[0] += 0.6 * slowness
        return Result()

    clock, slowness = [0.0], 0
    tasks = service_task("Work", "t"), service_task("Slow", "slow")
    chain = diagram("p", start(), path("Begin", "Work", "Slow", "Done"), *tasks, end())
    shop = Shop(storage, hub, chain, transactional(idle), TransactionalTask("slow", Nothing, be_slow))
    worker = seasoned(shop)
    instances = [shop.start() for _ in range(5)]
    monkeypatch.setattr(inline_tasks, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    slowness = 1

    worker.run_one()

    assert statuses(shop, instances) == [InstanceStatus.COMPLETED] * 5
    assert commits(shop, instances) > 1  # two fit into the second that a step may take


def test_an_instance_suspended_while_its_step_waits_keeps_the_result(storage: Storage, hub: NotificationHub) -> None:
    def suspend() -> None:
        from engine.operations import Operations

        with shop.storage.transaction() as work:
            Operations(shop.engine).suspend(work, instances[0], reason="to look at it", context=ADMIN)

    shop = Shop(storage, hub, ONE_JOB, external(on_call(TRUST + 2, suspend)))
    worker = seasoned(shop)
    instances = [shop.start() for _ in range(2)]

    worker.run_one()

    assert statuses(shop, instances) == [InstanceStatus.SUSPENDED, InstanceStatus.COMPLETED]
    assert shop.job("status, result") == ("suspended", {"value": 5})


def test_a_worker_that_cannot_read_its_instances_gives_their_jobs_up(
    storage: Storage, hub: NotificationHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(storage, hub, ONE_JOB, external(five))
    shop.start()
    worker = shop.worker(EAGER)

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(shop.engine.instances, "warm_up", fail)
    with pytest.raises(MemoryError):
        worker.run_one()

    assert worker._leases._held == {}
