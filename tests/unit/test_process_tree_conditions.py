"""Conditional events in memory: each happens when its condition becomes true, and not again before it was false."""

from __future__ import annotations

import pytest
from diagrams import boundary, catch, diagram, end, event_subprocess, parallel, path, service_task, start, subprocess
from stored_tree import StoredTree

BESIDE = (
    start(),
    path("Begin", "Fork", "Watched", "Done"),
    path("Fork", "Other", "Done"),
    parallel("Fork"),
    end(),
    service_task("Other", "t"),
)


def _watched(node: str, *further: str) -> StoredTree:
    return StoredTree.of(diagram("p", *BESIDE, node, *further))


def test_a_condition_is_waited_for_until_a_variable_makes_it_true() -> None:
    tasks = (service_task(name, "t") for name in ("Other", "After"))
    content = diagram("p", start(), path("Begin", "Fork", "Other"), path("Fork", "Event", "After"), parallel("Fork"),
                      catch("Event", condition="=amount > 3"), *tasks)  # fmt: skip
    tree = StoredTree.of(content, amount=1)
    assert tree.waiting == ["Other"]
    assert tree.rows.outside.keys() == {tree.task("Other").task_id}  # nobody outside can do anything about it

    unmet = tree.branch()
    unmet.complete("Other", amount=2)
    assert (unmet.waiting, unmet.is_completed) == ([], False)
    tree.complete("Other", amount=4)

    assert tree.waiting == ["After"]


def test_a_condition_that_holds_already_is_not_waited_for() -> None:
    content = diagram("p", start(), path("Begin", "Event", "After"), catch("Event", condition="=amount > 3"),
                      service_task("After", "t"))  # fmt: skip

    assert StoredTree.of(content, amount=4).waiting == ["After"]


def test_a_condition_interrupts_its_activity() -> None:
    tree = _watched(service_task("Watched", "t"), boundary("Event", "Watched", condition="=amount > 3"),
                    path("Event", "Instead"), service_task("Instead", "t"))  # fmt: skip
    assert sorted(tree.waiting) == ["Other", "Watched"]

    tree.complete("Other", amount=4)

    assert tree.waiting == ["Instead"]
    assert "Watched" in tree.happened("cancelled")


def test_a_condition_that_does_not_interrupt_happens_each_time_it_becomes_true() -> None:
    tree = _watched(service_task("Watched", "t"),
                    boundary("Event", "Watched", condition="=amount > 3", interrupting=False),
                    path("Event", "Tell"), service_task("Tell", "t"))  # fmt: skip

    seen = []
    for amount in (4, 5, 1, None, 6, 7):
        tree.tree.set_variables({"amount": amount})
        tree.keep()
        seen.append(tree.waiting.count("Tell"))

    assert seen == [1, 1, 1, 1, 2, 2]


@pytest.mark.parametrize("interrupting", [False, True])
def test_a_condition_begins_an_event_subprocess(*, interrupting: bool) -> None:
    within = (start("On", condition="=amount > 3", interrupting=interrupting), path("On", "Handle"))
    tree = _watched(service_task("Watched", "t"), event_subprocess("Events", *within, service_task("Handle", "t")))

    tree.complete("Other", amount=4)

    assert sorted(tree.waiting) == (["Handle"] if interrupting else ["Handle", "Watched"])


def test_a_condition_sees_the_variables_of_its_own_scope() -> None:
    inside = (start("In"), path("In", "Event", "Inner"), catch("Event", condition="=local > 3"),
              service_task("Inner", "t"))  # fmt: skip
    tree = _watched(subprocess("Watched", *inside, inputs={"local": "=1"}))

    tree.complete("Other", local=4)

    assert tree.waiting == []
    assert tree.variables == {"local": 4}


def test_which_variables_a_condition_has_read_is_known_until_it_is_loaded_anew() -> None:
    tree = _watched(catch("Watched", condition="=amount > 3 and other"))
    (event,) = tree.tree._workflow.conditions.values()
    assert event.reads is None

    tree.tree.set_variables({"elsewhere": 1})

    assert event.reads == {"amount", "other"}
