"""What is known about a value before anything runs: which kinds of JSON it can be, and what stands under its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Number
from typing import Any

from engine.feel.syntax import Conditional, ContextOf, ListOf, Literal, Member, Negation, Node, Operation, Path

_NULL, _BOOLEAN, _NUMBER, _TEXT, _LIST, _CONTEXT = "null", "boolean", "number", "string", "list", "context"
_KINDS = frozenset({_NULL, _BOOLEAN, _NUMBER, _TEXT, _LIST, _CONTEXT})
_KIND_OF_SCHEMA = {
    "null": _NULL,
    "boolean": _BOOLEAN,
    "integer": _NUMBER,
    "number": _NUMBER,
    "string": _TEXT,
    "array": _LIST,
    "object": _CONTEXT,
}
_LOGICAL = frozenset({"=", "!=", "<", "<=", ">", ">=", "and", "or", "in"})
_DEEPEST = 20


@dataclass(frozen=True)
class StaticType:
    """A set of values.

    Attributes:
        kinds: Of which kinds of JSON they are.
        keys: What stands under the keys of a context, as far as known.
    """

    kinds: frozenset[str]
    keys: Mapping[str, StaticType] = field(default_factory=dict)

    def __or__(self, other: StaticType) -> StaticType:
        """Return the values of either."""
        shared = self.keys.keys() & other.keys.keys()
        return StaticType(self.kinds | other.kinds, {key: self.keys[key] | other.keys[key] for key in shared})

    def __str__(self) -> str:
        return " or ".join(sorted(self.kinds))

    def fits(self, accepted: StaticType) -> bool:
        """Return whether some of the values, and not null alone of several, may be accepted."""
        some = self.kinds - {_NULL} or self.kinds
        return bool(some & accepted.kinds)

    def member(self, key: str) -> StaticType:
        """Return what a path finds under a key of these values."""
        if self.kinds != {_CONTEXT}:
            return ANYTHING
        return self.keys.get(key, ANYTHING)


ANYTHING = StaticType(_KINDS)
NOTHING = StaticType(frozenset({_NULL}))


def type_of_schema(
    schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None, depth: int = 0
) -> StaticType:
    """Return the values that a JSON Schema admits, as pydantic writes it; `definitions` are its `$defs`."""
    known = definitions if definitions is not None else schema.get("$defs", {})
    reference = str(schema.get("$ref", "")).rpartition("/")[2]
    if depth > _DEEPEST:
        return ANYTHING
    if reference:
        return type_of_schema(known.get(reference, {}), known, depth + 1)
    choices = schema.get("anyOf", schema.get("oneOf"))
    if choices:
        types = [type_of_schema(choice, known, depth + 1) for choice in choices]
        return _union(types)
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if values is not None:
        return _union([_type_of_value(value) for value in values])
    names = schema.get("type")
    if names is None:
        return ANYTHING
    kinds = frozenset(_KIND_OF_SCHEMA[name] for name in ([names] if isinstance(names, str) else names))
    properties = schema.get("properties", {})
    return StaticType(kinds, {key: type_of_schema(each, known, depth + 1) for key, each in properties.items()})


def type_of_expression(  # noqa: PLR0911 - one case for each kind of node
    node: Node, variables: Mapping[str, StaticType]
) -> StaticType:
    """Return the values that an expression can have; variables that are not named can be anything."""
    match node:
        case Literal(value=value):
            return _type_of_value(value)
        case Path(keys=(first, *rest)):
            found = variables.get(first, ANYTHING)
            for key in rest:
                found = found.member(key)
            return found
        case Member(operand=operand, key=key):
            return type_of_expression(operand, variables).member(key)
        case ListOf():
            return StaticType(frozenset({_LIST}))
        case ContextOf(entries=entries):
            keys = {name: type_of_expression(entry, variables) for name, entry in entries}
            return StaticType(frozenset({_CONTEXT}), keys)
        case Conditional(accepted=accepted, otherwise=otherwise):
            return type_of_expression(accepted, variables) | type_of_expression(otherwise, variables)
        case Negation(operator="not") | Operation(operator="=" | "!="):
            return StaticType(frozenset({_BOOLEAN, _NULL}))
        case Operation(operator=operator) if operator in _LOGICAL:
            return StaticType(frozenset({_BOOLEAN, _NULL}))
        case _:
            return ANYTHING


def _type_of_value(value: object) -> StaticType:
    match value:
        case None:
            return NOTHING
        case bool():
            return StaticType(frozenset({_BOOLEAN}))
        case str():
            return StaticType(frozenset({_TEXT}))
        case Number():
            return StaticType(frozenset({_NUMBER}))
        case _:
            return ANYTHING


def _union(types: list[StaticType]) -> StaticType:
    first, *rest = types or [ANYTHING]
    for each in rest:
        first = first | each
    return first
