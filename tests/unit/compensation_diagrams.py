"""Processes that do some work and undo it: what the tests of compensation share."""

from __future__ import annotations

from diagrams import (
    boundary,
    diagram,
    end,
    path,
    service_task,
    start,
    throw,
    transaction,
    undone_by,
)
from stored_tree import StoredTree


def work(name: str) -> str:
    """A service task that a handler undoes."""
    return service_task(name, "do") + undone_by(name, service_task(f"Un{name}", "undo"))


def simple(*names: str, inner: str = "", activity: str = "") -> bytes:
    """A process that does some work, and then undoes it."""
    return diagram(
        "p",
        start(),
        path("Begin", *names, "Undo", "After", "Done"),
        *map(work, names),
        throw("Undo", compensates=activity),
        service_task("After", "t"),
        end(),
        inner,
    )


def do(tree: StoredTree, *names: str) -> None:
    for name in names:
        tree.complete(name)


def given_up(*inner: str) -> bytes:
    return diagram(
        "p",
        start(),
        path("Begin", "A", "Tx", "Done"),
        work("A"),
        transaction("Tx", *inner),
        boundary("Cancelled", "Tx", cancels=True),
        path("Cancelled", "Instead", "Done"),
        service_task("Instead", "t"),
        end(),
    )
