"""A FEEL syntax tree to closures.

Undefined names and missing keys are null; `and`, `or`, `not` are three-valued (DMN 1.3, 10.3.2.8). Every operation is
bounded: a text by its length, a number by its magnitude, a list or context by the values and characters in it, and all
that goes through lists by the steps of the whole evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias, assert_never

from pydantic import JsonValue

from engine.errors import ExpressionEvaluationError
from engine.feel.builtins import BUILT_INS, IS_DEFINED
from engine.feel.frame import Frame
from engine.feel.parser import parse
from engine.feel.syntax import (
    Between,
    Call,
    Conditional,
    ContextOf,
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
from engine.feel.values import (
    Budget,
    OperationError,
    arithmetic,
    decisive,
    equal,
    is_number,
    kind,
    negated,
    ordered,
    size_in_bounds,
)

Variables: TypeAlias = Mapping[str, JsonValue]
_Evaluator: TypeAlias = Callable[[Frame], JsonValue]


class Expression:
    """A compiled expression, evaluated as often as wanted.

    Attributes:
        constant: The value of a literal; `None` where the value depends on more.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        node = parse(source)
        self.constant = node.value if isinstance(node, Literal) else None
        self._evaluate = _compile(node)

    def evaluate(self, variables: Variables) -> JsonValue:
        """Return the expression's value.

        Raises:
            ExpressionEvaluationError: An operation got values of the wrong kind, or left the bounds.
        """
        try:
            return self._evaluate(Frame(variables, None, Budget()))
        except OperationError as error:
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
            reason = f"Condition is {kind(value)}, not boolean"
            raise ExpressionEvaluationError(source=self.source, position=0, reason=reason)
        return value


@lru_cache(maxsize=4_096)
def compile_expression(source: str) -> Expression:
    """Return `source` compiled; the same text is compiled once.

    Raises:
        ExpressionError: Not an expression of the subset.
    """
    return Expression(source)


def _compile(node: Node) -> _Evaluator:  # noqa: C901, PLR0911 - one case and return for each kind of node
    match node:
        case Literal(value):
            return lambda _frame: value
        case Path(keys):
            return _compile_path(keys)
        case ListOf() | ContextOf():
            collect = _compile_collection(node)
            return lambda frame: size_in_bounds(collect(frame), frame.budget)
        case Negation(sign, operand):
            return _compile_negation(sign, _compile(operand))
        case Operation(symbol, left, right):
            return _compile_operation(symbol, _compile(left), _compile(right))
        case Conditional(condition, accepted, otherwise):
            test, yes, no = _compile(condition), _compile(accepted), _compile(otherwise)
            return lambda frame: yes(frame) if test(frame) is True else no(frame)
        case Member(operand, key):
            of = _compile(operand)
            return lambda frame: _member(of(frame), key, frame.budget)
        case Selection(operand, selector, size):
            return _compile_selection(_compile(operand), _compile(selector), size)
        case Call(function, arguments):
            return _compile_call(function, arguments)
        case Quantified():
            return _compile_quantified(node)
        case Between():
            return _compile_between(node)
        case Membership(sought, candidates):
            find, offered = _compile(sought), [_compile(candidate) for candidate in candidates]
            return lambda frame: _is_among(find(frame), [evaluate(frame) for evaluate in offered], frame.budget)
    assert_never(node)


def _compile_collection(node: Node) -> _Evaluator:
    """Return the evaluator of a part of a list or context; the outermost one is measured for all within it."""
    match node:
        case ListOf(items):
            evaluators = [_compile_collection(item) for item in items]
            return lambda frame: [evaluate(frame) for evaluate in evaluators]
        case ContextOf(entries):
            pairs = [(name, _compile_collection(entry)) for name, entry in entries]
            return lambda frame: {name: evaluate(frame) for name, evaluate in pairs}
        case _:
            return _compile(node)


def _compile_path(keys: tuple[str, ...]) -> _Evaluator:
    first, *rest = keys

    def evaluate(frame: Frame) -> JsonValue:
        value = frame.get(first)
        for key in rest:
            value = value.get(key) if isinstance(value, dict) else _member(value, key, frame.budget)
        return value

    return evaluate


def _member(value: JsonValue, key: str, budget: Budget) -> JsonValue:
    if isinstance(value, list):
        budget.spend(len(value))
        return [item.get(key) if isinstance(item, dict) else None for item in value]
    return value.get(key) if isinstance(value, dict) else None


def _compile_negation(sign: str, operand: _Evaluator) -> _Evaluator:
    if sign == "not":
        return lambda frame: negated(operand(frame))
    return lambda frame: arithmetic("-", 0, operand(frame), frame.budget)


def _compile_operation(symbol: str, left: _Evaluator, right: _Evaluator) -> _Evaluator:
    match symbol:
        case "and":
            return lambda frame: decisive(False, left(frame), lambda: right(frame))
        case "or":
            return lambda frame: decisive(True, left(frame), lambda: right(frame))
        case "=":
            return lambda frame: equal(left(frame), right(frame), frame.budget)
        case "!=":
            return lambda frame: not equal(left(frame), right(frame), frame.budget)
        case "<" | "<=" | ">" | ">=":
            return lambda frame: ordered(symbol, left(frame), right(frame), frame.budget)
        case _:
            return lambda frame: arithmetic(symbol, left(frame), right(frame), frame.budget)


def _compile_call(function: str, arguments: tuple[Node, ...]) -> _Evaluator:
    if function == IS_DEFINED and isinstance(arguments[0], Path):
        return _compile_is_defined(arguments[0].keys)
    call, evaluators = BUILT_INS[function].call, [_compile(argument) for argument in arguments]
    return lambda frame: call([evaluate(frame) for evaluate in evaluators], frame.budget)


def _compile_is_defined(keys: tuple[str, ...]) -> _Evaluator:
    first, *rest = keys

    def evaluate(frame: Frame) -> JsonValue:
        value = frame.get(first)
        for key in rest:
            if not isinstance(value, dict) or key not in value:
                return False
            value = value[key]
        return frame.defines(first)

    return evaluate


def _compile_selection(operand: _Evaluator, selector: _Evaluator, size: int) -> _Evaluator:
    def evaluate(frame: Frame) -> JsonValue:
        items = operand(frame)
        if items is None:
            return None
        if not isinstance(items, list):
            raise OperationError(f"Cannot select from a {kind(items)}")
        first = selector(_about(items[0], frame) if items else frame)
        if is_number(first):
            return _item_at(items, first)
        frame.budget.spend(len(items) * size)
        return [item for item in items if selector(_about(item, frame)) is True]

    return evaluate


def _about(item: JsonValue, frame: Frame) -> Frame:
    """Return a frame in which the item is `item`, and its keys are names."""
    return frame.within({"item": item, **item} if isinstance(item, dict) else {"item": item})


def _item_at(items: list[JsonValue], position: float) -> JsonValue:
    """Return the item at a position that counts from 1, or backwards from -1; null where there is none."""
    if position == 0 or abs(position) > len(items) or position != int(position):
        return None
    return items[int(position) - (1 if position > 0 else 0)]


def _compile_quantified(node: Quantified) -> _Evaluator:
    collection, condition = _compile(node.collection), _compile(node.condition)
    decision, name = not node.is_every, node.name

    def evaluate(frame: Frame) -> JsonValue:
        items = collection(frame)
        if items is None:
            return None
        if not isinstance(items, list):
            raise OperationError(f"Cannot go through a {kind(items)}")
        result: bool | None = not decision
        for item in items:
            frame.budget.spend(node.size)
            value = condition(frame.within({name: item}))
            if value is decision:
                return decision
            result = result if isinstance(value, bool) else None
        return result

    return evaluate


def _compile_between(node: Between) -> _Evaluator:
    within, lowest, highest = _compile(node.value), _compile(node.lowest), _compile(node.highest)

    def evaluate(frame: Frame) -> JsonValue:
        value = within(frame)
        is_high_enough = ordered(">=", value, lowest(frame), frame.budget)
        return decisive(False, is_high_enough, lambda: ordered("<=", value, highest(frame), frame.budget))

    return evaluate


def _is_among(value: JsonValue, candidates: list[JsonValue], budget: Budget) -> bool:
    for candidate in candidates:
        budget.spend(1)
        if equal(value, candidate, budget):
            return True
        if isinstance(candidate, list):
            budget.spend(len(candidate))
            if any(equal(value, item, budget) for item in candidate):
                return True
    return False
