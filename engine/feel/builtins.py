"""FEEL's built-in functions, a closed set (DMN 1.3, 10.3.4): pure and bounded; of null, null.

`is defined` looks at names instead of values: the compiler knows it, and comes here only where there is no name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from pydantic import JsonValue

from engine.feel.values import (
    Budget,
    OperationError,
    arithmetic,
    equal,
    is_number,
    kind,
    number_in_bounds,
    ordered,
    size_in_bounds,
    text_in_bounds,
)

IS_DEFINED = "is defined"
MANY = 150
_NUMBER = re.compile(r"-?[0-9]{1,34}(?:\.[0-9]{1,34})?", re.ASCII)

Arguments: TypeAlias = Sequence[JsonValue]


@dataclass(frozen=True)
class BuiltIn:
    """A function.

    Attributes:
        fewest: How many arguments it needs, at least; `most`, at most.
    """

    call: Callable[[Arguments, Budget], JsonValue]
    fewest: int
    most: int


def _count(arguments: Arguments, _budget: Budget) -> JsonValue:
    return None if arguments[0] is None else len(_list("count", arguments[0]))


def _sum(arguments: Arguments, budget: Budget) -> JsonValue:
    items = _items(arguments, budget)
    if not items:
        return None
    total: JsonValue = 0
    for item in items:
        total = arithmetic("+", total, item, budget)
    return total


def _extreme(symbol: str) -> Callable[[Arguments, Budget], JsonValue]:
    def extreme(arguments: Arguments, budget: Budget) -> JsonValue:
        items = _items(arguments, budget)
        if not items or any(item is None for item in items):
            return None
        found = items[0]
        for item in items:
            if ordered(symbol, item, found, budget):
                found = item
        return found

    return extreme


def _append(arguments: Arguments, budget: Budget) -> JsonValue:
    if arguments[0] is None:
        return None
    return size_in_bounds([*_list("append", arguments[0]), *arguments[1:]], budget)


def _concatenate(arguments: Arguments, budget: Budget) -> JsonValue:
    if any(argument is None for argument in arguments):
        return None
    lists = [_list("concatenate", argument) for argument in arguments]
    budget.spend(sum(map(len, lists)))
    return size_in_bounds([item for each in lists for item in each], budget)


def _list_contains(arguments: Arguments, budget: Budget) -> JsonValue:
    if arguments[0] is None:
        return None
    items = _list("list contains", arguments[0])
    budget.spend(len(items))
    return any(equal(item, arguments[1], budget) for item in items)


def _of_text(name: str, apply: Callable[[str], JsonValue]) -> Callable[[Arguments, Budget], JsonValue]:
    def of_text(arguments: Arguments, budget: Budget) -> JsonValue:
        return None if arguments[0] is None else apply(_text(name, arguments[0], budget))

    return of_text


def _of_texts(name: str, apply: Callable[[str, str], bool]) -> Callable[[Arguments, Budget], JsonValue]:
    def of_texts(arguments: Arguments, budget: Budget) -> JsonValue:
        text, part = arguments
        if text is None or part is None:
            return None
        return apply(_text(name, text, budget), _text(name, part, budget))

    return of_texts


def _of_number(name: str, apply: Callable[[float], float]) -> Callable[[Arguments, Budget], JsonValue]:
    def of_number(arguments: Arguments, _budget: Budget) -> JsonValue:
        return None if arguments[0] is None else apply(_number_in(name, arguments[0]))

    return of_number


def _modulo(arguments: Arguments, _budget: Budget) -> JsonValue:
    dividend, divisor = arguments
    if dividend is None or divisor is None:
        return None
    number, by = _number_in("modulo", dividend), _number_in("modulo", divisor)
    return None if by == 0 else number % by


def _string(arguments: Arguments, budget: Budget) -> JsonValue:
    value = arguments[0]
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    budget.spend(1)
    number = Decimal(str(_number_in("string", value) + 0))  # no negative zero
    return f"{number.to_integral_value() if number == number.to_integral_value() else number:f}"


def _number(arguments: Arguments, budget: Budget) -> JsonValue:
    if arguments[0] is None or is_number(arguments[0]):
        return arguments[0]
    text = _text("number", arguments[0], budget)
    if not _NUMBER.fullmatch(text):
        return None
    return float(text) if "." in text else int(text)


def _items(arguments: Arguments, budget: Budget) -> Arguments:
    """Return the one list that is given, or the arguments themselves."""
    first = arguments[0]
    items = first if len(arguments) == 1 and isinstance(first, list) else arguments
    budget.spend(len(items))
    return items


def _list(name: str, value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise OperationError(f"{name} takes a list, not a {kind(value)}")
    return value


def _text(name: str, value: JsonValue, budget: Budget) -> str:
    if not isinstance(value, str):
        raise OperationError(f"{name} takes a string, not a {kind(value)}")
    budget.spend_on_text(value)
    return value


def _number_in(name: str, value: JsonValue) -> float:
    if not is_number(value):
        raise OperationError(f"{name} takes a number, not a {kind(value)}")
    return number_in_bounds(value)


BUILT_INS = {
    "count": BuiltIn(_count, 1, 1),
    "sum": BuiltIn(_sum, 1, MANY),
    "min": BuiltIn(_extreme("<"), 1, MANY),
    "max": BuiltIn(_extreme(">"), 1, MANY),
    "append": BuiltIn(_append, 2, MANY),
    "concatenate": BuiltIn(_concatenate, 1, MANY),
    "list contains": BuiltIn(_list_contains, 2, 2),
    "string length": BuiltIn(_of_text("string length", len), 1, 1),
    "contains": BuiltIn(_of_texts("contains", lambda text, part: part in text), 2, 2),
    "starts with": BuiltIn(_of_texts("starts with", str.startswith), 2, 2),
    "ends with": BuiltIn(_of_texts("ends with", str.endswith), 2, 2),
    "upper case": BuiltIn(_of_text("upper case", lambda text: text_in_bounds(text_in_bounds(text).upper())), 1, 1),
    "lower case": BuiltIn(_of_text("lower case", lambda text: text_in_bounds(text_in_bounds(text).lower())), 1, 1),
    "string": BuiltIn(_string, 1, 1),
    "number": BuiltIn(_number, 1, 1),
    "abs": BuiltIn(_of_number("abs", abs), 1, 1),
    "floor": BuiltIn(_of_number("floor", math.floor), 1, 1),
    "ceiling": BuiltIn(_of_number("ceiling", math.ceil), 1, 1),
    "modulo": BuiltIn(_modulo, 2, 2),
    IS_DEFINED: BuiltIn(lambda _arguments, _budget: True, 1, 1),
}
