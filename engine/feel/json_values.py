"""Values to JSON, when they leave an expression, and from JSON, where a type is known.

A number becomes an integer where it is whole, else the nearest double, which keeps 15 digits and more. A temporal value
becomes the text that reads back as it; a range and a function have no JSON.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal
from typing import cast

from pydantic import JsonValue

from engine.feel.conditions import COMPARISONS
from engine.feel.numbers import plain
from engine.feel.syntax import (
    Between,
    Conditional,
    ContextOf,
    InstanceOf,
    ListOf,
    Literal,
    Member,
    Membership,
    Negation,
    Node,
    Operation,
    Path,
    Quantified,
    Selection,
)
from engine.feel.temporals import temporal_text
from engine.feel.values import Budget, Function, LimitError, Months, Range, Value, kind

_ITEMS_PER_STEP = 4


def is_json(node: Node) -> bool:  # noqa: PLR0911 - one return for each kind of node
    """Return whether the value of a syntax tree is certainly JSON already, as long as its variables are."""
    match node:
        case Literal(value):
            return value is None or isinstance(value, bool | int | float | str)
        case Path() | Quantified() | Between() | InstanceOf() | Membership():
            return True
        case Negation(operator=operator):
            return operator == "not"
        case Operation(operator=operator):
            return operator in COMPARISONS | {"and", "or"}
        case Member(operand) | Selection(operand):
            return is_json(operand)
        case Conditional(accepted=accepted, otherwise=otherwise):
            return is_json(accepted) and is_json(otherwise)
        case ListOf(items):
            return all(map(is_json, items))
        case ContextOf(entries):
            return all(is_json(entry) for _, entry in entries)
        case _:
            return False


def holds_null(value: JsonValue) -> bool:
    """Return whether a value is null, or has null in it somewhere."""
    open_values: list[JsonValue] = [value]
    while open_values:
        current = open_values.pop()
        if current is None:
            return True
        open_values += current if isinstance(current, list) else current.values() if isinstance(current, dict) else ()
    return False


def from_json(value: JsonValue) -> Value:
    """Return JSON as a value, which it is; the types cannot say so of lists and contexts."""
    return cast("Value", value)


def to_json(value: Value, budget: Budget) -> JsonValue:
    """Return a value as JSON; a list or context as a copy.

    Raises:
        LimitError: A range or function, or more values than steps are left.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            number = plain(value)
            return number if isinstance(number, int) else float(number)
        case list():
            budget.spend(len(value) // _ITEMS_PER_STEP)
            return [to_json(item, budget) for item in value]
        case dict():
            budget.spend(len(value) // _ITEMS_PER_STEP)
            return {key: to_json(entry, budget) for key, entry in value.items()}
        case Range() | Function():
            raise LimitError(f"A {kind(value)} has no JSON form")
        case date() | time() | timedelta() | Months():
            return temporal_text(value)
