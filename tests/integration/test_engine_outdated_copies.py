"""A worker's copy of an instance that another worker has taken further: what fails on it alone has not failed."""

from __future__ import annotations

from uuid import UUID

from diagrams import choice, diagram, end, gateway, parallel, path, service_task, start
from engine_shop import ADMIN, Nothing, Result, Shop, external
from sqlalchemy import text

from engine import InstanceStatus, JobContext, NotificationHub, TransactionalTask, WorkerPolicy
from engine.operations import Operations
from engine.persistence import EventLog
from storage import Storage

TOGETHER = WorkerPolicy(lease_seconds=60, backoff_seconds=0, patience_seconds=60)
ONE_STEP = WorkerPolicy(lease_seconds=60, backoff_seconds=0, chain=0)


def test_a_task_that_another_worker_has_reached_is_completed(storage: Storage, hub: NotificationHub) -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Fork", "Left", "Join", "Done"),
        path("Fork", "Right", "Later", "Join"),
        parallel("Fork"),
        *(service_task(name, "t", outputs={name.lower(): "=value"}) for name in ("Left", "Right", "Later")),
        parallel("Join"),
        end(),
    )
    here, there = (Shop(storage, hub, content, external(named)) for _ in range(2))
    process_instance_id = here.start()
    put_first(here, "Left")

    done = [shop.worker(ONE_STEP).run_one() for shop in (here, there, here)]

    assert done == [True] * 3
    assert here.variables(process_instance_id) == {"left": "Left", "right": "Right", "later": "Later"}
    assert here.describe(process_instance_id).status is InstanceStatus.COMPLETED


def test_a_condition_sees_what_another_worker_has_written_meanwhile(storage: Storage, hub: NotificationHub) -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "First", "Fork", "Left", "Long"),
        path("Fork", "Right", "Join", "Done"),
        parallel("Fork"),
        *(service_task(name, "t", outputs={name.lower(): "=value"}) for name in ("First", "Left", "Right")),
        choice("Long", "=string length(right) > 3", "Merge", "Short"),
        service_task("Short", "t"),
        path("Short", "Merge", "Join"),
        gateway("Merge"),
        parallel("Join"),
        end(),
    )

    def let_the_other_go_first(context: JobContext, request: Nothing) -> Result:
        if context.element_id == "Left":
            there.worker(ONE_STEP).run_one()
        return named(context, request)

    here, there = (
        Shop(storage, hub, content, external(let_the_other_go_first)),
        Shop(storage, hub, content, external(named)),
    )
    process_instance_id = here.start()
    here.worker(ONE_STEP).run_one()
    put_first(here, "Left")

    here.worker(ONE_STEP).run_one()

    assert here.variables(process_instance_id) == {"first": "First", "left": "Left", "right": "Right"}
    assert here.describe(process_instance_id).status is InstanceStatus.COMPLETED


def test_a_step_behind_one_that_was_refused_is_computed_again(storage: Storage, hub: NotificationHub) -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Fork", "Left", "Join", "After", "Done"),
        path("Fork", "Right", "Join"),
        parallel("Fork"),
        *(service_task(name, "t", outputs={name.lower(): "=value"}) for name in ("Left", "Right")),
        parallel("Join"),
        service_task("After", "after"),
        end(),
    )

    runs = []

    def lose_the_other_job(context: JobContext, request: Nothing) -> Result:
        runs.append(context.element_id)
        if len(runs) == 2:
            shop.execute(f"update job set epoch = 2, lease_until = 'epoch' where element_id = '{runs[0]}'")
            with storage.transaction() as work:
                operations.suspend(work, process_instance_id, reason="a look at it", context=ADMIN)
        return named(context, request)

    after = TransactionalTask("after", Nothing, lambda _context, _request: Result())
    shop = Shop(storage, hub, content, external(lose_the_other_job), after)
    operations, process_instance_id = Operations(shop.engine), shop.start()
    worker = shop.worker(TOGETHER)
    worker._pace._runs_to_go["t"] = 0  # brief handlers: their steps are committed together

    worker.run_one()

    assert shop.describe(process_instance_id).status is InstanceStatus.SUSPENDED
    with storage.transaction() as work:
        operations.resume(work, process_instance_id, reason="seen", context=ADMIN)
    while worker.run_one():
        pass
    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED
    assert completed(shop, process_instance_id) == ["After", "Left", "Right"]


def named(context: JobContext, _request: Nothing) -> Result:
    return Result(value=context.element_id)


def completed(shop: Shop, process_instance_id: UUID) -> list[str]:
    """Return the tasks that have completed, each as often as it has, by name."""
    with shop.storage.transaction() as work:
        events = EventLog(work).of_instance(process_instance_id)
    tasks = [event for event in events if event.payload.get("kind") == "ServiceTask"]
    return sorted(str(event.element_id) for event in tasks if event.kind == "element.completed")


def put_first(shop: Shop, element_id: str) -> None:
    """Let the job of one element be the next that is claimed."""
    with shop.storage.transaction() as work:
        work.connection.execute(text("update job set priority = 100 where element_id = :id"), {"id": element_id})
