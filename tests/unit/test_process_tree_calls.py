"""Called processes in memory: their variables, their errors, their depth and their end."""

from __future__ import annotations

import pytest
from diagrams import (
    boundary,
    call_activity,
    diagram,
    document,
    end,
    flow,
    loop,
    parallel,
    path,
    process,
    service_task,
    start,
)
from pydantic import JsonValue
from stored_tree import ROOT, StoredTree

from engine.spiff.scopes import Scope

CHILD = process(
    "child", start("In"), path("In", "Inner", "Out"), service_task("Inner", "t", {"seen": "=secret"}), end("Out")
)


def _calling(call: str) -> bytes:
    return document(
        process("p", start(), path("Begin", "Call", "After", "Done"), call, service_task("After", "t"), end()), CHILD
    )


@pytest.mark.parametrize(
    ("parent", "child", "inputs", "outputs", "seen_inside", "after"),
    [
        (False, False, {}, {}, None, {"secret": 1}),
        (True, False, {}, {}, 1, {"secret": 1}),
        (False, False, {"secret": "=secret + 1"}, {}, 2, {"secret": 1}),
        (True, False, {"secret": "=secret + 1"}, {}, 2, {"secret": 1}),
        (False, True, {}, {}, None, {"secret": 1, "made": 5}),
        (True, True, {"secret": "=7"}, {}, 7, {"secret": 7, "made": 5}),
        (False, False, {}, {"result": "=made"}, None, {"secret": 1, "result": 5}),
        (True, True, {"local": "=0"}, {"result": "=made"}, 1, {"secret": 1, "result": 5}),
    ],
)
def test_a_called_process_sees_and_returns_what_the_diagram_says(
    *,
    parent: bool,
    child: bool,
    inputs: dict[str, str],
    outputs: dict[str, str],
    seen_inside: JsonValue,
    after: Scope,
) -> None:
    call = call_activity("Call", "child", inputs, outputs, parent=parent, child=child)
    tree = StoredTree.of(_calling(call), secret=1)

    seen = tree.inputs("Inner")
    tree.complete("Inner", made=5)

    assert seen == {"seen": seen_inside}
    assert tree.variables == after
    assert tree.scopes == {ROOT}


def test_a_looped_call_leaves_no_counter_behind() -> None:
    child = process("child", start("In"), path("In", "Step", "Out"), service_task("Step", "t"), end("Out"))
    call = call_activity("Call", "child", multi_instance=loop(maximum=2))
    tree = StoredTree.of(document(process("p", start(), path("Begin", "Call", "Done"), call, end()), child))

    tree.complete("Step", n=1)
    tree.complete("Step", n=2)

    assert tree.is_completed
    assert tree.variables == {"n": 2}


def test_two_calls_of_one_process_do_not_see_each_other() -> None:
    calls = [call_activity(name, "child", parent=False, outputs={name: "=made"}) for name in ("First", "Second")]
    content = document(process("p", start(), path("Begin", "First", "Second", "Done"), *calls, end()), CHILD)
    tree = StoredTree.of(content, secret=1)

    tree.complete("Inner", made=1, secret=99)

    assert tree.inputs("Inner") == {"seen": None}
    tree.complete("Inner", made=2)
    assert tree.variables == {"secret": 1, "First": 1, "Second": 2}


def test_called_processes_nest_fifty_deep_and_return_through_every_level() -> None:
    tree = StoredTree.of(*_nested_calls(50), depth=0)
    assert tree.waiting == ["Inner"]

    tree.complete("Inner", made=1)

    assert tree.variables == {"depth": 50, "made": 1}
    assert tree.is_clean()


def test_what_is_called_fifty_deep_is_cancelled_by_one_error() -> None:
    caught = boundary("Caught", "Call") + flow("Caught", "Done")
    tree = StoredTree.of(*_nested_calls(50, caught), depth=0)

    assert tree.raise_error("Inner", "ANY", {"reason": "dust"})

    assert tree.happened("cancelled").count("Call") == 50
    assert tree.variables == {"depth": 0, "reason": "dust"}
    assert tree.is_clean()


def test_what_is_called_a_thousand_deep_can_still_be_cancelled() -> None:
    tree = StoredTree.of(*_nested_calls(1_000), depth=0)

    tree.tree.cancel()
    tree.keep()

    assert tree.is_clean()


def _nested_calls(depth: int, caught: str = "") -> list[bytes]:
    """Process p0 calls p1, which calls p2 and so on; the last one has a task."""
    levels = [
        diagram(
            f"p{level}",
            start(),
            path("Begin", "Call", "Done"),
            call_activity("Call", f"p{level + 1}", {"depth": "=depth + 1"}),
            caught if level == 0 else "",
            end(),
        )
        for level in range(depth)
    ]
    return [*levels, diagram(f"p{depth}", start(), path("Begin", "Inner", "Done"), service_task("Inner", "t"), end())]


def test_terminating_a_called_process_ends_that_process_and_nothing_else() -> None:
    forked = (
        start("In"),
        path("In", "Split", "Slow", "Out"),
        parallel("Split"),
        flow("Split", "Quick"),
        path("Quick", "Stop"),
        service_task("Slow", "t"),
        service_task("Quick", "t"),
        end("Out"),
        end("Stop", terminates=True),
    )
    content = document(
        process(
            "p",
            start(),
            path("Begin", "Fork", "Call", "Join", "Done"),
            path("Fork", "Beside", "Join"),
            parallel("Fork"),
            call_activity("Call", "child"),
            service_task("Beside", "t"),
            parallel("Join"),
            end(),
        ),
        process("child", *forked),
    )
    tree = StoredTree.of(content)

    tree.complete("Quick", made=1)

    assert (tree.waiting, tree.variables) == (["Beside"], {"made": 1})
    assert tree.happened("cancelled") == ["Slow"]
    tree.complete("Beside")
    assert tree.is_clean()


def test_terminating_the_process_ends_everything_in_it() -> None:
    content = document(
        process(
            "p",
            start(),
            path("Begin", "Fork", "Call", "Done"),
            path("Fork", "Quick", "Stop"),
            parallel("Fork"),
            call_activity("Call", "child"),
            service_task("Quick", "t"),
            end("Stop", terminates=True),
            end(),
        ),
        CHILD,
    )
    tree = StoredTree.of(content, secret=1)

    tree.complete("Quick")

    assert set(tree.happened("cancelled")) == {"Call", "Inner"}
    assert tree.is_clean()
