"""A compiled expression: JSON in, JSON out, errors with the place where they arose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from pydantic import JsonValue

from engine.errors import ExpressionEvaluationError
from engine.feel.compiler import compile_node
from engine.feel.headroom import with_headroom
from engine.feel.json_values import holds_null, is_json, to_json
from engine.feel.parser import parse, parse_unary_tests
from engine.feel.scopes import Scope
from engine.feel.syntax import Literal, Matching, Node
from engine.feel.syntax_walk import has_loop, is_constant
from engine.feel.unary_tests import INPUT, compile_cell
from engine.feel.values import Budget, Evaluator, StoppedError, Value, kind

Variables: TypeAlias = Mapping[str, JsonValue]


class Expression:
    """A compiled expression, evaluated as often as wanted.

    Attributes:
        constant: The value of a literal, as JSON; `None` where the value depends on more.
        node: The syntax tree.
    """

    def __init__(self, source: str, names: Iterable[str] = ()) -> None:
        self.source = source
        self.node = parse(source, names)
        self.constant = to_json(self.node.value, Budget()) if isinstance(self.node, Literal) else None
        # JSON values are values, and values of `is_json` trees are JSON, which the types cannot say of lists.
        self._evaluate: Callable[[Any, Budget], Any] = _compile(self.node)
        self._evaluate_json: Callable[[Any, Budget], Any] = self._evaluate if is_json(self.node) else self._as_json

    def evaluate(self, variables: Variables) -> JsonValue:
        """Return the expression's value as JSON.

        Raises:
            ExpressionEvaluationError: An operation got values that it does not allow, and the value, or something in
                it, is null; or the evaluation left the bounds.
        """
        budget = Budget()
        try:
            result: JsonValue = self._evaluate_json(variables, budget)
        except (StoppedError, RecursionError) as error:
            raise _failure(self.source, error) from error
        if budget.mismatch is not None and holds_null(result):
            raise _mismatch(self.source, budget.mismatch)
        return result

    def _as_json(self, names: Any, budget: Budget) -> JsonValue:
        value: Value = self._evaluate(names, budget)
        return _collection_to_json(value, budget) if isinstance(value, list | dict) else to_json(value, budget)

    def evaluate_condition(self, variables: Variables) -> bool:
        """Return the value of a condition.

        Raises:
            ExpressionEvaluationError: The value is not a boolean, or the evaluation left the bounds.
        """
        budget = Budget()
        try:
            value = self._evaluate(variables, budget)
        except (StoppedError, RecursionError) as error:
            raise _failure(self.source, error) from error
        if value is True or value is False:
            return value
        raise _mismatch(self.source, budget.mismatch or (f"Condition is {kind(value)}, not boolean", 0))

    def value_of(self, names: Mapping[str, Value], budget: Budget | None = None) -> Value:
        """Return the expression's value as expressions have it among themselves: with dates, times and decimals.

        Args:
            names: Values of the same sort.
            budget: Shared with other evaluations; one of its own by default.

        Raises:
            ExpressionEvaluationError: The value is null because an operation got values that it does not allow, or the
                evaluation left the bounds.
        """
        budget = _fresh(budget)
        try:
            value: Value = budget.settled(self._evaluate(names, budget))
        except (StoppedError, RecursionError) as error:
            raise _failure(self.source, error) from error
        return value


class CellTests:
    """The compiled unary tests of a decision table's cell.

    Attributes:
        tests: The syntax tree.
    """

    def __init__(self, source: str, names: Iterable[str] = ()) -> None:
        self.source = source
        self.tests = parse_unary_tests(source, names)
        self._passes = compile_cell(self.tests, _compile)

    def accepts(self, value: Value, names: Mapping[str, Value], budget: Budget | None = None) -> bool:
        """Return whether a value passes; null does not, where the test says nothing of it.

        Args:
            value: What the cell is about.
            names: What it may read.
            budget: Shared with other evaluations; one of its own by default.

        Raises:
            ExpressionEvaluationError: Value and test do not fit, or the evaluation left the bounds.
        """
        budget = _fresh(budget)
        try:
            return budget.settled(self._passes(value, Scope({INPUT: value}, names), budget)) is True
        except (StoppedError, RecursionError) as error:
            raise _failure(self.source, error) from error

    def constants(self) -> list[Value]:
        """Return the values that the cell lists; none where it holds anything but constants."""
        nodes = [test.expression for test in self.tests.tests if isinstance(test, Matching)]
        values = [constant_value(node) for node in nodes]
        is_list = len(nodes) == len(self.tests.tests) and None not in values and not self.tests.is_negated
        return values if is_list else []


def constant_value(node: Node) -> Value:
    """Return the value of a tree that is always the same and can be had at once; null for others."""
    if isinstance(node, Literal):
        return node.value
    if has_loop(node) or not is_constant(node):
        return None
    try:
        return compile_node(node)({}, Budget())
    except StoppedError:
        return None


@lru_cache(maxsize=4_096)
def compile_expression(source: str, names: frozenset[str] = frozenset()) -> Expression:
    """Return `source` compiled; the same text is compiled once.

    Args:
        source: The text, without a leading `=`.
        names: Names in scope that have more than one word.

    Raises:
        ExpressionError: Not an expression of the subset.
    """
    return Expression(source, names)


@lru_cache(maxsize=4_096)
def compile_tests(source: str, names: frozenset[str] = frozenset()) -> CellTests:
    """Return the unary tests of a decision table's cell, compiled once.

    Raises:
        ExpressionError: Not unary tests of the subset.
    """
    return CellTests(source, names)


_collection_to_json = with_headroom(to_json)


def _fresh(budget: Budget | None) -> Budget:
    if budget is None:
        return Budget()
    budget.mismatch = None
    return budget


def _compile(node: Node) -> Evaluator:
    return with_headroom(compile_node(node)) if has_loop(node) else compile_node(node)


def _failure(source: str, error: StoppedError | RecursionError) -> ExpressionEvaluationError:
    if isinstance(error, StoppedError):
        return ExpressionEvaluationError(source=source, position=error.position, reason=str(error))
    return ExpressionEvaluationError(source=source, position=0, reason="Values nested too deeply")


def _mismatch(source: str, mismatch: tuple[str, int]) -> ExpressionEvaluationError:
    reason, position = mismatch
    return ExpressionEvaluationError(source=source, position=position, reason=reason)
