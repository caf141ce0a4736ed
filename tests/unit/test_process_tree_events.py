"""Events in memory: on boundaries, between activities, receive tasks, and signals that are thrown."""

from __future__ import annotations

import pytest
from diagrams import (
    boundary,
    call_activity,
    catch,
    document,
    duration,
    end,
    flow,
    message,
    path,
    process,
    receive_task,
    service_task,
    signal,
    start,
    throw,
)
from stored_tree import StoredTree

from engine.bpmn import MessageTrigger, SignalTrigger, TimerTrigger

KINDS = [
    pytest.param({"timer": duration("PT5M")}, TimerTrigger("duration", '"PT5M"'), id="timer"),
    pytest.param({"message_ref": "Message"}, MessageTrigger("paid", "key"), id="message"),
    pytest.param({"signal_ref": "Signal"}, SignalTrigger("alarm"), id="signal"),
]
DECLARED = (message("Message", "paid", "=key"), signal("Signal", "alarm"))


def _mapped(definition: dict[str, str], source: str) -> dict[str, str]:
    """A time brings nothing that could be mapped."""
    return {} if "timer" in definition else {"got": source}


def _process(*content: str, called: str = "") -> bytes:
    return document(process("p", start(), *content, end()), called, *DECLARED)


@pytest.mark.parametrize(("definition", "trigger"), KINDS)
def test_an_interrupting_event_cancels_its_activity_with_all_that_is_inside(
    definition: dict[str, str], trigger: object
) -> None:
    content = _process(
        path("Begin", "Call", "Done"),
        call_activity("Call", "child"),
        boundary("Event", "Call", outputs=_mapped(definition, "=sent"), **definition),  # type: ignore[arg-type]
        path("Event", "After", "Done"),
        service_task("After", "t"),
        called=process("child", start("In"), path("In", "Inner", "Out"), service_task("Inner", "t"), end("Out")),
    )
    tree = StoredTree.of(content, key="k")
    assert (tree.task("Event").trigger, tree.task("Event").is_repeating) == (trigger, False)

    tree.trigger("Event", **({} if "timer" in definition else {"sent": 5, "noise": True}))

    assert tree.waiting == ["After"]
    assert tree.variables == {"key": "k"} | ({} if "timer" in definition else {"got": 5})
    assert {"Inner", "Call"} <= set(tree.happened("cancelled"))


@pytest.mark.parametrize(("definition", "trigger"), KINDS)
def test_an_event_that_does_not_interrupt_can_happen_again_while_its_activity_goes_on(
    definition: dict[str, str], trigger: object
) -> None:
    content = _process(
        path("Begin", "Work", "Done"),
        service_task("Work", "t"),
        boundary("Event", "Work", interrupting=False, **definition),  # type: ignore[arg-type]
        path("Event", "Remind", "Reminded"),
        service_task("Remind", "t"),
        end("Reminded"),
    )
    tree = StoredTree.of(content, key="k")
    assert (tree.task("Event").trigger, tree.task("Event").is_repeating) == (trigger, True)

    tree.trigger("Event", times=1)
    tree.trigger("Event", times=2)
    assert tree.waiting == ["Work", "Event", "Remind", "Remind"]
    tree.complete("Work")
    assert tree.waiting == ["Remind", "Remind"]
    tree.complete("Remind")
    tree.complete("Remind")

    assert tree.variables == {"key": "k", "times": 2}
    assert tree.is_clean()


def test_completing_an_activity_closes_the_events_on_its_boundary() -> None:
    content = _process(
        path("Begin", "Work", "After", "Done"),
        service_task("Work", "t"),
        boundary("Late", "Work", timer=duration("PT1H")),
        flow("Late", "Done"),
        service_task("After", "t"),
    )
    tree = StoredTree.of(content)

    changes = tree.complete("Work")

    assert {each.element.id for each in changes.closed} == {"Work", "Late"}


@pytest.mark.parametrize(("definition", "trigger"), KINDS)
def test_a_catching_event_waits_and_maps_what_it_received(definition: dict[str, str], trigger: object) -> None:
    event = catch("Event", outputs=_mapped(definition, "=sent + given"), **definition)  # type: ignore[arg-type]
    tree = StoredTree.of(_process(path("Begin", "Event", "Done"), event), key="k", given=1)
    assert tree.task().trigger == trigger

    tree.trigger("Event", **({} if "timer" in definition else {"sent": 5}))

    assert tree.variables == {"key": "k", "given": 1} | ({} if "timer" in definition else {"got": 6})
    assert tree.is_clean()


def test_a_receive_task_maps_its_message_and_its_own_inputs() -> None:
    receive = receive_task("Receive", "Message", {"order": "=key"}, {"got": "=sent", "by": "=order"})
    tree = StoredTree.of(_process(path("Begin", "Receive", "Done"), receive), key="k")

    tree.trigger("Receive", sent=5)

    assert tree.variables == {"key": "k", "got": 5, "by": "k"}
    assert tree.is_clean()


def test_signals_are_thrown_between_activities_and_at_the_end() -> None:
    content = document(
        process("p", start(), path("Begin", "Plain", "Throw", "Done"), throw("Plain"), throw("Throw", "Signal"),
                end(signal_ref="Last")),
        *DECLARED,
        signal("Last", "over"),
    )  # fmt: skip
    tree = StoredTree.of(content)

    assert tree.signals == ["alarm", "over"]
    assert tree.is_clean()
