"""Multi-instance activities in memory: items, outputs, order, completion conditions, events and scale."""

from __future__ import annotations

import pytest
from diagrams import (
    Mappings,
    boundary,
    call_activity,
    diagram,
    duration,
    end,
    flow,
    for_each,
    path,
    service_task,
    start,
)
from pydantic import JsonValue
from stored_tree import StoredTree

from engine.errors import ExpressionEvaluationError


def _each(loop: str, *further: str, outputs: Mappings | None = None) -> bytes:
    work = service_task("Each", "t", {"seen": "=item", "place": "=loopCounter"}, outputs or {}, multi_instance=loop)
    after = service_task("After", "t")
    return diagram("p", start(), path("Begin", "Each", "After", "Done"), work, *further, after, end())


PARALLEL = for_each("=items", "item", collect="results", each="=made")
SEQUENTIAL = for_each("=items", "item", collect="results", each="=made", sequential=True)


def _items(tree: StoredTree) -> list[tuple[JsonValue, JsonValue]]:
    inputs = [tree.tree.inputs(each.task_id) for each in tree.tree.waiting()]
    return [(each.get("seen"), each.get("place")) for each in inputs]


def test_a_parallel_body_has_an_instance_for_each_item_and_keeps_outputs_in_the_order_of_items() -> None:
    tree = StoredTree.of(_each(PARALLEL), items=["a", None, "c"])
    assert _items(tree) == [("a", 1), (None, 2), ("c", 3)]

    for number in (2, 0, 0):
        waiting = tree.tree.waiting()[number]
        name = tree.tree.inputs(waiting.task_id)["seen"]
        tree.tree.complete(waiting.task_id, {"made": f"of {name}"}, {})
        tree.keep()

    assert tree.waiting == ["After"]
    assert tree.variables == {"items": ["a", None, "c"], "results": ["of a", "of None", "of c"]}
    tree.complete("After")
    assert tree.is_clean()


def test_a_sequential_body_has_one_instance_at_a_time_in_the_order_of_items() -> None:
    tree = StoredTree.of(_each(SEQUENTIAL), items=["a", None, "c"])
    seen = []

    while tree.waiting == ["Each"]:
        seen += _items(tree)
        tree.complete("Each", made=len(seen))

    assert seen == [("a", 1), (None, 2), ("c", 3)]
    assert tree.variables["results"] == [1, 2, 3]


@pytest.mark.parametrize("loop", [PARALLEL, SEQUENTIAL])
def test_a_body_without_items_is_passed_at_once(loop: str) -> None:
    tree = StoredTree.of(_each(loop, boundary("Late", "Each", timer=duration("PT1H")), flow("Late", "Done")), items=[])

    assert (tree.waiting, tree.variables) == (["After"], {"items": [], "results": []})


def test_a_collection_that_is_no_list_is_an_error() -> None:
    with pytest.raises(ExpressionEvaluationError):
        StoredTree.of(_each(PARALLEL), items="abc")


@pytest.mark.parametrize("sequential", [False, True])
def test_enough_outputs_end_the_body_and_cancel_the_other_instances(*, sequential: bool) -> None:
    until = "=count(results[item = true]) >= 2 and numberOfCompletedInstances = 3 and numberOfInstances = 5"
    loop = for_each("=items", "item", collect="results", each="=made", until=until, sequential=sequential)
    tree = StoredTree.of(_each(loop), items=[1, 2, 3, 4, 5])

    for made in (True, False, True):
        assert "After" not in tree.waiting
        tree.complete("Each", made=made)

    assert tree.waiting == ["After"]
    assert tree.variables["results"] == [True, False, True, None, None]
    assert tree.happened("cancelled").count("Each") == (0 if sequential else 2)


def test_a_completion_condition_sees_what_the_completed_instance_wrote() -> None:
    loop = for_each("=items", "item", until='=decision = "reject"')
    tree = StoredTree.of(_each(loop), items=[1, 2, 3])

    tree.complete("Each", decision="approve")
    assert tree.waiting == ["Each", "Each"]
    tree.complete("Each", decision="reject")

    assert (tree.waiting, tree.variables) == (["After"], {"items": [1, 2, 3]})


@pytest.mark.parametrize("outputs", [{}, {"made": "=seen"}])
def test_what_an_instance_writes_stays_with_it(outputs: Mappings) -> None:
    loop = for_each("=items", "item", collect="results", each="=made")
    tree = StoredTree.of(_each(loop, outputs=outputs), items=[1, 2], made=0, item="outer")

    tree.complete("Each", made=1, item="inner")
    tree.complete("Each", made=2)

    assert tree.variables == {"items": [1, 2], "made": 0, "item": "outer", "results": [1, 2]}


def test_a_call_for_each_item_has_variables_of_its_own() -> None:
    call = call_activity("Call", "child", multi_instance=for_each("=items", "item", collect="results", each="=made"))
    calling = diagram("p", start(), path("Begin", "Call", "Done"), call, end())
    inner = service_task("Inner", "t", {"seen": "=item"}, {"made": "=seen * 10"})
    child = diagram("child", start(), path("Begin", "Inner", "Last", "Done"), inner, service_task("Last", "t"), end())
    tree = StoredTree.of(calling, child, items=[1, 2, 3])

    while "Inner" in tree.waiting:
        tree.complete("Inner")
    assert tree.variables == {"items": [1, 2, 3]}
    while not tree.is_completed:
        tree.complete("Last")

    assert tree.variables == {"items": [1, 2, 3], "results": [10, 20, 30]}
    assert tree.is_clean()


def test_an_event_on_a_body_cancels_every_instance() -> None:
    tree = StoredTree.of(
        _each(PARALLEL, boundary("Late", "Each", timer=duration("PT1H")), flow("Late", "Done")), items=[1, 2]
    )
    assert tree.waiting == ["Late", "Each", "Each"]
    tree.complete("Each", made=1)

    changes = tree.trigger("Late")

    assert {each.element.id for each in changes.closed} == {"Late", "Each"}
    assert tree.variables == {"items": [1, 2]}
    assert tree.is_clean()


def test_an_error_of_one_instance_leaves_by_the_event_on_the_body() -> None:
    tree = StoredTree.of(_each(PARALLEL, boundary("Caught", "Each"), flow("Caught", "Done")), items=[1, 2, 3])

    assert tree.raise_error("Each", "ANY", {})

    assert tree.happened("cancelled").count("Each") == 4  # three instances and their body
    assert tree.is_clean()


@pytest.mark.parametrize("loop", [PARALLEL, SEQUENTIAL])
def test_a_thousand_items_are_written_one_row_at_a_time(loop: str) -> None:
    tree = StoredTree.of(_each(loop), items=list(range(1_000)))
    tree.reloads, most = False, 0

    for number in range(1_000):
        changes = tree.complete("Each", made=number)
        most = max(most, len(changes.tasks) + len(changes.removed))

    assert tree.variables["results"] == list(range(1_000))
    assert most <= 3
