"""Compensation of what was done more deeply within calls than Python's stack goes."""

from __future__ import annotations

from compensation_diagrams import work
from diagrams import call_activity, diagram, end, path, service_task, start, throw
from stored_tree import StoredTree

DEPTH = 1_100


def test_what_was_done_in_the_innermost_call_is_undone() -> None:
    tree = StoredTree.of(*_calls(path("Begin", "Work", "Done"), work("Work")))
    tree.complete("Work")
    assert tree.waiting == ["UnWork"]

    tree.complete("UnWork")

    assert tree.is_clean()
    assert tree.happened("compensated") == ["Work", *["Call"] * DEPTH]


def test_what_was_done_in_the_innermost_call_is_rolled_back_while_all_calls_run() -> None:
    inner = (path("Begin", "Work", "Further", "Done"), work("Work"), service_task("Further", "t"))
    tree = StoredTree.of(*_calls(*inner))
    tree.complete("Work")

    assert tree.tree.roll_back({})
    tree.keep()
    tree.complete("UnWork")

    assert tree.is_clean()
    assert tree.happened("cancelled") == ["Further", *["Call"] * DEPTH]


def _calls(*inner: str) -> list[bytes]:
    """Process p calls p1, which calls p2 and so on; at the end, p undoes what was done."""
    outermost = diagram("p", start(), path("Begin", "Call", "Undo", "Done"), call_activity("Call", "p1"),
                        throw("Undo", compensates=""), end())  # fmt: skip
    levels = [
        diagram(f"p{level}", start(), path("Begin", "Call", "Done"), call_activity("Call", f"p{level + 1}"), end())
        for level in range(1, DEPTH)
    ]
    return [outermost, *levels, diagram(f"p{DEPTH}", start(), *inner, end())]
