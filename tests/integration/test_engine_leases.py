"""Who owns a job on a real database: leases, epochs, stopping, and workers side by side."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from engine_shop import (
    ADMIN,
    JOIN_SECONDS,
    ONE_JOB,
    Nothing,
    Result,
    Shop,
    external,
    five,
    running,
    transactional,
    write_dataset,
)
from patience import becomes

from engine import (
    BpmnError,
    InstanceStatus,
    JobContext,
    NotificationHub,
    PermanentTaskError,
    TaskContext,
    Worker,
    WorkerPolicy,
)
from storage import Storage


def test_a_result_under_a_lease_that_another_worker_has_taken_over_is_refused(
    storage: Storage, hub: NotificationHub
) -> None:
    shop = Shop(storage, hub, ONE_JOB, external(five))
    process_instance_id = shop.start()
    stale, owned = shop.claim(lease_seconds=0), shop.claim()
    before = shop.describe(process_instance_id)

    worker = shop.worker()
    worker.work_on(stale)

    assert worker.refused_outcomes == 1
    assert shop.describe(process_instance_id) == before
    assert (shop.variables(process_instance_id), shop.job()) == ({}, ("running", 1, 2))
    shop.worker().work_on(owned)
    assert (shop.variables(process_instance_id), shop.job()) == ({"value": 5}, None)


@pytest.mark.parametrize("failure", [BpmnError("UNHEARD", "of"), PermanentTaskError("broken")])
def test_a_failure_under_a_lease_that_another_worker_has_taken_over_changes_nothing(
    storage: Storage, hub: NotificationHub, failure: Exception
) -> None:
    def lose_the_lease(_context: JobContext, _request: Nothing) -> Result:
        shop.execute("update job set lease_until = clock_timestamp() - interval '1 second'")
        shop.claim()
        raise failure

    shop = Shop(storage, hub, ONE_JOB, external(lose_the_lease))
    process_instance_id = shop.start()
    worker = shop.worker()

    assert worker.run_one()

    assert worker.refused_outcomes == 1
    described = shop.describe(process_instance_id)
    assert (described.status, described.incident) == (InstanceStatus.RUNNING, None)
    assert shop.job() == ("running", 1, 2)


def test_an_external_handler_learns_that_its_lease_is_lost(storage: Storage, hub: NotificationHub) -> None:
    seen = []

    def lose_the_lease(context: JobContext, _request: Nothing) -> Result:
        shop.execute("update job set epoch = epoch + 1")
        seen.append(becomes(context.should_stop))
        raise ConnectionAbortedError

    shop = Shop(storage, hub, ONE_JOB, external(lose_the_lease))
    process_instance_id = shop.start()

    shop.worker(WorkerPolicy(lease_seconds=0.2)).run_one()

    assert seen == [True]
    assert shop.describe(process_instance_id).status is InstanceStatus.RUNNING
    assert shop.job() == ("running", 1, 2)


def test_a_lease_is_renewed_for_as_long_as_the_handler_runs(storage: Storage, hub: NotificationHub) -> None:
    seen = []

    def outlast_the_lease(context: JobContext, _request: Nothing) -> Result:
        seen.append(becomes(lambda: shop.job("lease_until > created_at + interval '1 second'") == (True,)))
        seen.append(shop.worker().run_one() or context.should_stop())
        return Result(value=5)

    shop = Shop(storage, hub, ONE_JOB, external(outlast_the_lease))
    process_instance_id = shop.start()

    shop.worker(WorkerPolicy(lease_seconds=0.5)).run_one()

    assert seen == [True, False]
    assert shop.variables(process_instance_id) == {"value": 5}
    assert shop.job() is None


def test_a_worker_that_stops_gives_its_job_back_unharmed(storage: Storage, hub: NotificationHub) -> None:
    is_running = threading.Event()

    def run_until_stopped(context: JobContext, _request: Nothing) -> Result:
        is_running.set()
        assert becomes(context.should_stop)
        raise InterruptedError

    shop = Shop(storage, hub, ONE_JOB, external(run_until_stopped))
    process_instance_id = shop.start()

    with running(shop.worker(), hub):
        assert is_running.wait(JOIN_SECONDS)

    assert shop.job("status, attempt, lease_owner, last_error") == ("available", 1, None, None)
    assert shop.describe(process_instance_id).incident is None
    assert shop.claim().attempt == 1


def test_a_job_whose_workers_died_each_time_becomes_an_incident_without_another_run(
    storage: Storage, hub: NotificationHub
) -> None:
    def never(_context: JobContext, _request: Nothing) -> Result:
        raise AssertionError("the handler was called")

    shop = Shop(storage, hub, ONE_JOB, external(never))
    process_instance_id = shop.start()
    lost = [shop.claim(lease_seconds=0).lost_leases for _ in range(5)]

    shop.worker().run_one()

    assert lost == [0, 1, 2, 3, 4]
    incident = shop.describe(process_instance_id).incident or {}
    assert incident["code"] == "WORKER_LOST"
    assert shop.job("status, lost_leases") == ("failed", 5)


def test_a_job_under_a_lease_is_not_claimed_and_an_expired_one_is(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, ONE_JOB, external(five))
    shop.start()
    shop.claim()
    assert not shop.worker().run_one()

    shop.execute("update job set lease_until = clock_timestamp() - interval '1 second'")

    assert shop.worker().run_one()
    assert shop.job() is None


def test_what_an_external_handler_reports_is_read_before_it_ends(storage: Storage, hub: NotificationHub) -> None:
    seen = []

    def report(context: JobContext, _request: Nothing) -> Result:
        context.report("training.epoch", {"epoch": 1})
        assert becomes(shop.events_are_settled)
        with storage.transaction() as work:
            events = shop.engine.events_after(work, 0, context=ADMIN)
        seen.extend([(event.kind, event.element_id, event.payload) for event in events[-1:]])
        return Result()

    shop = Shop(storage, hub, ONE_JOB, external(report))
    shop.start()
    shop.worker().run_one()

    assert seen == [("training.epoch", "Work", {"epoch": 1, "attempt": 1})]


def test_workers_side_by_side_do_each_job_exactly_once(storage: Storage, hub: NotificationHub) -> None:
    def write(context: TaskContext, _request: Nothing) -> Result:
        write_dataset(context)
        return Result()

    shop = Shop(storage, hub, ONE_JOB, transactional(write))
    instances = [shop.start() for _ in range(15)]

    def work_off(worker: Worker) -> None:
        while worker.run_one():
            pass

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work_off, [shop.worker() for _ in range(3)]))

    assert shop.datasets() == 15
    assert {shop.describe(each).status for each in instances} == {InstanceStatus.COMPLETED}


def test_a_running_worker_takes_a_job_as_soon_as_it_is_offered(storage: Storage, hub: NotificationHub) -> None:
    done = threading.Event()

    def finish(_context: TaskContext, _request: Nothing) -> Result:
        done.set()
        return Result()

    shop = Shop(storage, hub, ONE_JOB, transactional(finish))

    with running(shop.worker(WorkerPolicy(poll_seconds=3_600)), hub):
        shop.start()
        assert done.wait(JOIN_SECONDS)
