"""Equality and order of values (DMN 1.3, tables 42 and 43)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from engine.feel.numbers import ORDERINGS, in_order, is_number, same
from engine.feel.temporal_arithmetic import instant
from engine.feel.values import Budget, MismatchError, Months, Range, Value, kind

_SOME_DAY = date(2000, 1, 2)


def equal(left: Value, right: Value, budget: Budget) -> bool:
    """Return whether two values are of the same kind and equal, those within them included."""
    if isinstance(left, list) and isinstance(right, list):
        budget.spend(len(left))
        return len(left) == len(right) and all(
            equal(one, other, budget) for one, other in zip(left, right, strict=True)
        )
    if isinstance(left, dict) and isinstance(right, dict):
        budget.spend(len(left))
        return left.keys() == right.keys() and all(equal(value, right[key], budget) for key, value in left.items())
    if isinstance(left, str) and isinstance(right, str):
        budget.spend_on_reading(left)
        return left == right
    if is_number(left) and is_number(right):
        return same(left, right)
    return kind(left) == kind(right) and _equal_temporals(left, right)


def comparable_equal(left: Value, right: Value, budget: Budget) -> bool:
    """Return whether two values are equal, of which one may be null.

    Raises:
        MismatchError: They are of different kinds.
    """
    if left is not None and right is not None and kind(left) != kind(right):
        raise MismatchError(f"Cannot compare {kind(left)} = {kind(right)}")
    return equal(left, right, budget)


def ordered(symbol: str, left: Value, right: Value, budget: Budget) -> bool | None:
    """Return whether `left symbol right` holds, for `<`, `<=`, `>` and `>=`; null where one of them is null.

    Raises:
        MismatchError: They are of different kinds, or of one that has no order.
    """
    if left is None or right is None:
        return None
    if is_number(left) and is_number(right):
        return in_order(symbol, left, right)
    if isinstance(left, str) and isinstance(right, str):
        budget.spend_on_reading(left)
        return ORDERINGS[symbol](left, right)
    if kind(left) == kind(right):
        for kinds, key in _ORDER_KEYS:
            if type(left) in kinds:
                return _in_order(symbol, key(left), key(right))
    raise MismatchError(f"Cannot compare {kind(left)} {symbol} {kind(right)}")


def contains(within: Range, value: Value, budget: Budget) -> bool | None:
    """Return whether a value lies in a range; null where that cannot be said, as where an end of it is null.

    Raises:
        MismatchError: They are of different kinds.
    """
    if value is None:
        return None
    is_high = ordered(">=" if within.is_start_included else ">", value, within.start, budget)
    is_low = ordered("<=" if within.is_end_included else "<", value, within.end, budget)
    if is_high is False or is_low is False:
        return False
    return True if is_high and is_low else None


def _in_order(symbol: str, left: object, right: object) -> bool:
    try:
        return ORDERINGS[symbol](left, right)
    except TypeError as error:
        raise MismatchError("Cannot compare a local time and one with an offset") from error


def _equal_temporals(left: Value, right: Value) -> bool:
    if isinstance(left, datetime) and isinstance(right, datetime):
        return instant(left) == instant(right)
    return left == right


def _clock_key(clock: time) -> datetime:
    return instant(datetime.combine(_SOME_DAY, clock))


_ORDER_KEYS: tuple[tuple[tuple[type, ...], Callable[..., object]], ...] = (
    ((datetime,), instant),
    ((date, timedelta), lambda value: value),
    ((time,), _clock_key),
    ((Months,), lambda value: value.months),
)
