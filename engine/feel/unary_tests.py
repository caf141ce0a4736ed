"""What `in` and the cells of decision tables ask of a value (DMN 1.3, 7.3.3 and table 54): three-valued."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, assert_never

from engine.feel.comparison import comparable_equal, contains, equal, ordered
from engine.feel.operations import negated, truth_of
from engine.feel.syntax import Comparing, Matching, Node, Test, UnaryTests
from engine.feel.values import Budget, Evaluator, MismatchError, Names, Range, Value

INPUT = "?"

Tester: TypeAlias = Callable[[Value, Names, Budget], bool | None]


def compile_tests(tests: Sequence[Test], compile_node: Callable[[Node], Evaluator]) -> Tester:
    """Return what says whether a value passes one of the tests; null where none passes and one cannot say."""
    testers = [_compile_test(test, compile_node) for test in tests]

    def passes(value: Value, names: Names, budget: Budget) -> bool | None:
        result: bool | None = False
        for tester in testers:
            budget.spend(1)
            verdict = tester(value, names, budget)
            if verdict is True:
                return True
            result = None if verdict is None else result
        return result

    return passes


def compile_cell(cell: UnaryTests, compile_node: Callable[[Node], Evaluator]) -> Tester:
    """Return what says whether a value passes a cell; `-` lets everything pass."""
    if not cell.tests:
        return lambda _value, _names, _budget: True
    passes = compile_tests(cell.tests, compile_node)
    if cell.is_negated:
        return lambda value, names, budget: negated(passes(value, names, budget))
    return passes


def _compile_test(test: Test, compile_node: Callable[[Node], Evaluator]) -> Tester:
    match test:
        case Comparing(symbol, operand, position):
            return _noted(_compile_comparing(symbol, compile_node(operand)), position)
        case Matching(expression, is_condition, position):
            evaluate = compile_node(expression)
            if is_condition:
                return _noted(lambda _value, names, budget: truth_of("a condition", evaluate(names, budget)), position)
            return _noted(lambda value, names, budget: _matches(value, evaluate(names, budget), budget), position)
    assert_never(test)


def _compile_comparing(symbol: str, operand: Evaluator) -> Tester:
    match symbol:
        case "=":
            return lambda value, names, budget: comparable_equal(value, operand(names, budget), budget)
        case "!=":
            return lambda value, names, budget: not comparable_equal(value, operand(names, budget), budget)
        case _:
            return lambda value, names, budget: ordered(symbol, value, operand(names, budget), budget)


def _noted(tester: Tester, position: int) -> Tester:
    def noted(value: Value, names: Names, budget: Budget) -> bool | None:
        try:
            return tester(value, names, budget)
        except MismatchError as error:
            budget.note(str(error), position)
            return None

    return noted


def _matches(value: Value, offered: Value, budget: Budget) -> bool | None:
    if isinstance(offered, Range):
        return contains(offered, value, budget)
    if equal(value, offered, budget):
        return True
    if not isinstance(offered, list):
        return False
    budget.spend(len(offered))
    return any(_matches_item(value, item, budget) for item in offered)


def _matches_item(value: Value, item: Value, budget: Budget) -> bool | None:
    return contains(item, value, budget) if isinstance(item, Range) else equal(value, item, budget)
