"""Repeated activities and compensation: what is undone of one that ended early, or has not ended yet.

An activity that has not completed is not compensated (BPMN 2.0.2, 13.5.5); of a repeated one that is the whole of it.
"""

from __future__ import annotations

import pytest
from diagrams import (
    boundary,
    diagram,
    document,
    end,
    flow,
    for_each,
    loop,
    parallel,
    path,
    process,
    script_task,
    service_task,
    signal,
    start,
    subprocess,
    throw,
    undone_by,
    user_task,
)
from growth import growth_of
from stored_tree import StoredTree

BOUND = 8  # 16 where it grows with the square
INSIDE = (start("In"), path("In", "Step", "Out"), service_task("Step", "t"), end("Out"))
INNER = (*INSIDE, undone_by("Step", service_task("Undo", "t")))
REPEATED = {
    "parallel": (service_task("Each", "t", multi_instance=for_each("=[1, 2, 3]")), "Each"),
    "sequential": (service_task("Each", "t", multi_instance=for_each("=[1, 2, 3]", sequential=True)), "Each"),
    "loop": (service_task("Each", "t", multi_instance=loop(maximum=3)), "Each"),
}
WITHIN = {
    "parallel": (subprocess("Each", *INNER, repeated=for_each("=[1, 2, 3]")), "Step"),
    "sequential": (subprocess("Each", *INNER, repeated=for_each("=[1, 2, 3]", sequential=True)), "Step"),
    "loop": (subprocess("Each", *INNER, repeated=loop(maximum=3)), "Step"),
}


def rounds(kind: str, *, within: bool) -> tuple[tuple[str, ...], str]:
    """Return an activity done for each, undone as a whole or in what stands in it, and what waits in it."""
    if within:
        element, step = WITHIN[kind]
        return (element,), step
    element, step = REPEATED[kind]
    return (element, undone_by("Each", service_task("Undo", "t"))), step


@pytest.mark.parametrize("within", [False, True], ids=["itself", "within"])
@pytest.mark.parametrize("kind", REPEATED)
def test_what_an_interrupted_one_had_done_is_not_undone(kind: str, *, within: bool) -> None:
    content, step = rounds(kind, within=within)
    tree = StoredTree.of(
        document(
            process(
                "p",
                start(),
                path("Begin", "Each", "Done"),
                *content,
                boundary("Stop", "Each", signal_ref="Signal"),
                flow("Stop", "Throw"),
                throw("Throw", compensates=""),
                flow("Throw", "Done"),
                end(),
            ),
            signal("Signal", "stop"),
        )
    )
    tree.complete(step)
    tree.complete(step)

    tree.trigger("Stop")

    assert tree.waiting == []
    assert tree.is_clean()
    assert "Undo" not in tree.happened("activated")


@pytest.mark.parametrize("within", [False, True], ids=["itself", "within"])
@pytest.mark.parametrize("kind", REPEATED)
def test_what_an_active_one_has_done_so_far_is_not_undone_and_is_once_it_has_completed(
    kind: str, *, within: bool
) -> None:
    content, step = rounds(kind, within=within)
    tree = StoredTree.of(
        diagram(
            "p",
            start(),
            path("Begin", "Split", "Each", "Join", "Last", "Done"),
            path("Split", "Ask", "First", "Join"),
            parallel("Split"),
            *content,
            user_task("Ask", "people"),
            throw("First", compensates=""),
            parallel("Join"),
            throw("Last", compensates=""),
            end(),
        )
    )
    tree.complete(step)

    tree.complete("Ask")

    assert set(tree.waiting) == {step}
    tree.complete(step)
    tree.complete(step)
    undone = 0
    while tree.waiting:
        assert tree.waiting == ["Undo"]
        tree.complete()
        undone += 1
    assert undone == 3
    assert tree.is_clean()


@pytest.mark.parametrize("within", [False, True], ids=["itself", "within"])
@pytest.mark.parametrize("sequential", [False, True], ids=["parallel", "sequential"])
def test_of_one_that_had_enough_what_completed_is_undone(*, sequential: bool, within: bool) -> None:
    enough = for_each("=[1, 2, 3]", until="=numberOfCompletedInstances = 2", sequential=sequential)
    each = (
        (subprocess("Each", *INNER, repeated=enough),)
        if within
        else (service_task("Each", "t", multi_instance=enough), undone_by("Each", service_task("Undo", "t")))
    )
    tree = StoredTree.of(
        diagram("p", start(), path("Begin", "Each", "Throw", "Done"), *each, throw("Throw", compensates=""), end())
    )
    step = "Step" if within else "Each"
    tree.complete(step)
    tree.complete(step)

    undone = 0
    while tree.waiting:
        assert tree.waiting == ["Undo"]
        tree.complete()
        undone += 1

    assert undone == 2
    assert tree.is_clean()


def test_four_times_as_much_is_undone_in_about_four_times_the_time() -> None:
    small, large = _done(300), _done(1_200)

    assert growth_of(lambda: _undo(small), lambda: _undo(large), BOUND) < BOUND


def _done(count: int) -> StoredTree:
    inner = (start("S"), path("S", "C", "E"), script_task("C", "=1", "x"), end("E"),
             undone_by("C", script_task("UnC", "=1", "y")))  # fmt: skip
    each = subprocess("Each", *inner, repeated=for_each(f"=for i in 1..{count} return i", "thing"))
    content = diagram("p", start(), path("Begin", "Each", "Check", "Undo", "Done"), each,
                      service_task("Check", "t"), throw("Undo", compensates=""), end())  # fmt: skip
    return StoredTree.of(content)


def _undo(done: StoredTree) -> None:
    tree = done.branch().tree
    (task,) = tree.waiting()
    tree.complete(task.task_id, {}, {})
    assert tree.is_completed
