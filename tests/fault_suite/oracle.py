"""The one oracle of the suite: what all orders must have left, and what they did leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from fault_suite.handlers import artefact, calls_in
from fault_suite.lines import ATTEMPT_OF, FAILS_ONCE
from fault_suite.orders import Order

from storage import FolderObjectStore

# How many orders are over. An incident that nobody retries ends an order as well: where none is expected it is told.
OVER = f"""
select count(*) from process_instance i
where status = 'completed' or open_incidents > 0 and exists (
    select from incident n
    where n.process_instance_id = i.process_instance_id and n.status <> 'resolved' and element_id <> '{FAILS_ONCE}')
"""
_LIVE_TABLES = ("task", "variable", "job", "timer", "subscription")


@dataclass(frozen=True)
class Outcome:
    """Everything that one run leaves.

    Attributes:
        instances: Each order's status, as often as there are instances of it.
        completions: Order, element: how often an activity completed.
        effects: Order, element, item: how many rows handlers inserted.
        calls: Order, element: under how many idempotency keys handlers called out.
        decisions: Order, element, status: how many user tasks.
        ends: Order: how often its process ended.
        overtaken: Order, element: whose result counts although a later attempt was begun by then.
        artefacts: Order, content of the object that its record names.
        objects: How many objects are in the store.
        leftovers: Table: rows of instances that are over.
        incidents: How many incidents are open.
    """

    instances: Counter[tuple[str, str]]
    completions: Counter[tuple[str, str]]
    effects: Counter[tuple[str, str, str]]
    calls: Counter[tuple[str, str]]
    decisions: Counter[tuple[str, str, str]]
    ends: Counter[str]
    artefacts: Counter[tuple[str, bytes]]
    objects: int
    overtaken: frozenset[tuple[str, str]] = frozenset()
    leftovers: dict[str, int] = field(default_factory=dict)
    incidents: int = 0


def expected(orders: Sequence[Order]) -> Outcome:
    """Return what the orders must leave, whatever happened meanwhile."""
    return Outcome(
        instances=Counter((order.key, order.line.status) for order in orders),
        completions=Counter((order.key, element) for order in orders for element in order.line.completed),
        effects=Counter((order.key, *effect) for order in orders for effect in order.rows()),
        calls=Counter((order.key, element) for order in orders for element in order.line.calls),
        decisions=Counter((order.key, element, "completed") for order in orders for element in order.line.people),
        ends=Counter(order.key for order in orders if order.line.status == "completed"),
        artefacts=Counter((order.key, artefact(order.key)) for order in orders if order.line.makes_artefact),
        objects=sum(order.line.makes_artefact for order in orders),
        incidents=sum(order.line.status == "running" for order in orders),
    )


def found(database_url: str, folder: Path) -> Outcome:
    """Return what there is."""
    with psycopg.connect(database_url) as connection:
        return Outcome(
            instances=_count(
                connection, "select order_key, status from process_instance join order_of using (process_instance_id)"
            ),
            completions=_count(connection, _COMPLETIONS),
            effects=_count(connection, "select order_key, element_id, item from effect"),
            calls=_distinct_calls(folder),
            decisions=_count(connection, _DECISIONS),
            ends=Counter(key for (key,) in _rows(connection, _ENDS)),
            overtaken=_overtaken(connection, folder),
            artefacts=_artefacts(connection, folder),
            objects=sum(path.is_file() for path in (folder / "objects").glob("sha256/*/*/*")),
            leftovers={name: number for name in _LIVE_TABLES if (number := _leftovers(connection, name))},
            incidents=_number(connection, "select count(*) from incident where status <> 'resolved'"),
        )


_DECISIONS = "select order_key, element_id, status from user_task join order_of using (process_instance_id)"
_COMPLETIONS = """
select order_key, element_id from event join order_of using (process_instance_id)
where kind = 'element.completed' and payload ->> 'kind' in ('ServiceTask', 'UserTask', 'ReceiveTask', 'CallActivity')
"""
_ATTEMPTS = f"""
select order_key, substr(name, {len(ATTEMPT_OF) + 1}), value::integer
from variable join order_of using (process_instance_id)
where scope_id = process_instance_id and starts_with(name, '{ATTEMPT_OF}')
"""
_ENDS = "select order_key from event join order_of using (process_instance_id) where kind = 'process.completed'"


def _distinct_calls(folder: Path) -> Counter[tuple[str, str]]:
    keys = {(call.order_key, call.element_id, call.idempotency_key) for call in calls_in(folder)}
    return Counter((order_key, element_id) for order_key, element_id, _ in keys)


def _overtaken(connection: psycopg.Connection[Any], folder: Path) -> frozenset[tuple[str, str]]:
    last = dict[tuple[str, str], int]()
    for call in calls_in(folder):
        place = call.order_key, call.element_id
        last[place] = max(call.attempt, last.get(place, 0))
    counts = _rows(connection, _ATTEMPTS)
    return frozenset((key, element) for key, element, attempt in counts if attempt < last[key, element])


def _artefacts(connection: psycopg.Connection[Any], folder: Path) -> Counter[tuple[str, bytes]]:
    objects = FolderObjectStore(folder / "objects")
    bodies = _rows(connection, "select body from document where model = 'Dataset' and deleted_at is null")
    return Counter((body["name"], objects.read_bytes(body["source_uri"])) for (body,) in bodies)


def _leftovers(connection: psycopg.Connection[Any], table: str) -> int:
    query = (
        f"select count(*) from {table} join process_instance i using (process_instance_id) where i.ended_at is not null"
    )
    inner = " and scope_id <> process_instance_id" if table == "variable" else ""  # the process's own are its result
    return _number(connection, query + inner)


def _count(connection: psycopg.Connection[Any], query: str) -> Counter[Any]:
    return Counter(_rows(connection, query))


def _number(connection: psycopg.Connection[Any], query: str) -> int:
    return int(_rows(connection, query)[0][0])


def _rows(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()
