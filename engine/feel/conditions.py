"""Comparisons and logic, compiled for speed: a gateway asks little more than these, and asks it often."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.feel.comparison import comparable_equal, ordered
from engine.feel.numbers import EXACT_AS_FLOAT, ORDERINGS
from engine.feel.operations import truth_of
from engine.feel.syntax import Literal, Node, Operation, Path
from engine.feel.values import Budget, Evaluator, MismatchError, Names, Value

COMPARISONS = frozenset({"=", "!=", *ORDERINGS})
_SHORT = 64
_TEXT: frozenset[type] = frozenset({str})
_NUMBERS: frozenset[type] = frozenset({int, float})
_DIRECT: dict[str, Callable[[Any, Any], bool]] = {**ORDERINGS, "=": operator.eq, "!=": operator.ne}


def comparison(symbol: str, left: Evaluator, right: Evaluator, position: int) -> Evaluator:
    """Return what says whether `left symbol right` holds; null where that cannot be said."""
    return _compared(_comparing(symbol), left, right, position)


@dataclass(frozen=True)
class Quick:
    """A variable beside a number or a short string, compared without a detour where the variable's type allows.

    A float or a small whole number compares with either as the decimals that they mean.

    Attributes:
        types: Of the variable's value, for which `holds` says what there is to say.
        otherwise: Says it for all others.
    """

    name: str
    types: frozenset[type]
    holds: Callable[[Any, Any], bool]
    bound: int | float | str
    otherwise: Evaluator

    def evaluator(self) -> Evaluator:
        """Return what evaluates the comparison on its own."""
        name, types, holds, bound, otherwise = self.name, self.types, self.holds, self.bound, self.otherwise

        def evaluate(names: Names, budget: Budget) -> Value:
            value = names.get(name)
            return holds(value, bound) if type(value) in types else otherwise(names, budget)

        return evaluate


def quick_comparison(node: Node, compile_node: Callable[[Node], Evaluator]) -> Quick | None:
    """Return the quick form of a comparison; `None` where it has none."""
    match node:
        case Operation(symbol, Path((name,)), Literal(bound)) if symbol in COMPARISONS:
            otherwise = comparison(symbol, compile_node(node.left), compile_node(node.right), node.position)
            if isinstance(bound, str) and len(bound) <= _SHORT:
                return Quick(name, _TEXT, _DIRECT[symbol], bound, otherwise)
            if isinstance(bound, int | float) and not isinstance(bound, bool) and abs(bound) < EXACT_AS_FLOAT:
                return Quick(name, _NUMBERS, _DIRECT[symbol], bound, otherwise)
    return None


def quick_conjunction(parts: Sequence[Quick]) -> Evaluator:
    """Return the three-valued `and` of quick comparisons, in one loop: what most gateways ask."""
    rows = tuple((part.name, part.types, part.holds, part.bound, part.otherwise) for part in parts)

    def evaluate(names: Names, budget: Budget) -> Value:
        result: bool | None = True
        get = names.get
        for name, types, holds, bound, otherwise in rows:
            value = get(name)
            verdict = holds(value, bound) if type(value) in types else otherwise(names, budget)
            if verdict is False:
                return False
            if verdict is not True:
                result = None
        return result

    return evaluate


def decided(parts: Sequence[Evaluator], symbol: str) -> Evaluator:
    """Return the three-valued `and` or `or` of all parts.

    They are asked from the first to the one that decides. None decides, and one is neither a boolean nor null: that is
    a `MismatchError`.
    """
    asked, decision = tuple(parts), symbol == "or"
    other = not decision

    def evaluate(names: Names, budget: Budget) -> Value:
        undecided: list[Value] = []
        for part in asked:
            value = part(names, budget)
            if value is decision:
                return decision
            if value is not other:
                undecided.append(value)
        for value in undecided:
            truth_of(symbol, value)
        return None if undecided else other

    return evaluate


_Comparing = Callable[[Value, Value, Budget], "bool | None"]


def _comparing(symbol: str) -> _Comparing:
    match symbol:
        case "=":
            return comparable_equal
        case "!=":
            return lambda left, right, budget: not comparable_equal(left, right, budget)
        case _:
            return lambda left, right, budget: ordered(symbol, left, right, budget)


def _compared(compare: _Comparing, left: Evaluator, right: Evaluator, position: int) -> Evaluator:
    return lambda names, budget: _noted(compare, left(names, budget), right(names, budget), budget, position)


def _noted(compare: _Comparing, left: Value, right: Value, budget: Budget, position: int) -> Value:
    try:
        return compare(left, right, budget)
    except MismatchError as error:
        budget.note(str(error), position)
        return None
