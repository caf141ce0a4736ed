"""Embedded subprocesses in memory: scopes of their own, with variables, events and ends of their own."""

from __future__ import annotations

import pytest
from diagrams import (
    boundary,
    call_activity,
    document,
    duration,
    end,
    error,
    flow,
    for_each,
    message,
    parallel,
    path,
    process,
    script_task,
    service_task,
    start,
    subprocess,
    user_task,
)
from stored_tree import StoredTree

INSIDE = (start("In"), path("In", "Work", "Out"), service_task("Work", "t"), end("Out"))


def _process(*content: str, further: str = "") -> bytes:
    return document(process("p", start(), *content, end()), further, error("Broken", "BROKEN"))


def _around(*inside: str, beside: str = "", **settings: object) -> bytes:
    """A subprocess, then a task; `beside` stands beside the subprocess."""
    within = subprocess("Sub", *(inside or INSIDE), **settings)  # type: ignore[arg-type]
    return _process(path("Begin", "Sub", "After", "Done"), within, service_task("After", "t"), beside)


def test_a_subprocess_runs_what_stands_in_it_and_then_goes_on() -> None:
    tree = StoredTree.of(_around(), given=1)
    assert tree.waiting == ["Work"]

    tree.complete("Work", made=2)

    assert tree.waiting == ["After"]
    tree.complete("After")
    assert tree.variables == {"given": 1, "made": 2}
    assert tree.is_clean()
    assert tree.happened("completed") == ["Begin", "In", "Work", "Out", "Sub", "After", "Done"]


def test_inputs_are_variables_of_the_subprocess_and_only_outputs_leave_it() -> None:
    within = (start("In"), path("In", "Work", "Out"), service_task("Work", "t", {"x": "=local"}), end("Out"))
    tree = StoredTree.of(_around(*within, inputs={"local": "=given + 1"}, outputs={"result": "=local"}), given=1)
    assert tree.inputs("Work") == {"x": 2}

    tree.complete("Work", local=7, further=8)

    assert tree.waiting == ["After"]
    assert tree.variables == {"given": 1, "further": 8, "result": 7}


def test_a_variable_of_the_process_that_is_written_inside_is_the_one_outside() -> None:
    tree = StoredTree.of(_around(), given=1)

    tree.complete("Work", given=2)

    assert tree.variables == {"given": 2}


def test_subprocesses_nest_and_each_hides_the_variables_around_it() -> None:
    inner = subprocess("Inner", *INSIDE, inputs={"name": '="inner"'}, outputs={"seen": "=name"})
    tree = StoredTree.of(
        _around(start("In2"), path("In2", "Inner", "Out2"), inner, end("Out2"), inputs={"name": '="outer"'}),
        name="process",
    )

    tree.complete("Work", name="written")

    assert tree.variables == {"name": "process", "seen": "written"}


def test_a_subprocess_is_over_when_the_last_of_its_tokens_is() -> None:
    inside = (
        start("In"),
        path("In", "Fork", "Left", "OutLeft"),
        path("Fork", "Right", "OutRight"),
        parallel("Fork"),
        service_task("Left", "t"),
        service_task("Right", "t"),
        end("OutLeft"),
        end("OutRight"),
    )
    tree = StoredTree.of(_around(*inside))

    tree.complete("Right")
    assert tree.waiting == ["Left"]
    tree.complete("Left")

    assert tree.waiting == ["After"]


def test_a_terminating_end_ends_its_own_subprocess_and_nothing_else() -> None:
    inside = (
        start("In"),
        path("In", "Fork", "Slow", "Out"),
        path("Fork", "Fast", "Stop"),
        parallel("Fork"),
        service_task("Slow", "t"),
        service_task("Fast", "t"),
        end("Out"),
        end("Stop", terminates=True),
    )
    content = _process(
        path("Begin", "Split", "Sub", "After", "Done"),
        path("Split", "Beside", "Done"),
        parallel("Split"),
        service_task("Beside", "t"),
        subprocess("Sub", *inside),
        service_task("After", "t"),
    )
    tree = StoredTree.of(content)

    tree.complete("Fast")

    assert tree.waiting == ["Beside", "After"]
    assert tree.happened("cancelled") == ["Slow"]


@pytest.mark.parametrize("trigger", [{"timer": duration("PT1H")}, {"message_ref": "Stop"}])
def test_an_event_on_its_boundary_interrupts_all_that_is_inside(trigger: dict[str, str]) -> None:
    beside = boundary("Event", "Sub", **trigger) + path("Event", "Instead", "Done") + service_task("Instead", "t")  # type: ignore[arg-type]
    content = _around(beside=beside, inputs={"local": "=1"}).replace(
        b"</bpmn:definitions>", message("Stop", "stop", "=given").encode() + b"</bpmn:definitions>"
    )
    tree = StoredTree.of(content, given=1)
    assert sorted(tree.waiting) == ["Event", "Work"]

    tree.trigger("Event")

    assert tree.waiting == ["Instead"]
    assert {"Sub", "Work"} <= set(tree.happened("cancelled"))
    tree.complete("Instead")
    assert tree.is_clean()


def test_an_event_that_does_not_interrupt_leaves_the_subprocess_running() -> None:
    beside = boundary("Event", "Sub", timer=duration("PT1H"), interrupting=False)
    beside += path("Event", "Remind", "Done") + service_task("Remind", "t")
    tree = StoredTree.of(_around(beside=beside))

    tree.trigger("Event")

    assert tree.waiting == ["Event", "Work", "Remind"]
    tree.complete("Work")
    assert tree.waiting == ["Remind", "After"]


def test_an_error_of_a_task_inside_leaves_by_the_subprocess() -> None:
    beside = boundary("Caught", "Sub", "Broken", outputs={}) + path("Caught", "Instead", "Done")
    tree = StoredTree.of(_around(beside=beside + service_task("Instead", "t"), inputs={"local": "=1"}))

    assert tree.raise_error("Work", "BROKEN", {"reason": "dust"})

    assert (tree.waiting, tree.variables) == (["Instead"], {"reason": "dust"})


@pytest.mark.parametrize("sequential", [False, True])
def test_each_instance_of_a_subprocess_has_variables_of_its_own(*, sequential: bool) -> None:
    inside = (
        start("In"),
        path("In", "Work", "Double", "Out"),
        user_task("Work", "g", inputs={"item": "=item", "which": "=loopCounter"}),
        script_task("Double", "=made * 2", "made"),
        end("Out"),
    )
    repeated = for_each("=items", "item", collect="results", each="=made", sequential=sequential)
    tree = StoredTree.of(_around(*inside, repeated=repeated), items=[5, 6])

    number = 0
    while "Work" in tree.waiting:
        number += 1
        assert tree.inputs("Work") == {"item": 4 + number, "which": number}
        tree.complete("Work", made=number)

    assert tree.waiting == ["After"]
    assert tree.variables == {"items": [5, 6], "results": [2, 4]}
    tree.complete("After")
    assert tree.is_clean()


def test_a_subprocess_in_a_loop_leaves_nothing_behind() -> None:
    content = _process(
        path("Begin", "Sub", "Again"),
        subprocess("Sub", *INSIDE, inputs={"local": "=n"}, outputs={"n": "=local + 1"}),
        f'<bpmn:exclusiveGateway id="Again" default="Enough" />{flow("Again", "Done", flow_id="Enough")}',
        flow("Again", "Sub", "=n < 20"),
    )
    tree, sizes = StoredTree.of(content, n=0), set()

    while not tree.is_completed:
        tree.complete("Work")
        sizes.add((len(tree.rows.tasks), len(tree.rows.variables)))

    assert sizes == {(2, 2), (0, 1)}


def test_a_called_process_may_have_subprocesses_too() -> None:
    child = process("child", start("C"), path("C", "Sub", "D"), subprocess("Sub", *INSIDE), end("D"))
    tree = StoredTree.of(_process(path("Begin", "Call", "Done"), call_activity("Call", "child"), further=child))

    tree.complete("Work", made=1)

    assert tree.variables == {"made": 1}
    assert tree.is_clean()
