"""Functions of contexts (DMN 1.3, 10.3.4.10; `context`, `context put` and `context merge` are of DMN 1.4)."""

from __future__ import annotations

from engine.feel.parameters import ANY, CONTEXT, LIST, TEXT, BuiltIn, built_in
from engine.feel.values import Budget, MismatchError, Value, size_in_bounds


def _get_value(budget: Budget, context: dict[str, Value], key: Value) -> Value:
    keys = key if isinstance(key, list) else [key]
    budget.spend(len(keys))
    value: Value = context
    for name in keys:
        if not isinstance(name, str):
            raise MismatchError("get value takes a key, or a list of keys")
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _get_entries(budget: Budget, context: dict[str, Value]) -> Value:
    budget.spend(3 * len(context))
    return [{"key": key, "value": value} for key, value in context.items()]


def _context(budget: Budget, entries: list[Value]) -> Value:
    budget.spend(len(entries))
    result: dict[str, Value] = {}
    for entry in entries:
        key = entry.get("key") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(key, str) or "value" not in entry or key in result:
            raise MismatchError("context takes a list of {key, value}, each key once")
        result[key] = entry["value"]
    return size_in_bounds(result, budget)


def _put(budget: Budget, context: dict[str, Value], key: str, value: Value) -> Value:
    budget.spend(len(context))
    return size_in_bounds({**context, key: value}, budget)


def _merge(budget: Budget, contexts: list[Value]) -> Value:
    result: dict[str, Value] = {}
    for context in contexts:
        if not isinstance(context, dict):
            raise MismatchError("context merge takes a list of contexts")
        budget.spend(1 + len(context))
        result.update(context)
    return size_in_bounds(result, budget)


CONTEXT_FUNCTIONS: dict[str, BuiltIn] = {
    "get value": built_in("get value", _get_value, CONTEXT, ANY),
    "get entries": built_in("get entries", _get_entries, CONTEXT),
    "context": built_in("context", _context, LIST),
    "context put": built_in("context put", _put, CONTEXT, TEXT, ANY),
    "context merge": built_in("context merge", _merge, LIST),
}
