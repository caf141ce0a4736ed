"""What values there are while an expression is evaluated, and the bounds of an evaluation (DMN 1.3, 10.3.2).

Variables come and go as JSON (see `engine.feel.json_values`); in between a number may be a `Decimal`, and there are
dates, times, durations and ranges.

An operation that the values do not allow raises `MismatchError`; whoever compiled the operation makes it null and
remembers the reason. Where such a null would decide something unsaid, and where a bound is left, the evaluation stops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Protocol, TypeAlias

MAXIMUM_TEXT_LENGTH = 100_000
MAXIMUM_SIZE = 500_000
MAXIMUM_STEPS = 500_000
_CHARACTERS_READ_PER_STEP = 64
_CHARACTERS_MADE_PER_STEP = 16


class MismatchError(Exception):
    """An operation that these values do not allow: its value is null."""


class NullOperandError(MismatchError):
    """An operation on null, which is null without anything being wrong."""


class StoppedError(Exception):
    """There is no value.

    Attributes:
        position: Where in the expression the reason lies.
    """

    def __init__(self, reason: str, position: int = 0) -> None:
        self.position = position
        super().__init__(reason)


class LimitError(StoppedError):
    """An operation that leaves the bounds."""


class UndecidedError(StoppedError):
    """A condition that is no boolean, or null because an operation got values that it does not allow."""


class Budget:
    """The steps that one evaluation may take, and the first reason why an operation was null.

    Attributes:
        mismatch: The reason and its position in the expression.
    """

    # Defaults of the class: most evaluations neither take steps nor note anything, and are not to pay for it.
    _remaining = MAXIMUM_STEPS
    mismatch: tuple[str, int] | None = None

    @property
    def spent(self) -> int:
        """How many steps were taken."""
        return MAXIMUM_STEPS - self._remaining

    def spend(self, steps: int) -> None:
        """Take steps.

        Raises:
            LimitError: There are not as many left.
        """
        self._remaining -= steps
        if self._remaining < 0:
            raise LimitError("Too many steps")

    def spend_on_reading(self, *texts: str) -> None:
        """Take as many steps as going through the texts is worth."""
        self.spend(sum(map(len, texts)) // _CHARACTERS_READ_PER_STEP)

    def spend_on_making(self, text: str) -> str:
        """Take as many steps as a new text is worth, and return it.

        Raises:
            LimitError: The text is too long, or there are not as many left.
        """
        if len(text) > MAXIMUM_TEXT_LENGTH:
            raise LimitError("Text too long")
        self.spend(len(text) // _CHARACTERS_MADE_PER_STEP)
        return text

    def note(self, reason: str, position: int) -> None:
        """Remember why an operation is null, unless it is that of an earlier one."""
        if self.mismatch is None:
            self.mismatch = (reason, position)

    def settled(self, condition: Value) -> Value:
        """Return a condition's value.

        Raises:
            UndecidedError: It is null because an operation got values that it does not allow.
        """
        if condition is None and self.mismatch is not None:
            raise UndecidedError(*self.mismatch)
        return condition

    def judged(self, condition: Value, position: int) -> bool | None:
        """Return whether a condition holds; null where it is null.

        Raises:
            UndecidedError: It is null because an operation got values that it does not allow, or is no boolean at all.
        """
        if isinstance(condition, bool):
            return condition
        if self.settled(condition) is None:
            return None
        raise UndecidedError(f"Condition is {kind(condition)}, not boolean", position)


@dataclass(frozen=True, order=True)
class Months:
    """A duration of years and months."""

    months: int


@dataclass(frozen=True)
class Range:
    """What lies between two values; where one of them is null, nothing can be said of what lies beyond the other."""

    start: Value
    end: Value
    is_start_included: bool
    is_end_included: bool


@dataclass(frozen=True)
class Function:
    """A function that an expression defines, to be handed to a built-in one."""

    parameters: int
    call: Callable[[Sequence[Value]], Value]


Value: TypeAlias = (
    "bool | int | float | Decimal | str | date | time | datetime | timedelta | Months | Range | Function"
    " | list[Value] | dict[str, Value] | None"
)


class Names(Protocol):
    """Where names are looked up."""

    def get(self, name: str, /) -> Value:
        """Return a name's value; null where it is not defined."""

    def __contains__(self, name: object, /) -> bool:
        """Return whether a name has a value, be it null."""


Evaluator: TypeAlias = Callable[[Names, Budget], Value]

_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    Decimal: "number",
    str: "string",
    date: "date",
    time: "time",
    datetime: "date and time",
    timedelta: "days and time duration",
    Months: "years and months duration",
    list: "list",
    tuple: "list",
    dict: "context",
    Range: "range",
    Function: "function",
}


def kind(value: Value) -> str:
    """Return what FEEL calls a value."""
    found = _KINDS.get(type(value))
    if found is None:
        found = next((name for base, name in _KINDS.items() if isinstance(value, base)), "context")
    return found


def size_in_bounds(value: Value, budget: Budget) -> Value:
    """Return `value`, unless it is too large; what it repeats counts again, since it is stored again."""
    open_values, size = [value], 0
    while open_values:
        current = open_values.pop()
        if isinstance(current, str | list | dict):
            size += len(current)
        if size > MAXIMUM_SIZE:
            raise LimitError("List or context too large")
        if isinstance(current, list | dict):
            budget.spend(len(current))
            parts = current if isinstance(current, list) else current.values()
            open_values += [part for part in parts if isinstance(part, str | list | dict)]
    return value
