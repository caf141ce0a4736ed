"""What is stored of an instance: it does not grow, damage is refused, and tokens can be moved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from diagrams import (
    call_activity,
    catch,
    choice,
    diagram,
    duration,
    end,
    error,
    event_based,
    event_subprocess,
    for_each,
    inclusive,
    loop,
    parallel,
    path,
    service_task,
    start,
    subprocess,
)
from stored_tree import ROOT, StoredTree, compile_document

from engine.errors import CorruptStateError, TaskGoneError
from engine.spiff import ProcessTree, TaskRow


def test_ten_thousand_rounds_of_a_loop_leave_a_tree_of_constant_size() -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Work", "Again"),
        service_task("Work", "t", outputs={"n": "=n + 1"}),
        choice("Again", "=n < 10000", "Work", "Done"),
        end(),
    )
    tree, sizes = StoredTree(compile_document(content), {"n": 0}, reloads=False), set()

    while not tree.is_completed:
        changes = tree.complete("Work")
        tree.journal.clear()
        kept = len(tree.tree._workflow.tasks) + len(tree.tree._workflow.stored) + len(tree.tree._workflow.ready)
        sizes.add((kept, len(tree.rows.tasks), len(changes.tasks), len(changes.removed)))

    assert tree.variables == {"n": 10_000}
    assert sizes == {(3, 1, 1, 1), (1, 0, 0, 1)}


def test_a_loop_through_a_called_process_keeps_nothing_of_finished_calls() -> None:
    calling = diagram(
        "p",
        start(),
        path("Begin", "Call", "Again"),
        call_activity("Call", "child"),
        choice("Again", "=n < 300", "Call", "Done"),
        end(),
    )
    work = service_task("Work", "t", outputs={"n": "=n + 1"})
    child = diagram("child", start(), path("Begin", "Work", "Done"), work, end())
    tree, sizes = StoredTree.of(calling, child, n=0), set()

    while not tree.is_completed:
        tree.complete("Work")
        sizes.add((len(tree.rows.tasks), len(tree.rows.variables)))

    assert sizes == {(3, 2), (0, 1)}


CALL = call_activity("Call", "child", multi_instance=for_each("=items", "item", sequential=True))
WORK = diagram("child", start(), path("Begin", "Fork", "Work", "Join", "Done"), path("Fork", "Join"),
               parallel("Fork"), parallel("Join"), service_task("Work", "t"), end())  # fmt: skip
NESTED = compile_document(diagram("p", start(), path("Begin", "Call", "Done"), CALL, end()), WORK)


@pytest.mark.parametrize(
    ("spec", "damage"),
    [
        pytest.param("element:Work", {"spec": "element:Gone"}, id="unknown element"),
        pytest.param("element:Work", {"process_id": "gone"}, id="unknown process"),
        pytest.param("element:Work", {"parent_id": UUID(int=999)}, id="missing parent"),
        pytest.param("element:Work", {"parent_id": ROOT}, id="in another process"),
        pytest.param("element:Work", {"state": 16}, id="ready"),
        pytest.param("element:Work", {"state": 64}, id="over"),
        pytest.param("element:Work", {"state": 32}, id="started, but it waits"),
        pytest.param("element:Work", {"internal": {"item": 3}}, id="values of another kind"),
        pytest.param("element:Work", {"internal": {"item": {"loopCounter": 1}}}, id="an item outside a body"),
        pytest.param("element:Work", {"spec": "element:Fork"}, id="an element at which no token rests"),
        pytest.param("element:Join", {"internal": {}}, id="a join without arrivals"),
        pytest.param("element:Join", {"internal": {"arrived": [1]}}, id="arrivals that are no flows"),
        pytest.param("body:Call", {"internal": {}}, id="a body without counts"),
        pytest.param(
            "body:Call", {"internal": {"total": "2", "started": 1, "completed": 0}}, id="counts that are text"
        ),
        pytest.param("body:Call", {"internal": {"total": 2, "started": 2, "completed": 0}}, id="a missing instance"),
        pytest.param("element:Call", {"internal": {}}, id="an instance without its item"),
    ],
)
def test_a_damaged_row_is_refused(spec: str, damage: dict[str, Any]) -> None:
    state = StoredTree(NESTED, {"items": [1, 2]}).rows.state(ROOT)
    assert spec in {row.spec for row in state.tasks}
    damaged = tuple(replace(row, **damage) if row.spec == spec else row for row in state.tasks)

    with pytest.raises(CorruptStateError) as raised:
        ProcessTree.load(NESTED, replace(state, tasks=damaged), lambda: UUID(int=1_000))

    assert raised.value.code == "STATE_CORRUPT"


KINDS = compile_document(
    diagram(
        "p",
        start(),
        path("Begin", "Sub", "Done"),
        subprocess(
            "Sub",
            start("In"),
            path("In", "Each", "Round", "Join", "Out"),
            path("In", "Which", "Late"),
            path("In", "Wait", "Join"),
            path("In", "Fail"),
            path("In", "Join"),
            event_based("Which"),
            catch("Late", timer=duration("PT1H")),
            catch("Full", condition="=a > 3"),
            path("Which", "Full"),
            service_task("Wait", "t"),
            inclusive("Join"),
            end("Out"),
            end("Fail", error_ref="Broken"),
            service_task("Round", "t", multi_instance=loop(maximum=3)),
            service_task("Each", "t"),
            event_subprocess("Events", start("On", timer=duration("PT1H"), interrupting=False), path("On", "Handle"),
                             service_task("Handle", "t")),
        ),
        end(),
    ).replace(b"</bpmn:definitions>", error("Broken", "BROKEN").encode() + b"</bpmn:definitions>")
)  # fmt: skip


def _every_kind() -> StoredTree:
    tree = StoredTree(KINDS, {})
    tree.complete("Each")
    tree.trigger("On")
    return tree


@pytest.mark.parametrize(
    ("spec", "damage"),
    [
        pytest.param("element:Sub", {"state": 16}, id="a subprocess that waits"),
        pytest.param("element:Sub", {"internal": {"rounds": 1}}, id="a subprocess that counts"),
        pytest.param("element:Wait", {"parent_id": ROOT}, id="outside its subprocess"),
        pytest.param("element:Events", {"parent_id": ROOT}, id="an event subprocess elsewhere"),
        pytest.param("element:Events", {"state": 16}, id="an event subprocess that waits"),
        pytest.param("listening:On", {"parent_id": ROOT}, id="an event that listens elsewhere"),
        pytest.param("listening:On", {"spec": "element:On"}, id="a start event that rests"),
        pytest.param("listening:On", {"internal": {"holds": True}}, id="a time that is a condition"),
        pytest.param("element:Late", {"parent_id": ROOT}, id="an awaited event elsewhere"),
        pytest.param("element:Full", {"internal": {}}, id="a condition that was never looked at"),
        pytest.param("element:Full", {"internal": {"holds": 1}}, id="a condition that is a number"),
        pytest.param("element:Which", {"state": 16}, id="an event gateway that waits"),
        pytest.param("element:Join", {"internal": {"arrived": []}}, id="a join to which nothing came"),
        pytest.param("body:Round", {"internal": {"rounds": "1"}}, id="rounds that are text"),
        pytest.param("body:Round", {"internal": {"rounds": 2}}, id="another round"),
        pytest.param("element:Round", {"internal": {}}, id="an instance without its round"),
        pytest.param("element:Round", {"internal": {"round": 1, "item": {"loopCounter": 1}}}, id="two kinds of loop"),
        pytest.param("element:Fail", {"state": 32}, id="an error that was thrown"),
        pytest.param("element:Handle", {"parent_id": ROOT}, id="outside its event subprocess"),
    ],
)
def test_a_damaged_row_of_any_kind_is_refused(spec: str, damage: dict[str, Any]) -> None:
    state = _every_kind().rows.state(ROOT)
    assert spec in {row.spec for row in state.tasks}
    ProcessTree.load(KINDS, state, lambda: UUID(int=1_000))
    damaged = tuple(replace(row, **damage) if row.spec == spec else row for row in state.tasks)

    with pytest.raises(CorruptStateError):
        ProcessTree.load(KINDS, replace(state, tasks=damaged), lambda: UUID(int=1_000))


@pytest.mark.parametrize("spec", ["element:Sub", "listening:On", "element:Handle", "element:Late", "element:Round"])
def test_a_missing_row_of_any_kind_is_refused(spec: str) -> None:
    state = _every_kind().rows.state(ROOT)
    left = tuple(row for row in state.tasks if row.spec != spec)

    with pytest.raises(CorruptStateError):
        ProcessTree.load(KINDS, replace(state, tasks=left), lambda: UUID(int=1_000))


def test_a_token_within_a_subprocess_is_moved_within_it() -> None:
    tree = _every_kind()
    token = tree.task("Wait").task_id

    assert tree.tree.target(token, "Done") is None
    assert tree.tree.target(token, "Each") is not None
    tree.tree.move(token, "Each")
    tree.keep()

    assert "Each" in tree.waiting
    assert {token.element.id for token in tree.tree.tokens()} == {
        *("Sub", "Each", "Join", "Which", "Fail", "Round", "Handle")
    }


@pytest.mark.parametrize("spec", ["body:Call", "element:Call", "Start"])
def test_a_missing_row_is_refused(spec: str) -> None:
    state = StoredTree(NESTED, {"items": [1, 2]}).rows.state(ROOT)
    left = tuple(row for row in state.tasks if row.spec != spec)
    assert left != state.tasks

    with pytest.raises(CorruptStateError):
        ProcessTree.load(NESTED, replace(state, tasks=left), lambda: UUID(int=1_000))


def test_the_items_of_a_sequential_body_are_missed_when_it_is_loaded() -> None:
    state = StoredTree(NESTED, {"items": [1, 2]}).rows.state(ROOT)
    (body,) = (row.task_id for row in state.tasks if row.spec == "body:Call")
    left = tuple(row for row in state.variables if row.scope_id != body)

    with pytest.raises(CorruptStateError):
        ProcessTree.load(NESTED, replace(state, variables=left), lambda: UUID(int=1_000))


MOVING = diagram(
    "p",
    start(),
    path("Begin", "Fork", "Left", "Join", "After", "Done"),
    path("Fork", "Right", "Join"),
    parallel("Fork"),
    parallel("Join"),
    *(service_task(name, "t") for name in ("Left", "Right", "After")),
    end(),
)


def test_a_moved_token_waits_at_its_new_place_and_what_waited_for_it_is_closed() -> None:
    tree = StoredTree.of(MOVING)

    tree.tree.move(tree.task("Left").task_id, "After")
    changes = tree.keep()

    assert [each.element.id for each in changes.closed] == ["Left"]
    assert tree.waiting == ["Right", "After"]


@pytest.mark.parametrize("is_first", [False, True])
def test_a_token_moved_to_a_join_stands_for_the_one_that_is_missing(*, is_first: bool) -> None:
    tree = StoredTree.of(MOVING)
    if not is_first:
        tree.complete("Right")

    tree.tree.move(tree.task("Left").task_id, "Join")
    tree.keep()
    if is_first:
        assert tree.waiting == ["Right"]
        tree.complete("Right")

    assert tree.waiting == ["After"]


def test_one_of_several_instances_of_an_activity_cannot_be_moved() -> None:
    work = service_task("Each", "t", multi_instance=for_each("=items"))
    tree = StoredTree.of(diagram("p", start(), path("Begin", "Each", "Done"), work, end()), items=[1, 2])

    with pytest.raises(TaskGoneError):
        tree.tree.move(tree.task("Each").task_id, "Done")


def test_variables_that_are_set_are_variables_of_the_process() -> None:
    tree = StoredTree.of(MOVING, given=1)

    tree.tree.set_variables({"given": 2, "further": [None]})
    tree.keep()

    assert tree.variables == {"given": 2, "further": [None]}


def test_a_row_is_what_a_task_is() -> None:
    (row,) = (row for row in StoredTree(NESTED, {"items": [1, 2]}).rows.state(ROOT).tasks if row.spec == "body:Call")

    internal = {"total": 2, "started": 1, "completed": 0}
    assert row == TaskRow(row.task_id, ROOT, "p", "body:Call", 32, 2, internal)
