"""FEEL tokens to a syntax tree, by precedence climbing, bounded in depth and in operations.

The words `some`, `every`, `in`, `between` and `satisfies` are read where they have a meaning, and are names elsewhere.
"""

from __future__ import annotations

from engine.errors import ExpressionError
from engine.feel.builtins import BUILT_INS
from engine.feel.lexer import Token, string_value, tokenize
from engine.feel.syntax import (
    Between,
    Call,
    Conditional,
    ContextOf,
    ListOf,
    Literal,
    Member,
    Membership,
    Negation,
    Node,
    Operation,
    Path,
    Quantified,
    Selection,
)

MAXIMUM_DEPTH = 50
MAXIMUM_OPERATIONS = 150
_PRECEDENCE = {
    "or": 1, "and": 2,
    "=": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3, "between": 3,
    "+": 4, "-": 4, "*": 5, "/": 5,
}  # fmt: skip
_INFIX_WORDS = {"in", "between", "satisfies"}


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
            raise self._refused("Expression nested too deeply")
        left = self._operand()
        while _PRECEDENCE.get(self._operator(), 0) > precedence:
            left = self._operation(left)
        self._depth -= 1
        return left

    def expect(self, kind: str) -> Token:
        if self._peek().kind != kind:
            found = self._peek().text or "the end"
            raise self._refused(f"Expected {kind!r} but found {found!r}")
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
                return self._followed(self._named(token))
            case "-":
                return Negation("-", self.expression(_PRECEDENCE["*"]))
            case "not":
                self.expect("(")
                return Negation("not", self._closed_by(")"))
            case "(":
                return self._followed(self._closed_by(")"))
            case "[":
                return self._followed(ListOf(self._expressions_until("]")))
            case "{":
                return self._followed(ContextOf(tuple(self._context_entries())))
            case "if":
                return self._conditional()
            case _:
                raise self._refused(f"Unexpected {token.text or 'end'!r}", token)

    def _operator(self) -> str:
        token = self._peek()
        return token.text if token.kind == "name" else token.kind

    def _operation(self, left: Node) -> Node:
        self._count_operation()
        operator = self._operator()
        self._take()
        if operator == "in":
            return Membership(left, self._candidates())
        precedence = _PRECEDENCE[operator]
        right = self.expression(precedence)
        if operator != "between":
            return Operation(operator, left, right)
        self.expect("and")
        return Between(left, right, self.expression(precedence))

    def _count_operation(self) -> None:
        # A chain is a tree as deep as the chain is long, whatever the depth of parentheses.
        self._operations += 1
        if self._operations > MAXIMUM_OPERATIONS:
            raise self._refused("Too many operations")

    def _candidates(self) -> tuple[Node, ...]:
        if self._peek().kind != "(":
            return (self.expression(_PRECEDENCE["in"]),)
        self._take()
        candidates = self._expressions_until(")")
        if not candidates:
            raise self._refused("Expected a value")
        return candidates

    def _named(self, first: Token) -> Node:
        """Return what a name begins: a quantifier, a function call, or a path."""
        following = [self._ahead(distance) for distance in range(3)]
        if first.text in {"some", "every"} and following[0].kind == "name" and following[1].text == "in":
            return self._quantified(first)
        if following[0].kind == "name" and following[1].kind == "(" and following[0].text not in _INFIX_WORDS:
            return self._call(f"{first.text} {self._take().text}", first)
        return self._call(first.text, first) if following[0].kind == "(" else self._path(first)

    def _quantified(self, quantifier: Token) -> Quantified:
        name = self.expect("name").text
        self._take()
        collection = self.expression(0)
        if self._operator() != "satisfies":
            raise self._refused("Expected 'satisfies'")
        began = self._take()
        condition = self.expression(0)
        return Quantified(quantifier.text == "every", name, collection, condition, self._tokens_since(began))

    def _call(self, function: str, first: Token) -> Call:
        built_in = BUILT_INS.get(function)
        if built_in is None:
            raise self._refused(f"No function {function!r}", first)
        self.expect("(")
        arguments = self._expressions_until(")")
        if not built_in.fewest <= len(arguments) <= built_in.most:
            raise self._refused(f"Wrong number of arguments of {function}", first)
        return Call(function, arguments)

    def _followed(self, node: Node) -> Node:
        """Return an operand with the keys and selections behind it."""
        while self._peek().kind in {".", "["}:
            self._count_operation()
            began = self._take()
            if began.kind == ".":
                node = Member(node, self.expect("name").text)
            else:
                node = Selection(node, self._closed_by("]"), self._tokens_since(began))
        return node

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

    def _expressions_until(self, closing: str) -> tuple[Node, ...]:
        expressions: list[Node] = []
        while self._peek().kind != closing:
            expressions.append(self.expression(0))
            if self._peek().kind != closing:
                self.expect(",")
        self._take()
        return tuple(expressions)

    def _context_entries(self) -> list[tuple[str, Node]]:
        entries: list[tuple[str, Node]] = []
        while self._peek().kind != "}":
            key = self._take()
            if key.kind not in {"name", "string"}:
                self._next -= 1
                raise self._refused("Expected a key")
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

    def _tokens_since(self, token: Token) -> int:
        return self._next - self._tokens.index(token)

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _ahead(self, distance: int) -> Token:
        return self._tokens[min(self._next + distance, len(self._tokens) - 1)]

    def _refused(self, reason: str, at: Token | None = None) -> ExpressionError:
        position = (at or self._peek()).position
        return ExpressionError(source=self._source, position=position, reason=reason)
