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
    put_in_order(here, "Left", "Right")

    done = [shop.worker(ONE_STEP).run_one() for shop in (here, there, here)]

    assert done == [True] * 3
    assert here.variables(process_instance_id) == {"left": "Left", "right": "Right", "later": "Later"}
    assert here.describe(process_instance_id).status is InstanceStatus.COMPLETED


def test_a_condition_sees_what_another_worker_has_written(storage: Storage, hub: NotificationHub) -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Fork", "Left", "Then", "Long"),
        path("Fork", "Right", "Join", "Done"),
        parallel("Fork"),
        *(service_task(name, "t", outputs={name.lower(): "=value"}) for name in ("Left", "Right", "Then")),
        choice("Long", "=string length(right) > 3", "Merge", "Short"),
        service_task("Short", "t"),
        path("Short", "Merge", "Join"),
        gateway("Merge"),
        parallel("Join"),
        end(),
    )
    here, there = (Shop(storage, hub, content, external(named)) for _ in range(2))
    process_instance_id = here.start()
    put_in_order(here, "Left", "Right")

    done = [shop.worker(ONE_STEP).run_one() for shop in (here, there, here)]

    assert done == [True] * 3
    assert here.variables(process_instance_id) == {"left": "Left", "right": "Right", "then": "Then"}
    assert here.describe(process_instance_id).status is InstanceStatus.COMPLETED


def named(context: JobContext, _request: Nothing) -> Result:
    return Result(value=context.element_id)


def put_in_order(shop: Shop, *element_ids: str) -> None:
    """Let the jobs of these elements be claimed before others, the first one first."""
    statement = text("update job set priority = 100 - array_position(cast(:ids as text[]), element_id)")
    with shop.storage.transaction() as work:
        work.connection.execute(statement, {"ids": list(element_ids)})
