"""Compensation as a simulation tells it: whole traces that BPMN 2.0.2, 13.5.5 prescribes, written down by hand."""

from __future__ import annotations

from typing import Any

import pytest
from diagrams import (
    boundary,
    call_activity,
    diagram,
    document,
    end,
    parallel,
    path,
    process,
    service_task,
    start,
    subprocess,
    throw,
    transaction,
    undone_by,
    user_task,
)
from simulated import simulated

_LEAVES_OUT = ("Begin", "Done", "Fork", "Join")
_THROW = throw("Undo", compensates="")


def _work(name: str) -> str:
    return service_task(name, "work") + undone_by(name, service_task(f"Not{name}", "undo"))


def _chain(*node_ids: str, within: str) -> str:
    return start(f"Begin{within}") + end(f"Done{within}") + path(f"Begin{within}", *node_ids, f"Done{within}")


_THREE_DEEP = document(
    process(
        "outer",
        subprocess("Inside", call_activity("CallMiddle", "middle"), _chain("CallMiddle", within="Inside")),
        _work("A"),
        _THROW,
        _chain("Inside", "A", "Undo", within=""),
    ),
    process("middle", call_activity("CallInner", "inner"), _work("B"), _chain("CallInner", "B", within="Middle")),
    process(
        "inner",
        _work("C"),
        subprocess("Deep", _work("D"), _chain("D", within="Deep")),
        _chain("C", "Deep", within="Inner"),
    ),
)
_SIDE_BY_SIDE = diagram(
    "beside",
    start(),
    parallel("Fork"),
    *(_work(name) for name in ("A", "B", "C")),
    parallel("Join"),
    _THROW,
    end(),
    path("Begin", "Fork", "A", "C", "Join", "Undo", "Done"),
    path("Fork", "B", "Join"),
)
_GIVEN_UP = diagram(
    "given-up",
    start(),
    transaction(
        "Trip",
        start("Leave"),
        parallel("Fork"),
        _work("A"),
        user_task("U", "clerk") + undone_by("U", service_task("NotU", "undo")),
        end("GiveUp", cancels=True),
        end("Back"),
        path("Leave", "Fork", "A", "GiveUp"),
        path("Fork", "U", "Back"),
    ),
    boundary("GivenUp", "Trip", cancels=True),
    end(),
    end("Home"),
    path("Begin", "Trip", "Done"),
    path("GivenUp", "Home"),
)


@pytest.mark.parametrize(
    ("content", "tasks", "prescribed"),
    [
        pytest.param(
            _THREE_DEEP,
            {},
            "C D Deep CallInner B CallMiddle Inside A NotA ~A NotB ~B NotD ~D NotC ~C Undo",
            id="through subprocesses and called processes",
        ),
        pytest.param(
            _SIDE_BY_SIDE,
            {"A": {"$after": "PT1M"}, "B": {"$after": "PT2M"}, "C": {"$after": "PT2M"}, "NotB": {"$after": "PT1H"}},
            "A B C NotC ~C NotB ~B NotA ~A Undo",
            id="by the order of completion, one after another",
        ),
        pytest.param(
            _GIVEN_UP,
            {},
            "Leave A -U NotA ~A GiveUp -Trip GivenUp Home",
            id="a transaction that is given up while something in it is active",
        ),
    ],
)
def test_what_is_undone_when_is_told_as_the_standard_prescribes(
    database_url: str, content: bytes, tasks: dict[str, Any], prescribed: str
) -> None:
    result = simulated(database_url, content, tasks=tasks)

    marks = {"completed": "", "cancelled": "-", "compensated": "~", "failed": "!"}
    told = [marks[each.event] + each.element for each in result.trace if each.event in marks]
    assert [each for each in told if not each.startswith(_LEAVES_OUT)] == prescribed.split()
    assert (result.completed, result.waiting, result.incidents) == (True, (), ())
