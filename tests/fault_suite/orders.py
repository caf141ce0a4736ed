"""Orders: process instances of the suite, and what each must have left when it is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from storage import SecurityContext
from storage.models import RoleType

CLERK = SecurityContext(
    user_id="olga", tenant_id="north", roles=frozenset({RoleType.ADMIN}), groups=frozenset({"clerks"})
)

Item = Callable[[int], JsonValue]


@dataclass(frozen=True)
class Line:
    """One process of the suite.

    Attributes:
        effects: Element and item of each row that a handler inserts; the item follows from the order's number.
        calls: The elements whose handler calls out, each as often as it does.
        people: The user tasks.
        others: Further activities that complete.
        makes_artefact: Whether an object and the record that names it are left.
        status: How its instance ends; one that still runs has an open incident.
        message: The name of the message that it is sent, with five times the order's number as `amount`.
    """

    process_id: str
    xml: bytes
    effects: tuple[tuple[str, Item], ...] = ()
    calls: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    makes_artefact: bool = False
    status: str = "completed"
    message: str | None = None
    is_started_by_client: bool = True

    @property
    def completed(self) -> tuple[str, ...]:
        """The activities that complete, each as often as it does."""
        return (*(element for element, _ in self.effects), *self.calls, *self.people, *self.others)


@dataclass(frozen=True)
class Order:
    """One instance."""

    number: int
    line: Line

    @property
    def key(self) -> str:
        return f"order-{self.number}"

    def rows(self) -> Iterator[tuple[str, str]]:
        """The rows that handlers insert: element, item as JSON."""
        for element, item in self.line.effects:
            yield element, json.dumps(item(self.number), sort_keys=True)


def orders(count: int, lines: Sequence[Line]) -> list[Order]:
    """Return `count` orders, the lines in turn."""
    return [Order(number, lines[number % len(lines)]) for number in range(count)]
