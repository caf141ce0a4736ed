"""Compensation that is interrupted, asked for by operators, or read from damaged rows."""

from __future__ import annotations

from uuid import UUID

import pytest
from compensation_diagrams import do, simple, work
from diagrams import (
    boundary,
    diagram,
    end,
    event_subprocess,
    flow,
    inclusive,
    parallel,
    path,
    script_task,
    service_task,
    start,
    subprocess,
    throw,
    transaction,
)
from pydantic import JsonValue
from stored_tree import ROOT, StoredTree, compile_document

from engine.errors import CorruptStateError


def test_an_interrupted_compensation_can_be_taken_up_again() -> None:
    events = event_subprocess("Events", start("On", error_ref=""), path("On", "Fix", "Again", "Handled"),
                              service_task("Fix", "t"), throw("Again", compensates=""), end("Handled"))  # fmt: skip
    content = diagram("p", start(), path("Begin", "A", "B", "Undo", "Done"), work("A"), work("B"), end(), events,
                      throw("Undo", compensates=""))  # fmt: skip
    tree = StoredTree.of(content)
    do(tree, "A", "B", "UnB")

    tree.raise_error("UnA", "ANY", {})
    assert tree.waiting == ["Fix"]
    do(tree, "Fix", "UnA")

    assert tree.is_clean()
    assert tree.happened("compensated") == ["B", "A"]


def test_a_rolled_back_instance_undoes_all_that_has_completed_in_it() -> None:
    inner = (start("S"), path("S", "C", "D", "E"), work("C"), work("D"), end("E"))
    content = diagram("p", start(), path("Begin", "A", "Sub", "Done"), work("A"), subprocess("Sub", *inner), end())
    tree = StoredTree.of(content)
    do(tree, "A", "C")

    assert tree.tree.roll_back({"reason": "wrong data"})
    tree.keep()
    assert tree.waiting == ["UnC"]
    tree.complete()
    tree.tree.complete(tree.task("UnA").task_id, {}, {})
    changes = tree.keep()

    assert changes.rolled_back == {"reason": "wrong data"}
    assert tree.is_clean()
    assert tree.happened("cancelled") == ["D", "Sub"]


def test_a_roll_back_undoes_what_was_done_beside_an_active_subprocess_in_its_turn() -> None:
    inner = (start("S"), path("S", "C", "D", "F", "E"), work("C"), work("D"), work("F"), end("E"))
    content = diagram("p", start(), path("Begin", "Fork", "Sub", "Done"), path("Fork", "B", "Last", "Done"), end(),
                      parallel("Fork"), subprocess("Sub", *inner), work("B"), work("Last"))  # fmt: skip
    tree = StoredTree.of(content)
    do(tree, "C", "B", "D")

    assert tree.tree.roll_back({})
    tree.keep()
    do(tree, "UnD", "UnB", "UnC")

    assert tree.is_clean()
    assert tree.happened("compensated") == ["D", "B", "C"]


def test_an_instance_that_has_done_nothing_to_undo_is_not_rolled_back() -> None:
    tree = StoredTree.of(diagram("p", start(), path("Begin", "A", "Done"), work("A"), end()))

    assert not tree.tree.roll_back({})

    assert tree.waiting == ["A"]


def test_a_subprocess_may_be_undone_by_its_event_subprocess_alone() -> None:
    events = event_subprocess("Events", start("On", compensates=""), path("On", "Mend", "Handled"), end("Handled"),
                              service_task("Mend", "t", {"x": "=x"}))  # fmt: skip
    inner = (start("S"), path("S", "C", "E"), service_task("C", "t"), end("E"), events)
    content = diagram("p", start(), path("Begin", "Sub", "Change", "Undo", "Done"), subprocess("Sub", *inner), end(),
                      script_task("Change", "=3", "x"), throw("Undo", compensates=""))  # fmt: skip
    tree = StoredTree.of(content, x=1)
    tree.complete("C")

    assert tree.inputs("Mend") == {"x": 1}
    tree.complete("Mend")

    assert tree.is_clean()
    assert tree.happened("compensated") == ["Sub"]


def test_a_throw_goes_on_from_memory_as_from_rows() -> None:
    tree = StoredTree(compile_document(simple("A", "B")), {}, reloads=False)

    do(tree, "A", "B", "UnB", "UnA", "After")

    assert tree.is_clean()


def test_an_interrupted_transaction_leaves_no_handler_behind() -> None:
    inner = (start("S"), path("S", "C", "GiveUp"), work("C"), end("GiveUp", cancels=True))
    content = diagram("p", start(), path("Begin", "Tx", "Done"), transaction("Tx", *inner), end(),
                      boundary("Off", "Tx", cancels=True), path("Off", "Done"),
                      boundary("Broken", "Tx"), path("Broken", "Fix", "Done"), service_task("Fix", "t"))  # fmt: skip
    tree = StoredTree.of(content)
    tree.complete("C")

    tree.raise_error("UnC", "ANY", {})

    assert tree.waiting == ["Fix"]
    tree.complete("Fix")
    assert tree.is_clean()


def test_what_is_being_undone_is_undone_anew_when_the_instance_is_rolled_back() -> None:
    tree = StoredTree.of(simple("A", "B"))
    do(tree, "A", "B", "UnB")

    assert tree.tree.roll_back({})
    tree.keep()
    assert tree.waiting == ["UnA"]
    tree.complete()

    assert tree.is_clean()
    assert tree.happened("compensated") == ["B", "A"]


def test_a_cancelled_instance_leaves_nothing_of_its_compensation() -> None:
    tree = StoredTree.of(simple("A", "B"))
    do(tree, "A", "B")

    tree.tree.cancel()
    tree.keep()

    assert tree.is_clean()


def test_a_record_that_no_step_can_have_written_is_refused() -> None:
    tree = StoredTree.of(simple("A", "B"))
    do(tree, "A", "B")
    records = [row for row in tree.rows.tasks.values() if "completion" in row["internal"]]
    damaged: list[dict[str, JsonValue]] = [
        {},
        {"completion": "1"},
        {"completion": 1, "undoing": "nobody"},
        {"completion": 1, "undoing": str(ROOT)},
        {"completion": 1, "other": 1},
    ]

    for internal in damaged:
        twin = tree.branch()
        twin.rows.tasks[UUID(records[0]["task_id"])] = {**records[0], "internal": internal}
        with pytest.raises(CorruptStateError):
            twin.load()


def test_an_inclusive_join_does_not_wait_for_a_subprocess_that_has_become_a_record() -> None:
    inner = (start("S"), path("S", "C", "E"), work("C"), end("E"))
    content = diagram("p", start(), path("Begin", "Fork"), flow("Fork", "A", "=true"), flow("Fork", "Sub", "=true"),
                      inclusive("Fork"), inclusive("Join"), path("A", "Join", "Last", "Done"), end(),
                      flow("Sub", "Join", "=again", flow_id="Again"), flow("Sub", "Other", "=not(again)"), end("Other"),
                      work("A"), subprocess("Sub", *inner), service_task("Last", "t"))  # fmt: skip
    for reloads in (True, False):
        tree = StoredTree(compile_document(content), {"again": False}, reloads=reloads)
        do(tree, "A", "C")

        assert tree.waiting == ["Last"]
        tree.complete()
        assert tree.is_clean()
