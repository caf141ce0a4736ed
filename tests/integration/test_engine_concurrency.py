"""Workers at the same time: nothing lost, nothing done twice, limits and fairness kept, nothing left over."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from diagrams import choice, diagram, end, for_each, gateway, parallel, path, service_task, start
from engine_shop import (
    ADMIN,
    EAGER,
    JOIN_SECONDS,
    ONE_JOB,
    Count,
    Nothing,
    Result,
    Shop,
    external,
    five,
    running,
)
from patience import becomes
from sqlalchemy import text

from engine import (
    ExternalTask,
    InstanceStatus,
    JobContext,
    NotificationHub,
    TaskContext,
    TransactionalTask,
    Worker,
    WorkerPolicy,
)
from engine.errors import StaleInstanceError
from engine.execution import Step, finish_step
from engine.operations import Operations
from engine.persistence import Claim, IncidentStatus, Jobs, StepDocument, WorkerRegister
from storage import SecurityContext, Storage

SOUTH = ADMIN.model_copy(update={"user_id": "sven", "tenant_id": "south"})
LEFT_OVER = ("task", "job", "timer", "subscription")
ITERATIONS = 10_000


def branches(*names: str) -> bytes:
    """A process whose external branches join before one last task."""
    return diagram(
        "p",
        start(),
        path("Begin", "Fork"),
        parallel("Fork"),
        *(path("Fork", name, "Join") for name in names),
        *(service_task(name, "t", outputs={name.lower(): "=value"}) for name in names),
        parallel("Join"),
        path("Join", "After", "Done"),
        service_task("After", "after", outputs={"joined": "=value"}),
        end(),
    )


def work_off(worker: Worker) -> None:
    while worker.run_one():
        pass


def left_over(shop: Shop) -> dict[str, int]:
    with shop.storage.transaction() as work:
        rows = {name: work.connection.execute(text(f"select count(*) from {name}")).scalar_one() for name in LEFT_OVER}
    return {name: number for name, number in rows.items() if number}


def variable_rows(shop: Shop, process_instance_id: UUID) -> tuple[set[str], int]:
    """Return the names of an instance's variable rows, and how many scopes they have."""
    statement = f"select name, scope_id from variable where process_instance_id = '{process_instance_id}'"
    with shop.storage.transaction() as work:
        rows = work.connection.execute(text(statement)).all()
    return {row.name for row in rows}, len({row.scope_id for row in rows})


def claimed(shop: Shop, number: int = 1) -> list[tuple[str, int]]:
    """Claim jobs for good; return tenant and priority of each, the order of one claim being open."""
    with shop.storage.transaction() as work:
        types = shop.engine.registry.types
        jobs = Jobs(work).claim(Claim("lost", types, 60, number=number))
    return sorted((job.tenant_id, job.priority) for job in jobs)


def start_as(shop: Shop, context: SecurityContext, number: int = 1) -> None:
    with shop.storage.transaction() as work:
        for _ in range(number):
            shop.engine.start(work, "p", {}, context=context)


def test_branches_that_end_at_once_lose_nothing_and_join_once(storage: Storage, hub: NotificationHub) -> None:
    together, joins = threading.Barrier(2), []

    def meet(context: JobContext, _request: Nothing) -> Result:
        together.wait(JOIN_SECONDS)
        return Result(value=context.element_id)

    def join(context: TaskContext, _request: Nothing) -> Result:
        joins.append(context.process_instance_id)
        return Result(value=True)

    tasks = external(meet), TransactionalTask("after", Nothing, join)
    shops = [Shop(storage, hub, branches("A", "B"), *tasks) for _ in range(2)]
    instances = [shops[0].start() for _ in range(3)]

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda shop: [shop.worker(EAGER).run_one() for _ in instances], shops))

    assert [shops[0].variables(each) for each in instances] == [{"a": "A", "b": "B", "joined": True}] * 3
    assert {shops[0].describe(each).status for each in instances} == {InstanceStatus.COMPLETED}
    assert (sorted(joins), left_over(shops[0])) == (sorted(instances), {})


def test_a_step_on_an_outdated_copy_is_refused(storage: Storage, hub: NotificationHub) -> None:
    tasks = external(five), TransactionalTask("after", Nothing, lambda _context, _request: Result())
    here, there = (Shop(storage, hub, branches("A", "B", "C"), *tasks) for _ in range(2))
    process_instance_id = here.start()
    here.worker().run_one()
    there.worker().run_one()
    job, kept = here.claim(), here.engine.instances.take(process_instance_id)
    assert kept is not None
    before = here.variables(process_instance_id)

    with storage.transaction() as work:
        step = Step(StepDocument(kept[0]), kept[1], work)
        step.tree.complete(job.task_id, {"value": 6}, job.input)
        with pytest.raises(StaleInstanceError) as raised:
            finish_step(step, ADMIN)
        work.connection.rollback()

    assert raised.value.process_instance_id == str(process_instance_id)
    assert here.variables(process_instance_id) == before


def test_a_step_on_an_outdated_copy_is_repeated_without_the_handler(storage: Storage, hub: NotificationHub) -> None:
    runs = []

    def run(context: JobContext, _request: Nothing) -> Result:
        runs.append(context.element_id)
        return Result(value=context.element_id)

    tasks = external(run), TransactionalTask("after", Nothing, lambda _context, _request: Result(value=True))
    here, there = (Shop(storage, hub, branches("A", "B", "C"), *tasks) for _ in range(2))
    process_instance_id = here.start()

    assert [shop.worker().run_one() for shop in (here, there, here)] == [True] * 3

    assert sorted(runs) == ["A", "B", "C"]
    assert here.variables(process_instance_id) == {"a": "A", "b": "B", "c": "C", "joined": True}
    assert here.describe(process_instance_id).status is InstanceStatus.COMPLETED


def test_no_more_jobs_of_a_type_run_at_once_than_its_limit(storage: Storage, hub: NotificationHub) -> None:
    pair, guard, now, most, done = threading.Barrier(2), threading.Lock(), [0], [0], []

    def count(context: JobContext, _request: Nothing) -> Result:
        with guard:
            now[0] += 1
            most[0] = max(most[0], now[0])
        pair.wait(JOIN_SECONDS)
        with guard:
            now[0] -= 1
            done.append(context.process_instance_id)
        return Result()

    shop = Shop(storage, hub, ONE_JOB, external(count))
    instances = [shop.start() for _ in range(6)]
    policy = WorkerPolicy(lease_seconds=60, limits={"t": 2})
    workers = [shop.worker(policy) for _ in range(3)]

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda worker: becomes(lambda: not worker.run_one() and len(done) == len(instances)), workers))

    assert (most, sorted(done)) == ([2], sorted(instances))


def test_a_limited_job_that_a_step_offers_waits_for_its_turn(storage: Storage, hub: NotificationHub) -> None:
    content = diagram(
        "p", start(), path("Begin", "A", "B", "Done"), service_task("A", "t"), service_task("B", "limited"), end()
    )
    now, most = [0], [0]
    done: list[UUID] = []

    def count(context: JobContext, _request: Nothing) -> Result:
        now[0] += 1
        most[0] = max(most[0], now[0])
        work_off(shop.worker(policy))
        now[0] -= 1
        done.append(context.process_instance_id)
        return Result()

    policy = WorkerPolicy(lease_seconds=60, limits={"limited": 1})
    shop = Shop(storage, hub, content, external(five), ExternalTask("limited", Nothing, count))
    instances = [shop.start() for _ in range(3)]

    work_off(shop.worker(policy))

    assert (most, sorted(done)) == ([1], sorted(instances))


def test_a_tenant_with_one_job_comes_before_the_second_of_a_tenant_with_twenty(
    storage: Storage, hub: NotificationHub
) -> None:
    shop = Shop(storage, hub, ONE_JOB, external(five))
    start_as(shop, ADMIN, 20)
    start_as(shop, SOUTH)

    assert claimed(shop, number=2) == [("north", 0), ("south", 0)]


def test_a_tenant_whose_job_runs_already_is_behind_one_that_has_none(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, ONE_JOB, external(five))
    start_as(shop, ADMIN, 20)
    start_as(shop, SOUTH)

    assert [claimed(shop), claimed(shop), claimed(shop)] == [[("north", 0)], [("south", 0)], [("north", 0)]]


def test_in_a_tenant_the_priority_decides_and_then_the_age(storage: Storage, hub: NotificationHub) -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Work", "Done"),
        service_task("Work", "t", priority="=urgency"),
        end(),
    )
    shop = Shop(storage, hub, content, external(five))
    instances = [shop.start(urgency=urgency) for urgency in (10, 90, 50, 90)]

    order = [instances.index(shop.claim().process_instance_id) for _ in instances]

    assert order == [1, 3, 2, 0]


def test_what_a_handler_brought_is_kept_until_the_step_behind_it_succeeds(
    storage: Storage, hub: NotificationHub
) -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Work", "Enough"),
        service_task("Work", "t", outputs={"accuracy": "=value"}),
        choice("Enough", "=accuracy > threshold", "Done", "Rejected"),
        end(),
        end("Rejected"),
    )
    runs = []

    def train(_context: JobContext, _request: Nothing) -> Result:
        runs.append(1)
        return Result(value=5)

    shop = Shop(storage, hub, content, external(train))
    operations = Operations(shop.engine)
    process_instance_id = shop.start(threshold="high")
    work_off(shop.worker())
    assert shop.job("status, result") == ("failed", {"value": 5})
    with storage.transaction() as work:
        (incident,) = operations.incidents(work, context=ADMIN)
        values = {"threshold": 4}
        operations.set_variables(work, process_instance_id, values, reason="was a word", context=ADMIN)
        operations.retry_incident(work, incident.incident_id, reason="mended", context=ADMIN)

    work_off(shop.worker())

    with storage.transaction() as work:
        outcome = operations.outcome(work, incident.incident_id, context=ADMIN)
    assert (outcome.status, len(runs)) == (IncidentStatus.RESOLVED, 1)
    assert shop.variables(process_instance_id) == {"threshold": 4, "accuracy": 5}
    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED


def test_a_worker_is_in_the_register_for_as_long_as_it_runs(storage: Storage, hub: NotificationHub) -> None:
    def registered() -> list[tuple[str, tuple[str, ...]]]:
        with storage.transaction() as work:
            return [(row.worker_id, row.task_types) for row in WorkerRegister(work).all()]

    shop = Shop(storage, hub, ONE_JOB, external(five))
    worker = shop.worker()

    with running(worker, hub):
        assert becomes(lambda: registered() == [(worker.worker_id, ("t",))])

    assert registered() == []


def test_a_long_loop_ends_and_leaves_only_its_variables(storage: Storage, hub: NotificationHub) -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Again", "Work", "Enough"),
        gateway("Again"),
        service_task("Work", "t", inputs={"count": "=count"}, outputs={"count": "=value"}),
        choice("Enough", f"=count >= {ITERATIONS}", "Done", "Again"),
        end(),
    )
    task = TransactionalTask("t", Count, lambda _context, request: Result(value=request.count + 1))
    shop = Shop(storage, hub, content, task)
    process_instance_id = shop.start(count=0)

    work_off(shop.worker())

    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED
    assert shop.variables(process_instance_id) == {"count": ITERATIONS}
    assert (left_over(shop), variable_rows(shop, process_instance_id)) == ({}, ({"count"}, 1))


def test_a_thousand_parallel_items_are_done_each_once_and_leave_only_the_results(
    storage: Storage, hub: NotificationHub
) -> None:
    each = for_each("=items", "item", collect="results", each="=value")
    content = diagram(
        "p",
        start(),
        path("Begin", "Work", "Done"),
        service_task("Work", "t", inputs={"count": "=item"}, multi_instance=each),
        end(),
    )
    seen = []

    def run(_context: TaskContext, request: Count) -> Result:
        seen.append(request.count)
        return Result(value=request.count * 2)

    shop = Shop(storage, hub, content, TransactionalTask("t", Count, run))
    items = list(range(1_000))
    process_instance_id = shop.start(items=[*items])

    work_off(shop.worker())

    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED
    assert shop.variables(process_instance_id) == {"items": items, "results": [item * 2 for item in items]}
    assert sorted(seen) == items
    assert (left_over(shop), variable_rows(shop, process_instance_id)) == ({}, ({"items", "results"}, 1))
