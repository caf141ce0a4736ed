"""Simulated messages, signals and starts, and processes that call or start one another."""

from typing import Any

import pytest
from diagrams import (
    boundary,
    call_activity,
    catch,
    cycle,
    diagram,
    document,
    duration,
    end,
    event_based,
    for_each,
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
from simulated import entry, happened, simulated, times

from engine.simulation.trace import Waiting

_RECEIVING = document(
    process("receiving", start(), receive_task("Wait", "Message_Paid"), end(), path("Begin", "Wait", "Done")),
    message("Message_Paid", "paid", "=order"),
)


@pytest.mark.parametrize(
    ("answers", "at"),
    [
        ({"messages": [{"name": "paid", "correlation_key": 7, "payload": {"sum": 1}, "at": "PT5S"}]}, "PT5S"),
        ({"messages": [{"name": "paid", "correlation_key": "7", "payload": {"sum": 1}}]}, "PT0S"),
        ({"messages": [{"name": "paid", "payload": {"sum": 1}, "at": "PT1M"}]}, "PT1M"),
        ({"tasks": {"Wait": {"sum": 1, "$after": "PT2S"}}}, "PT2S"),
    ],
)
def test_a_receive_task_gets_its_message(database_url: str, answers: dict[str, Any], at: str) -> None:
    result = simulated(database_url, _RECEIVING, variables={"order": 7}, **answers)
    assert (result.completed, result.variables, times(result)["Wait"]) == (True, {"order": 7, "sum": 1}, at)


def test_a_message_under_another_key_is_not_received(database_url: str) -> None:
    messages = [{"name": "paid", "correlation_key": "8"}]
    result = simulated(database_url, _RECEIVING, variables={"order": 7}, messages=messages)
    assert result.waiting == (Waiting(element="Wait", kind="message", awaited="paid"),)


def test_a_foreign_message_goes_by_its_name(database_url: str) -> None:
    foreign = _RECEIVING.replace(b'correlationKey="=order"', b"").replace(b"<zeebe:subscription  />", b"")
    messages = [{"name": "paid", "correlation_key": "8", "payload": {"sum": 1}, "at": "PT5S"}]
    assert simulated(database_url, foreign, foreign=True, messages=messages).variables == {"sum": 1}


_LATE_RECEIVER = document(
    process(
        "late",
        start(),
        catch("Pause", timer=duration("PT1H")),
        catch("Wait", message_ref="Message_Paid"),
        end(),
        path("Begin", "Pause", "Wait", "Done"),
    ),
    message("Message_Paid", "paid", '="a"'),
)


@pytest.mark.parametrize(
    ("message_answer", "completes"),
    [
        ({"name": "paid"}, True),
        ({"name": "paid", "at": "PT1M"}, False),
        ({"name": "paid", "correlation_key": "a", "at": "PT1M", "time_to_live": "PT1H"}, True),
    ],
)
def test_a_message_of_a_given_time_is_kept_only_for_its_time_to_live(
    database_url: str, message_answer: dict[str, Any], *, completes: bool
) -> None:
    assert simulated(database_url, _LATE_RECEIVER, messages=[message_answer]).completed is completes


def test_the_first_event_decides_and_signals_come_at_their_time(database_url: str) -> None:
    racing = document(
        process(
            "racing",
            start(),
            event_based("Race"),
            catch("Stopped", signal_ref="Signal_Stop"),
            catch("Late", timer=duration("PT1H")),
            end("Ended"),
            end("Timed_Out"),
            path("Begin", "Race", "Stopped", "Ended"),
            path("Race", "Late", "Timed_Out"),
        ),
        signal("Signal_Stop", "stop"),
    )
    result = simulated(database_url, racing, signals=[{"name": "stop", "payload": {"why": "no"}, "at": "PT59M"}])
    assert happened(result, "completed") == ["Begin", "Stopped", "Race", "Ended"]
    assert (result.variables, times(result)["Ended"]) == ({"why": "no"}, "PT59M")


def test_a_signal_is_heard_by_all_in_the_order_in_which_they_began_to_wait(database_url: str) -> None:
    tasks = [f"Task_{number}" for number in range(6)]
    alarms = [f"Alarm_of_{task}" for task in tasks]
    watched = document(
        process(
            "watched",
            start(),
            *(user_task(task, "people") for task in tasks),
            *(boundary(alarm, task, signal_ref="Signal_Alarm") for alarm, task in zip(alarms, tasks, strict=True)),
            end(),
            *(path("Begin", task, "Done") for task in tasks),
            *(path(alarm, "Done") for alarm in alarms),
        ),
        signal("Signal_Alarm", "alarm"),
    )
    result = simulated(database_url, watched, signals=[{"name": "alarm"}])
    assert [each for each in happened(result, "completed") if each in alarms] == alarms


def test_a_message_starts_the_process(database_url: str) -> None:
    started = document(
        process("started", start(message_ref="Message_Order"), end(), path("Begin", "Done")),
        message("Message_Order", "order"),
    )
    answers = [{"name": "order", "payload": {"item": "x"}, "at": "PT3S"}]
    result = simulated(database_url, started, messages=answers, variables={"tenant": "t"})
    assert (result.completed, result.variables) == (True, {"item": "x", "tenant": "t"})
    assert times(result, "entered")["Begin"] == "PT3S"


def test_a_process_whose_message_never_comes_waits_for_it(database_url: str) -> None:
    started = document(
        process("started", start(message_ref="Message_Order"), end(), path("Begin", "Done")),
        message("Message_Order", "order"),
    )
    result = simulated(database_url, started)
    assert (result.completed, result.trace) == (False, ())
    assert result.waiting == (Waiting(element="Begin", kind="message", awaited="order"),)


def test_a_timer_starts_the_process_once(database_url: str) -> None:
    nightly = diagram("nightly", start(timer=cycle("R/PT2H")), end(), path("Begin", "Done"))
    result = simulated(database_url, nightly, variables={"a": 1})
    assert (result.completed, result.variables) == (True, {"a": 1})
    assert result.trace[0] == entry("Begin", "entered", "PT2H")


def test_called_processes_are_runs_of_their_own(database_url: str) -> None:
    caller = diagram(
        "caller",
        start(),
        call_activity("Call", "called", multi_instance=for_each("=[1, 2]", "n", sequential=True)),
        end(),
        path("Begin", "Call", "Done"),
    )
    called = diagram("called", start("In"), service_task("Inner", "work"), end("Out"), path("In", "Inner", "Out"))
    result = simulated(database_url, caller, called)
    completed = [(each.element, each.instance) for each in result.trace if each.event == "completed"]
    assert completed == [
        ("Begin", 1),
        *[("In", 2), ("Inner", 2), ("Out", 2), ("Call", 1)],
        *[("In", 3), ("Inner", 3), ("Out", 3), ("Call", 1)],
        ("Done", 1),
    ]


def test_a_thrown_message_starts_the_other_process(database_url: str) -> None:
    both = document(
        process(
            "delivering",
            start("Ordered", message_ref="Message_Order"),
            service_task("Pack", "pack"),
            end("Sent", message_ref="Message_Delivery"),
            path("Ordered", "Pack", "Sent"),
        ),
        process(
            "asking",
            start(),
            throw("Order", message_ref="Message_Order"),
            catch("Delivered", message_ref="Message_Delivery"),
            end(),
            path("Begin", "Order", "Delivered", "Done"),
        ),
        message("Message_Order", "order", '="7"'),
        message("Message_Delivery", "delivery", '="7"'),
    )
    result = simulated(database_url, both)
    assert result.completed
    assert [(each.element, each.instance) for each in result.trace if each.element == "Pack"] == [("Pack", 2)] * 2
