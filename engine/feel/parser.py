"""FEEL tokens to a syntax tree, by precedence climbing (DMN 1.3, 10.3.1.2).

Words such as `some`, `for`, `in` and `between` are read where they have a meaning, and are names elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.feel.builtins import BUILT_INS, FUNCTIONS_REFUSED
from engine.feel.lexer import Token, string_value
from engine.feel.numbers import is_number, literal
from engine.feel.pattern_functions import PATTERN_FUNCTIONS, pattern_objection
from engine.feel.syntax import (
    Between,
    Call,
    Comparing,
    Conditional,
    ContextOf,
    For,
    InputValue,
    InstanceOf,
    Iteration,
    Lambda,
    ListOf,
    Literal,
    Matching,
    Member,
    Membership,
    Negation,
    Node,
    Operation,
    Path,
    Quantified,
    RangeOf,
    Selection,
    Test,
    UnaryTests,
)
from engine.feel.syntax_walk import is_condition, is_negated
from engine.feel.temporals import parse_temporal
from engine.feel.token_reader import TokenReader
from engine.feel.types import TYPES

_PRECEDENCE = {
    "or": 1, "and": 2,
    "=": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3, "between": 3, "instance": 3,
    "+": 4, "-": 4, "*": 5, "/": 5, "**": 6,
}  # fmt: skip
_COMPARISONS = frozenset({"=", "!=", "<", "<=", ">", ">="})
_INFIX_WORDS = {"in", "between", "satisfies", "instance", "return"}
_KEYS_OF_TWO_WORDS = (("time", "offset"), ("start", "included"), ("end", "included"))
_FUNCTIONS = sorted((tuple(name.split()) for name in (*BUILT_INS, *FUNCTIONS_REFUSED)), key=len, reverse=True)
_SORT = "sort"


def parse(source: str, names: Iterable[str] = ()) -> Node:
    """Return the syntax tree of an expression.

    Args:
        source: The text.
        names: Names in scope that have more than one word.

    Raises:
        ExpressionError: Not an expression of the subset, or nested too deeply.
    """
    parser = _Parser(source, names)
    node = parser.expression(0)
    parser.expect("end")
    return node


def parse_unary_tests(source: str, names: Iterable[str] = ()) -> UnaryTests:
    """Return the syntax tree of the unary tests of a decision table's cell.

    Raises:
        ExpressionError: Not unary tests of the subset.
    """
    if source.strip() == "-":
        return UnaryTests(())
    parser = _Parser(source, names, is_about_input=True)
    if parser.peek().kind == "not" and parser.peek(1).kind == "(":
        parser.skip(2)
        tests = parser.tests_until(")")
        if parser.peek().kind == "end":
            return UnaryTests(tests, is_negated=True)
        parser = _Parser(source, names, is_about_input=True)
    return UnaryTests(parser.tests_until("end"))


class _Parser(TokenReader):
    def __init__(self, source: str, names: Iterable[str], *, is_about_input: bool = False) -> None:
        super().__init__(source, names)
        self._is_about_input = is_about_input
        self._endpoint_depth = 0

    def expression(self, precedence: int) -> Node:
        self.go_deeper()
        left = self._operand()
        while _PRECEDENCE.get(self._operator(), 0) > precedence:
            left = self._operation(left)
        self.depth -= 1
        return left

    def tests_until(self, closing: str) -> tuple[Test, ...]:
        tests = [self._test(0)]
        while self.peek().kind != closing:
            self.expect(",")
            tests.append(self._test(0))
        self.take()
        return tuple(tests)

    def _operand(self) -> Node:  # noqa: C901, PLR0911, PLR0912 - one case and return for each kind of operand
        if self._begins_name():
            return self._followed(self._named())
        token = self.take()
        match token.kind:
            case "number":
                return Literal(literal(token.text))
            case "string":
                return Literal(string_value(token, self.source))
            case "true" | "false":
                return Literal(token.kind == "true")
            case "null":
                return Literal(None)
            case "-":
                return self._negative(token)
            case "not":
                self.expect("(")
                return Negation("not", self._closed_by(")"), token.position)
            case "@":
                return self._followed(self._temporal())
            case "?" if self._is_about_input:
                return self._followed(InputValue())
            case "(":
                return self._followed(self._parenthesised())
            case "[":
                return self._followed(self._list_or_range())
            case "]":
                return self._range_from(self.expression(0), is_start_included=False)
            case "{":
                return self._followed(ContextOf(tuple(self._context_entries())))
            case "if":
                return self._conditional()
            case _:
                raise self.refused(f"Unexpected {token.text or 'end'!r}", token)

    def _operator(self) -> str:
        token = self.peek()
        return token.text if token.kind == "name" else token.kind

    def _operation(self, left: Node) -> Node:
        self.count_operation()
        operator, position = self._operator(), self.take().position
        precedence = _PRECEDENCE[operator]
        match operator:
            case "in":
                return Membership(left, self._candidates())
            case "instance":
                return InstanceOf(left, self._type())
            case "between":
                lowest = self.expression(precedence)
                self.expect("and")
                return Between(left, lowest, self.expression(precedence), position)
        return Operation(operator, left, self.expression(precedence), position)

    def _negative(self, sign: Token) -> Node:
        operand = self.expression(_PRECEDENCE["**"])
        if isinstance(operand, Literal) and is_number(operand.value):
            return Literal(-operand.value)
        return Negation("-", operand, sign.position)

    def _temporal(self) -> Literal:
        token = self.expect("string")
        value = parse_temporal(string_value(token, self.source))
        if value is None:
            raise self.refused("No date, time or duration", token)
        return Literal(value)

    def _parenthesised(self) -> Node:
        node = self.expression(0)
        if self.peek().kind == "..":
            return self._range_from(node, is_start_included=False)
        self.expect(")")
        return node

    def _list_or_range(self) -> Node:
        if self.take_if("]"):
            return ListOf(())
        first = self.expression(0)
        if self.peek().kind == "..":
            return self._range_from(first, is_start_included=True)
        if self.take_if("]"):
            return ListOf((first,))
        self.expect(",")
        return ListOf((first, *self._expressions_until("]")))

    def _range_from(self, start: Node, *, is_start_included: bool) -> RangeOf:
        between = self.expect("..")
        outer, self._endpoint_depth = self._endpoint_depth, self.depth + 1
        end = self.expression(0)
        self._endpoint_depth = outer
        if any(isinstance(point, Literal) and point.value is None for point in (start, end)):
            raise self.refused("The ends of a range are not null: compare with < or > instead", between)
        closing = self.take()
        if closing.kind not in {"]", ")", "["}:
            raise self.refused("Expected the end of a range", closing)
        return RangeOf(start, end, is_start_included, closing.kind == "]")

    def _candidates(self) -> tuple[Test, ...]:
        begins, tests = self.peek(), self._offered()
        if any(isinstance(test, Matching) and is_negated(test.expression) for test in tests):
            raise self.refused("After 'in' there is no not(...): write not(x in ...) instead", begins)
        return tests

    def _offered(self) -> tuple[Test, ...]:
        if not self.take_if("("):
            return (self._test(_PRECEDENCE["in"]),)
        if self.peek().kind == ")":
            raise self.refused("Expected a value")
        first = self._test(0)
        if isinstance(first, Matching) and self.peek().kind == "..":
            return (Matching(self._range_from(first.expression, is_start_included=False), is_condition=False),)
        if self.take_if(")"):
            return (first,)
        self.expect(",")
        return (first, *self.tests_until(")"))

    def _test(self, precedence: int) -> Test:
        token, place = self.peek(), self.place
        if token.kind in _COMPARISONS:
            self.take()
            return Comparing(token.kind, self.expression(_PRECEDENCE["="]), token.position)
        node = self.expression(precedence)
        decides = self._is_about_input and ("?" in self.texts_since(place) or is_condition(node))
        return Matching(node, decides, token.position)

    def _type(self) -> str:
        self.expect_word("of")
        for words in sorted((tuple(name.split()) for name in TYPES), key=len, reverse=True):
            if self.reads(words):
                self.skip(len(words))
                return " ".join(words)
        raise self.refused("Expected a type")

    def _begins_name(self) -> bool:
        return self.peek().kind == "name" or self.reads_known_name()

    def _named(self) -> Node:
        """Return what a name begins: an iteration, a function call, or a path."""
        first = self.peek()
        if first.text in {"some", "every", "for"} and self.peek(1).kind == "name" and self.is_word("in", 2):
            self.take()
            return self._for() if first.text == "for" else self._quantified(is_every=first.text == "every")
        if self.reads_known_name():
            return self._path()
        for words in _FUNCTIONS:
            if self.reads((*words, "(")):
                self.skip(len(words))
                return self._call(" ".join(words), first)
        if self.peek(1).kind == "(" and first.text not in _INFIX_WORDS:
            raise self.refused(f"No function {first.text!r}", first)
        if self.peek(1).kind == "name" and self.peek(2).kind == "(" and self.peek(1).text not in _INFIX_WORDS:
            raise self.refused(f"No function {f'{first.text} {self.peek(1).text}'!r}", first)
        return self._path()

    def _iterations(self) -> tuple[Iteration, ...]:
        iterations = [self._iteration()]
        while self.take_if(","):
            self.count_operation()
            iterations.append(self._iteration())
        return tuple(iterations)

    def _iteration(self) -> Iteration:
        name = self.expect("name").text
        position = self.expect_word("in").position
        domain = self.expression(0)
        if self.take_if(".."):
            domain = RangeOf(domain, self.expression(0), is_start_included=True, is_end_included=True)
        return Iteration(name, domain, position)

    def _quantified(self, *, is_every: bool) -> Quantified:
        iterations = self._iterations()
        place = self.place
        self.expect_word("satisfies")
        position = self.peek().position
        return Quantified(is_every, iterations, self.expression(0), self.place - place, position)

    def _for(self) -> For:
        iterations = self._iterations()
        place = self.place
        self.expect_word("return")
        result = self.expression(0)
        return For(iterations, result, "partial" in self.texts_since(place), self.place - place)

    def _call(self, function: str, first: Token) -> Call:
        if function in FUNCTIONS_REFUSED:
            raise self.refused(f"No function {function!r}: {FUNCTIONS_REFUSED[function]}", first)
        self.expect("(")
        arguments = self._arguments(function)
        built_in = BUILT_INS[function]
        if not built_in.fewest <= len(arguments) <= built_in.most:
            raise self.refused(f"Wrong number of arguments of {function}", first)
        if function in PATTERN_FUNCTIONS and isinstance(arguments[1], Literal) and isinstance(arguments[1].value, str):
            objection = pattern_objection(arguments[1].value)
            if objection is not None:
                raise self.refused(objection, first)
        return Call(function, arguments, first.position)

    def _arguments(self, function: str) -> tuple[Node, ...]:
        arguments: list[Node] = []
        while self.peek().kind != ")":
            if self.peek().kind == "name" and self.peek(1).kind == ":":
                raise self.refused("Named arguments are not supported; give them in their order")
            is_function = function == _SORT and self.is_word("function") and self.peek(1).kind == "("
            arguments.append(self._lambda() if is_function else self.expression(0))
            if self.peek().kind != ")":
                self.expect(",")
        self.take()
        return tuple(arguments)

    def _lambda(self) -> Lambda:
        self.skip(2)
        parameters = [self.expect("name").text]
        while self.take_if(","):
            parameters.append(self.expect("name").text)
        self.expect(")")
        place = self.place
        return Lambda(tuple(parameters), self.expression(0), self.place - place)

    def _followed(self, node: Node) -> Node:
        """Return an operand with the keys and selections behind it."""
        while self.peek().kind in {".", "["}:
            if self.peek().kind == "[" and self.depth == self._endpoint_depth:
                break
            self.count_operation()
            place, began = self.place, self.take()
            if began.kind == ".":
                node = Member(node, self._key())
            else:
                selector = self._closed_by("]")
                node = Selection(node, selector, self.place - place, began.position)
        return node

    def _path(self) -> Path:
        keys = [self.take_name()]
        while self.peek().kind == ".":
            self.take()
            keys.append(self._key())
        return Path(tuple(keys))

    def _key(self) -> str:
        for words in _KEYS_OF_TWO_WORDS:
            if self.reads(words):
                self.skip(len(words))
                return " ".join(words)
        return self.expect("name").text

    def _closed_by(self, kind: str) -> Node:
        node = self.expression(0)
        self.expect(kind)
        return node

    def _expressions_until(self, closing: str) -> tuple[Node, ...]:
        expressions: list[Node] = []
        while self.peek().kind != closing:
            expressions.append(self.expression(0))
            if self.peek().kind != closing:
                self.expect(",")
        self.take()
        return tuple(expressions)

    def _context_entries(self) -> list[tuple[str, Node]]:
        entries: list[tuple[str, Node]] = []
        while self.peek().kind != "}":
            key = self.peek()
            if key.kind not in {"name", "string"}:
                raise self.refused("Expected a key")
            self.take()
            name = key.text if key.kind == "name" else string_value(key, self.source)
            if name in dict(entries):
                raise self.refused(f"The key {name!r} is there already", key)
            self.expect(":")
            entries.append((name, self.expression(0)))
            if self.peek().kind != "}":
                self.expect(",")
        self.take()
        return entries

    def _conditional(self) -> Conditional:
        begins, condition = self.peek(), self.expression(0)
        self.expect("then")
        accepted = self.expression(0)
        self.expect("else")
        return Conditional(condition, accepted, self.expression(0), begins.position)
