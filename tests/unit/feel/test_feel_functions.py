"""What the functions, selections and quantifiers of expressions mean, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import JsonValue

from engine.errors import ExpressionError, ExpressionEvaluationError
from engine.feel import compile_expression
from engine.feel.builtins import BUILT_INS

VARIABLES: dict[str, JsonValue] = {
    "n": 2,
    "nothing": None,
    "numbers": [3, 1, 2],
    "approvals": [
        {"decision": "approve", "by": "ada", "weight": 2},
        {"decision": "reject", "by": "bob", "weight": 3},
        {"decision": "approve", "by": "eve"},
    ],
    "model": {"tags": ["new", "small"], "item": 1},
    "some": 5,
    "between": 6,
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('count(approvals[item.decision = "approve"]) >= 2', True),
        ("count([])", 0),
        ("count(nothing)", None),
        ("sum(numbers)", 6),
        ("sum(1, 2.5)", 3.5),
        ("sum([])", None),
        ("sum([1, null])", None),
        ("mode([])", []),
        ("mode([1, null])", None),
        (r'string length("\U01F40E")', 1),
        (r'"it\'s \u0041\U00005A"', "it's AZ"),
        ("sum(approvals[is defined(item.weight)].weight)", 5),
        ("min(numbers)", 1),
        ("max(numbers)", 3),
        ("max(4, 9, 2)", 9),
        ('min(["b", "a"])', "a"),
        ("min([])", None),
        ("max([1, null])", None),
        ("min(nothing)", None),
        ("append(numbers, 4, 5)", [3, 1, 2, 4, 5]),
        ("append([], nothing)", [None]),
        ("append(nothing, 1)", None),
        ("concatenate([1], [2, 3], [])", [1, 2, 3]),
        ("concatenate([1], nothing)", None),
        ("list contains(numbers, 2)", True),
        ("list contains(numbers, 2.0)", True),
        ("list contains([true], 1)", False),
        ("list contains([null], null)", True),
        ("list contains(nothing, 1)", None),
        ('string length("größe")', 5),
        ("string length(nothing)", None),
        ('contains("iris", "ri")', True),
        ('contains("iris", nothing)', None),
        ('starts with("iris", "ir")', True),
        ('ends with("iris", "ir")', False),
        ('upper case("größe")', "GRÖSSE"),
        ('lower case("ABC")', "abc"),
        ("string(1)", "1"),
        ("string(4 / 2)", "2"),
        ("string(0.25)", "0.25"),
        ("string(0 * -0.5)", "0"),
        ("string(0.1 / 1000000000)", "0.0000000001"),
        ("string(100000000000000000000 * 0.5)", "50000000000000000000"),
        ("string(true)", "true"),
        ('string("a")', "a"),
        ("string(nothing)", None),
        ('number("42")', 42),
        ('number("-4.50")', -4.5),
        ('number("4e5")', None),
        ('number("٣")', None),
        ("number(7)", 7),
        ("number(nothing)", None),
        ("abs(-3)", 3),
        ("floor(1.5)", 1),
        ("floor(-1.5)", -2),
        ("ceiling(1.5)", 2),
        ("abs(nothing)", None),
        ("modulo(7, 3)", 1),
        ("modulo(-7, 3)", 2),
        ("modulo(7, 0)", None),
        ("modulo(nothing, 3)", None),
        ("is defined(n)", True),
        ("is defined(nothing)", True),
        ("is defined(missing)", False),
        ("is defined(model.tags)", True),
        ("is defined(model.owner)", False),
        ("is defined(n.owner)", False),
        ("is defined(1)", True),
        ("not(is defined(missing))", True),
    ],
)
def test_a_function_has_this_value(source: str, value: JsonValue) -> None:
    result = compile_expression(source).evaluate(VARIABLES)

    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("numbers[1]", 3),
        ("numbers[n]", 1),
        ("numbers[-1]", 2),
        ("numbers[-3]", 3),
        ("numbers[0]", None),
        ("numbers[4]", None),
        ("numbers[-4]", None),
        ("numbers[1.5]", None),
        ("numbers[4 / 2]", 1),
        ("[][1]", None),
        ("numbers[item > 1]", [3, 2]),
        ("numbers[item > 1][2]", 2),
        ("numbers[item > n]", [3]),
        ("numbers[true]", [3, 1, 2]),
        ("numbers[null]", []),
        ("[][item > 1]", []),
        ("missing[1]", None),
        ("missing[item = 1]", None),
        ('approvals[by = "bob"].weight', [3]),
        ('approvals[item.by = "bob"][1].weight', 3),
        ("approvals[1].by", "ada"),
        ("approvals.by", ["ada", "bob", "eve"]),
        ("approvals.weight", [2, 3, None]),
        ("model.tags[1]", "new"),
        ("(numbers)[1]", 3),
        ("[5, 6][2]", 6),
        ("{a: [7]}.a[1]", 7),
        ("[{item: 4}, {item: 5}][item = 5]", [{"item": 5}]),
        ("[[1], [2, 3]][count(item) = 2]", [[2, 3]]),
        ("numbers[list contains(numbers[item > 1], item)]", [3, 2]),
        ("some x in numbers satisfies x > 2", True),
        ("some x in numbers satisfies x > 3", False),
        ("some x in [] satisfies true", False),
        ("some x in [1, null] satisfies x > 1", None),
        ("some x in [null, 2] satisfies x > 1", True),
        ("some x in missing satisfies x", None),
        ("every x in numbers satisfies x > 0", True),
        ("every x in numbers satisfies x > 1", False),
        ("every x in [] satisfies false", True),
        ("every x in [1, null] satisfies x > 0", None),
        ("every x in [null, 0] satisfies x > 0", False),
        ("some n in numbers satisfies n = 3", True),
        ("(some n in numbers satisfies n = 3) and n = 2", True),
        ("some x in numbers satisfies every y in numbers satisfies x >= y", True),
        ('every a in approvals satisfies a.by in ("ada", "bob", "eve")', True),
        ("n in (1, 2)", True),
        ("n in (1, 3)", False),
        ("n in numbers", True),
        ("n in (numbers, 9)", True),
        ("n in 2", True),
        ("numbers in [[3, 1, 2]]", True),
        ("null in (1, null)", True),
        ("n between 1 and 2", True),
        ("n between 3 and 4", False),
        ("n between 1 and 2 and n = 2", True),
        ("n + 1 between n and n + 1", True),
        ("missing between 1 and 2", None),
        ("1 between missing and 0", False),
        ("some + between", 11),
        ("some = 5 and between in (6)", True),
    ],
)
def test_a_selection_or_quantifier_has_this_value(source: str, value: JsonValue) -> None:
    result = compile_expression(source).evaluate(VARIABLES)

    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    "source",
    [
        "count(n)",
        "sum([1, true])",
        "sum(approvals)",
        'min([1, "a"])',
        "max([true])",
        "append(n, 1)",
        "concatenate(numbers, n)",
        "list contains(n, 1)",
        "string length(n)",
        'contains("a", 1)',
        "upper case(numbers)",
        "string(numbers)",
        "number(true)",
        'abs("a")',
        "floor(true)",
        'modulo(1, "a")',
        "n[1]",
        'model[item = "a"]',
        "some x in n satisfies true",
        'numbers[item > "a"]',
    ],
)
def test_values_of_the_wrong_kind_are_an_error(source: str) -> None:
    with pytest.raises(ExpressionEvaluationError) as raised:
        compile_expression(source).evaluate(VARIABLES)

    assert raised.value.code == "EXPRESSION_FAILED"


@pytest.mark.parametrize(
    ("source", "position"),
    [
        ("1 + eval(1)", 4),
        ("n = 1 and string fold(n)", 10),
        ("count(1, 2)", 0),
        ("append(numbers)", 0),
        ("modulo(1, 2, 3)", 0),
        ("some x in numbers where x", 18),
        ("n in ()", 6),
        ("n between 1 or 2", 12),
        ("numbers[1", 9),
        ('"a".length', 3),
        ("min(" + ", ".join(["1"] * 151) + ")", 0),
    ],
)
def test_a_text_that_is_no_expression_is_refused_where_it_goes_wrong(source: str, position: int) -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression(source)

    assert (raised.value.code, raised.value.position) == ("EXPRESSION_INVALID", position)


@pytest.mark.parametrize(
    ("link", "most"), [("[1]", 150), (".a", 150), (".a[1]", 75), (" in (1)", 150), (" between 1 and 2", 150)]
)
def test_a_chain_has_as_many_links_as_operations_are_allowed(link: str, most: int) -> None:
    compile_expression("(nothing)" + link * most).evaluate(VARIABLES)

    with pytest.raises(ExpressionError):
        compile_expression("(nothing)" + link * (most + 1))


@pytest.mark.parametrize(
    ("source", "fits", "exceeds"),
    [
        ("upper case(x)", "a" * 100_000, "a" * 100_001),
        ("upper case(x)", "ß" * 50_000, "ß" * 50_001),
        ("string(x)", 10**34, 10**400),
        ("abs(x)", -(10**34), float("inf")),
        ("floor(x)", 1.5, float("nan")),
        ("append(x, 1)", ["a"] * 200_000, ["a"] * 500_000),
        ("concatenate(x, x)", [1] * 100_000, [1] * 250_001),
        ("count(x[item = 1])", [1] * 80_000, [1] * 300_000),
        ("some i in x satisfies i = 1", [0] * 80_000, [0] * 300_000),
        ("x.a", [{"a": 1}] * 400_000, [{"a": 1}] * 600_000),
        ("sum(x)", [1] * 400_000, [1] * 600_000),
    ],
)
def test_the_value_of_a_function_is_bounded(source: str, fits: JsonValue, exceeds: JsonValue) -> None:
    expression = compile_expression(source)
    expression.evaluate({"x": fits})

    with pytest.raises(ExpressionEvaluationError):
        expression.evaluate({"x": exceeds})


def test_counting_and_indexing_cost_nothing_however_long_the_list_is() -> None:
    assert compile_expression("count(x) + x[-1]").evaluate({"x": [1] * 2_000_000}) == 2_000_001


def test_what_an_expression_selects_leaves_the_variables_as_they_were() -> None:
    variables: dict[str, JsonValue] = {"rows": [{"a": 1}, {"a": 2}]}

    compile_expression("append(rows[a = 1], 3)").evaluate(variables)

    assert variables == {"rows": [{"a": 1}, {"a": 2}]}


def test_only_a_literal_is_constant() -> None:
    constants = [compile_expression(source).constant for source in ('"PT1H"', "4", "n", '"a" + "b"', "[1]")]

    assert constants == ["PT1H", 4, None, None, None]


def test_the_page_shows_every_function() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "feel.md").read_text(encoding="utf-8")
    shown = "\n".join(line.split(" | ")[0] for line in page.partition("## Functions")[2].splitlines())

    assert [name for name in BUILT_INS if f"`{name}(" not in shown] == []
