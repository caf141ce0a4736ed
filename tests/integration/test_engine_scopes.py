"""Subprocesses, event subprocesses and thrown events through the scheduler and workers, to the end of a process."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from diagrams import (
    boundary,
    catch,
    cycle,
    document,
    duration,
    end,
    error,
    escalation,
    event_based,
    event_subprocess,
    flow,
    inclusive,
    message,
    parallel,
    path,
    process,
    receive_task,
    service_task,
    signal,
    start,
    subprocess,
    throw,
    user_task,
)
from engine_clock import completed, pass_time, timers, work_off
from engine_shop import ADMIN, Shop, external, five, raising
from sqlalchemy import text

from engine import InstanceStatus, MessageOutcome, NotificationHub
from engine.errors import BpmnError
from engine.operations import Operations
from engine.persistence import EventLog
from storage import Storage

DECLARED = (
    message("Message", "result-arrived", "=order"),
    signal("Signal", "alarm"),
    error("Broken", "BROKEN"),
    escalation("Escalation_Late", "LATE"),
)


def shop_of(storage: Storage, hub: NotificationHub, *content: str, further: str = "") -> Shop:
    return Shop(storage, hub, document(process("p", start(), *content, end()), further, *DECLARED), external(five))


def status(shop: Shop, process_instance_id: UUID) -> InstanceStatus:
    return shop.describe(process_instance_id).status


def left_over(shop: Shop) -> dict[str, int]:
    """Return how many rows of each live table there are."""
    with shop.storage.transaction() as work:
        return {
            table: int(work.connection.execute(text(f"select count(*) from {table}")).scalar_one())
            for table in ("task", "timer", "subscription", "job")
        }


NOTHING_LEFT = {"task": 0, "timer": 0, "subscription": 0, "job": 0}
PERSON = (path("Begin", "Sub", "Done"),)
WITHIN = (start("In"), path("In", "Review", "Out"), user_task("Review", "reviewer"), end("Out"))


def test_a_timer_begins_an_event_subprocess_of_the_subprocess_in_which_it_is_drawn(
    storage: Storage, hub: NotificationHub
) -> None:
    late = event_subprocess("Events", start("On", timer=duration("PT1H")), path("On", "Handle"),
                            service_task("Handle", "t"))  # fmt: skip
    shop = shop_of(storage, hub, *PERSON, subprocess("Sub", *WITHIN, late))
    instance = shop.start()

    pass_time(shop, 59)
    before = status(shop, instance)
    pass_time(shop, 60)

    assert (before, status(shop, instance)) == (InstanceStatus.RUNNING, InstanceStatus.COMPLETED)
    assert completed(shop, instance, "Review", "Handle", "Sub", "Done") == ["Handle", "Sub", "Done"]
    assert left_over(shop) == NOTHING_LEFT


def test_a_cycle_begins_an_event_subprocess_again_and_again_while_its_scope_is_open(
    storage: Storage, hub: NotificationHub
) -> None:
    remind = event_subprocess(
        "Events", start("On", timer=cycle("R/PT1H"), interrupting=False), path("On", "Remind"),
        service_task("Remind", "t"),
    )  # fmt: skip
    shop = shop_of(storage, hub, path("Begin", "Wait", "Done"), receive_task("Wait", "Message"), remind)
    instance = shop.start(order=7)

    for hour in (1, 2):
        pass_time(shop, 60 * hour)
    with shop.storage.transaction() as work:
        published = shop.engine.publish_message(work, "result-arrived", "7", {}, context=ADMIN)
    work_off(shop)

    assert published.outcome is MessageOutcome.RECEIVED
    assert completed(shop, instance, "Remind", "Wait") == ["Remind", "Remind", "Wait"]
    assert (status(shop, instance), timers(shop)) == (InstanceStatus.COMPLETED, 0)


@pytest.mark.parametrize("interrupting", [False, True])
def test_a_message_begins_an_event_subprocess_of_the_instance_with_its_key(
    storage: Storage, hub: NotificationHub, *, interrupting: bool
) -> None:
    handler = event_subprocess(
        "Events", start("On", message_ref="Message", interrupting=interrupting, outputs={"got": "=sent"}),
        path("On", "Handle"), service_task("Handle", "t"),
    )  # fmt: skip
    shop = shop_of(storage, hub, path("Begin", "Review", "Done"), user_task("Review", "reviewer"), handler)
    other, instance = shop.start(order=8), shop.start(order=7)

    outcomes = []
    for sent in (1, 2):
        with shop.storage.transaction() as work:
            published = shop.engine.publish_message(work, "result-arrived", "7", {"sent": sent}, context=ADMIN)
        outcomes.append(published.outcome)
        work_off(shop)

    received = [MessageOutcome.RECEIVED, MessageOutcome.DROPPED if interrupting else MessageOutcome.RECEIVED]
    assert outcomes == received
    assert completed(shop, other, "On") == []
    assert shop.variables(instance)["got"] == (1 if interrupting else 2)
    assert status(shop, instance) is (InstanceStatus.COMPLETED if interrupting else InstanceStatus.RUNNING)


def test_a_signal_of_another_instance_begins_an_event_subprocess(storage: Storage, hub: NotificationHub) -> None:
    handler = event_subprocess("Events", start("On", signal_ref="Signal"), path("On", "Handle"),
                               service_task("Handle", "t"))  # fmt: skip
    thrower = process("thrower", start("T"), path("T", "Throw"), throw("Throw", "Signal"))
    shop = shop_of(storage, hub, path("Begin", "Review", "Done"), user_task("Review", "reviewer"), handler,
                   further=thrower)  # fmt: skip
    instance = shop.start()

    with shop.storage.transaction() as work:
        shop.engine.start(work, "thrower", {}, context=ADMIN)
    work_off(shop)

    assert completed(shop, instance, "Review", "On", "Handle") == ["On", "Handle"]
    assert left_over(shop) == NOTHING_LEFT


def test_a_message_that_one_process_throws_is_received_by_another(storage: Storage, hub: NotificationHub) -> None:
    thrower = process("thrower", start("T"), path("T", "Send", "Sent"),
                      throw("Send", message_ref="Message", inputs={"score": "=accuracy"}), end("Sent"))  # fmt: skip
    shop = shop_of(storage, hub, path("Begin", "Wait", "Done"), receive_task("Wait", "Message"), further=thrower)

    def throw_it() -> None:
        with shop.storage.transaction() as work:
            shop.engine.start(work, "thrower", {"order": 7, "accuracy": 0.9}, context=ADMIN)
        work_off(shop)

    throw_it()  # nobody waits yet: it is kept
    instance = shop.start(order=7)
    work_off(shop)

    assert shop.variables(instance) == {"order": 7, "score": 0.9}
    assert status(shop, instance) is InstanceStatus.COMPLETED
    assert left_over(shop) == NOTHING_LEFT


def test_an_error_that_nothing_catches_is_an_incident_and_can_be_thrown_again(
    storage: Storage, hub: NotificationHub
) -> None:
    inside = (start("In"), path("In", "Fail"), end("Fail", error_ref="Broken"))
    shop = shop_of(storage, hub, *PERSON, subprocess("Sub", *inside))
    instance = shop.start()
    work_off(shop)

    incident = shop.describe(instance).incident
    assert incident is not None
    assert (incident["element_id"], incident["code"], incident["status"]) == ("Fail", "BPMN_ERROR_UNCAUGHT", "open")

    operations = Operations(shop.engine)
    with shop.storage.transaction() as work:
        operations.retry_incident(work, UUID(str(incident["incident_id"])), reason="try again", context=ADMIN)
    work_off(shop)
    again = shop.describe(instance).incident
    assert again is not None
    assert (again["incident_id"], again["status"]) == (incident["incident_id"], "open")

    with shop.storage.transaction() as work:
        operations.cancel(work, instance, reason="nobody will draw it", context=ADMIN)
    assert left_over(shop) == NOTHING_LEFT


def test_a_handler_s_error_begins_the_event_subprocess_around_it(storage: Storage, hub: NotificationHub) -> None:
    inside = (start("In"), path("In", "Work", "Out"), service_task("Work", "t"), end("Out"))
    handler = event_subprocess("Events", start("On", error_ref="Broken"), path("On", "Noted"), end("Noted"))
    content = process("p", start(), *PERSON, subprocess("Sub", *inside, handler), end())
    shop = Shop(storage, hub, document(content, *DECLARED), raising(BpmnError("BROKEN", "dust", variables={"why": 1})))

    instance = shop.start()
    work_off(shop)

    assert completed(shop, instance, "Work", "On", "Sub") == ["On", "Sub"]
    assert shop.variables(instance) == {"why": 1}


def test_an_escalation_is_in_the_log_whoever_catches_it(storage: Storage, hub: NotificationHub) -> None:
    inside = (start("In"), path("In", "Throw", "Again", "Out"), throw("Throw", escalation_ref="Escalation_Late"),
              throw("Again", escalation_ref="Escalation_Other"), end("Out"))  # fmt: skip
    told = boundary("Told", "Sub", escalation_ref="Escalation_Late", interrupting=False) + flow("Told", "Done")
    shop = shop_of(
        storage, hub, *PERSON, subprocess("Sub", *inside), told, further=escalation("Escalation_Other", "OTHER")
    )

    instance = shop.start()

    with shop.storage.transaction() as work:
        events = EventLog(work).of_instance(instance)
    seen = [(event.element_id, event.payload) for event in events if event.kind == "element.escalated"]
    assert seen == [
        ("Throw", {"kind": "escalation", "escalation_code": "LATE", "caught_by": "Told"}),
        ("Again", {"kind": "escalation", "escalation_code": "OTHER", "caught_by": None}),
    ]
    assert status(shop, instance) is InstanceStatus.COMPLETED


@pytest.mark.parametrize("event", ["Late", "Told"])
def test_the_first_of_several_events_withdraws_the_others(storage: Storage, hub: NotificationHub, event: str) -> None:
    events = (catch("Late", timer=duration("PT1H")), catch("Told", message_ref="Message"))
    shop = shop_of(storage, hub, path("Begin", "Which", "Late", "Done"), path("Which", "Told", "Done"),
                   event_based("Which"), *events)  # fmt: skip
    instance = shop.start(order=7)

    if event == "Told":
        with shop.storage.transaction() as work:
            shop.engine.publish_message(work, "result-arrived", "7", {}, context=ADMIN)
    pass_time(shop, 60 if event == "Late" else 0)

    assert completed(shop, instance, "Late", "Told") == [event]
    assert left_over(shop) == NOTHING_LEFT


def test_an_inclusive_join_waits_in_the_database_for_what_can_still_come(
    storage: Storage, hub: NotificationHub
) -> None:
    shop = shop_of(
        storage, hub, path("Begin", "Fork", "A", "Join", "Done"), path("Fork", "Late", "Join"), parallel("Fork"),
        service_task("A", "t"), catch("Late", timer=duration("PT1H")), inclusive("Join"),
    )  # fmt: skip
    instance = shop.start()

    work_off(shop)
    before = status(shop, instance)
    pass_time(shop, 60)

    assert (before, status(shop, instance)) == (InstanceStatus.RUNNING, InstanceStatus.COMPLETED)
    assert completed(shop, instance, "Join") == ["Join"]


def test_an_operator_s_variables_make_a_condition_true(storage: Storage, hub: NotificationHub) -> None:
    shop = shop_of(storage, hub, path("Begin", "Full", "Done"), catch("Full", condition="=level > 3"))
    instance = shop.start(level=1)

    def set_level(level: Any) -> None:
        with shop.storage.transaction() as work:
            Operations(shop.engine).set_variables(work, instance, {"level": level}, reason="measured", context=ADMIN)

    set_level(2)
    before = status(shop, instance)
    set_level(4)

    assert (before, status(shop, instance)) == (InstanceStatus.RUNNING, InstanceStatus.COMPLETED)
