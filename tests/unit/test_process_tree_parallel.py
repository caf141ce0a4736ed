"""Parallel branches in memory: forks, joins, and what becomes of the variables that branches write."""

from __future__ import annotations

import pytest
from diagrams import boundary, call_activity, choice, diagram, end, flow, gateway, parallel, path, service_task, start
from stored_tree import StoredTree, compile_document

FORKED = (
    start(),
    path("Begin", "Fork", "Left", "Join", "After", "Done"),
    path("Fork", "Right", "Join"),
    parallel("Fork"),
    service_task("Left", "t"),
    service_task("Right", "t"),
    parallel("Join"),
    service_task("After", "t"),
    end(),
)
ORDERS = [pytest.param(("Left", "Right"), id="left first"), pytest.param(("Right", "Left"), id="right first")]


@pytest.mark.parametrize("reloads", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_a_join_waits_for_every_branch_and_what_each_wrote_is_there(*, reloads: bool, order: tuple[str, str]) -> None:
    tree = StoredTree(compile_document(diagram("p", *FORKED)), {"given": 0}, reloads=reloads)
    assert tree.waiting == ["Left", "Right"]

    tree.complete(order[0], **{order[0]: 1})
    assert tree.waiting == [order[1]]
    tree.complete(order[1], **{order[1]: 2})

    assert tree.waiting == ["After"]
    assert tree.variables == {"given": 0, order[0]: 1, order[1]: 2}
    tree.complete("After")
    assert tree.is_clean()
    assert tree.happened("completed").count("Join") == 1


@pytest.mark.parametrize("order", ORDERS)
def test_of_two_branches_that_write_one_variable_the_later_completion_wins(order: tuple[str, str]) -> None:
    tree = StoredTree.of(diagram("p", *FORKED))

    for name in order:
        tree.complete(name, who=name)

    assert tree.variables == {"who": order[1]}


def test_a_branch_sees_what_the_other_has_written_meanwhile_and_writes_nothing_else_back() -> None:
    seeing = service_task("Right", "t", {"seen": "=shared"}, {"right": "=seen"})
    content = diagram("p", *(seeing if 'id="Right"' in part else part for part in FORKED))
    tree = StoredTree.of(content, shared="old")

    tree.complete("Left", shared="new")

    assert tree.inputs("Right") == {"seen": "new"}
    tree.complete("Right", shared="ignored")
    assert tree.variables == {"shared": "new", "right": "new"}


def test_a_fork_and_join_in_a_loop_keeps_the_last_value_of_every_round() -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Merge", "Fork", "Left", "Join", "Again"),
        path("Fork", "Right", "Join"),
        gateway("Merge"),
        parallel("Fork"),
        parallel("Join"),
        service_task("Left", "t", outputs={"n": "=n + 1", "left": "=append(left, n)"}),
        service_task("Right", "t", outputs={"right": "=append(right, made)"}),
        choice("Again", "=n < 20", "Merge", "Done"),
        end(),
    )
    tree = StoredTree.of(content, n=0, left=[], right=[])
    sizes = set()

    for number in range(20):
        for name in ("Left", "Right") if number % 2 else ("Right", "Left"):
            tree.complete(name, made=number)
            sizes.add(len(tree.rows.tasks))

    assert tree.variables == {"n": 20, "left": list(range(1, 21)), "right": list(range(20))}
    assert sizes == {2, 0}
    assert tree.is_clean()


def test_a_token_of_a_second_round_waits_at_the_join_for_its_own_round() -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Fork", "Left", "Copy", "Join", "After", "Done"),
        parallel("Fork"),
        service_task("Left", "t"),
        parallel("Copy"),
        flow("Copy", "Left"),
        path("Fork", "Right", "Copy2", "Join"),
        service_task("Right", "t"),
        parallel("Copy2"),
        flow("Copy2", "Right"),
        parallel("Join"),
        service_task("After", "t"),
        end(),
    )
    tree = StoredTree.of(content)
    rounds = []

    for name in ("Left", "Left", "Left", "Right", "Right", "Right", "Right", "Left"):
        tree.complete(name)
        rounds.append(tree.waiting.count("After"))

    assert rounds == [0, 0, 0, 1, 2, 3, 3, 4]


def test_two_calls_of_one_process_join_their_own_branches() -> None:
    calling = diagram(
        "p",
        start(),
        path("Begin", "Fork", "First", "Join", "Done"),
        path("Fork", "Second", "Join"),
        parallel("Fork"),
        call_activity("First", "child"),
        call_activity("Second", "child"),
        parallel("Join"),
        end(),
    )
    tree = StoredTree.of(calling, diagram("child", *FORKED))

    tree.complete("Left")
    tree.complete("Left")
    assert tree.waiting == ["Right", "Right"]
    tree.complete("Right")
    assert tree.waiting == ["Right", "After"]
    tree.complete("After")
    tree.complete("Right")
    tree.complete("After")

    assert tree.is_clean()
    assert tree.happened("completed").count("Join") == 3


def test_joins_of_calls_that_are_over_are_forgotten() -> None:
    calling = diagram(
        "p",
        start(),
        path("Begin", "Call", "Again"),
        call_activity("Call", "child", {"n": "=n + 1"}),
        choice("Again", "=n < 50", "Call", "Done"),
        end(),
    )
    tree = StoredTree(compile_document(calling, diagram("child", *FORKED)), {"n": 0}, reloads=False)

    while not tree.is_completed:
        for name in ("Left", "Right", "After"):
            tree.complete(name)

    assert tree.tree._workflow.joins == {}


def test_flows_straight_from_a_fork_to_its_join_count_one_by_one() -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Fork", "Join", "After", "Done"),
        flow("Fork", "Join"),
        flow("Fork", "Join"),
        parallel("Fork"),
        parallel("Join"),
        service_task("After", "t"),
        end(),
    )
    tree = StoredTree.of(content)

    assert tree.waiting == ["After"]


def test_a_gateway_joins_and_forks_at_once() -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Fork", "A", "Both", "C", "Done"),
        path("Fork", "B", "Both", "D", "Done"),
        parallel("Fork"),
        parallel("Both"),
        *(service_task(name, "t") for name in "ABCD"),
        end(),
    )
    tree = StoredTree.of(content)

    tree.complete("A")
    assert tree.waiting == ["B"]
    tree.complete("B")
    assert tree.waiting == ["C", "D"]
    tree.complete("D")
    assert not tree.is_completed
    tree.complete("C")
    assert tree.is_clean()


def test_an_error_in_one_branch_leaves_the_other_alone() -> None:
    content = diagram("p", *FORKED, boundary("Caught", "Left"), flow("Caught", "Join2"), end("Join2"))
    tree = StoredTree.of(content)

    tree.raise_error("Left", "ANY", {})

    assert tree.waiting == ["Right"]
    assert tree.happened("cancelled") == ["Left"]
