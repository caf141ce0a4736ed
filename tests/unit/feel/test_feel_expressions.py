"""What expressions mean: values, three-valued logic, precedence, and the bounds of every operation."""

from __future__ import annotations

import math

import pytest
from pydantic import JsonValue

from engine.errors import ExpressionError, ExpressionEvaluationError
from engine.feel import compile_expression

VARIABLES: dict[str, JsonValue] = {
    "n": 4,
    "half": 0.5,
    "name": "iris",
    "yes": True,
    "nothing": None,
    "metrics": {"accuracy": 0.93, "per_class": {"setosa": 1}},
    "tags": ["a", "b"],
    "größe": 7,
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("null", None),
        ("true", True),
        ("false", False),
        ("0", 0),
        ("007", 7),
        ("2.50", 2.5),
        ('"a \\"b\\" \\u00e4 \\n"', 'a "b" ä \n'),
        ("n", 4),
        ("größe", 7),
        ("missing", None),
        ("metrics.accuracy", 0.93),
        ("metrics.per_class.setosa", 1),
        ("metrics.missing.deeper", None),
        ("name.upper", None),
        ("tags", ["a", "b"]),
        ("[]", []),
        ("[1, n, [name]]", [1, 4, ["iris"]]),
        ("{}", {}),
        ('{a: n, "b c": {d: null}}', {"a": 4, "b c": {"d": None}}),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 4 - 3", 3),
        ("16 / 4 / 2", 2),
        ("7 / 2", 3.5),
        ("-n + 1", -3),
        ("-2 * 3", -6),
        ("2 - -1", 3),
        ("- - n", 4),
        ("1 / 0", None),
        ("n / missing", None),
        ("missing + 1", None),
        ('"ab" + "cd"', "abcd"),
        ("n = 4.0", True),
        ("n != 4", False),
        ("[true] = [1]", False),
        ("{a: false} = {a: 0}", False),
        ("[1, {a: 2}] = [1.0, {a: 2}]", True),
        ("[1] = [1, 2]", False),
        ("[1] = [2]", False),
        ("[[1]] = [{a: 1}]", False),
        ("[{a: 1}] = [[1]]", False),
        ("[1] = [true]", False),
        ("{a: 1} = {a: 1, b: 2}", False),
        ("{a: 1, b: 2} = {a: 1}", False),
        ("{a: 1} = {b: 1}", False),
        ("{a: 1, b: 2} = {b: 2, a: 1}", True),
        ("{a: 1, b: 2} = {a: 1, b: 3}", False),
        ("missing = null", True),
        ("yes = true", True),
        ("1 < 2", True),
        ("2 <= 1", False),
        ('"a" < "b"', True),
        ("missing < 1", None),
        ("1 < 2 and 2 < 3", True),
        ("1 + 1 = 2", True),
        ("true or false and false", True),
        ("(true or false) and false", False),
        ("if n > 3 then name else 0", "iris"),
        ("if missing then 1 else 2", 2),
        ("if false then 1 else if true then 2 else 3", 2),
        ("if true then 1 else 2 + 5", 1),
        ("not(n = 4)", False),
        ("  n\n\t+ 1 ", 5),
        ("__class__", None),
        ("metrics.__class__.__mro__", None),
    ],
)
def test_an_expression_has_this_value(source: str, value: JsonValue) -> None:
    result = compile_expression(source).evaluate(VARIABLES)

    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("left", "right", "conjunction", "disjunction"),
    [
        ("true", "true", True, True),
        ("true", "false", False, True),
        ("true", "null", None, True),
        ("false", "false", False, False),
        ("false", "null", False, None),
        ("null", "null", None, None),
    ],
)
def test_logic_is_three_valued_and_symmetric(
    left: str, right: str, conjunction: JsonValue, disjunction: JsonValue
) -> None:
    results = [
        [compile_expression(f"{first} {operator} {second}").evaluate({}) for operator in ("and", "or")]
        for first, second in ((left, right), (right, left))
    ]

    assert results == [[conjunction, disjunction]] * 2


MISMATCH = "of different kinds"


def said(source: str, x: JsonValue) -> JsonValue:
    """Return the value of an expression about `x`."""
    try:
        return compile_expression(source).evaluate({"x": x})
    except ExpressionEvaluationError:
        return MISMATCH


@pytest.mark.parametrize("symbol", ["=", "!=", "<", "<=", ">", ">="])
def test_a_variable_is_compared_with_a_literal_as_any_value_is_with_any_other(symbol: str) -> None:
    literals = ["1", "2.5", "0.1", "9007199254740993", "100000000000000000001", "true", "null", '"a"', '"1"', '""']
    literals.append('"' + "a" * 65 + '"')
    values: list[JsonValue] = [None, True, False, 1, 1.0, 2, 2.5, 0.1, -1, 2**53, 2**53 + 1, 10**20 + 1, 1e20]
    values += ["a", "b", "1", "", "a" * 64, "a" * 65, [1], {"a": 1}]
    quick, long = (
        [
            [said(source, value) for value in values]
            for source in (form.format(symbol=symbol, literal=literal) for literal in literals)
        ]
        for form in ("x {symbol} {literal}", "[x][1] {symbol} [{literal}][1]")
    )

    assert quick == long
    assert {each for row in quick for each in row} <= {True, False, None, MISMATCH}


@pytest.mark.parametrize("n", [3, 4, None])
@pytest.mark.parametrize("name", ["iris", "rose", None])
def test_comparisons_that_hold_together_are_three_valued(n: int | None, name: str | None) -> None:
    parts = [n if n is None else n > 3, name if name is None else name < "k"]
    expected = False if False in parts else None if None in parts else True

    assert compile_expression('n > 3 and name < "k"').evaluate({"n": n, "name": name}) is expected


@pytest.mark.parametrize(("operand", "value"), [("true", False), ("false", True), ("null", None)])
def test_the_negation_of_null_is_null(operand: str, value: JsonValue) -> None:
    assert compile_expression(f"not({operand})").evaluate({}) is value


@pytest.mark.parametrize("source", ["n", "missing", '"true"', "missing < 1", "null and true"])
def test_a_condition_that_is_not_boolean_is_an_error(source: str) -> None:
    with pytest.raises(ExpressionEvaluationError) as raised:
        compile_expression(source).evaluate_condition(VARIABLES)

    assert (raised.value.code, raised.value.source) == ("EXPRESSION_FAILED", source)


@pytest.mark.parametrize(
    "source",
    ["name + 1", "yes + 1", "tags * 2", "name < 1", "metrics < 1", "-name", "true < false", "true = 1", 'n != "4"'],
)
def test_operands_of_the_wrong_kind_are_an_error_where_their_null_would_be_the_value(source: str) -> None:
    with pytest.raises(ExpressionEvaluationError):
        compile_expression(source).evaluate(VARIABLES)


def test_the_right_side_is_not_evaluated_where_the_left_decides() -> None:
    assert compile_expression("false and 1 < name").evaluate(VARIABLES) is False
    assert compile_expression("true or 1 < name").evaluate(VARIABLES) is True


def test_a_failed_expression_leaves_the_variables_as_they_were() -> None:
    variables: dict[str, JsonValue] = {"tags": ["a"], "text": "b"}

    with pytest.raises(ExpressionEvaluationError):
        compile_expression("[tags, text * 2]").evaluate(variables)

    assert variables == {"tags": ["a"], "text": "b"}


@pytest.mark.parametrize(
    ("source", "position"),
    [
        ("", 0),
        ("1 +", 3),
        ("(1", 2),
        ("1 2", 2),
        ("a ? b", 2),
        ("a.", 2),
        ("if a then b", 11),
        ("{1: 2}", 1),
        ("[1", 2),
    ],
)
def test_a_text_that_is_no_expression_is_refused_where_it_goes_wrong(source: str, position: int) -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression(source)

    assert (raised.value.code, raised.value.position) == ("EXPRESSION_INVALID", position)


@pytest.mark.parametrize(
    ("fits", "exceeds"),
    [
        (" " * 4_095 + "1", " " * 4_096 + "1"),
        ("(" * 49 + "1" + ")" * 49, "(" * 50 + "1" + ")" * 50),
        ("1" + "+1" * 150, "1" + "+1" * 151),
        ("9" * 34, "9" * 35),
    ],
    ids=["length", "depth", "operations", "digits"],
)
def test_the_text_of_an_expression_is_bounded(fits: str, exceeds: str) -> None:
    compile_expression(fits).evaluate({})

    with pytest.raises(ExpressionError):
        compile_expression(exceeds)


@pytest.mark.parametrize(
    ("source", "fits", "exceeds"),
    [
        ("x + x", "a" * 50_000, "a" * 50_001),
        ("x + 0", 10**34, 10**34 + 1),
        ("-x", -(10**34), 10**400),
        ("x * 0.5", 1e34, 10**400),
        ("x / 3", 1, 10**400),
        ("x - 1", 0, math.inf),
        ("x + 1", 0, math.nan),
        ("[x, x]", ["a"] * 50_000, ["a"] * 1_000_000),
        ("{a: [x], b: x}", "a" * 100_000, "a" * 500_000),
    ],
)
def test_the_value_of_an_expression_is_bounded(source: str, fits: JsonValue, exceeds: JsonValue) -> None:
    expression = compile_expression(source)
    expression.evaluate({"x": fits})

    with pytest.raises(ExpressionEvaluationError):
        expression.evaluate({"x": exceeds})


def test_values_that_are_passed_on_as_they_are_may_be_large() -> None:
    large: JsonValue = ["a"] * 2_000_000

    assert compile_expression("x").evaluate({"x": large}) is large


def test_values_nested_too_deeply_to_compare_are_an_error() -> None:
    deep: JsonValue = []
    also_deep: JsonValue = []
    for _ in range(100_000):
        deep, also_deep = [deep], [also_deep]

    with pytest.raises(ExpressionEvaluationError):
        compile_expression("x = y").evaluate({"x": deep, "y": also_deep})
    while isinstance(deep, list) and isinstance(also_deep, list) and deep:
        deep, also_deep = deep[0], also_deep[0]  # taken apart here: the interpreter would do it recursively


def test_the_same_text_is_compiled_once() -> None:
    assert compile_expression("1 + n") is compile_expression("1 + n")
