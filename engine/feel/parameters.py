"""How a built-in function takes its arguments: their number, their kinds, and null for null."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from engine.feel.numbers import exact, is_number
from engine.feel.values import Budget, Function, MismatchError, Value, kind

MANY = 150

Arguments: TypeAlias = Sequence[Value]
Implementation: TypeAlias = Callable[[Arguments, Budget], Value]


@dataclass(frozen=True)
class BuiltIn:
    """A function.

    Attributes:
        fewest: How many arguments it needs, at least; `most`, at most.
    """

    call: Implementation
    fewest: int
    most: int


@dataclass(frozen=True)
class Parameter:
    """What one argument has to be.

    Attributes:
        name: As a message says it.
        take: Turns an argument that is not null into what the function works on; `None` for one that does not fit.
        is_nullable: Whether null is a value like others here; elsewhere it makes the function's value null.
    """

    name: str
    take: Callable[[Value, Budget], Any]
    is_nullable: bool = False


def _text(value: Value, budget: Budget) -> str | None:
    if not isinstance(value, str):
        return None
    budget.spend_on_reading(value)
    return value


def _list(value: Value, _budget: Budget) -> list[Value] | None:
    return value if isinstance(value, list) else None


def _number(value: Value, _budget: Budget) -> Decimal | None:
    return exact(value) if is_number(value) else None


def _whole(value: Value, _budget: Budget) -> int | None:
    number = exact(value) if is_number(value) else None
    return None if number is None or number != number.to_integral_value() else int(number)


TEXT = Parameter("a string", _text)
LIST = Parameter("a list", _list)
NUMBER = Parameter("a number", _number)
WHOLE = Parameter("a whole number", _whole)
CONTEXT = Parameter("a context", lambda value, _budget: value if isinstance(value, dict) else None)
FUNCTION = Parameter("a function", lambda value, _budget: value if isinstance(value, Function) else None)
ANY = Parameter("a value", lambda value, _budget: value, is_nullable=True)


def built_in(name: str, call: Callable[..., Value], *parameters: Parameter, optional: int = 0) -> BuiltIn:
    """Return a function that checks its arguments, takes one step, and is null where one of them is null.

    Args:
        name: Of the function, for messages.
        call: Given the budget and the arguments as their parameters took them.
        parameters: In their order.
        optional: How many of the last ones may be left out.
    """

    def checked(arguments: Arguments, budget: Budget) -> Value:
        budget.spend(1)
        taken = []
        for parameter, argument in zip(parameters, arguments, strict=False):
            if argument is None and not parameter.is_nullable:
                return None
            value = parameter.take(argument, budget)
            if value is None and argument is not None:
                raise MismatchError(f"{name} takes {parameter.name}, not a {kind(argument)}")
            taken.append(value)
        return call(budget, *taken)

    return BuiltIn(checked, len(parameters) - optional, len(parameters))
