"""Compensation: what is undone, in which order, with which variables; stored and loaded again after every step."""

from __future__ import annotations

from compensation_diagrams import do, simple, work
from diagrams import (
    diagram,
    end,
    parallel,
    path,
    script_task,
    service_task,
    start,
    subprocess,
    throw,
    undone_by,
)
from stored_tree import StoredTree


def test_completed_activities_are_undone_one_after_another_the_last_one_first() -> None:
    tree = StoredTree.of(simple("A", "B", "C"))
    do(tree, "A", "B", "C")

    order = []
    for _ in range(3):
        order += tree.waiting
        tree.complete()

    assert order == ["UnC", "UnB", "UnA"]
    assert tree.happened("compensated") == ["C", "B", "A"]
    assert tree.waiting == ["After"]
    tree.complete()
    assert tree.is_clean()


def test_a_throw_goes_on_where_there_is_nothing_to_undo() -> None:
    tree = StoredTree.of(diagram("p", start(), path("Begin", "Undo", "Done"), throw("Undo", compensates=""), end()))

    assert tree.is_clean()


def test_records_leave_with_the_process() -> None:
    tree = StoredTree.of(diagram("p", start(), path("Begin", "A", "Done"), work("A"), end()))

    tree.complete("A")

    assert tree.is_clean()


def test_only_the_activity_that_a_throw_names_is_undone() -> None:
    tree = StoredTree.of(simple("A", "B", "C", activity="B"))
    do(tree, "A", "B", "C")

    assert tree.waiting == ["UnB"]
    tree.complete()

    assert tree.waiting == ["After"]


def test_a_second_throw_does_not_undo_what_the_first_one_has() -> None:
    content = diagram("p", start(), path("Begin", "A", "Undo", "B", "Again", "Done"), work("A"), work("B"), end(),
                      throw("Undo", compensates=""), throw("Again", compensates=""))  # fmt: skip
    tree = StoredTree.of(content)
    do(tree, "A", "UnA", "B")

    assert tree.waiting == ["UnB"]
    tree.complete()

    assert tree.is_clean()
    assert tree.happened("compensated") == ["A", "B"]


def test_two_throws_at_once_undo_one_after_another() -> None:
    content = diagram("p", start(), path("Begin", "A", "B", "Fork", "One", "Done"), path("Fork", "Two", "Done"),
                      work("A"), work("B"), parallel("Fork"), end(),
                      throw("One", compensates=""), throw("Two", compensates=""))  # fmt: skip
    tree = StoredTree.of(content)
    do(tree, "A", "B")

    assert tree.waiting == ["UnB"]
    tree.complete()
    assert tree.waiting == ["UnA"]
    tree.complete()

    assert tree.is_clean()
    assert tree.happened("compensated") == ["B", "A"]


def test_two_throws_at_once_go_on_to_the_end_where_nobody_waits_for_a_handler() -> None:
    content = diagram("p", start(), path("Begin", "A", "Fork", "One", "Done"), path("Fork", "Two", "Done"),
                      service_task("A", "t"), undone_by("A", script_task("UnA", "=1", "undone")), parallel("Fork"),
                      throw("One", compensates=""), throw("Two", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)

    tree.complete("A")

    assert tree.is_clean()
    assert tree.variables == {"undone": 1}


def test_what_is_active_or_completes_later_is_not_undone() -> None:
    content = diagram("p", start(), path("Begin", "Fork", "A", "Undo", "Done"), path("Fork", "B", "Done"),
                      parallel("Fork"), work("A"), work("B"), throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)
    tree.complete("A")
    assert tree.waiting == ["B", "UnA"]

    tree.complete("B")
    assert tree.waiting == ["UnA"]
    tree.complete()

    assert tree.is_clean()
    assert tree.happened("compensated") == ["A"]


def test_an_end_event_compensates_before_its_token_ends() -> None:
    content = diagram("p", start(), path("Begin", "A", "Done"), work("A"), end(compensates=""))
    tree = StoredTree.of(content)

    tree.complete("A")
    assert tree.waiting == ["UnA"]
    tree.complete()

    assert tree.is_clean()


def test_a_handler_sees_the_variables_as_they_were_when_its_activity_completed() -> None:
    handler = script_task("UnA", "=x + 1", "undone")
    content = diagram("p", start(), path("Begin", "A", "B", "Undo", "Done"),
                      service_task("A", "t"), undone_by("A", handler), script_task("B", "=100", "x"),
                      throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)

    tree.complete("A", x=1)

    assert tree.is_clean()
    assert tree.variables == {"x": 100, "undone": 2}


def test_a_handler_does_not_see_a_variable_that_was_not_there() -> None:
    handler = script_task("UnA", "=is defined(late)", "seen")
    content = diagram("p", start(), path("Begin", "A", "B", "Undo", "Done"),
                      service_task("A", "t"), undone_by("A", handler), script_task("B", "=100", "late"),
                      throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)

    tree.complete("A")

    assert tree.variables == {"late": 100, "seen": False}


def test_only_variables_that_the_handler_mentions_are_kept() -> None:
    handler = service_task("UnA", "undo", {"what": "=x.id"})
    content = diagram("p", start(), path("Begin", "A", "Wait", "Undo", "Done"), service_task("A", "t"), end(),
                      undone_by("A", handler), service_task("Wait", "t"), throw("Undo", compensates=""))  # fmt: skip
    tree = StoredTree.of(content, x={"id": 1}, large="...")

    tree.complete("A")

    assert {name for scope, name in tree.rows.variables if scope.int != 1} == {"x"}
    tree.complete("Wait")
    assert tree.inputs("UnA") == {"what": 1}


def test_what_stands_in_a_handler_sees_what_came_before_it_there() -> None:
    inner = (start("S"), path("S", "One", "Two", "E"), script_task("One", "=x + 1", "x"),
             script_task("Two", "=x * 10", "y"), end("E"))  # fmt: skip
    content = diagram("p", start(), path("Begin", "A", "B", "Undo", "Done"), service_task("A", "t"),
                      undone_by("A", subprocess("UnA", *inner)), script_task("B", "=50", "x"),
                      throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content, x=1)

    tree.complete("A")

    assert tree.is_clean()
    assert tree.variables == {"x": 2, "y": 20}
