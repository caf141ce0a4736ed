"""A FEEL syntax tree to closures.

Undefined names and missing keys are null; `and`, `or`, `not` are three-valued (DMN 1.3, 10.3.2.8). Every operation is
bounded: a text by its length, a number by its magnitude, a list or context by the values and characters in it; there
are no loops and no calls.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias, TypeGuard, assert_never

from pydantic import JsonValue

from engine.errors import ExpressionEvaluationError
from engine.feel.parser import (
    Conditional,
    ContextOf,
    ListOf,
    Literal,
    Negation,
    Node,
    Operation,
    Path,
    parse,
)

MAXIMUM_TEXT_LENGTH = 100_000
MAXIMUM_MAGNITUDE = 10**34
MAXIMUM_SIZE = 500_000

Variables: TypeAlias = Mapping[str, JsonValue]
_Evaluator: TypeAlias = Callable[[Variables], JsonValue]
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


class Expression:
    """A compiled expression, evaluated as often as wanted."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._evaluate = _compile(parse(source))

    def evaluate(self, variables: Variables) -> JsonValue:
        """Return the expression's value.

        Raises:
            ExpressionEvaluationError: An operation got values of the wrong kind, or left the bounds.
        """
        try:
            return self._evaluate(variables)
        except _OperationError as error:
            raise ExpressionEvaluationError(source=self.source, position=0, reason=str(error)) from error
        except RecursionError as error:
            reason = "Values nested too deeply"
            raise ExpressionEvaluationError(source=self.source, position=0, reason=reason) from error

    def evaluate_condition(self, variables: Variables) -> bool:
        """Return the value of a condition.

        Raises:
            ExpressionEvaluationError: The value is not a boolean.
        """
        value = self.evaluate(variables)
        if not isinstance(value, bool):
            kind = _kind(value)
            raise ExpressionEvaluationError(source=self.source, position=0, reason=f"Condition is {kind}, not boolean")
        return value


@lru_cache(maxsize=4_096)
def compile_expression(source: str) -> Expression:
    """Return `source` compiled; the same text is compiled once.

    Raises:
        ExpressionError: Not an expression of the subset.
    """
    return Expression(source)


class _OperationError(Exception):
    """An operation that these values do not allow."""


def _compile(node: Node) -> _Evaluator:
    match node:
        case Literal(value):
            return lambda _variables: value
        case Path(keys):
            return _compile_path(keys)
        case ListOf() | ContextOf():
            collect = _compile_collection(node)
            return lambda variables: _bounded(collect(variables))
        case Negation(sign, operand):
            return _compile_negation(sign, _compile(operand))
        case Operation(symbol, left, right):
            return _compile_operation(symbol, _compile(left), _compile(right))
        case Conditional(condition, accepted, otherwise):
            test, yes, no = _compile(condition), _compile(accepted), _compile(otherwise)
            return lambda variables: yes(variables) if test(variables) is True else no(variables)
    assert_never(node)


def _compile_collection(node: Node) -> _Evaluator:
    """Return the evaluator of a part of a list or context; the outermost one is measured for all within it."""
    match node:
        case ListOf(items):
            evaluators = [_compile_collection(item) for item in items]
            return lambda variables: [evaluate(variables) for evaluate in evaluators]
        case ContextOf(entries):
            pairs = [(name, _compile_collection(entry)) for name, entry in entries]
            return lambda variables: {name: evaluate(variables) for name, evaluate in pairs}
        case _:
            return _compile(node)


def _compile_path(keys: tuple[str, ...]) -> _Evaluator:
    first, *rest = keys

    def evaluate(variables: Variables) -> JsonValue:
        value = variables.get(first)
        for key in rest:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    return evaluate


def _compile_negation(sign: str, operand: _Evaluator) -> _Evaluator:
    if sign == "not":
        return lambda variables: _not(operand(variables))
    return lambda variables: _arithmetic("-", 0, operand(variables))


def _compile_operation(symbol: str, left: _Evaluator, right: _Evaluator) -> _Evaluator:
    match symbol:
        case "and":
            return lambda variables: _decisive(False, left(variables), lambda: right(variables))
        case "or":
            return lambda variables: _decisive(True, left(variables), lambda: right(variables))
        case "=":
            return lambda variables: _equal(left(variables), right(variables))
        case "!=":
            return lambda variables: not _equal(left(variables), right(variables))
        case "<" | "<=" | ">" | ">=":
            return lambda variables: _ordered(symbol, left(variables), right(variables))
        case _:
            return lambda variables: _arithmetic(symbol, left(variables), right(variables))


def _not(value: JsonValue) -> bool | None:
    return not value if isinstance(value, bool) else None


def _decisive(decisive: bool, left: JsonValue, right: Callable[[], JsonValue]) -> bool | None:  # noqa: FBT001
    """Return three-valued `and` (decisive False) or `or` (decisive True)."""
    if left is decisive:
        return decisive
    other = right()
    if other is decisive:
        return decisive
    return (not decisive) if isinstance(left, bool) and isinstance(other, bool) else None


def _equal(left: JsonValue, right: JsonValue) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(value, right[key]) for key, value in left.items())
    # bool is a number to Python, not to FEEL.
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def _ordered(symbol: str, left: JsonValue, right: JsonValue) -> bool | None:
    if left is None or right is None:
        return None
    if isinstance(left, str) and isinstance(right, str):
        return _ORDERINGS[symbol](left, right)
    if _is_number(left) and _is_number(right):
        return _ORDERINGS[symbol](left, right)
    raise _OperationError(f"Cannot compare {_kind(left)} {symbol} {_kind(right)}")


def _arithmetic(symbol: str, left: JsonValue, right: JsonValue) -> JsonValue:
    if left is None or right is None:
        return None
    if symbol == "+" and isinstance(left, str) and isinstance(right, str):
        if len(left) + len(right) > MAXIMUM_TEXT_LENGTH:
            raise _OperationError("Text too long")
        return left + right
    if not (_is_number(left) and _is_number(right)):
        raise _OperationError(f"Cannot compute {_kind(left)} {symbol} {_kind(right)}")
    if symbol == "/" and right == 0:
        return None
    return _in_bounds(_ARITHMETIC[symbol](_in_bounds(left), _in_bounds(right)))


def _in_bounds(number: float) -> float:
    if not abs(number) <= MAXIMUM_MAGNITUDE:  # neither is NaN
        raise _OperationError("Number too large")
    return number


def _bounded(value: JsonValue) -> JsonValue:
    """Return `value`; what it repeats counts again, since it is stored again."""
    open_values, size = [value], 0
    while open_values:
        current = open_values.pop()
        if isinstance(current, str | list | dict):
            size += len(current)
        if size > MAXIMUM_SIZE:
            raise _OperationError("List or context too large")
        if isinstance(current, list | dict):
            parts = current if isinstance(current, list) else current.values()
            open_values += [part for part in parts if isinstance(part, str | list | dict)]
    return value


def _is_number(value: JsonValue) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(value: JsonValue) -> str:
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
