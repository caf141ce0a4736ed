"""Transactional tasks in a row are one step on a real database; a failing one is left to a step of its own."""

from __future__ import annotations

from uuid import UUID

from diagrams import diagram, end, path, service_task, start
from engine_shop import Nothing, Result, Shop, write_dataset
from sqlalchemy import text

from engine import ExternalTask, InstanceStatus, JobContext, NotificationHub, TaskContext, TransactionalTask
from storage import Storage

CHAIN = diagram(
    "p",
    start(),
    path("Begin", "A", "B", "C", "Done"),
    *(service_task(name, name.lower(), retries=1) for name in "ABC"),
    end(),
)


def _write(context: TaskContext, _request: Nothing) -> Result:
    write_dataset(context)
    return Result()


def _completions(shop: Shop, process_instance_id: UUID) -> list[tuple[str, int]]:
    """Return each completed element with the number, among the instance's commits, of the one that completed it."""
    statement = (
        "select element_id, dense_rank() over (order by xid) from event"
        f" where process_instance_id = '{process_instance_id}' and kind = 'element.completed'"
        " and element_id in ('A', 'B', 'C') order by sequence"
    )
    with shop.storage.transaction() as work:
        return [(row[0], row[1]) for row in work.connection.execute(text(statement))]


def test_transactional_tasks_in_a_row_are_one_commit(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, CHAIN, *(TransactionalTask(name, Nothing, _write) for name in "abc"))
    process_instance_id = shop.start()

    assert shop.worker().run_one()

    assert _completions(shop, process_instance_id) == [("A", 1), ("B", 1), ("C", 1)]
    assert shop.datasets() == 3
    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED


def test_one_that_fails_leaves_those_before_it_done_and_has_an_incident_of_its_own(
    storage: Storage, hub: NotificationHub
) -> None:
    def fail(context: TaskContext, _request: Nothing) -> Result:
        write_dataset(context)
        raise ConnectionError("no route")

    tasks = [TransactionalTask(name, Nothing, _write) for name in "ab"]
    shop = Shop(storage, hub, CHAIN, *tasks, TransactionalTask("c", Nothing, fail))
    process_instance_id = shop.start()

    assert shop.worker().run_one()

    assert _completions(shop, process_instance_id) == [("A", 1), ("B", 1)]
    assert (shop.datasets(), shop.job("element_id, status, attempt")) == (2, ("C", "failed", 1))
    assert shop.describe(process_instance_id).status is InstanceStatus.INCIDENT


def test_the_next_external_job_of_an_instance_is_taken_in_the_commit_that_offers_it(
    storage: Storage, hub: NotificationHub
) -> None:
    seen = []

    def look(_context: JobContext, _request: Nothing) -> Result:
        seen.append(shop.job("element_id, status, epoch"))
        return Result()

    tasks = [TransactionalTask("a", Nothing, _write), *(ExternalTask(name, Nothing, look) for name in "bc")]
    shop = Shop(storage, hub, CHAIN, *tasks)
    shop.start()

    assert shop.worker().run_one()

    assert seen == [("B", "running", 1), ("C", "running", 1)]
