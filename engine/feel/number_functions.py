"""Functions of numbers (DMN 1.3, table 76), exact to 34 digits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Decimal,
    DecimalException,
    Overflow,
)

from engine.feel.numbers import CONTEXT, compute, in_bounds, is_number, plain
from engine.feel.parameters import ANY, NUMBER, WHOLE, BuiltIn, built_in
from engine.feel.values import Budget, LimitError, MismatchError, Months, Value, kind

_STEPS_OF_A_SERIES = 100
_MAXIMUM_SCALE = 34


def _rounded(name: str, rounding: str, *, optional: int = 0) -> BuiltIn:
    def round_to(_budget: Budget, number: Decimal, scale: int = 0) -> Value:
        if abs(scale) > _MAXIMUM_SCALE:
            raise MismatchError(f"{name} takes a scale between -34 and 34")
        if -int(number.as_tuple().exponent) <= scale:
            return plain(number)
        return plain(number.quantize(Decimal(1).scaleb(-scale), rounding=rounding, context=CONTEXT))

    return built_in(name, round_to, NUMBER, WHOLE, optional=optional)


def _series(name: str, apply: Callable[[Decimal], Decimal]) -> BuiltIn:
    def computed(budget: Budget, number: Decimal) -> Value:
        budget.spend(_STEPS_OF_A_SERIES)
        try:
            return plain(apply(number))
        except Overflow as error:
            raise LimitError("Number too large") from error
        except DecimalException as error:
            raise MismatchError(f"There is no {name} of this number") from error

    return built_in(name, computed, NUMBER)


def _modulo(_budget: Budget, dividend: Decimal, divisor: Decimal) -> Value:
    if divisor == 0:
        return None
    in_bounds(dividend)
    try:
        rest = CONTEXT.remainder(dividend, divisor)
    except DecimalException as error:
        raise MismatchError("modulo of numbers that are too far apart") from error
    return plain(CONTEXT.add(rest, divisor) if rest and (rest < 0) != (divisor < 0) else rest)


def _absolute(_budget: Budget, value: Value) -> Value:
    match value:
        case None:
            return None
        case timedelta():
            return abs(value)
        case Months(months):
            return Months(abs(months))
    if is_number(value):
        return in_bounds(value if value >= 0 else compute("-", 0, value) or 0)
    raise MismatchError(f"abs takes a number or a duration, not a {kind(value)}")


NUMBER_FUNCTIONS: dict[str, BuiltIn] = {
    "decimal": _rounded("decimal", ROUND_HALF_EVEN),
    "floor": _rounded("floor", ROUND_FLOOR, optional=1),
    "ceiling": _rounded("ceiling", ROUND_CEILING, optional=1),
    "round up": _rounded("round up", ROUND_UP),
    "round down": _rounded("round down", ROUND_DOWN),
    "round half up": _rounded("round half up", ROUND_HALF_UP),
    "round half down": _rounded("round half down", ROUND_HALF_DOWN),
    "abs": built_in("abs", _absolute, ANY),
    "modulo": built_in("modulo", _modulo, NUMBER, NUMBER),
    "sqrt": _series("sqrt", CONTEXT.sqrt),
    "log": _series("log", CONTEXT.ln),
    "exp": _series("exp", CONTEXT.exp),
    "odd": built_in("odd", lambda _budget, number: number % 2 == 1, WHOLE),
    "even": built_in("even", lambda _budget, number: number % 2 == 0, WHOLE),
}
