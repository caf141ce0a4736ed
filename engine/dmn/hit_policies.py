"""What the rules that match make together (DMN 1.3, 8.2.8 and 8.2.11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from engine.dmn.model import Aggregator, DecisionTable, HitPolicy
from engine.errors import DecisionEvaluationError
from engine.feel import Budget, StoppedError, Value, compile_tests, equal
from engine.feel.builtins import BUILT_INS
from engine.feel.values import MismatchError

_FUNCTIONS = {Aggregator.SUM: "sum", Aggregator.MIN: "min", Aggregator.MAX: "max"}


@dataclass(frozen=True)
class Hit:
    """A rule that matches.

    Attributes:
        number: Of its row, from 1.
        outputs: Its values, one for each output column.
    """

    number: int
    outputs: tuple[Value, ...]


def outcome(
    decision_id: str, table: DecisionTable, hits: Sequence[Hit], defaults: Sequence[Value], budget: Budget
) -> Value:
    """Return the value of a table.

    Args:
        decision_id: For errors.
        table: The table.
        hits: In its order.
        defaults: For each output column, the value where no rule matches.
        budget: Comparing outputs takes steps.

    Raises:
        DecisionEvaluationError: The hit policy is violated.
    """
    try:
        if table.hit_policy is HitPolicy.COLLECT and table.aggregator is not None:
            return _aggregated(table.aggregator, [hit.outputs[0] for hit in hits], budget)
        if not hits:
            return _unmatched(table, defaults)
        if table.hit_policy.is_list:
            return [_result(table, hit.outputs) for hit in _listed(table, hits, budget)]
        return _result(table, _single(decision_id, table, hits, budget).outputs)
    except (StoppedError, MismatchError) as error:
        raise DecisionEvaluationError(element_id=decision_id, reason=str(error)) from error


def priority_values(allowed: str) -> list[Value]:
    """Return the values that a column lists, the most important one first."""
    return compile_tests(allowed).constants()


def _unmatched(table: DecisionTable, defaults: Sequence[Value]) -> Value:
    if all(default is None for default in defaults):
        return [] if table.hit_policy.is_list else None
    result = _result(table, defaults)
    return [result] if table.hit_policy.is_list else result


def _result(table: DecisionTable, outputs: Sequence[Value]) -> Value:
    if len(outputs) == 1:
        return outputs[0]
    return {clause.name: value for clause, value in zip(table.outputs, outputs, strict=True)}


def _single(decision_id: str, table: DecisionTable, hits: Sequence[Hit], budget: Budget) -> Hit:
    first = hits[0]
    numbers = ", ".join(str(hit.number) for hit in hits)
    match table.hit_policy:
        case HitPolicy.FIRST:
            return first
        case HitPolicy.PRIORITY:
            return _by_priority(table, hits, budget)[0]
        case HitPolicy.ANY:
            if all(equal(list(hit.outputs), list(first.outputs), budget) for hit in hits):
                return first
            raise DecisionEvaluationError(
                element_id=decision_id, reason=f"Hit policy ANY, but rules {numbers} match and differ in their outputs"
            )
        case HitPolicy.UNIQUE:
            if len(hits) == 1:
                return first
            raise DecisionEvaluationError(
                element_id=decision_id, reason=f"Hit policy UNIQUE, but rules {numbers} match"
            )
        case HitPolicy.RULE_ORDER | HitPolicy.OUTPUT_ORDER | HitPolicy.COLLECT:
            raise TypeError(table.hit_policy)  # lists are made elsewhere
    assert_never(table.hit_policy)


def _listed(table: DecisionTable, hits: Sequence[Hit], budget: Budget) -> Sequence[Hit]:
    return _by_priority(table, hits, budget) if table.hit_policy is HitPolicy.OUTPUT_ORDER else hits


def _by_priority(table: DecisionTable, hits: Sequence[Hit], budget: Budget) -> list[Hit]:
    columns = [priority_values(clause.allowed) if clause.allowed else [] for clause in table.outputs]

    def rank(hit: Hit) -> tuple[int, ...]:
        return tuple(_place(value, values, budget) for value, values in zip(hit.outputs, columns, strict=True))

    return sorted(hits, key=rank)


def _place(value: Value, values: list[Value], budget: Budget) -> int:
    return next((place for place, each in enumerate(values) if equal(each, value, budget)), len(values))


def _aggregated(aggregator: Aggregator, outputs: list[Value], budget: Budget) -> Value:
    if aggregator is Aggregator.COUNT:
        return len(outputs)
    return BUILT_INS[_FUNCTIONS[aggregator]].call([outputs], budget)
