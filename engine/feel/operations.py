"""Arithmetic over all kinds of values (DMN 1.3, table 53): numbers, temporal values, and `+` of texts."""

from __future__ import annotations

from datetime import date, time, timedelta

from engine.feel.numbers import compute, is_number
from engine.feel.temporal_arithmetic import compute_temporal
from engine.feel.values import Budget, MismatchError, Months, Value, kind

_STEPS_OF_A_POWER = 50
_STEPS_OF_A_DATE = 5
_TEMPORAL = (date, time, timedelta, Months)


def arithmetic(symbol: str, left: Value, right: Value, budget: Budget) -> Value:
    """Return `left symbol right`, for `+`, `-`, `*`, `/` and `**`; null where one of them is null.

    Raises:
        LimitError: The result leaves the bounds.
        MismatchError: The values have no such operation.
    """
    if left is None or right is None:
        return None
    if is_number(left) and is_number(right):
        if symbol == "**":
            budget.spend(_STEPS_OF_A_POWER)
        return compute(symbol, left, right)
    if symbol == "+" and isinstance(left, str) and isinstance(right, str):
        budget.spend_on_reading(left, right)
        return budget.spend_on_making(left + right)
    if isinstance(left, _TEMPORAL) or isinstance(right, _TEMPORAL):
        budget.spend(_STEPS_OF_A_DATE)
        try:
            return compute_temporal(symbol, left, right)
        except MismatchError as error:
            if str(error):
                raise
    raise MismatchError(f"Cannot compute {kind(left)} {symbol} {kind(right)}")


def negative(value: Value) -> Value:
    """Return `-value`.

    Raises:
        MismatchError: It is neither a number nor a duration.
    """
    match value:
        case None:
            return None
        case timedelta():
            return -value
        case Months(months):
            return Months(-months)
    if is_number(value):
        return compute("-", 0, value)
    raise MismatchError(f"Cannot compute -{kind(value)}")


def negated(value: Value) -> bool | None:
    """Return the three-valued negation.

    Raises:
        MismatchError: It is neither a boolean nor null.
    """
    truth = truth_of("not", value)
    return None if truth is None else not truth


def truth_of(name: str, value: Value) -> bool | None:
    """Return a value that stands for whether something holds.

    Raises:
        MismatchError: It is neither a boolean nor null.
    """
    if value is None or isinstance(value, bool):
        return value
    raise MismatchError(f"{name} takes booleans, not a {kind(value)}")
