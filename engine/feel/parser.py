"""FEEL tokens to a syntax tree, by precedence climbing, bounded in depth and in operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from engine.errors import ExpressionError
from engine.feel.lexer import Token, string_value, tokenize

MAXIMUM_DEPTH = 50
MAXIMUM_OPERATIONS = 150
_PRECEDENCE = {
    "or": 1, "and": 2,
    "=": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3,
    "+": 4, "-": 4, "*": 5, "/": 5,
}  # fmt: skip


@dataclass(frozen=True)
class Literal:
    """A constant."""

    value: str | int | float | bool | None


@dataclass(frozen=True)
class Path:
    """A variable and the keys that lead on from it."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class ListOf:
    """A list."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class ContextOf:
    """A context: names with values."""

    entries: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class Negation:
    """`-x` or `not(x)`."""

    operator: str
    operand: Node


@dataclass(frozen=True)
class Operation:
    """`left operator right`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Conditional:
    """`if condition then accepted else otherwise`."""

    condition: Node
    accepted: Node
    otherwise: Node


Node: TypeAlias = Literal | Path | ListOf | ContextOf | Negation | Operation | Conditional


def parse(source: str) -> Node:
    """Return the syntax tree of `source`.

    Raises:
        ExpressionError: Not an expression of the subset, or nested too deeply.
    """
    parser = _Parser(source)
    node = parser.expression(0)
    parser.expect("end")
    return node


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokenize(source)
        self._next = 0
        self._depth = 0
        self._operations = 0

    def expression(self, precedence: int) -> Node:
        self._depth += 1
        if self._depth > MAXIMUM_DEPTH:
            self._refuse("Expression nested too deeply")
        left = self._operand()
        while _PRECEDENCE.get(self._peek().kind, 0) > precedence:
            # A chain is a tree as deep as the chain is long, whatever the depth of parentheses.
            self._operations += 1
            if self._operations > MAXIMUM_OPERATIONS:
                self._refuse("Too many operations")
            operator = self._take().kind
            left = Operation(operator, left, self.expression(_PRECEDENCE[operator]))
        self._depth -= 1
        return left

    def expect(self, kind: str) -> Token:
        if self._peek().kind != kind:
            found = self._peek().text or "the end"
            self._refuse(f"Expected {kind!r} but found {found!r}")
        return self._take()

    def _operand(self) -> Node:  # noqa: C901, PLR0911 - one case and return for each kind of operand
        token = self._take()
        match token.kind:
            case "number":
                return Literal(float(token.text) if "." in token.text else int(token.text))
            case "string":
                return Literal(string_value(token, self._source))
            case "true" | "false":
                return Literal(token.kind == "true")
            case "null":
                return Literal(None)
            case "name":
                return self._path(token)
            case "-":
                return Negation("-", self.expression(_PRECEDENCE["*"]))
            case "not":
                self.expect("(")
                return Negation("not", self._closed_by(")"))
            case "(":
                return self._closed_by(")")
            case "[":
                return ListOf(tuple(self._list_items()))
            case "{":
                return ContextOf(tuple(self._context_entries()))
            case "if":
                return self._conditional()
        self._next -= 1
        return self._refuse(f"Unexpected {token.text or 'end'!r}")

    def _path(self, first: Token) -> Path:
        keys = [first.text]
        while self._peek().kind == ".":
            self._take()
            keys.append(self.expect("name").text)
        return Path(tuple(keys))

    def _closed_by(self, kind: str) -> Node:
        node = self.expression(0)
        self.expect(kind)
        return node

    def _list_items(self) -> list[Node]:
        items: list[Node] = []
        while self._peek().kind != "]":
            items.append(self.expression(0))
            if self._peek().kind != "]":
                self.expect(",")
        self._take()
        return items

    def _context_entries(self) -> list[tuple[str, Node]]:
        entries: list[tuple[str, Node]] = []
        while self._peek().kind != "}":
            key = self._take()
            if key.kind not in {"name", "string"}:
                self._next -= 1
                self._refuse("Expected a key")
            name = key.text if key.kind == "name" else string_value(key, self._source)
            self.expect(":")
            entries.append((name, self.expression(0)))
            if self._peek().kind != "}":
                self.expect(",")
        self._take()
        return entries

    def _conditional(self) -> Conditional:
        condition = self.expression(0)
        self.expect("then")
        accepted = self.expression(0)
        self.expect("else")
        return Conditional(condition, accepted, self.expression(0))

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _refuse(self, reason: str) -> Node:
        raise ExpressionError(source=self._source, position=self._peek().position, reason=reason)
