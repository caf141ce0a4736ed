"""Timers, messages and signals reach a process through the scheduler and its workers, as the diagram says."""

from __future__ import annotations

import pytest
from diagrams import (
    boundary,
    catch,
    cycle,
    diagram,
    document,
    duration,
    end,
    message,
    path,
    process,
    receive_task,
    service_task,
    signal,
    start,
    throw,
    user_task,
)
from engine_clock import completed, pass_time, timers, work_off
from engine_shop import ADMIN, Shop, external, five

from engine import InstanceStatus, MessageOutcome, NotificationHub
from storage import Storage


def reviewed(*, interrupting: bool) -> bytes:
    """A user task with a timer of an hour on it, which leads to a service task."""
    return diagram(
        "p",
        start(),
        path("Begin", "Review", "Done"),
        user_task("Review", "reviewer"),
        boundary("Late", "Review", timer=duration("PT1H"), interrupting=interrupting),
        path("Late", "Escalate", "Escalated"),
        service_task("Escalate", "t"),
        end(),
        end("Escalated"),
    )


def test_a_task_behind_a_timer_runs_when_the_time_has_come_and_not_before(
    storage: Storage, hub: NotificationHub
) -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Wait", "Work", "Done"),
        catch("Wait", timer=duration("PT1H")),
        service_task("Work", "t"),
        end(),
    )
    shop = Shop(storage, hub, content, external(five))
    process_instance_id = shop.start()

    pass_time(shop, 59)
    before = (shop.variables(process_instance_id), timers(shop))
    pass_time(shop, 61)

    assert before == ({}, 1)
    assert (shop.variables(process_instance_id), timers(shop)) == ({"value": 5}, 0)
    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED


def test_an_interrupting_timer_withdraws_the_task_and_takes_its_own_way(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, reviewed(interrupting=True), external(five))
    process_instance_id = shop.start()

    pass_time(shop, 61)

    assert completed(shop, process_instance_id, "Review", "Escalate", "Done", "Escalated") == ["Escalate", "Escalated"]
    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED
    reviewer = ADMIN.model_copy(update={"groups": frozenset({"reviewer"})})
    with storage.transaction() as work:
        assert shop.engine.user_tasks(work, context=reviewer) == []


def test_a_timer_that_does_not_interrupt_leaves_the_task_to_be_done(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, reviewed(interrupting=False), external(five))
    process_instance_id = shop.start()
    pass_time(shop, 61)
    before = shop.describe(process_instance_id).status
    reviewer = ADMIN.model_copy(update={"user_id": "rita", "groups": frozenset({"reviewer"})})

    with storage.transaction() as work:
        (task,) = shop.engine.user_tasks(work, context=reviewer)
        shop.engine.complete_user_task(work, task.user_task_id, {}, context=reviewer)

    assert (before, timers(shop)) == (InstanceStatus.RUNNING, 0)
    elements = ("Review", "Escalate", "Done", "Escalated")
    assert completed(shop, process_instance_id, *elements) == ["Escalate", "Escalated", "Review", "Done"]
    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED


@pytest.mark.parametrize(("key", "outcome"), [("7", MessageOutcome.RECEIVED), ("8", MessageOutcome.DROPPED)])
def test_a_message_reaches_the_receive_task_with_its_key_and_no_other(
    storage: Storage, hub: NotificationHub, key: str, outcome: MessageOutcome
) -> None:
    content = document(
        message("Message_Result", "result-arrived", "=order_id"),
        process(
            "p",
            start(),
            path("Begin", "Receive", "Work", "Done"),
            receive_task("Receive", "Message_Result"),
            service_task("Work", "t"),
            end(),
        ),
    )
    shop = Shop(storage, hub, content, external(five))
    process_instance_id = shop.start(order_id=7)

    with storage.transaction() as work:
        published = shop.engine.publish_message(work, "result-arrived", key, {"accuracy": 0.9}, context=ADMIN)
    work_off(shop)

    is_received = outcome is MessageOutcome.RECEIVED
    assert published.outcome is outcome
    assert shop.variables(process_instance_id) == {
        "order_id": 7,
        **({"accuracy": 0.9, "value": 5} if is_received else {}),
    }


def test_a_signal_thrown_by_one_instance_lets_another_go_on(storage: Storage, hub: NotificationHub) -> None:
    content = document(
        signal("Signal_Ready", "ready"),
        process("p", start(), path("Begin", "Tell", "Done"), throw("Tell", "Signal_Ready"), end()),
        process(
            "q",
            start("B"),
            path("B", "Listen", "Work", "D"),
            catch("Listen", signal_ref="Signal_Ready"),
            service_task("Work", "t"),
            end("D"),
        ),
    )
    shop = Shop(storage, hub, content, external(five))
    with storage.transaction() as work:
        listener = shop.engine.start(work, "q", {}, context=ADMIN)
    before = shop.variables(listener)

    thrower = shop.start()
    work_off(shop)

    assert (before, shop.variables(listener)) == ({}, {"value": 5})
    assert {shop.describe(each).status for each in (thrower, listener)} == {InstanceStatus.COMPLETED}


@pytest.mark.parametrize("text", ["R/PT1H", "R3/PT1H", "R1/PT1H"])
def test_a_cycle_on_the_way_stands_for_its_first_time(storage: Storage, hub: NotificationHub, text: str) -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Wait", "Work", "Done"),
        catch("Wait", timer=cycle(text)),
        service_task("Work", "t"),
        end(),
    )
    shop = Shop(storage, hub, content, external(five))
    process_instance_id = shop.start()

    pass_time(shop, 59)
    assert completed(shop, process_instance_id, "Wait") == []
    pass_time(shop, 300)

    assert completed(shop, process_instance_id, "Wait", "Work") == ["Wait", "Work"]
    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED
    assert timers(shop) == 0


def test_a_cycle_that_interrupts_happens_once(storage: Storage, hub: NotificationHub) -> None:
    content = reviewed(interrupting=True).replace(
        b"timeDuration>PT1H</bpmn:timeDuration", b"timeCycle>R/PT1H</bpmn:timeCycle"
    )
    shop = Shop(storage, hub, content, external(five))
    process_instance_id = shop.start()

    pass_time(shop, 61)
    pass_time(shop, 300)

    assert completed(shop, process_instance_id, "Escalate") == ["Escalate"]
    assert timers(shop) == 0
