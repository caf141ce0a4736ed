"""Which variables a FEEL text reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import lru_cache

from engine.feel.builtins import IS_DEFINED
from engine.feel.parser import parse
from engine.feel.syntax import Call, Literal, Node, Operation, Path, Selection

_ASKS_FOR_NULL = frozenset({IS_DEFINED, "get or else"})
_ITEM, _PARTIAL = "item", "partial"


@lru_cache(maxsize=4_096)
def variables_read(source: str) -> frozenset[str]:
    """Return the names whose absence an expression does not expect; what filters call their items is left out.

    Raises:
        ExpressionError: Not an expression of the subset.
    """
    return frozenset(_read(parse(source)))


def names_needed(*trees: object) -> frozenset[str]:
    """Return the names whose absence parsed expressions do not expect, as `variables_read` does of texts."""
    return frozenset[str]().union(*(_read(tree) for tree in trees))


def is_plain_variable(source: str) -> bool:
    """Return whether an expression is nothing but a variable, or a path from one."""
    return isinstance(parse(source), Path)


def _read(node: object) -> set[str]:
    match node:
        case Path(keys=keys):
            return {keys[0]}
        case Call(function=function) if function in _ASKS_FOR_NULL:
            return set()
        case Operation(operator="=" | "!=", left=left, right=right) if Literal(None) in (left, right):
            return set()
        case Selection(operand=operand):
            return _read(operand)  # any name of the selector may be a key of an item
    read = set[str]().union(*(_read(part) for part in _parts(node)))
    return read - _named_within(node)


def _parts(node: object) -> Iterator[object]:
    """Return the nodes of which a node is made."""
    values: list[object] = []
    if is_dataclass(node) and not isinstance(node, type):
        values = [getattr(node, each.name) for each in fields(node)]
    while values:
        value = values.pop()
        if isinstance(value, tuple):
            values += value
        elif is_dataclass(value):
            yield value


def _named_within(node: object) -> set[str]:
    """Return the names to which a node itself gives a meaning: those of iterations, parameters and entries."""
    iterations = getattr(node, "iterations", ())
    names = {_ITEM, _PARTIAL} if iterations else set[str]()
    names.update(each.name for each in iterations)
    names.update(getattr(node, "parameters", ()))
    names.update(name for name, _ in getattr(node, "entries", ()))
    if isinstance(name := getattr(node, "name", None), str):
        names.add(name)
    return names


__all__ = ["Node", "is_plain_variable", "names_needed", "variables_read"]
