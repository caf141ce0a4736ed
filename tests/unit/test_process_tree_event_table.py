"""Every trigger at every place: on the boundary of each kind of activity, and beside the tokens of each kind of scope.

The tables are made, not listed, so that no cell can be missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from diagram_findings import codes_of
from diagrams import (
    activity,
    boundary,
    call_activity,
    document,
    duration,
    end,
    error,
    escalation,
    event_subprocess,
    flow,
    for_each,
    loop,
    message,
    path,
    process,
    receive_task,
    script_task,
    service_task,
    signal,
    start,
    subprocess,
    transaction,
    undone_by,
    user_task,
)
from stored_tree import StoredTree

DECLARED = (
    message("Message", "paid", "=key"),
    message("Expected", "expected", "=key"),
    signal("Signal", "alarm"),
    error("Broken", "BROKEN"),
    escalation("Late", "LATE"),
    process("child", start("CallIn"), path("CallIn", "Called", "CallOut"), service_task("Called", "t"), end("CallOut")),
)
INSIDE = (start("In"), path("In", "Inner", "Out"), service_task("Inner", "t"), end("Out"))
JOB = '<zeebe:taskDefinition type="plain" />'

TRIGGERS: dict[str, dict[str, Any]] = {
    "timer": {"timer": duration("PT5M")},
    "message": {"message_ref": "Message"},
    "signal": {"signal_ref": "Signal"},
    "condition": {"condition": "=alarm = true"},
    "error": {"error_ref": "Broken"},
    "every error": {"error_ref": ""},
    "escalation": {"escalation_ref": "Late"},
    "every escalation": {"escalation_ref": ""},
}


def happen(tree: StoredTree, trigger: str, event: str, inner: str) -> None:
    """Let the event happen: from outside, or thrown by the task that waits inside."""
    match trigger.removeprefix("every "):
        case "condition":
            tree.tree.set_variables({"alarm": True})
            tree.keep()
        case "error":
            assert tree.raise_error(inner, "BROKEN", {})
        case "escalation":
            tree.tree.raise_escalation(tree.task(inner).task_id, "LATE", {})
            tree.keep()
        case _:
            tree.trigger(event)


def ways(*, of_errors: bool = False) -> list[tuple[str, bool]]:
    """Each trigger, interrupting and not; an error always interrupts."""
    every = product(TRIGGERS, (True, False))
    return [(name, interrupts) for name, interrupts in every if interrupts or "error" not in name or of_errors]


@dataclass(frozen=True)
class Host:
    """An activity that takes time.

    Attributes:
        element: Its XML, with the id Host.
        inner: The task that waits while it is active; `at_once` times.
        rounds: How often it has to be completed.
    """

    element: str
    inner: str = "Host"
    at_once: int = 1
    rounds: int = 1


HOSTS = {
    "service task": Host(service_task("Host", "t")),
    "user task": Host(user_task("Host", "reviewer")),
    "receive task": Host(receive_task("Host", "Expected")),
    "send task of a handler": Host(activity("sendTask", "Host", JOB)),
    "script task of a handler": Host(activity("scriptTask", "Host", JOB)),
    "business rule task of a handler": Host(activity("businessRuleTask", "Host", JOB)),
    "call activity": Host(call_activity("Host", "child"), "Called"),
    "subprocess": Host(subprocess("Host", *INSIDE), "Inner"),
    "transaction": Host(transaction("Host", *INSIDE), "Inner"),
    "subprocess in a subprocess": Host(
        subprocess("Host", start("Within"), path("Within", "Sub"), subprocess("Sub", *INSIDE)), "Inner"
    ),
    "call in a subprocess": Host(
        subprocess("Host", start("Within"), path("Within", "Call"), call_activity("Call", "child")), "Called"
    ),
    "parallel instances": Host(service_task("Host", "t", multi_instance=for_each("=[1, 2]")), at_once=2),
    "sequential instances": Host(
        service_task("Host", "t", multi_instance=for_each("=[1, 2]", sequential=True)), rounds=2
    ),
    "loop": Host(service_task("Host", "t", multi_instance=loop(maximum=2)), rounds=2),
    "parallel subprocesses": Host(subprocess("Host", *INSIDE, repeated=for_each("=[1, 2]")), "Inner", at_once=2),
    "repeated calls": Host(call_activity("Host", "child", multi_instance=for_each("=[1, 2]")), "Called", at_once=2),
}
RECEIVES = {"receive task"}


def hosted(element: str, trigger: str, *, interrupts: bool) -> bytes:
    content = (
        path("Begin", "Host", "After", "Done"),
        element,
        boundary("Event", "Host", interrupting=interrupts, **TRIGGERS[trigger]),
        flow("Event", "Handle"),
        service_task("Handle", "t"),
        flow("Handle", "Done"),
        service_task("After", "t"),
    )
    return document(process("p", start(), *content, end()), *DECLARED)


def is_thrown(trigger: str) -> bool:
    return trigger.removeprefix("every ") in {"error", "escalation"}


BOUNDARIES = [
    (kind, trigger, interrupts)
    for kind, (trigger, interrupts) in product(HOSTS, ways())
    if not (kind in RECEIVES and is_thrown(trigger))
]


@pytest.mark.parametrize(("kind", "trigger", "interrupts"), BOUNDARIES)
def test_an_event_on_the_boundary_of_an_activity_leads_on(kind: str, trigger: str, *, interrupts: bool) -> None:
    host = HOSTS[kind]
    tree = StoredTree.of(hosted(host.element, trigger, interrupts=interrupts), key="k", alarm=False)
    assert tree.waiting.count(host.inner) == host.at_once

    happen(tree, trigger, "Event", host.inner)

    if interrupts:
        assert tree.waiting == ["Handle"]
        assert "Host" in tree.happened("cancelled")
    else:
        assert tree.waiting.count("Handle") == 1
        for _ in range(host.at_once * host.rounds):
            tree.complete(host.inner)
        tree.complete("After")
        assert tree.happened("cancelled").count("Host") == 0
    tree.complete("Handle")
    assert tree.is_clean()
    assert tree.happened("completed").count("Handle") == 1


@pytest.mark.parametrize(
    ("trigger", "interrupts"), [way for way in ways() if not is_thrown(way[0]) and way[0] != "condition"]
)
@pytest.mark.parametrize("kind", HOSTS)
def test_an_event_that_does_not_happen_is_waited_for_no_longer(kind: str, trigger: str, *, interrupts: bool) -> None:
    host = HOSTS[kind]
    tree = StoredTree.of(hosted(host.element, trigger, interrupts=interrupts), key="k", alarm=False)
    assert tree.waiting.count("Event") == 1

    for _ in range(host.at_once * host.rounds):
        tree.complete(host.inner)

    assert tree.waiting == ["After"]
    assert "Event" not in tree.happened("activated")


TAKE_NO_TIME = {
    "task": '<bpmn:task id="Host" />',
    "manual task": '<bpmn:manualTask id="Host" />',
    "script task": script_task("Host", "=1", "one"),
    "send task": activity("sendTask", "Host", "", messageRef="Message"),
    "several script tasks": script_task("Host", "=1", "one", repeated=for_each("=[1, 2]")),
}


@pytest.mark.parametrize(("trigger", "interrupts"), ways())
@pytest.mark.parametrize("kind", TAKE_NO_TIME)
def test_what_takes_no_time_is_done_before_an_event_on_its_boundary_can_happen(
    kind: str, trigger: str, *, interrupts: bool
) -> None:
    content = hosted(TAKE_NO_TIME[kind], trigger, interrupts=interrupts)

    tree = StoredTree.of(content, key="k", alarm=True)

    assert ("BOUNDARY_IDLE", "Event") in codes_of(content)
    assert tree.waiting == ["After"]
    tree.complete("After")
    assert tree.is_clean()
    assert "Event" not in tree.happened("completed")


@pytest.mark.parametrize(("trigger", "interrupts"), ways())
def test_no_event_stands_on_the_boundary_of_an_event(trigger: str, *, interrupts: bool) -> None:
    content = hosted("", trigger, interrupts=interrupts).replace(b'attachedToRef="Host"', b'attachedToRef="Begin"')

    assert ("BOUNDARY_MISPLACED", "Event") in codes_of(content)


@pytest.mark.parametrize("trigger", [name for name in TRIGGERS if is_thrown(name)])
def test_nothing_is_thrown_from_a_task_that_only_receives(trigger: str) -> None:
    assert ("BOUNDARY_IDLE", "Event") in codes_of(hosted(HOSTS["receive task"].element, trigger, interrupts=True))


@pytest.mark.parametrize("kind", HOSTS)
def test_only_a_transaction_is_left_by_a_cancel_event(kind: str) -> None:
    content = document(
        process(
            "p",
            start(),
            path("Begin", "Host", "Done"),
            HOSTS[kind].element,
            boundary("Event", "Host", cancels=True),
            flow("Event", "Done"),
            end(),
        ),
        *DECLARED,
    )

    assert (("BOUNDARY_MISPLACED", "Event") in codes_of(content)) is (kind != "transaction")


@pytest.mark.parametrize("kind", HOSTS)
def test_every_activity_can_be_undone(kind: str) -> None:
    host = HOSTS[kind]
    content = document(
        process(
            "p",
            start(),
            path("Begin", "Host", "Done"),
            host.element,
            undone_by("Host", service_task("Undo", "t")),
            end(compensates=""),
        ),
        *DECLARED,
    )
    tree = StoredTree.of(content, key="k")

    for _ in range(host.at_once * host.rounds):
        tree.complete(host.inner)
    undone = 0
    while tree.waiting:
        assert tree.waiting == ["Undo"]
        tree.complete("Undo")
        undone += 1

    assert undone == host.at_once * host.rounds
    assert tree.is_clean()


@pytest.mark.parametrize("kind", [kind for kind in TAKE_NO_TIME if kind != "several script tasks"])
def test_what_takes_no_time_can_be_undone_too(kind: str) -> None:
    content = document(
        process(
            "p",
            start(),
            path("Begin", "Host", "Done"),
            TAKE_NO_TIME[kind],
            undone_by("Host", service_task("Undo", "t")),
            end(compensates=""),
        ),
        *DECLARED,
    )
    tree = StoredTree.of(content, key="k")

    assert tree.waiting == ["Undo"]
    tree.complete("Undo")
    assert tree.is_clean()


HANDLERS = {
    **{kind: (host.element, [host.inner] * host.at_once * host.rounds) for kind, host in HOSTS.items()},
    **{kind: (TAKE_NO_TIME[kind], []) for kind in ("task", "manual task", "script task", "send task")},
}


@pytest.mark.parametrize("kind", HANDLERS)
def test_an_activity_of_any_kind_can_undo(kind: str) -> None:
    element, waits = HANDLERS[kind]
    content = document(
        process(
            "p",
            start(),
            path("Begin", "Work", "Last", "Done"),
            service_task("Work", "t"),
            undone_by("Work", element),
            service_task("Last", "t"),
            end(compensates=""),
        ),
        *DECLARED,
    )
    assert {code for code, element_id in codes_of(content) if element_id == "Host"} <= {"HANDLER_UNKNOWN"}
    tree = StoredTree.of(content, key="k")
    tree.complete("Work")
    tree.complete("Last")

    for task in waits:
        tree.complete(task)

    assert tree.is_clean()
    assert tree.happened("compensated") == ["Work"]
    assert "Host" in tree.happened("completed")


@dataclass(frozen=True)
class Place:
    """A scope with a task Inner in it, and an event subprocess beside that.

    Attributes:
        wrap: Returns the process in which the event subprocess stands in the scope.
        after: The tasks that wait once the scope is over.
    """

    wrap: Callable[[str], tuple[str, ...]]
    after: tuple[str, ...] = ("After",)


def _in_subprocess(beside: str) -> tuple[str, ...]:
    return (path("Begin", "Sub", "After", "Done"), subprocess("Sub", *INSIDE, beside), service_task("After", "t"))


def _nested(beside: str) -> tuple[str, ...]:
    inner = subprocess("Inmost", *INSIDE, beside)
    outer = subprocess("Sub", start("Within"), path("Within", "Inmost", "Without"), inner, end("Without"))
    return (path("Begin", "Sub", "After", "Done"), outer, service_task("After", "t"))


def _in_transaction(beside: str) -> tuple[str, ...]:
    return (path("Begin", "Sub", "After", "Done"), transaction("Sub", *INSIDE, beside), service_task("After", "t"))


def _in_loop(beside: str) -> tuple[str, ...]:
    once = loop(maximum=1)
    sub = subprocess("Sub", *INSIDE, beside, repeated=once)
    return (path("Begin", "Sub", "After", "Done"), sub, service_task("After", "t"))


def _in_event_subprocess(beside: str) -> tuple[str, ...]:
    """A signal takes the place of the process by an event subprocess that has the other one in it."""
    around = event_subprocess("Around", start("Alarmed", signal_ref="Begun"), path("Alarmed", "Inner", "Out"),
                              service_task("Inner", "t"), end("Out"), beside)  # fmt: skip
    return (path("Begin", "Before", "Done"), service_task("Before", "t"), around)


PLACES = {
    "process": Place(lambda beside: (path("Begin", "Inner", "Done"), service_task("Inner", "t"), beside), ()),
    "subprocess": Place(_in_subprocess),
    "subprocess in a subprocess": Place(_nested),
    "transaction": Place(_in_transaction),
    "round of a loop": Place(_in_loop),
    "event subprocess": Place(_in_event_subprocess, ()),
}


def beside(trigger: str, *, interrupts: bool) -> str:
    event = start("On", interrupting=interrupts, **TRIGGERS[trigger])
    return event_subprocess(
        "Events", event, path("On", "Handle", "Handled"), service_task("Handle", "t"), end("Handled")
    )


def placed(place: str, trigger: str, *, interrupts: bool) -> StoredTree:
    content = PLACES[place].wrap(beside(trigger, interrupts=interrupts))
    begun = signal("Begun", "begun")
    tree = StoredTree.of(document(process("p", start(), *content, end()), begun, *DECLARED), key="k", alarm=False)
    if place == "event subprocess":
        tree.trigger("Alarmed")
    return tree


@pytest.mark.parametrize(("trigger", "interrupts"), ways())
@pytest.mark.parametrize("place", PLACES)
def test_an_event_subprocess_begins_with_its_event_and_not_before(
    place: str, trigger: str, *, interrupts: bool
) -> None:
    tree = placed(place, trigger, interrupts=interrupts)
    assert "On" not in tree.happened("activated")

    happen(tree, trigger, "On", "Inner")

    working = [each for each in tree.waiting if each in {"Inner", "Handle"}]
    assert working == (["Handle"] if interrupts else ["Inner", "Handle"])
    assert tree.happened("cancelled").count("Inner") == int(interrupts)
    for task in working:
        tree.complete(task)
    assert tuple(tree.waiting) == PLACES[place].after
    for task in PLACES[place].after:
        tree.complete(task)
    assert tree.is_clean()
    activated = tree.happened("activated")
    assert [activated.count(each) for each in ("On", "Handle", "Inner")] == [1, 1, 1]


@pytest.mark.parametrize(("trigger", "interrupts"), ways())
@pytest.mark.parametrize("place", PLACES)
def test_an_event_subprocess_whose_event_does_not_happen_leaves_no_trace(
    place: str, trigger: str, *, interrupts: bool
) -> None:
    tree = placed(place, trigger, interrupts=interrupts)

    tree.complete("Inner")

    assert tuple(tree.waiting) == PLACES[place].after
    assert not {"On", "Handle", "Handled", "Events"} & set(tree.happened("activated"))
