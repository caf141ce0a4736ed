"""Escalations of handlers on a real database: the task goes on, unless the event that catches one interrupts."""

from __future__ import annotations

from uuid import UUID

import pytest
from diagrams import boundary, document, end, escalation, flow, path, process, service_task, start
from engine_clock import completed, work_off
from engine_shop import Nothing, Result, Shop, external, transactional, write_dataset
from pydantic import JsonValue

from engine import ExternalTask, InstanceStatus, JobContext, NotificationHub, TaskContext, TransactionalTask
from engine.persistence import EventLog
from storage import Storage


def reporting(*, interrupting: bool) -> bytes:
    """A task on the way to Next that may report LATE, which leads to Told."""
    return document(
        escalation("Late", "LATE"),
        process(
            "p",
            start(),
            path("Begin", "Work", "Next", "Done"),
            service_task("Work", "t"),
            service_task("Next", "other"),
            boundary("Report", "Work", escalation_ref="Late", interrupting=interrupting),
            flow("Report", "Told"),
            service_task("Told", "other"),
            flow("Told", "Done"),
            end(),
        ),
    )


def late(context: TaskContext | JobContext, _request: Nothing) -> Result:
    context.escalate("LATE", {"hours": 3})
    if isinstance(context, TaskContext):
        write_dataset(context)
    return Result(value="worked")


OTHER = TransactionalTask("other", Nothing, lambda _context, _request: Nothing())
KINDS = [pytest.param(transactional(late), id="transactional"), pytest.param(external(late), id="external")]


def escalated(shop: Shop, process_instance_id: UUID) -> list[tuple[str | None, dict[str, JsonValue]]]:
    with shop.storage.transaction() as work:
        events = EventLog(work).of_instance(process_instance_id)
    return [(event.element_id, event.payload) for event in events if event.kind == "element.escalated"]


REPORTED = ("Work", {"kind": "escalation", "escalation_code": "LATE", "caught_by": "Report"})


@pytest.mark.parametrize("task", KINDS)
def test_a_task_that_escalates_to_an_event_that_does_not_interrupt_brings_its_result_too(
    storage: Storage, hub: NotificationHub, task: TransactionalTask[Nothing, Result] | ExternalTask[Nothing, Result]
) -> None:
    shop = Shop(storage, hub, reporting(interrupting=False), task, OTHER)
    process_instance_id = shop.start()

    work_off(shop)

    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED
    assert sorted(completed(shop, process_instance_id, "Next", "Told", "Work")) == ["Next", "Told", "Work"]
    assert shop.variables(process_instance_id) == {"hours": 3, "value": "worked"}
    assert escalated(shop, process_instance_id) == [REPORTED]


@pytest.mark.parametrize("task", KINDS)
def test_a_task_whose_escalation_interrupts_it_leaves_no_result_but_what_it_wrote(
    storage: Storage, hub: NotificationHub, task: TransactionalTask[Nothing, Result] | ExternalTask[Nothing, Result]
) -> None:
    shop = Shop(storage, hub, reporting(interrupting=True), task, OTHER)
    process_instance_id = shop.start()

    work_off(shop)

    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED
    assert completed(shop, process_instance_id, "Next", "Told", "Work") == ["Told"]
    assert shop.variables(process_instance_id) == {"hours": 3}
    assert shop.datasets() == int(isinstance(task, TransactionalTask))
    assert shop.job() is None


def test_what_a_handler_noted_before_it_failed_is_not_heard_of(storage: Storage, hub: NotificationHub) -> None:
    def fail_once(context: TaskContext, _request: Nothing) -> Result:
        context.escalate("LATE", {"attempt": context.attempt})
        if context.attempt == 1:
            raise ConnectionError
        return Result()

    shop = Shop(storage, hub, reporting(interrupting=False), transactional(fail_once), OTHER)
    process_instance_id = shop.start()

    work_off(shop)
    shop.execute("update job set available_at = clock_timestamp()")
    work_off(shop)

    assert escalated(shop, process_instance_id) == [REPORTED]
    assert shop.variables(process_instance_id)["attempt"] == 2


def test_an_escalation_that_nothing_catches_passes_on(storage: Storage, hub: NotificationHub) -> None:
    content = document(process("p", start(), path("Begin", "Work", "Done"), service_task("Work", "t"), end()))
    shop = Shop(storage, hub, content, external(late))
    process_instance_id = shop.start()

    work_off(shop)

    assert shop.variables(process_instance_id) == {"value": "worked"}
    unheard = {"kind": "escalation", "escalation_code": "LATE", "caught_by": None}
    assert escalated(shop, process_instance_id) == [("Work", unheard)]


def test_escalations_of_a_result_that_was_kept_are_thrown_when_the_instance_goes_on(
    storage: Storage, hub: NotificationHub
) -> None:
    def suspend_and_escalate(context: JobContext, request: Nothing) -> Result:
        shop.execute("update process_instance set status = 'suspended', version = version + 1")
        return late(context, request)

    shop = Shop(storage, hub, reporting(interrupting=False), external(suspend_and_escalate), OTHER)
    process_instance_id = shop.start()
    work_off(shop)
    assert escalated(shop, process_instance_id) == []

    shop.execute("update process_instance set status = 'running', version = version + 1")
    shop.execute("update job set status = 'available', available_at = clock_timestamp()")
    work_off(shop)

    assert escalated(shop, process_instance_id) == [REPORTED]
    assert shop.variables(process_instance_id) == {"hours": 3, "value": "worked"}
