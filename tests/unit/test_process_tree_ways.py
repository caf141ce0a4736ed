"""Ways of tokens that no gateway draws, in memory: conditions behind tasks, implicit forks, merges and ends, links."""

from __future__ import annotations

import pytest
from diagrams import (
    activity,
    boundary,
    diagram,
    end,
    flow,
    gateway,
    link_ends,
    parallel,
    path,
    service_task,
    start,
    subprocess,
)
from stored_tree import StoredTree

TASKS = tuple(service_task(name, "t") for name in ("A", "B", "C"))


def _work(*flows: str, default: str | None = None) -> bytes:
    """A task with flows to A, B and C, which end there."""
    work = service_task("Work", "t").replace('id="Work"', f'id="Work" default="{default}"' if default else 'id="Work"')
    return diagram("p", start(), path("Begin", "Work"), work, *flows, *TASKS)


@pytest.mark.parametrize(
    ("amount", "taken"),
    [pytest.param(1, ["C"], id="none holds"), pytest.param(5, ["A"], id="one holds"),
     pytest.param(50, ["A", "B"], id="both hold")],
)  # fmt: skip
def test_each_condition_behind_a_task_is_a_way_and_the_default_is_where_none_holds(
    amount: int, taken: list[str]
) -> None:
    conditions = (flow("Work", "A", "=amount > 3"), flow("Work", "B", "=amount > 30"), flow("Work", "C", flow_id="F"))
    tree = StoredTree.of(_work(*conditions, default="F"))

    tree.complete("Work", amount=amount)

    assert tree.waiting == taken


def test_a_flow_without_condition_is_always_taken() -> None:
    tree = StoredTree.of(_work(flow("Work", "A"), flow("Work", "B", "=amount > 3")))

    tree.complete("Work", amount=1)

    assert tree.waiting == ["A"]


def test_several_flows_fork_and_a_process_without_end_is_over_with_its_last_token() -> None:
    tree = StoredTree.of(_work(flow("Work", "A"), flow("Work", "B"), flow("A", "C"), flow("B", "C")))

    tree.complete("Work")
    assert tree.waiting == ["A", "B"]
    tree.complete("A")
    tree.complete("B")
    assert tree.waiting == ["C", "C"]  # each token by itself: nothing has joined them
    tree.complete("C")
    tree.complete("C")

    assert tree.is_clean()


def test_a_start_event_and_a_boundary_event_may_fork_too() -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "A"),
        path("Begin", "B"),
        *TASKS,
        boundary("Caught", "A"),
        path("Caught", "C"),
        path("Caught", "B"),
    )
    tree = StoredTree.of(content)
    assert tree.waiting == ["A", "B"]

    tree.raise_error("A", "ANY", {})

    assert sorted(tree.waiting) == ["B", "B", "C"]


def test_flows_without_ids_are_all_taken_each_once() -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Fork", "A", "Join", "Sub"),
        path("Fork", "B", "Join"),
        parallel("Fork"),
        parallel("Join"),
        subprocess("Sub", start("In"), path("In", "Fork2", "C", "Join2"), path("Fork2", "D", "Join2"),
                   parallel("Fork2"), parallel("Join2"), service_task("D", "t"), TASKS[2], path("Join2", "Out"),
                   end("Out")),
        *TASKS[:2],
    )  # fmt: skip
    tree = StoredTree.of(content)

    for name in "ABCD":
        tree.complete(name)

    assert tree.is_clean()
    assert tree.happened("completed").count("Join2") == 1


def test_a_token_goes_from_any_throwing_end_of_a_link_to_its_catching_end() -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Fork", "A", "Out1"),
        path("Fork", "B", "Out2"),
        path("In", "C"),
        parallel("Fork"),
        link_ends("far", "Out1", "Out2", catching="In"),
        *TASKS,
    )
    tree = StoredTree.of(content)

    tree.complete("A")
    assert tree.waiting == ["B", "C"]
    tree.complete("B")
    assert tree.waiting == ["C", "C"]


def test_a_link_stays_within_its_scope() -> None:
    inside = (start("In"), path("In", "Leave"), path("Arrive", "B"), link_ends("far", "Leave", catching="Arrive"))
    content = diagram("p", start(), path("Begin", "Sub", "OutThere"), subprocess("Sub", *inside, TASKS[1]), TASKS[0],
                      path("There", "A"), link_ends("far", "OutThere", catching="There"))  # fmt: skip
    tree = StoredTree.of(content)

    assert tree.waiting == ["B"]
    tree.complete("B")
    assert tree.waiting == ["A"]


@pytest.mark.parametrize("kind", ["task", "manualTask"])
def test_a_task_that_the_engine_only_notes_passes_its_token_on(kind: str) -> None:
    noted = activity(kind, "Noted", '<zeebe:ioMapping><zeebe:output source="=1" target="x" /></zeebe:ioMapping>')
    tree = StoredTree.of(diagram("p", start(), path("Begin", "Noted", "A"), noted, TASKS[0]))

    assert (tree.waiting, tree.variables) == (["A"], {"x": 1})


def test_an_exclusive_merge_passes_every_token_on() -> None:
    content = diagram("p", start(), path("Begin", "A", "Merge", "C"), path("Begin", "B", "Merge"), gateway("Merge"),
                      *TASKS)  # fmt: skip
    tree = StoredTree.of(content)
    tree.complete("A")
    tree.complete("B")

    assert tree.waiting == ["C", "C"]
