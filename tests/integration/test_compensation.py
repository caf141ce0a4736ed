"""Compensation with workers and people, on a real database: handlers wait, fail, are retried, and are told of."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from diagrams import (
    boundary,
    call_activity,
    catch,
    document,
    duration,
    end,
    path,
    process,
    service_task,
    start,
    throw,
    transaction,
    undone_by,
    user_task,
)
from engine_clock import pass_time
from engine_shop import ADMIN, EAGER, Nothing, Result, Shop
from sqlalchemy import text

from engine import ExternalTask, InstanceStatus, NotificationHub, TransactionalTask
from engine.operations import OperationResult, Operations
from engine.persistence import EventLog
from engine.service_tasks import JobContext, TaskContext
from storage import SecurityContext, Storage
from storage.models import RoleType

PERSON = SecurityContext(
    user_id="rita", tenant_id="north", roles=frozenset({RoleType.MEMBER}), groups=frozenset({"people"})
)
STRAIGHT = (start(), path("Begin", "A", "B", "Undo", "Done"), throw("Undo", compensates=""), end())


class Works:
    """Handlers that note what they do; one of them fails until it is told not to."""

    def __init__(self, storage: Storage, hub: NotificationHub, *contents: str) -> None:
        self.done: list[str] = []
        self.fails = False
        self.shop = Shop(
            storage,
            hub,
            document(*contents),
            TransactionalTask("t", Nothing, self._inside),
            ExternalTask("outside", Nothing, self._outside),
        )

    def _inside(self, context: TaskContext, _request: Nothing) -> Result:
        self.done.append(context.element_id)
        return Result(value=1)

    def _outside(self, context: JobContext, _request: Nothing) -> Result:
        if self.fails:
            raise ValueError(context.element_id)
        self.done.append(context.element_id)
        return Result(value=1)

    def work(self) -> None:
        """Work until nothing is left, each job by a worker that knows nothing of the one before."""
        while self.shop.worker(EAGER).run_one():
            pass

    def person_completes(self, instance: UUID) -> None:
        (task,) = self.shop.describe(instance).open_user_task_ids
        with self.shop.storage.transaction() as work:
            self.shop.engine.complete_user_task(work, task, {}, context=PERSON)

    def cancel(self, instance: UUID, key: str | None = None) -> OperationResult:
        operations = Operations(self.shop.engine)
        with self.shop.storage.transaction() as work:
            return operations.cancel(
                work, instance, reason="wrong data", context=ADMIN, compensate=True, idempotency_key=key
            )

    def undone(self, instance: UUID) -> list[tuple[str, str | None, str]]:
        """Return what the accounts of the instance list."""
        accounts = self.shop.describe(instance).compensations
        return [(each.element_id, each.undone_by, each.by) for account in accounts for each in account.undone]

    def events(self, instance: UUID, *kinds: str) -> list[tuple[str, str | None]]:
        with self.shop.storage.transaction() as work:
            events = EventLog(work).of_instance(instance)
        return [(event.kind, event.element_id) for event in events if event.kind.startswith(kinds)]

    def left_over(self) -> dict[str, int]:
        tables = ("task", "job", "user_task where status = 'open'", "timer", "incident where status <> 'resolved'")
        with self.shop.storage.transaction() as work:
            counts: dict[str, Any] = {
                table: work.connection.execute(text(f"select count(*) from {table}")).scalar_one() for table in tables
            }
        return {table: count for table, count in counts.items() if count}


def task(name: str, handler: str) -> str:
    return service_task(name, "t") + undone_by(name, handler)


def test_people_and_handlers_undo_one_after_another_and_the_account_says_who(
    storage: Storage, hub: NotificationHub
) -> None:
    content = process("p", *STRAIGHT, task("A", service_task("UnA", "outside")), task("B", user_task("UnB", "people")))
    works = Works(storage, hub, content)
    instance = works.shop.start()
    works.work()
    assert works.done == ["A", "B"]

    works.person_completes(instance)
    works.work()

    assert works.done == ["A", "B", "UnA"]
    assert works.shop.describe(instance).status is InstanceStatus.COMPLETED
    assert works.undone(instance) == [("B", "UnB", "rita"), ("A", "UnA", "olga")]
    assert works.events(instance, "element.compensated", "compensation.") == [
        ("element.compensated", "B"),
        ("element.compensated", "A"),
        ("compensation.completed", "Undo"),
    ]
    assert works.left_over() == {}


def test_a_handler_that_fails_is_an_incident_at_which_it_goes_on(storage: Storage, hub: NotificationHub) -> None:
    content = process(
        "p", *STRAIGHT, task("A", service_task("UnA", "t")), task("B", service_task("UnB", "outside", retries=1))
    )
    works = Works(storage, hub, content)
    works.fails = True
    instance = works.shop.start()
    works.work()
    incident = works.shop.describe(instance).incident
    assert incident is not None
    assert (incident["element_id"], works.done) == ("UnB", ["A", "B"])

    works.fails = False
    with storage.transaction() as work:
        Operations(works.shop.engine).retry_incident(
            work, UUID(str(incident["incident_id"])), reason="mended", context=ADMIN
        )
    works.work()

    assert works.done == ["A", "B", "UnB", "UnA"]
    assert works.shop.describe(instance).status is InstanceStatus.COMPLETED
    assert [element for element, _, _ in works.undone(instance)] == ["B", "A"]
    assert works.left_over() == {}


def test_what_a_called_process_did_is_undone_and_a_handler_may_wait_for_a_time(
    storage: Storage, hub: NotificationHub
) -> None:
    waits = (start("S"), path("S", "Pause", "E"), catch("Pause", timer=duration("PT1H")), end("E"))
    child = process("child", start("C"), path("C", "B", "D"), task("B", call_activity("UnB", "slow")), end("D"))
    content = process("p", start(), path("Begin", "A", "Call", "Undo", "Done"), throw("Undo", compensates=""), end(),
                      task("A", service_task("UnA", "t")), call_activity("Call", "child"))  # fmt: skip
    works = Works(storage, hub, content, child, process("slow", *waits))
    instance = works.shop.start()
    works.work()
    assert works.done == ["A", "B"]

    pass_time(works.shop, minutes=61)

    assert works.done == ["A", "B", "UnA"]
    assert [element for element, _, _ in works.undone(instance)] == ["B", "Call", "A"]
    assert works.left_over() == {}


def test_a_cancelled_transaction_is_undone_and_its_jobs_withdrawn(storage: Storage, hub: NotificationHub) -> None:
    inside = (start("S"), path("S", "A", "GiveUp"), path("S", "Ask", "E"), end("GiveUp", cancels=True), end("E"),
              task("A", service_task("UnA", "t")), user_task("Ask", "people"))  # fmt: skip
    content = process("p", start(), path("Begin", "Tx", "Done"), transaction("Tx", *inside), end(),
                      boundary("Off", "Tx", cancels=True), path("Off", "B", "Done"),
                      service_task("B", "t"))  # fmt: skip
    works = Works(storage, hub, content)
    instance = works.shop.start()

    works.work()

    assert works.done == ["A", "UnA", "B"]
    assert works.shop.describe(instance).status is InstanceStatus.COMPLETED
    assert works.left_over() == {}


def test_an_operator_cancels_once_everything_is_undone(storage: Storage, hub: NotificationHub) -> None:
    content = process("p", start(), path("Begin", "A", "B", "Ask", "Done"), end(), user_task("Ask", "people"),
                      task("A", service_task("UnA", "t")), task("B", user_task("UnB", "people")))  # fmt: skip
    works = Works(storage, hub, content)
    instance = works.shop.start()
    works.work()
    with storage.transaction() as work:
        Operations(works.shop.engine).suspend(work, instance, reason="look at it", context=ADMIN)

    first = works.cancel(instance, key="once")
    assert works.cancel(instance, key="once") == first
    assert works.shop.describe(instance).status is InstanceStatus.RUNNING
    works.person_completes(instance)
    works.work()

    assert works.done == ["A", "B", "UnA"]
    assert works.shop.describe(instance).status is InstanceStatus.CANCELLED
    assert works.undone(instance) == [("B", "UnB", "rita"), ("A", "UnA", "olga")]
    assert works.events(instance, "process.", "compensation.") == [
        ("process.started", None),
        ("process.suspended", None),
        ("compensation.requested", None),
        ("compensation.completed", None),
        ("process.cancelled", None),
    ]
    assert works.left_over() == {}


def test_an_instance_of_which_nothing_is_done_yet_is_cancelled_at_once(storage: Storage, hub: NotificationHub) -> None:
    works = Works(storage, hub, process("p", *STRAIGHT, task("A", service_task("UnA", "t")), service_task("B", "t")))
    instance = works.shop.start()

    assert works.cancel(instance).status is InstanceStatus.CANCELLED

    works.work()
    assert works.done == []
