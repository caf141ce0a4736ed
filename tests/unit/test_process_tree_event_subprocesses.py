"""Event subprocesses in memory: what begins them, what they interrupt, and when they can begin no more."""

from __future__ import annotations

import pytest
from diagrams import (
    boundary,
    call_activity,
    document,
    duration,
    end,
    error,
    escalation,
    event_subprocess,
    flow,
    message,
    parallel,
    path,
    process,
    service_task,
    signal,
    start,
    subprocess,
    throw,
)
from stored_tree import StoredTree

from engine.bpmn import MessageTrigger, SignalTrigger, TimerTrigger

DECLARED = (
    message("Message", "paid", "=key"),
    signal("Signal", "alarm"),
    error("Broken", "BROKEN"),
    escalation("Late", "LATE"),
)
KINDS = [
    pytest.param({"timer": duration("PT5M")}, TimerTrigger("duration", '"PT5M"'), id="timer"),
    pytest.param({"message_ref": "Message"}, MessageTrigger("paid", "key"), id="message"),
    pytest.param({"signal_ref": "Signal"}, SignalTrigger("alarm"), id="signal"),
]


def _beside(*, name: str = "", interrupting: bool = True, **trigger: str) -> str:
    """An event subprocess of one task."""
    handle = service_task(f"Handle{name}", "t")
    ids = (f"On{name}", f"Handle{name}", f"Handled{name}")
    event = start(ids[0], interrupting=interrupting, **trigger)
    return event_subprocess(f"Events{name}", event, path(*ids), handle, end(ids[2]))


def _process(*content: str, further: str = "") -> bytes:
    return document(process("p", start(), *content, end()), further, *DECLARED)


WORK = (path("Begin", "Work", "After", "Done"), service_task("Work", "t"), service_task("After", "t"))


def _nested(*inside: str, beside: str = "") -> bytes:
    """A subprocess with one task and `inside`, beside another task."""
    content = (start("In"), path("In", "Inner", "Out"), service_task("Inner", "t"), end("Out"))
    return _process(
        path("Begin", "Split", "Sub", "After", "Done"),
        path("Split", "Beside", "Done"),
        parallel("Split"),
        service_task("Beside", "t"),
        subprocess("Sub", *content, *inside, inputs={"local": "=1"}),
        service_task("After", "t"),
        beside,
    )


@pytest.mark.parametrize(("definition", "trigger"), KINDS)
def test_an_interrupting_one_takes_the_place_of_the_whole_process(definition: dict[str, str], trigger: object) -> None:
    tree = StoredTree.of(_process(*WORK, _beside(**definition)), key="k")
    assert tree.waiting == ["On", "Work"]
    assert (tree.task("On").trigger, tree.task("On").is_repeating) == (trigger, False)

    tree.trigger("On", sent=1)

    assert tree.waiting == ["Handle"]
    assert tree.happened("cancelled") == ["Work"]
    tree.complete("Handle")
    assert tree.variables == {"key": "k", "sent": 1}
    assert tree.is_clean()


@pytest.mark.parametrize(("definition", "trigger"), KINDS)
def test_one_that_does_not_interrupt_runs_beside_the_process_as_often_as_its_event_happens(
    definition: dict[str, str], trigger: object
) -> None:
    tree = StoredTree.of(_process(*WORK, _beside(interrupting=False, **definition)), key="k")
    assert (tree.task("On").trigger, tree.task("On").is_repeating) == (trigger, True)

    tree.trigger("On")
    tree.trigger("On")

    assert tree.waiting == ["On", "Work", "Handle", "Handle"]
    tree.complete("Work")
    tree.complete("After")
    assert tree.waiting == ["On", "Handle", "Handle"]  # what runs beside keeps the process open
    tree.complete("Handle")
    tree.complete("Handle")
    assert tree.is_clean()


def test_none_is_ever_begun_by_its_process() -> None:
    every = [
        _beside(name="Error", error_ref="Broken"),
        _beside(name="Escalation", escalation_ref="Late"),
        _beside(name="Message", message_ref="Message"),
        _beside(name="Timer", timer=duration("PT1H"), interrupting=False),
        _beside(name="Signal", signal_ref="Signal"),
    ]
    tree = StoredTree.of(_process(*WORK, *every), key="k")

    assert tree.waiting == ["OnMessage", "OnTimer", "OnSignal", "Work"]
    tree.complete("Work")
    tree.complete("After")
    assert tree.is_clean()
    assert set(tree.happened("activated")) == {"Begin", "Work", "After", "Done"}


def test_after_an_interruption_no_other_can_begin() -> None:
    content = _process(
        *WORK, _beside(name="A", signal_ref="Signal"), _beside(name="B", message_ref="Message", interrupting=False)
    )
    tree = StoredTree.of(content, key="k")
    tree.trigger("OnB")

    changes = tree.trigger("OnA")

    assert tree.waiting == ["HandleA"]
    assert {each.element.id for each in changes.closed} == {"OnA", "OnB", "Work", "HandleB"}


@pytest.mark.parametrize("interrupting", [False, True])
def test_one_within_a_subprocess_concerns_that_subprocess_alone(*, interrupting: bool) -> None:
    tree = StoredTree.of(_nested(_beside(signal_ref="Signal", interrupting=interrupting)))
    assert sorted(tree.waiting) == ["Beside", "Inner", "On"]

    tree.trigger("On", local=2, made=3)

    waiting = ["Beside", "Handle"] if interrupting else ["Beside", "Handle", "Inner", "On"]
    assert sorted(tree.waiting) == waiting
    tree.complete("Handle")
    if not interrupting:
        tree.complete("Inner")
    assert tree.waiting == ["Beside", "After"]
    assert tree.variables == {"made": 3}  # the other is a variable of the subprocess


def test_its_event_is_waited_for_only_while_the_subprocess_runs() -> None:
    tree = StoredTree.of(_nested(_beside(signal_ref="Signal")))

    changes = tree.complete("Inner")

    assert {each.element.id for each in changes.closed} == {"Inner", "On"}
    assert tree.waiting == ["Beside", "After"]


def test_outputs_map_what_its_event_brings() -> None:
    within = (start("On", signal_ref="Signal", outputs={"got": "=sent + 1"}), path("On", "Handled"), end("Handled"))
    tree = StoredTree.of(_process(*WORK, event_subprocess("Events", *within)))

    tree.trigger("On", sent=1, noise=2)

    assert tree.variables == {"got": 2}
    assert tree.is_clean()


def test_an_error_within_its_scope_begins_one_before_the_boundary_is_asked() -> None:
    outside = boundary("Outer", "Sub", "Broken") + flow("Outer", "Done")
    tree = StoredTree.of(_nested(_beside(error_ref="Broken"), beside=outside))

    assert tree.raise_error("Inner", "BROKEN", {"reason": "dust"})

    assert tree.waiting == ["Beside", "Handle"]
    tree.complete("Handle")
    assert tree.waiting == ["Beside", "After"]
    assert tree.variables == {"reason": "dust"}


def test_an_error_that_its_own_task_catches_begins_none() -> None:
    own = boundary("Own", "Work", "Broken") + flow("Own", "After")
    tree = StoredTree.of(_process(*WORK, own, _beside(error_ref="")))

    assert tree.raise_error("Work", "BROKEN", {})

    assert tree.waiting == ["After"]


def test_an_error_within_one_goes_past_its_own_scope() -> None:
    outside = boundary("Outer", "Sub", "Broken") + path("Outer", "Instead", "Done") + service_task("Instead", "t")
    tree = StoredTree.of(_nested(_beside(error_ref=""), beside=outside))
    tree.raise_error("Inner", "ANY", {})
    assert tree.waiting == ["Beside", "Handle"]

    assert tree.raise_error("Handle", "BROKEN", {})

    assert tree.waiting == ["Beside", "Instead"]


def test_an_error_within_one_that_does_not_interrupt_begins_another() -> None:
    content = _process(*WORK, _beside(signal_ref="Signal", interrupting=False), _beside(name="Error", error_ref=""))
    tree = StoredTree.of(content)
    tree.trigger("On")

    assert tree.raise_error("Handle", "ANY", {})

    assert tree.waiting == ["HandleError"]


def test_one_within_another_is_waited_for_while_that_runs() -> None:
    inner = _beside(name="Inner", message_ref="Message", interrupting=False)
    outer = (start("On", signal_ref="Signal"), path("On", "Handle", "Handled"), service_task("Handle", "t"))
    tree = StoredTree.of(_process(*WORK, event_subprocess("Events", *outer, end("Handled"), inner)), key="k")
    assert tree.waiting == ["On", "Work"]

    tree.trigger("On")
    assert tree.waiting == ["OnInner", "Handle"]
    tree.trigger("OnInner")
    tree.complete("Handle")

    assert tree.waiting == ["OnInner", "HandleInner"]
    tree.complete("HandleInner")
    assert tree.is_clean()


def test_the_error_of_a_called_process_begins_one_of_the_caller() -> None:
    child = process("child", start("C"), path("C", "Inner", "D"), service_task("Inner", "t"), end("D"))
    content = _process(path("Begin", "Call", "Done"), call_activity("Call", "child"), _beside(error_ref="Broken"),
                       further=child)  # fmt: skip
    tree = StoredTree.of(content)

    assert tree.raise_error("Inner", "BROKEN", {})

    assert tree.waiting == ["Handle"]
    assert set(tree.happened("cancelled")) == {"Call", "Inner"}


def test_one_of_a_called_process_is_that_process_s_own() -> None:
    child = process("child", start("C"), path("C", "Inner", "D"), service_task("Inner", "t"), end("D"),
                    _beside(signal_ref="Signal"))  # fmt: skip
    tree = StoredTree.of(_process(path("Begin", "Call", "Done"), call_activity("Call", "child"), further=child))

    tree.trigger("On")
    assert tree.waiting == ["Handle"]
    tree.complete("Handle")

    assert tree.is_clean()
    assert "Call" in tree.happened("completed")


def test_a_terminating_end_within_one_ends_only_what_is_in_it() -> None:
    content = (
        start("On", signal_ref="Signal", interrupting=False),
        path("On", "Fork", "Handle", "Stop"),
        path("Fork", "Slow", "Stop"),
        parallel("Fork"),
        service_task("Handle", "t"),
        service_task("Slow", "t"),
        end("Stop", terminates=True),
    )
    tree = StoredTree.of(_process(*WORK, event_subprocess("Events", *content)))
    tree.trigger("On")

    tree.complete("Handle")

    assert tree.waiting == ["On", "Work"]


def test_a_terminating_end_of_the_process_ends_what_runs_beside_it() -> None:
    content = document(
        process("p", start(), path("Begin", "Work", "Done"), service_task("Work", "t"), end(terminates=True),
                _beside(signal_ref="Signal", interrupting=False)),
        *DECLARED,
    )  # fmt: skip
    tree = StoredTree.of(content)
    tree.trigger("On")

    tree.complete("Work")

    assert tree.is_clean()
    assert "Handle" in tree.happened("cancelled")


def test_it_may_throw_what_a_process_may() -> None:
    within = (start("On", signal_ref="Signal"), path("On", "Throw", "Handled"), throw("Throw", "Signal"))
    tree = StoredTree.of(_process(*WORK, event_subprocess("Events", *within, end("Handled"))))

    tree.trigger("On")

    assert tree.signals == ["alarm"]
    assert tree.is_clean()
