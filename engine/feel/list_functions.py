"""Functions of lists (DMN 1.3, table 75). Those that compute over a list also take its items as arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cmp_to_key

from engine.feel.comparison import equal, ordered
from engine.feel.numbers import CONTEXT, Number, compute, exact, is_number, plain
from engine.feel.operations import arithmetic, truth_of
from engine.feel.parameters import ANY, FUNCTION, LIST, MANY, WHOLE, Arguments, BuiltIn, built_in
from engine.feel.values import Budget, Function, MismatchError, Value, kind, size_in_bounds

_STEPS_OF_A_SERIES = 100
_STEPS_OF_A_COMPARISON = 4


def _over_items(compute_over: Callable[[list[Value], Budget], Value]) -> BuiltIn:
    """Return a function of one list, or of its items as arguments; null where the list is null."""

    def over_items(arguments: Arguments, budget: Budget) -> Value:
        first = arguments[0]
        if len(arguments) == 1 and first is None:
            return None
        items = first if len(arguments) == 1 and isinstance(first, list) else list(arguments)
        budget.spend(1 + len(items))
        return compute_over(items, budget)

    return BuiltIn(over_items, 1, MANY)


def _over_numbers(
    name: str, compute_over: Callable[[list[Number], Budget], Value], *, has_value_of_none: bool = False
) -> BuiltIn:
    """Return a function over numbers; null where an item is null, and mostly where there is none."""

    def over_numbers(items: list[Value], budget: Budget) -> Value:
        if any(item is None for item in items) or not (items or has_value_of_none):
            return None
        numbers = [item for item in items if is_number(item)]
        if len(numbers) < len(items):
            raise MismatchError(f"{name} takes numbers")
        return compute_over(numbers, budget)

    return _over_items(over_numbers)


def _sum(items: list[Value], budget: Budget) -> Value:
    total: Value = items[0] if items else None
    if len(items) == 1:
        return arithmetic("+", 0, total, budget) if is_number(total) else _summed(total)
    for item in items[1:]:
        total = arithmetic("+", _summed(total), _summed(item), budget)
    return total


def _summed(value: Value) -> Value:
    if isinstance(value, str | bool | list | dict):
        raise MismatchError(f"sum takes numbers or durations, not a {kind(value)}")
    return value


def _product(numbers: list[Number], _budget: Budget) -> Value:
    result: Number | None = 1
    for number in numbers:
        result = compute("*", result or 0, number)
    return result


def _mean(numbers: list[Number], _budget: Budget) -> Number:
    return compute("/", _total(numbers), len(numbers)) or 0


def _total(numbers: Iterable[Number]) -> Number:
    total: Number = 0
    for number in numbers:
        total = compute("+", total, number) or 0
    return total


def _median(numbers: list[Number], budget: Budget) -> Value:
    budget.spend(len(numbers))
    in_order = sorted(exact(number) for number in numbers)
    middle, is_odd = divmod(len(in_order), 2)
    return plain(in_order[middle]) if is_odd else compute("/", CONTEXT.add(in_order[middle - 1], in_order[middle]), 2)


def _standard_deviation(numbers: list[Number], budget: Budget) -> Value:
    if len(numbers) == 1:
        return None
    budget.spend(len(numbers) + _STEPS_OF_A_SERIES)
    mean = exact(_mean(numbers, budget))
    squares = [CONTEXT.power(CONTEXT.subtract(exact(number), mean), 2) for number in numbers]
    variance = compute("/", _total(squares), len(numbers) - 1)
    return plain(CONTEXT.sqrt(exact(variance or 0)))


def _mode(numbers: list[Number], _budget: Budget) -> Value:
    counts: dict[Number, int] = {}
    for number in numbers:
        key = plain(exact(number))
        counts[key] = counts.get(key, 0) + 1
    most = max(counts.values(), default=0)
    modes: list[Value] = []
    modes += sorted(number for number, times in counts.items() if times == most)
    return modes


def _extreme(symbol: str) -> Callable[[list[Value], Budget], Value]:
    def extreme(items: list[Value], budget: Budget) -> Value:
        if not items or any(item is None for item in items):
            return None
        found = items[0]
        for item in items:
            if ordered(symbol, item, found, budget):
                found = item
        return found

    return extreme


def _decided(name: str, *, decision: bool) -> Callable[[list[Value], Budget], Value]:
    def decided(items: list[Value], _budget: Budget) -> Value:
        if any(item is decision for item in items):
            return decision
        truths = [truth_of(name, item) for item in items]
        return None if None in truths else not decision

    return decided


def _append(arguments: Arguments, budget: Budget) -> Value:
    items = arguments[0]
    if items is None:
        return None
    if not isinstance(items, list):
        raise MismatchError(f"append takes a list, not a {kind(items)}")
    return size_in_bounds([*items, *arguments[1:]], budget)


def _concatenated(name: str) -> Callable[[Arguments, Budget], list[Value] | None]:
    def concatenated(arguments: Arguments, budget: Budget) -> list[Value] | None:
        if any(argument is None for argument in arguments):
            return None
        lists = [argument for argument in arguments if isinstance(argument, list)]
        if len(lists) < len(arguments):
            raise MismatchError(f"{name} takes lists")
        budget.spend(sum(map(len, lists)))
        result = [item for each in lists for item in each]
        size_in_bounds(result, budget)
        return result

    return concatenated


def _union(arguments: Arguments, budget: Budget) -> Value:
    items = _concatenated("union")(arguments, budget)
    return None if items is None else _distinct(budget, items)


def _distinct(budget: Budget, items: list[Value]) -> list[Value]:
    found: list[Value] = []
    for item in items:
        if not _is_among(item, found, budget):
            found.append(item)
    return found


def _duplicates(budget: Budget, items: list[Value]) -> list[Value]:
    found: list[Value] = []
    repeated: list[Value] = []
    for item in items:
        if not _is_among(item, found, budget):
            found.append(item)
        elif not _is_among(item, repeated, budget):
            repeated.append(item)
    return [item for item in found if _is_among(item, repeated, budget)]


def _is_among(value: Value, items: list[Value], budget: Budget) -> bool:
    budget.spend(1 + len(items))
    return any(equal(item, value, budget) for item in items)


def _index_of(budget: Budget, items: list[Value], sought: Value) -> Value:
    budget.spend(len(items))
    return [number for number, item in enumerate(items, 1) if equal(item, sought, budget)]


def _position(name: str, items: list[Value], position: int) -> int:
    if position == 0 or abs(position) > len(items):
        raise MismatchError(f"{name}: the list has no place {position}")
    return position - 1 if position > 0 else len(items) + position


def _sublist(budget: Budget, items: list[Value], start: int, length: int | None = None) -> Value:
    first = _position("sublist", items, start)
    if length is not None and not 0 <= length <= len(items) - first:
        raise MismatchError("sublist: the list has not as many items")
    part = items[first : None if length is None else first + length]
    budget.spend(len(part))
    return part


def _insert_before(budget: Budget, items: list[Value], position: int, value: Value) -> Value:
    index = _position("insert before", items, position)
    return size_in_bounds([*items[:index], value, *items[index:]], budget)


def _remove(budget: Budget, items: list[Value], position: int) -> Value:
    index = _position("remove", items, position)
    budget.spend(len(items))
    return [*items[:index], *items[index + 1 :]]


def _replace(budget: Budget, items: list[Value], position: int, value: Value) -> Value:
    index = _position("list replace", items, position)
    return size_in_bounds([*items[:index], value, *items[index + 1 :]], budget)


def _reverse(budget: Budget, items: list[Value]) -> Value:
    budget.spend(len(items))
    return items[::-1]


def _flatten(budget: Budget, items: list[Value]) -> Value:
    flat: list[Value] = []
    open_items = items[::-1]
    budget.spend(len(items))
    while open_items:
        item = open_items.pop()
        if isinstance(item, list):
            budget.spend(1 + len(item))
            open_items += item[::-1]
        else:
            flat.append(item)
    return flat


def _sort(budget: Budget, items: list[Value], precedes: Function | None = None) -> Value:
    if precedes is not None and precedes.parameters != 2:  # noqa: PLR2004 - one item and another
        raise MismatchError("sort takes a function of two items")
    budget.spend(len(items) * len(items).bit_length() * _STEPS_OF_A_COMPARISON)

    def compare(one: Value, other: Value) -> int:
        return _is_before(one, other, budget, precedes)

    return sorted(items, key=cmp_to_key(compare))


def _is_before(one: Value, other: Value, budget: Budget, precedes: Function | None) -> int:
    if precedes is None:
        if one is None or other is None:
            raise MismatchError("sort takes no null")
        return -1 if ordered("<", one, other, budget) else int(ordered(">", one, other, budget) or 0)
    if precedes.call([one, other]) is True:
        return -1
    return 1 if precedes.call([other, one]) is True else 0


LIST_FUNCTIONS: dict[str, BuiltIn] = {
    "count": built_in("count", lambda _budget, items: len(items), LIST),
    "sum": _over_items(_sum),
    "product": _over_numbers("product", _product),
    "mean": _over_numbers("mean", _mean),
    "median": _over_numbers("median", _median),
    "stddev": _over_numbers("stddev", _standard_deviation),
    "mode": _over_numbers("mode", _mode, has_value_of_none=True),
    "min": _over_items(_extreme("<")),
    "max": _over_items(_extreme(">")),
    "all": _over_items(_decided("all", decision=False)),
    "any": _over_items(_decided("any", decision=True)),
    "append": BuiltIn(_append, 2, MANY),
    "concatenate": BuiltIn(_concatenated("concatenate"), 1, MANY),
    "union": BuiltIn(_union, 1, MANY),
    "list contains": built_in("list contains", lambda budget, items, value: _is_among(value, items, budget), LIST, ANY),
    "index of": built_in("index of", _index_of, LIST, ANY),
    "distinct values": built_in("distinct values", _distinct, LIST),
    "duplicate values": built_in("duplicate values", _duplicates, LIST),
    "sublist": built_in("sublist", _sublist, LIST, WHOLE, WHOLE, optional=1),
    "insert before": built_in("insert before", _insert_before, LIST, WHOLE, ANY),
    "remove": built_in("remove", _remove, LIST, WHOLE),
    "list replace": built_in("list replace", _replace, LIST, WHOLE, ANY),
    "reverse": built_in("reverse", _reverse, LIST),
    "flatten": built_in("flatten", _flatten, LIST),
    "sort": built_in("sort", _sort, LIST, FUNCTION, optional=1),
}
