"""Numbers as FEEL has them: decimals of 34 digits (DMN 1.3, 10.3.2.2), so that 0.1 + 0.2 = 0.3.

JSON's numbers come as `int` and `float`. A float means the shortest decimal that reads back as it, the one that was
written. Whole numbers stay `int`; what has a fraction is a `Decimal` from its first operation until it leaves.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException, DivisionByZero, InvalidOperation, Overflow
from typing import Any, TypeAlias, TypeGuard

from engine.feel.values import LimitError, MismatchError

MAXIMUM_MAGNITUDE = 10**34
# Below this every whole number is a float of its own, so that ints and floats compare as the decimals they mean.
EXACT_AS_FLOAT = 2**53
CONTEXT = Context(
    prec=34,
    rounding=ROUND_HALF_EVEN,
    Emin=-6143,
    Emax=6144,
    traps=[DivisionByZero, InvalidOperation, Overflow],
)

Number: TypeAlias = "int | float | Decimal"

ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WHOLE: dict[str, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_DECIMAL: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": CONTEXT.add,
    "-": CONTEXT.subtract,
    "*": CONTEXT.multiply,
    "/": CONTEXT.divide,
    "**": CONTEXT.power,
}


def is_number(value: object) -> TypeGuard[int | float | Decimal]:
    """Return whether a value is a number; a boolean, which is one to Python, is none."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def in_bounds(number: Number) -> Number:
    """Return `number`.

    Raises:
        LimitError: It is too large, infinite or NaN.
    """
    if not -MAXIMUM_MAGNITUDE <= number <= MAXIMUM_MAGNITUDE:
        raise LimitError("Number too large")
    return number


def exact(number: Number) -> Decimal:
    """Return the decimal that a number means.

    Raises:
        LimitError: It is too large, infinite or NaN.
    """
    if type(number) is Decimal:
        return number
    in_bounds(number)
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)


def plain(number: Decimal) -> Number:
    """Return the same number as an `int`, where it is whole.

    Raises:
        LimitError: It is too large.
    """
    in_bounds(number)
    return int(number) if number == number.to_integral_value() else number


def same(left: Number, right: Number) -> bool:
    """Return whether two numbers are equal."""
    left, right = _comparable(left, right)
    return left == right


def in_order(symbol: str, left: Number, right: Number) -> bool:
    """Return whether `left symbol right` holds, for `<`, `<=`, `>` and `>=`."""
    return ORDERINGS[symbol](*_comparable(left, right))


def compute(symbol: str, left: Number, right: Number) -> Number | None:
    """Return `left symbol right`, for `+`, `-`, `*`, `/` and `**`; null for a division by zero.

    Raises:
        LimitError: An operand or the result is too large.
        MismatchError: There is no such power.
    """
    if isinstance(left, int) and isinstance(right, int) and symbol in _WHOLE:
        whole: Number = _WHOLE[symbol](int(in_bounds(left)), int(in_bounds(right)))
        return in_bounds(whole)
    if symbol == "/" and right == 0:
        return None
    one, other = exact(left), exact(right)
    try:
        return plain(_DECIMAL[symbol](one, other))
    except Overflow as error:
        raise LimitError("Number too large") from error
    except DecimalException as error:
        raise MismatchError(f"There is no {text_of(one)} {symbol} {text_of(other)}") from error


def text_of(number: Number) -> str:
    """Return a number's digits, without an exponent and without zeros that say nothing."""
    value = exact(number)
    if value == value.to_integral_value():
        return str(int(value))
    return f"{value:f}".rstrip("0")


def literal(text: str) -> int | float | Decimal:
    """Return the number that digits, with or without a fraction, mean; a float where it means just that."""
    if "." not in text:
        return int(text)
    value = Decimal(text)
    if value == value.to_integral_value():
        return int(value)
    near = float(text)
    return near if Decimal(repr(near)) == value else value


def _comparable(left: Number, right: Number) -> tuple[Number, Number]:
    if type(left) is type(right):
        return left, right
    if not _is_exact(left) or not _is_exact(right):
        return _decimal_or_beyond(left), _decimal_or_beyond(right)
    return left, right


def _is_exact(number: Number) -> bool:
    return isinstance(number, int) or (isinstance(number, float) and -EXACT_AS_FLOAT < number < EXACT_AS_FLOAT)


def _decimal_or_beyond(number: Number) -> Number:
    """Return a decimal to compare; what is beyond all bounds compares as it is."""
    if number != number:  # noqa: PLR0124 - only NaN differs from itself
        raise MismatchError("Cannot compare what is not a number")
    if isinstance(number, float) and abs(number) <= MAXIMUM_MAGNITUDE:
        return Decimal(repr(number))
    return number
