"""A worker's copy of an instance that another worker has taken further: what fails on it alone has not failed."""

from __future__ import annotations

from diagrams import choice, diagram, end, gateway, parallel, path, service_task, start
from engine_shop import Nothing, Result, Shop, external
from sqlalchemy import text

from engine import InstanceStatus, JobContext, NotificationHub, WorkerPolicy
from storage import Storage

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


def named(context: JobContext, _request: Nothing) -> Result:
    return Result(value=context.element_id)


def put_first(shop: Shop, element_id: str) -> None:
    """Let the job of one element be the next that is claimed."""
    with shop.storage.transaction() as work:
        work.connection.execute(text("update job set priority = 100 where element_id = :id"), {"id": element_id})
