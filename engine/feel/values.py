"""What FEEL's values are and do: equality, order, arithmetic (DMN 1.3, 10.3.2), each within bounds.

An operation on null is null; one on values of the wrong kind is an error.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeGuard

from pydantic import JsonValue

MAXIMUM_TEXT_LENGTH = 100_000
MAXIMUM_MAGNITUDE = 10**34
MAXIMUM_SIZE = 500_000
MAXIMUM_STEPS = 500_000
_CHARACTERS_PER_STEP = 64

_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


class OperationError(Exception):
    """An operation that these values do not allow."""


class Budget:
    """The steps that one evaluation may take, in items looked at and stretches of text."""

    __slots__ = ("_remaining",)

    def __init__(self) -> None:
        self._remaining = MAXIMUM_STEPS

    def spend(self, steps: int) -> None:
        """Take steps.

        Raises:
            OperationError: There are not as many left.
        """
        self._remaining -= steps
        if self._remaining < 0:
            raise OperationError("Too many steps")

    def spend_on_text(self, *texts: str) -> None:
        """Take as many steps as going through the texts is worth."""
        self.spend(sum(map(len, texts)) // _CHARACTERS_PER_STEP)


def kind(value: JsonValue) -> str:
    """Return what FEEL calls a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "list"
        case _:
            return "context"


def is_number(value: JsonValue) -> TypeGuard[int | float]:
    """Return whether a value is a number; a boolean, which is one to Python, is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(left: JsonValue, right: JsonValue, budget: Budget) -> bool:
    """Return whether two values are equal, those within them included."""
    if isinstance(left, list) and isinstance(right, list):
        budget.spend(len(left))
        return len(left) == len(right) and all(
            equal(one, other, budget) for one, other in zip(left, right, strict=True)
        )
    if isinstance(left, dict) and isinstance(right, dict):
        budget.spend(len(left))
        return left.keys() == right.keys() and all(equal(value, right[key], budget) for key, value in left.items())
    if isinstance(left, str) and isinstance(right, str):
        budget.spend_on_text(left)
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def ordered(symbol: str, left: JsonValue, right: JsonValue, budget: Budget) -> bool | None:
    """Return whether `left symbol right` holds, for `<`, `<=`, `>` and `>=`."""
    if left is None or right is None:
        return None
    if isinstance(left, str) and isinstance(right, str):
        budget.spend_on_text(left)
        return _ORDERINGS[symbol](left, right)
    if is_number(left) and is_number(right):
        return _ORDERINGS[symbol](left, right)
    raise OperationError(f"Cannot compare {kind(left)} {symbol} {kind(right)}")


def arithmetic(symbol: str, left: JsonValue, right: JsonValue, budget: Budget) -> JsonValue:
    """Return `left symbol right`, for `+`, `-`, `*` and `/`; `+` also joins texts."""
    if left is None or right is None:
        return None
    if symbol == "+" and isinstance(left, str) and isinstance(right, str):
        budget.spend_on_text(left, right)
        return text_in_bounds(left + right)
    if not (is_number(left) and is_number(right)):
        raise OperationError(f"Cannot compute {kind(left)} {symbol} {kind(right)}")
    if symbol == "/" and right == 0:
        return None
    return number_in_bounds(_ARITHMETIC[symbol](number_in_bounds(left), number_in_bounds(right)))


def negated(value: JsonValue) -> bool | None:
    """Return the three-valued negation."""
    return not value if isinstance(value, bool) else None


def decisive(decision: bool, left: JsonValue, right: Callable[[], JsonValue]) -> bool | None:  # noqa: FBT001
    """Return three-valued `and` (decision False) or `or` (decision True)."""
    if left is decision:
        return decision
    other = right()
    if other is decision:
        return decision
    return (not decision) if isinstance(left, bool) and isinstance(other, bool) else None


def number_in_bounds(number: float) -> float:
    """Return `number`, unless it is too large, infinite or NaN."""
    if not abs(number) <= MAXIMUM_MAGNITUDE:
        raise OperationError("Number too large")
    return number


def text_in_bounds(text: str) -> str:
    """Return `text`, unless it is too long."""
    if len(text) > MAXIMUM_TEXT_LENGTH:
        raise OperationError("Text too long")
    return text


def size_in_bounds(value: JsonValue, budget: Budget) -> JsonValue:
    """Return `value`, unless it is too large; what it repeats counts again, since it is stored again."""
    open_values, size = [value], 0
    while open_values:
        current = open_values.pop()
        if isinstance(current, str | list | dict):
            size += len(current)
        if size > MAXIMUM_SIZE:
            raise OperationError("List or context too large")
        if isinstance(current, list | dict):
            budget.spend(len(current))
            parts = current if isinstance(current, list) else current.values()
            open_values += [part for part in parts if isinstance(part, str | list | dict)]
    return value
