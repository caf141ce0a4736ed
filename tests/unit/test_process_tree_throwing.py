"""Errors and escalations that a diagram throws, in memory: which event catches them, and what becomes of the others."""

from __future__ import annotations

import pytest
from diagrams import (
    boundary,
    call_activity,
    document,
    end,
    error,
    escalation,
    event_subprocess,
    flow,
    for_each,
    parallel,
    path,
    process,
    service_task,
    start,
    subprocess,
    throw,
)
from stored_tree import StoredTree

from engine.bpmn import EndEvent
from engine.errors import UncaughtBpmnError

DECLARED = (error("Broken", "BROKEN"), error("Other", "OTHER"), escalation("Late", "LATE"), escalation("Odd", "ODD"))
ESCALATING = (start("In"), path("In", "Throw", "Inner", "Out"), throw("Throw", escalation_ref="Late"),
              service_task("Inner", "t"), end("Out"))  # fmt: skip


def _process(*content: str, further: str = "") -> bytes:
    return document(process("p", start(), *content, end()), further, *DECLARED)


def _around(*inside: str, beside: str = "", repeated: str = "") -> bytes:
    within = subprocess("Sub", *inside, repeated=repeated)
    return _process(path("Begin", "Sub", "After", "Done"), within, service_task("After", "t"), beside)


def _caught(node_id: str, host: str = "Sub", *, interrupting: bool = True, **trigger: str) -> str:
    event = boundary(node_id, host, interrupting=interrupting, **trigger)
    return event + path(node_id, f"After{node_id}", "Done") + service_task(f"After{node_id}", "t")


FAILING = (
    start("In"),
    path("In", "Fork", "Fail"),
    path("Fork", "Inner", "Out"),
    parallel("Fork"),
    service_task("Inner", "t"),
    end("Out"),
    end("Fail", error_ref="Broken"),
)


@pytest.mark.parametrize(
    ("beside", "continues_at"),
    [
        pytest.param(_caught("Same", error_ref="Broken"), "AfterSame", id="its code"),
        pytest.param(_caught("Any", error_ref=""), "AfterAny", id="every code"),
        pytest.param(
            _caught("Any", error_ref="") + _caught("Same", error_ref="Broken"), "AfterSame", id="its code first"
        ),
        pytest.param(
            _caught("Not", error_ref="Other") + _caught("Same", error_ref="Broken"), "AfterSame", id="not another"
        ),
        pytest.param(
            _caught("Told", escalation_ref="") + _caught("Any", error_ref=""), "AfterAny", id="not an escalation"
        ),
    ],
)
def test_an_error_end_leaves_its_subprocess_by_the_event_that_catches_it(beside: str, continues_at: str) -> None:
    tree = StoredTree.of(_around(*FAILING, beside=beside))

    assert tree.waiting == [continues_at]
    assert {"Sub", "Inner"} <= set(tree.happened("cancelled"))
    assert "Fail" in tree.happened("completed")


def test_an_error_end_begins_the_event_subprocess_of_its_own_scope() -> None:
    handler = event_subprocess("Events", start("On", error_ref="Broken"), path("On", "Handle", "Handled"),
                               service_task("Handle", "t"), end("Handled"))  # fmt: skip
    tree = StoredTree.of(_around(*FAILING, handler, beside=_caught("Same", error_ref="Broken")))

    assert tree.waiting == ["Handle"]
    tree.complete("Handle")
    assert tree.waiting == ["After"]


def test_an_error_end_of_a_called_process_is_caught_by_the_caller() -> None:
    child = process("child", start("C"), path("C", "Fail"), end("Fail", error_ref="Broken"))
    content = _process(path("Begin", "Call", "Done"), call_activity("Call", "child"),
                       _caught("Same", "Call", error_ref="Broken"), further=child)  # fmt: skip

    assert StoredTree.of(content).waiting == ["AfterSame"]


def test_an_error_end_in_one_instance_of_a_repeated_subprocess_ends_them_all() -> None:
    inside = (start("In"), path("In", "Inner", "Fail"), service_task("Inner", "t"), end("Fail", error_ref="Broken"))
    content = _around(*inside, beside=_caught("Same", error_ref="Broken"), repeated=for_each("=[1, 2, 3]"))
    tree = StoredTree.of(content)

    tree.complete("Inner")

    assert tree.waiting == ["AfterSame"]


def test_an_error_end_that_nothing_catches_waits_and_can_be_thrown_again() -> None:
    tree = StoredTree.of(_around(*FAILING, beside=_caught("Not", error_ref="Other")))

    assert tree.waiting == ["Fail", "Inner"]
    assert tree.task("Fail").element == EndEvent(
        id="Fail", name="Fail", line=tree.task("Fail").element.line, scope="Sub", error_code="BROKEN"
    )
    with pytest.raises(UncaughtBpmnError) as raised:
        tree.tree.trigger(tree.task("Fail").task_id, {})
    assert raised.value.error_code == "BROKEN"
    tree.load()
    tree.complete("Inner")
    assert tree.waiting == ["Fail"]  # its subprocess is not over


def test_an_escalation_that_does_not_interrupt_lets_its_subprocess_go_on() -> None:
    tree = StoredTree.of(_around(*ESCALATING, beside=_caught("Told", escalation_ref="Late", interrupting=False)))

    assert sorted(tree.waiting) == ["AfterTold", "Inner"]
    tree.complete("Inner")
    tree.complete("After")
    tree.complete("AfterTold")
    assert tree.is_clean()
    assert [(each.element.id, each.escalation_code, each.caught_by) for each in tree.escalations] == [
        ("Throw", "LATE", "Told")
    ]


def test_an_escalation_that_interrupts_ends_its_subprocess() -> None:
    tree = StoredTree.of(_around(*ESCALATING, beside=_caught("Told", escalation_ref="", interrupting=True)))

    assert tree.waiting == ["AfterTold"]
    assert "Inner" not in tree.happened("activated")


def test_an_escalation_that_nothing_catches_passes_on() -> None:
    tree = StoredTree.of(_around(*ESCALATING, beside=_caught("Strange", escalation_ref="Odd")))

    assert tree.waiting == ["Inner"]
    assert [(each.element.id, each.escalation_code, each.caught_by) for each in tree.escalations] == [
        ("Throw", "LATE", None)
    ]


@pytest.mark.parametrize("interrupting", [False, True])
def test_an_escalation_end_may_interrupt_what_is_around_it(*, interrupting: bool) -> None:
    inside = (
        start("In"),
        path("In", "Fork", "Escalate"),
        path("Fork", "Inner", "Out"),
        parallel("Fork"),
        service_task("Inner", "t"),
        end("Out"),
        end("Escalate", escalation_ref="Late"),
    )
    tree = StoredTree.of(_around(*inside, beside=_caught("Told", escalation_ref="Late", interrupting=interrupting)))

    assert sorted(tree.waiting) == (["AfterTold"] if interrupting else ["AfterTold", "Inner"])


@pytest.mark.parametrize("interrupting", [False, True])
def test_an_escalation_begins_the_event_subprocess_of_its_own_scope(*, interrupting: bool) -> None:
    event = start("On", escalation_ref="Late", interrupting=interrupting)
    handler = event_subprocess("Events", event, path("On", "Handle", "Handled"), service_task("Handle", "t"),
                               end("Handled"))  # fmt: skip
    tree = StoredTree.of(_around(*ESCALATING, handler, beside=_caught("Told", escalation_ref="Late")))

    assert sorted(tree.waiting) == (["Handle"] if interrupting else ["Handle", "Inner"])


def test_an_event_subprocess_does_not_catch_what_it_throws_itself() -> None:
    event = start("On", escalation_ref="Late", interrupting=False)
    handler = event_subprocess("Events", event, path("On", "Again", "Handled"), throw("Again", escalation_ref="Late"),
                               end("Handled"))  # fmt: skip
    tree = StoredTree.of(_around(*ESCALATING, handler, beside=_caught("Told", escalation_ref="", interrupting=False)))

    assert [each.caught_by for each in tree.escalations] == ["On", "Told"]
    assert sorted(tree.waiting) == ["AfterTold", "Inner"]


def test_an_escalation_goes_through_calls_to_the_nearest_event_that_catches_it() -> None:
    inner = process("inner", start("I"), path("I", "Throw", "J"), throw("Throw", escalation_ref="Late"), end("J"))
    outer = process("outer", start("C"), path("C", "Sub", "D"), end("D"),
                    subprocess("Sub", start("In"), path("In", "Call2", "Out"), call_activity("Call2", "inner"),
                               end("Out")))  # fmt: skip
    content = _process(
        path("Begin", "Call", "Done"),
        call_activity("Call", "outer"),
        _caught("Told", "Call", escalation_ref="Late", interrupting=False),
        further=outer + inner,
    )
    tree = StoredTree.of(content)

    assert tree.waiting == ["AfterTold"]
    assert {"Call", "Call2", "Sub"} <= set(tree.happened("completed"))


def test_a_task_may_escalate_and_go_on() -> None:
    inside = (start("In"), path("In", "Inner", "Out"), service_task("Inner", "t"), end("Out"))
    beside = _caught("Told", escalation_ref="Late", interrupting=False)
    tree = StoredTree.of(_around(*inside, beside=beside))

    tree.tree.raise_escalation(tree.task("Inner").task_id, "LATE", {"hours": 3})
    tree.keep()

    assert tree.waiting == ["Inner", "AfterTold"]
    assert tree.variables == {"hours": 3}


def test_what_ends_the_process_by_an_error_within_flows_after_it() -> None:
    content = _process(
        path("Begin", "Sub", "After", "Done"),
        subprocess("Sub", start("In"), path("In", "Fail"), end("Fail", error_ref="Broken")),
        service_task("After", "t"),
        boundary("Same", "Sub", "Broken"),
        flow("Same", "Done"),
    )

    assert StoredTree.of(content).is_clean()
