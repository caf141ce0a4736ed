"""Ranges, loops, tests after `in`, contexts, lists and types; and what becomes of null."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from engine.errors import ExpressionError, ExpressionEvaluationError
from engine.feel import compile_expression, compile_tests
from engine.feel.parser import parse

VARIABLES: dict[str, JsonValue] = {
    "n": 4,
    "nothing": None,
    "numbers": [3, 1, 2],
    "rows": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
    "context": {"a": 1, "b c": 2},
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("n in [1..4]", True),
        ("n in [1..4)", False),
        ("n in [1..4[", False),
        ("n in (3..5)", True),
        ("n in ]4..5]", False),
        ("n in (4..5)", False),
        ("n in (1, 2, [4..9])", True),
        ("n in (< 3, >= 4)", True),
        ("n in < 3", False),
        ("n in != 4", False),
        ("n in > 3 and true", True),
        ("n in numbers", False),
        ("n in [[1..2], [3..4]]", True),
        ('"b" in ["a".."c"]', True),
        ("nothing in [1..4]", None),
        ("n in [nothing..5]", None),
        ("n in [1..nothing]", None),
        ("n in [nothing..3]", False),
        ("n in (5..nothing)", False),
        ("n in (nothing, [nothing..5], 4)", True),
        ("nothing in (1, null)", True),
        ('"a" in (1, 2)', False),
        ("not(n in [1..3])", True),
        ("[1..3].start + [1..3].end", 4),
        ("(1..3].start included", False),
        ("for x in numbers return x * 2", [6, 2, 4]),
        ("for x in 1..3 return x", [1, 2, 3]),
        ("for x in 3..1 return x", [3, 2, 1]),
        ("for x in (1..4) return x", [2, 3]),
        ("for x in [1..n] return x", [1, 2, 3, 4]),
        ("for x in 2..1 return x", [2, 1]),
        ("for x in [], y in numbers return x", []),
        ("for x in 1..2, y in 1..x return [x, y]", [[1, 1], [2, 1], [2, 2]]),
        ("for x in 1..5 return if x < 3 then 1 else partial[-1] + partial[-2]", [1, 1, 2, 3, 5]),
        ("for row in rows return {key: row.b, value: row.a}", [{"key": "x", "value": 1}, {"key": "y", "value": 2}]),
        ("for x in nothing return x", None),
        ("some x in 1..3, y in 1..3 satisfies x * y = 9", True),
        ("every x in 1..3, y in x..3 satisfies y >= x", True),
        ("count(for x in 1..100 return x)", 100),
        ("{a: 1, b: a + 1, c: b + a}.c", 3),
        ("{n: 1, m: n}.m", 1),
        ('get value(context, "b c")', 2),
        ('get value(context, ["a"])', 1),
        ('get value(context, "nowhere")', None),
        ("get entries({a: 1})", [{"key": "a", "value": 1}]),
        ('context([{key: "a", value: 1}])', {"a": 1}),
        ('context put({a: 1}, "b", 2)', {"a": 1, "b": 2}),
        ("context merge([{a: 1}, {a: 2, b: 3}])", {"a": 2, "b": 3}),
        ("get or else(nothing, 5)", 5),
        ("get or else(n, 5)", 4),
        ('substring("digits", 3)', "gits"),
        ('substring("digits", 3, 2)', "gi"),
        ('substring("digits", -2)', "ts"),
        ('substring before("a-b", "-")', "a"),
        ('substring before("ab", "-")', ""),
        ('substring after("a-b-c", "-")', "b-c"),
        ('substring after("ab", "-")', ""),
        ('string join(["a", null, "b"], ", ")', "a, b"),
        ('string join(["a", "b"])', "ab"),
        ("string join([])", ""),
        ("insert before(numbers, 1, 0)", [0, 3, 1, 2]),
        ("remove(numbers, -1)", [3, 1]),
        ("list replace(numbers, 2, 9)", [3, 9, 2]),
        ("reverse(numbers)", [2, 1, 3]),
        ("sublist(numbers, 2)", [1, 2]),
        ("sublist(numbers, -3, 2)", [3, 1]),
        ("index of([1, 2, 1.0, null], 1)", [1, 3]),
        ("union([1, 2], [2, 3])", [1, 2, 3]),
        ('distinct values([1, 1.0, "1", null, null])', [1, "1", None]),
        ("duplicate values([1, 2, 1, 1])", [1]),
        ("duplicate values([1, 2, 3, 2, 1])", [1, 2]),
        ("flatten([1, [2, [3, [4]]]])", [1, 2, 3, 4]),
        ("sort(numbers)", [1, 2, 3]),
        ("sort(numbers, function(x, y) x > y)", [3, 2, 1]),
        ("sort(rows, function(x, y) x.a > y.a)[1].b", "y"),
        ("all([true, null])", None),
        ("all([true, null, false])", False),
        ("all([])", True),
        ("any(false, true)", True),
        ("any([])", False),
        ("n instance of number", True),
        ("nothing instance of Any", False),
        ("[1] instance of list and {} instance of context", True),
        ('"a" instance of string and not(true instance of number)', True),
        ("[1..2] instance of range", True),
        ('count(rows[a > 1 and b = "y"])', 1),
        ('if n > 3 then "high" else "low"', "high"),
        ('if nothing > 3 then "high" else "low"', "low"),
        ('get or else(n + "a", 0)', 0),
        ('(n = "4") = null', True),
        ('n = "4" or n = 4', True),
        ('"yes" or n = 4', True),
        ("(n and true) = null", True),
        ("not(n) = null", True),
        ('"yes" and n = 3', False),
        ("any([1, true])", True),
        ("all([1, false])", False),
        ('n = "4" and n = 3', False),
        ('is defined(n < "a")', True),
    ],
)
def test_an_expression_has_this_value(source: str, value: JsonValue) -> None:
    result = compile_expression(source).evaluate(VARIABLES)

    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("source", "reason", "position"),
    [
        ('n + "a"', "Cannot compute number + string", 2),
        ('1 + (n < "a")', "Cannot compare number < string", 7),
        ('{a: n = "4"}', "Cannot compare number = string", 6),
        ("[1, [n - true]]", "Cannot compute number - boolean", 7),
        ('if n > "a" then 1 else 2', "Cannot compare number > string", 5),
        ('numbers[item > "a"]', "Cannot compare number > string", 13),
        ('some x in numbers satisfies x > "a"', "Cannot compare number > string", 30),
        ("every x in n satisfies true", "Cannot go through a number", 8),
        ("for x in 1.5..3 return x", "Cannot go through a range between fractions", 6),
        ("count(n)", "count takes a list, not a number", 0),
        ('n in ["a".."b"]', "Cannot compare number >= string", 5),
        ("sublist(numbers, 9)", "sublist: the list has no place 9", 0),
        ('sort([1, "a"])', "Cannot compare string < number", 0),
        ("n[1]", "Cannot select from a number", 1),
        ('rows["x"]', "Condition is string, not boolean", 4),
        ("numbers[if item = 3 then 1 > 2 else item]", "Condition is number, not boolean", 7),
        ('if "yes" then 1 else 2', "Condition is string, not boolean", 3),
        ("some x in numbers satisfies x", "Condition is number, not boolean", 28),
        ("every x in numbers satisfies x > 0 and x", "and takes booleans, not a number", 35),
        ('n > 3 and "yes"', "and takes booleans, not a string", 6),
        ('n < 3 or "yes"', "or takes booleans, not a string", 6),
        ("not(n)", "not takes booleans, not a number", 0),
        ("all([true, 1])", "all takes booleans, not a number", 0),
        ('any("yes")', "any takes booleans, not a string", 0),
    ],
)
def test_a_null_that_nobody_asked_for_is_an_error_with_its_reason_and_place(
    source: str, reason: str, position: int
) -> None:
    with pytest.raises(ExpressionEvaluationError) as raised:
        compile_expression(source).evaluate(VARIABLES)

    assert (raised.value.reason, raised.value.position) == (reason, position)


@pytest.mark.parametrize(
    ("source", "position"),
    [
        ("[1..", 4),
        ("[1..2", 5),
        ("1..2", 1),
        ("x in 1..2", 6),
        ("for x in numbers", 16),
        ("for x numbers return x", 4),
        ("x instance of thing", 14),
        ("@2026", 1),
        ("n > ?", 4),
        ("sort(numbers, function() 1)", 23),
        ("count(list: numbers)", 6),
        ('matches("a", "(?=b)")', 0),
        ('count(split("a", "(b"))', 6),
        ("{a: 1, a: 2}", 7),
        ("1e3", 1),
        ("function(x) x", 0),
        ("n in not(4)", 5),
        ("n in (not(4), 5)", 5),
        ("n in [null..4]", 10),
        ("n in (4..null)", 7),
    ],
)
def test_what_is_not_supported_is_refused_where_it_stands(source: str, position: int) -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression(source)

    assert (raised.value.code, raised.value.position) == ("EXPRESSION_INVALID", position)


@pytest.mark.parametrize(
    ("cell", "accepted", "refused"),
    [
        ("-", [None, 1, "a"], []),
        ("5", [5, 5.0], [4, None, "5"]),
        ("null", [None], [0]),
        ('"a", "b"', ["a", "b"], ["c", None]),
        ('not("a", "b")', ["c"], ["a", "b"]),
        ("< 5", [4], [5, None]),
        ("[1..5), > 10", [1, 11], [5, 10]),
        ("not([1..5])", [6], [1, None]),
        ("? > 3 and ? < limit", [4], [3, 9]),
        ('starts with(?, "a")', ["abc"], ["b"]),
        ("limit", [6], [5]),
        ("limit + 1", [7], [6]),
        ("allowed", ["x"], ["z"]),
        ("true", [True], [False]),
        ("false", [False], [True]),
        ("-5", [-5], [5]),
        ("not(?  = 5) and ? > 0", [6], [5, -1]),
    ],
)
def test_a_cell_accepts_and_refuses_these(cell: str, accepted: list[JsonValue], refused: list[JsonValue]) -> None:
    tests = compile_tests(cell)
    names: dict[str, JsonValue] = {"limit": 6, "allowed": ["x", "y"]}

    verdicts = [[tests.accepts(value, names) for value in values] for values in (accepted, refused)]

    assert verdicts == [[True] * len(accepted), [False] * len(refused)]


def test_a_name_of_several_words_is_read_where_it_is_known() -> None:
    expression = compile_expression(
        "Monthly income - of which rent > 0", frozenset({"Monthly income", "of which rent"})
    )

    assert expression.evaluate({"Monthly income": 3, "of which rent": 2}) is True
    with pytest.raises(ExpressionError):
        compile_expression("Monthly income > 0")


_TRUTHS: list[bool | None] = [True, False, None]
_TEXTS = {True: "true", False: "false", None: "null"}


@given(
    st.recursive(
        st.sampled_from(["true", "false", "null"]),
        lambda inner: (
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})")
            | inner.map(lambda part: f"not({part})")
        ),
        max_leaves=12,
    )
)
def test_logic_follows_the_tables_of_three_values(source: str) -> None:
    assert compile_expression(source).evaluate({}) is _by_table(source)


def _by_table(source: str) -> bool | None:
    """Evaluate by Kleene's tables: false < null < true; `and` is the least, `or` the greatest, `not` turns around."""
    order = {False: 0, None: 1, True: 2}
    python = source.replace("true", "2").replace("false", "0").replace("null", "1")
    while not python.isdigit():
        for left, right in itertools.product("012", repeat=2):
            python = python.replace(f"({left} and {right})", min(left, right))
            python = python.replace(f"({left} or {right})", max(left, right))
        for value in "012":
            python = python.replace(f"not({value})", str(2 - int(value)))
    return {place: truth for truth, place in order.items()}[int(python)]


_NAMES = st.sampled_from(["a", "b", "total", "item"])
_EXPRESSIONS = st.recursive(
    _NAMES | st.integers(0, 99).map(str) | st.sampled_from(['"x"', "true", "null", "[1..5]", '@"P1D"']),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**", "=", "<", "and", "or"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.tuples(_NAMES, inner).map(lambda parts: f"{{{parts[0]}: {parts[1]}}}"),
        st.tuples(inner, inner).map(lambda parts: f"(for i in {parts[0]} return {parts[1]})"),
        st.tuples(inner, inner, inner).map(lambda parts: f"(if {parts[0]} then {parts[1]} else {parts[2]})"),
        st.tuples(inner, inner).map(lambda parts: f"({parts[0]})[{parts[1]}]"),
        inner.map(lambda part: f"count({part})"),
    ),
    max_leaves=8,
)


@given(_EXPRESSIONS)
def test_spaces_and_parentheses_around_do_not_change_what_is_read(source: str) -> None:
    spaced = source.replace("(", " ( ").replace(")", " ) ").replace(",", " , \n")

    assert parse(f"({spaced})") == parse(source)


@given(_EXPRESSIONS)
def test_the_same_expression_has_the_same_value_again(source: str) -> None:
    variables: dict[str, JsonValue] = {"a": 3, "b": [1, {"total": 2}], "total": "x"}
    values = []
    for _ in range(2):
        try:
            values.append(compile_expression(source).evaluate(variables))
        except ExpressionError as error:
            values.append(str(error))

    assert values[0] == values[1]
    assert variables == {"a": 3, "b": [1, {"total": 2}], "total": "x"}
