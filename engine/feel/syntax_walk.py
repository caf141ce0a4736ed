"""What a syntax tree has in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

from engine.feel.context_functions import CONTEXT_FUNCTIONS
from engine.feel.list_functions import LIST_FUNCTIONS
from engine.feel.syntax import (
    Between,
    Call,
    Comparing,
    ContextOf,
    For,
    InputValue,
    InstanceOf,
    Lambda,
    Literal,
    Matching,
    Membership,
    Negation,
    Node,
    Operation,
    Path,
    Quantified,
    Selection,
    UnaryTests,
)

_Tree: TypeAlias = "Node | UnaryTests"
_CONDITIONS = frozenset({"=", "!=", "<", "<=", ">", ">=", "and", "or"})
_LOOPS = (For, Quantified, Selection, Lambda)
_SCOPES = (*_LOOPS, ContextOf)


def has_loop(tree: _Tree) -> bool:
    """Return whether evaluating the tree may go through a list, or through many values."""
    return any(map(_is_loop, _parts(tree)))


def is_constant(tree: _Tree) -> bool:
    """Return whether the tree reads nothing from outside, so that its value is always the same."""
    return not any(isinstance(part, Path | InputValue) for part in _parts(tree))


def free_names(tree: _Tree) -> frozenset[str]:
    """Return the names that the tree certainly reads from outside.

    What filters, loops and contexts read is left out: names have further meanings there.
    """
    return frozenset(part.keys[0] for part in _parts(tree, closed=_SCOPES) if isinstance(part, Path))


def _is_loop(part: Any) -> bool:
    match part:
        case Call(function):
            return function in LIST_FUNCTIONS or function in CONTEXT_FUNCTIONS
        case Operation(operator, left, right):
            return operator in {"=", "!="} and not isinstance(left, Literal) and not isinstance(right, Literal)
        case Comparing(_, operand) | Matching(operand):
            return not isinstance(operand, Literal)
        case _:
            return isinstance(part, _LOOPS)


def _parts(tree: _Tree, *, closed: tuple[type, ...] = ()) -> Iterator[Any]:
    open_parts: list[Any] = [tree]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, tuple):
            open_parts += part
        elif is_dataclass(part) and not isinstance(part, closed):
            yield part
            if not isinstance(part, Literal):
                open_parts += [getattr(part, field.name) for field in fields(part)]


def is_negated(node: Node) -> bool:
    """Return whether an expression is `not(...)`."""
    return isinstance(node, Negation) and node.operator == "not"


def is_condition(node: Node) -> bool:
    """Return whether an expression, by its outermost operation, says that something holds or does not."""
    match node:
        case Operation(operator=operator):
            return operator in _CONDITIONS
        case Negation(operator=operator):
            return operator == "not"
        case Quantified() | Between() | Membership() | InstanceOf():
            return True
        case _:
            return False
