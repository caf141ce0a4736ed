"""Going through lists and ranges: filters, `for`, `some` and `every` (DMN 1.3, 10.3.2.5 and 10.3.2.6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.feel.numbers import exact, is_number
from engine.feel.scopes import ItemScope, Scope
from engine.feel.values import (
    Budget,
    Evaluator,
    Function,
    MismatchError,
    Names,
    NullOperandError,
    Range,
    Value,
    kind,
    size_in_bounds,
)

PARTIAL = "partial"
_STEPS_OF_A_RESULT = 4


@dataclass(frozen=True)
class Loop:
    """`name in domain`, compiled."""

    name: str
    domain: Evaluator


def filtered(operand: Evaluator, selector: Evaluator, size: int, position: int) -> Evaluator:
    """Return what takes the item at an index, or the items for which a condition holds."""

    def evaluate(names: Names, budget: Budget) -> Value:
        items = operand(names, budget)
        if items is None:
            return None
        if not isinstance(items, list):
            raise MismatchError(f"Cannot select from a {kind(items)}")
        first = selector(ItemScope(items[0], names) if items else names, budget)
        if is_number(first):
            return _item_at(items, exact(first))
        budget.spend(len(items) * size)
        return [item for item in items if budget.judged(selector(ItemScope(item, names), budget), position)]

    return evaluate


def quantified(loops: Sequence[Loop], condition: Evaluator, size: int, position: int, *, is_every: bool) -> Evaluator:
    """Return what says whether a condition holds for one, or for every, combination of items; three-valued."""
    decision = not is_every

    def evaluate(names: Names, budget: Budget) -> Value:
        result: bool | None = not decision
        for scope in _scopes(loops, names, budget):
            budget.spend(size)
            value = budget.judged(condition(scope, budget), position)
            if value is decision:
                return decision
            result = None if value is None else result
        return result

    return evaluate


def collected(loops: Sequence[Loop], result: Evaluator, size: int, *, uses_partial: bool) -> Evaluator:
    """Return what makes a list with one item for each combination of items."""

    def evaluate(names: Names, budget: Budget) -> Value:
        results: list[Value] = []
        for scope in _scopes(loops, names, budget):
            budget.spend(size + _STEPS_OF_A_RESULT)
            if uses_partial:
                budget.spend(len(results))
                results.append(result(Scope({PARTIAL: list(results)}, scope), budget))
            else:
                results.append(result(scope, budget))
        return size_in_bounds(results, budget)

    return evaluate


def function(parameters: tuple[str, ...], body: Evaluator, size: int) -> Evaluator:
    """Return what makes a function of an expression."""

    def evaluate(names: Names, budget: Budget) -> Value:
        def call(arguments: Sequence[Value]) -> Value:
            budget.spend(size)
            return body(Scope(dict(zip(parameters, arguments, strict=True)), names), budget)

        return Function(len(parameters), call)

    return evaluate


def _scopes(loops: Sequence[Loop], names: Names, budget: Budget) -> Iterator[Names]:
    loop, *inner = loops
    for item in _items(loop.domain(names, budget), budget):
        scope = Scope({loop.name: item}, names)
        if inner:
            budget.spend(1)
            yield from _scopes(inner, scope, budget)
        else:
            yield scope


def _items(domain: Value, budget: Budget) -> Sequence[Value]:
    match domain:
        case None:
            raise NullOperandError
        case list():
            return domain
        case Range(start, end) if is_number(start) and is_number(end):
            return _whole_numbers(domain, budget)
    raise MismatchError(f"Cannot go through a {kind(domain)}")


def _whole_numbers(domain: Range, budget: Budget) -> Sequence[int]:
    ends = [exact(end) for end in (domain.start, domain.end) if is_number(end)]
    if any(end != end.to_integral_value() for end in ends):
        raise MismatchError("Cannot go through a range between fractions")
    first, last = (int(end) for end in ends)
    step = 1 if first <= last else -1
    first, last = first + step * (not domain.is_start_included), last - step * (not domain.is_end_included)
    budget.spend(max((last - first) * step + 1, 0))
    return range(first, last + step, step)


def _item_at(items: list[Value], position: Decimal) -> Value:
    """Return the item at a position that counts from 1, or backwards from -1; null where there is none."""
    if position == 0 or abs(position) > len(items) or position != int(position):
        return None
    return items[int(position) - (1 if position > 0 else 0)]
