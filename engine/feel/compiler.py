"""A FEEL syntax tree to closures.

Undefined names and missing keys are null. An operation that the values do not allow is null too, and the reason is
noted (see `engine.feel.values`). Every operation is bounded: a text by its length, a number by its magnitude, a list or
context by the values and characters in it, and all that goes through lists by the steps of the whole evaluation.
"""

from __future__ import annotations

from typing import assert_never

from engine.feel.builtins import BUILT_INS, IS_DEFINED
from engine.feel.comparison import ordered
from engine.feel.conditions import COMPARISONS, comparison, decided, quick_comparison, quick_conjunction
from engine.feel.iterating import Loop, collected, filtered, function, quantified
from engine.feel.operations import arithmetic, negated, negative
from engine.feel.scopes import Scope
from engine.feel.syntax import (
    Between,
    Call,
    Conditional,
    ContextOf,
    For,
    InputValue,
    InstanceOf,
    Iteration,
    Lambda,
    ListOf,
    Literal,
    Member,
    Membership,
    Negation,
    Node,
    Operation,
    Path,
    Quantified,
    RangeOf,
    Selection,
)
from engine.feel.temporal_functions import HAS_PROPERTIES, property_of
from engine.feel.types import is_instance
from engine.feel.unary_tests import INPUT, compile_tests
from engine.feel.values import (
    Budget,
    Evaluator,
    MismatchError,
    Names,
    NullOperandError,
    Range,
    Value,
    size_in_bounds,
)


def compile_node(node: Node) -> Evaluator:  # noqa: C901, PLR0911, PLR0912 - one case and return for each kind of node
    """Return what evaluates a syntax tree."""
    match node:
        case Literal(value):
            return lambda _names, _budget: value
        case Path(keys):
            return _compile_path(keys)
        case InputValue():
            return lambda names, _budget: names.get(INPUT)
        case ListOf() | ContextOf():
            collect = _compile_collection(node)
            return lambda names, budget: size_in_bounds(collect(names, budget), budget)
        case RangeOf(start, end, is_start_included, is_end_included):
            low, high = compile_node(start), compile_node(end)
            return lambda names, budget: Range(
                low(names, budget), high(names, budget), is_start_included, is_end_included
            )
        case Negation(sign, operand, position):
            return _compile_negation(sign, compile_node(operand), position)
        case Operation():
            return _compile_operation(node)
        case Conditional(condition, accepted, otherwise, position):
            test, yes, no = compile_node(condition), compile_node(accepted), compile_node(otherwise)
            return lambda names, budget: (yes if budget.judged(test(names, budget), position) else no)(names, budget)
        case Member(operand, key):
            of = compile_node(operand)
            return lambda names, budget: _member(of(names, budget), key, budget)
        case Selection(operand, selector, size, position):
            return _noted(filtered(compile_node(operand), compile_node(selector), size, position), position)
        case Call(name, arguments, position):
            return _compile_call(name, arguments, position)
        case Lambda(parameters, body, size):
            return function(parameters, compile_node(body), size)
        case Quantified(is_every, iterations, condition, size, position):
            holds = quantified(_loops(iterations), compile_node(condition), size, position, is_every=is_every)
            return _noted(holds, iterations[0].position)
        case For(iterations, result, uses_partial, size):
            collect = collected(_loops(iterations), compile_node(result), size, uses_partial=uses_partial)
            return _noted(collect, iterations[0].position)
        case Between():
            return _compile_between(node)
        case InstanceOf(operand, type_name):
            of = compile_node(operand)
            return lambda names, budget: is_instance(of(names, budget), type_name)
        case Membership(sought, tests):
            find, passes = compile_node(sought), compile_tests(tests, compile_node)
            return lambda names, budget: passes(find(names, budget), names, budget)
    assert_never(node)


def _compile_collection(node: Node) -> Evaluator:
    """Return the evaluator of a part of a list or context; the outermost one is measured for all within it."""
    match node:
        case ListOf(items):
            evaluators = [_compile_collection(item) for item in items]
            return lambda names, budget: [evaluate(names, budget) for evaluate in evaluators]
        case ContextOf(entries):
            return _compile_entries([(name, _compile_collection(entry)) for name, entry in entries])
        case _:
            return compile_node(node)


def _compile_entries(entries: list[tuple[str, Evaluator]]) -> Evaluator:
    def evaluate(names: Names, budget: Budget) -> Value:
        result: dict[str, Value] = {}
        scope = Scope(result, names)
        for name, entry in entries:
            result[name] = entry(scope, budget)
        return result

    return evaluate


def _compile_path(keys: tuple[str, ...]) -> Evaluator:
    first, *rest = keys
    if not rest:
        return lambda names, _budget: names.get(first)

    def evaluate(names: Names, budget: Budget) -> Value:
        value = names.get(first)
        for key in rest:
            value = value.get(key) if isinstance(value, dict) else _member(value, key, budget)
        return value

    return evaluate


def _member(value: Value, key: str, budget: Budget) -> Value:
    if isinstance(value, list):
        budget.spend(len(value))
        return [
            item.get(key)
            if isinstance(item, dict)
            else property_of(item, key)
            if isinstance(item, HAS_PROPERTIES)
            else None
            for item in value
        ]
    return value.get(key) if isinstance(value, dict) else property_of(value, key)


def _compile_negation(sign: str, operand: Evaluator, position: int) -> Evaluator:
    if sign == "not":
        return _noted(lambda names, budget: negated(operand(names, budget)), position)
    return _noted(lambda names, budget: negative(operand(names, budget)), position)


def _compile_operation(node: Operation) -> Evaluator:
    symbol, position = node.operator, node.position
    if symbol in {"and", "or"}:
        return _compile_logic(symbol, _chain(symbol, node), position)
    if symbol in COMPARISONS:
        quick = quick_comparison(node, compile_node)
        if quick is not None:
            return quick.evaluator()
        return comparison(symbol, compile_node(node.left), compile_node(node.right), position)
    left, right = compile_node(node.left), compile_node(node.right)
    return _noted(lambda names, budget: arithmetic(symbol, left(names, budget), right(names, budget), budget), position)


def _compile_logic(symbol: str, parts: list[Node], position: int) -> Evaluator:
    if symbol == "and":
        quick = [part for part in (quick_comparison(part, compile_node) for part in parts) if part is not None]
        if len(quick) == len(parts):
            return quick_conjunction(quick)
    return _noted(decided([compile_node(part) for part in parts], symbol), position)


def _chain(symbol: str, node: Node) -> list[Node]:
    """Return the parts of `a and b and c`, which is a tree that leans to the left."""
    parts: list[Node] = []
    while isinstance(node, Operation) and node.operator == symbol:
        parts.append(node.right)
        node = node.left
    return [node, *reversed(parts)]


def _compile_call(name: str, arguments: tuple[Node, ...], position: int) -> Evaluator:
    if name == IS_DEFINED and isinstance(arguments[0], Path):
        return _compile_is_defined(arguments[0].keys)
    call, evaluators = BUILT_INS[name].call, [compile_node(argument) for argument in arguments]
    return _noted(lambda names, budget: call([evaluate(names, budget) for evaluate in evaluators], budget), position)


def _compile_is_defined(keys: tuple[str, ...]) -> Evaluator:
    first, *rest = keys

    def evaluate(names: Names, _budget: Budget) -> Value:
        value = names.get(first)
        for key in rest:
            if not isinstance(value, dict) or key not in value:
                return False
            value = value[key]
        return first in names

    return evaluate


def _loops(iterations: tuple[Iteration, ...]) -> list[Loop]:
    return [Loop(iteration.name, compile_node(iteration.domain)) for iteration in iterations]


def _compile_between(node: Between) -> Evaluator:
    within, lowest, highest = compile_node(node.value), compile_node(node.lowest), compile_node(node.highest)

    def evaluate(names: Names, budget: Budget) -> Value:
        value = within(names, budget)
        is_high = ordered(">=", value, lowest(names, budget), budget)
        is_low = ordered("<=", value, highest(names, budget), budget)
        if is_high is False or is_low is False:
            return False
        return True if is_high and is_low else None

    return _noted(evaluate, node.position)


def _noted(operation: Evaluator, position: int) -> Evaluator:
    """Return what makes an operation null that its values do not allow."""

    def evaluate(names: Names, budget: Budget) -> Value:
        try:
            return operation(names, budget)
        except NullOperandError:
            return None
        except MismatchError as error:
            budget.note(str(error), position)
            return None

    return evaluate
