"""The largest diagram that is let in is read and verified in time that grows with its size, not with its square."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from diagrams import (
    boundary,
    diagram,
    document,
    end,
    error,
    flow,
    gateway,
    message,
    parallel,
    path,
    process,
    service_task,
    start,
)
from growth import growth_of

from engine.bpmn import Contracts, read_diagram, verify

BOUND = 8  # 16 where it grows with the square
CONTRACTS = Contracts(inputs={"plain": {}}, form_ids=frozenset(), calls={"p": frozenset()})


def _chained_gateways(count: int) -> bytes:
    ids = [f"Gateway_{index}" for index in range(count)]
    return diagram("p", start(), path("Begin", *ids, "Done"), *map(gateway, ids), end())


def _boundary_events(count: int) -> bytes:
    ids = range(count)
    events = [boundary(f"Caught_{index}", "Work", f"Error_{index}") for index in ids]
    flows = [flow(f"Caught_{index}", "Done") for index in ids]
    errors = [error(f"Error_{index}", f"CODE_{index}") for index in ids]
    body = process("p", start(), path("Begin", "Work", "Done"), service_task("Work", "plain"), *events, *flows, end())
    return document(body, *errors)


def _message_starts(count: int) -> bytes:
    ids = range(count)
    starts = [start(f"On_{index}", f"Message_{index}") for index in ids]
    flows = [flow(f"On_{index}", "Done") for index in ids]
    messages = [message(f"Message_{index}", f"m{index}") for index in ids]
    return document(process("p", *starts, *flows, end()), *messages)


def _forks_and_joins(count: int) -> bytes:
    ids = [f"Gateway_{index}" for index in range(count)]
    ways = [flow(source, target) for source, target in pairwise(ids) for _ in range(2)]
    return diagram("p", start(), path("Begin", ids[0]), path(ids[-1], "Done"), *ways, *map(parallel, ids), end())


def _one_fork(count: int) -> bytes:
    ids = [f"Work_{index}" for index in range(count)]
    ways = [path("Fork", node_id, "Join") for node_id in ids]
    tasks = [service_task(node_id, "plain") for node_id in ids]
    gateways = [parallel("Fork"), parallel("Join"), path("Begin", "Fork"), path("Join", "Done")]
    return diagram("p", start(), *gateways, *ways, *tasks, end())


@pytest.mark.parametrize("draw", [_chained_gateways, _boundary_events, _message_starts, _forks_and_joins, _one_fork])
def test_a_diagram_of_four_times_the_size_takes_about_four_times_the_time(draw: Callable[[int], bytes]) -> None:
    small, large = draw(1_000), draw(4_000)

    assert growth_of(lambda: _verify(small), lambda: _verify(large), BOUND) < BOUND


def _verify(content: bytes) -> None:
    (model,) = read_diagram(content)
    assert verify(model, CONTRACTS) == ()
