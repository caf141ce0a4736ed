"""Numbers are decimals of 34 digits, whatever JSON makes of them."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from engine.errors import ExpressionEvaluationError
from engine.feel import compile_expression

CONTEXT = Context(prec=34, rounding=ROUND_HALF_EVEN)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("0.1 + 0.2", 0.3),
        ("0.1 + 0.2 = 0.3", True),
        ("tenth + fifth = 0.3", True),
        ("tenth + fifth in [0.3, 1]", True),
        ("tenth * 3 = 0.3", True),
        ("1 / 3 * 3 = 1", False),
        ("string(1 / 3)", "0.3333333333333333333333333333333333"),
        ("string(2 / 3)", "0.6666666666666666666666666666666667"),
        ("0.12345678901234567890 < 0.12345678901234567891", True),
        ("string(0.1234567890123456789012345678901234)", "0.1234567890123456789012345678901234"),
        ("string(1.50)", "1.5"),
        ("string(-0.0)", "0"),
        (".5 + .5", 1),
        ("4.0", 4),
        ("7 / 2", 3.5),
        ("6 / 2", 3),
        ("2 ** 10", 1024),
        ("2 ** -1", 0.5),
        ("4 ** 0.5", 2),
        ("-2 ** 2", 4),
        ("2 ** 3 ** 2", 64),
        ("2 * 3 ** 2", 18),
        ("big + 1 = big", False),
        ("large = 100000000000000000000000", True),
        ("large > 99999999999999999999999", True),
        ("9007199254740993 = 9007199254740992.0", False),
        ("decimal(2.5, 0)", 2),
        ("decimal(1 / 3, 2)", 0.33),
        ("decimal(123, -2)", 100),
        ("floor(-1.5)", -2),
        ("floor(1.57, 1)", 1.5),
        ("ceiling(1.52, 1)", 1.6),
        ("round up(1.21, 1)", 1.3),
        ("round down(-1.29, 1)", -1.2),
        ("round half up(2.5, 0)", 3),
        ("round half down(2.5, 0)", 2),
        ("round half up(5, 2)", 5),
        ("modulo(12, 5)", 2),
        ("modulo(-12, 5)", 3),
        ("modulo(12, -5)", -3),
        ("modulo(10.1, 4.5)", 1.1),
        ("sqrt(16)", 4),
        ("sqrt(2) * sqrt(2) < 2.0000000001", True),
        ("exp(0)", 1),
        ("log(1)", 0),
        ("odd(3) and even(-2) and not(odd(0))", True),
        ("sum(0.1, 0.2)", 0.3),
        ("product(2, 3, 4)", 24),
        ("mean([1, 2, 3, 6])", 3),
        ("mean(0.1, 0.2)", 0.15),
        ("median([3, 1, 2])", 2),
        ("median(1, 2, 3, 4)", 2.5),
        ("stddev(2, 4, 7, 5)", 2.0816659994661326),
        ("stddev([1])", None),
        ("mode([6, 3, 9, 6, 6.0])", [6]),
        ("mode([2, 1, 1, 2])", [1, 2]),
        ('number("1 000,5", " ", ",")', 1000.5),
        ('number("1,000.50", ",", ".")', 1000.5),
        ('number("0.10") = 0.1', True),
        ("missing ** 2", None),
    ],
)
def test_a_numeric_expression_has_this_value(source: str, value: JsonValue) -> None:
    variables: dict[str, JsonValue] = {"tenth": 0.1, "fifth": 0.2, "big": 10**30, "large": 1e23}

    result = compile_expression(source).evaluate(variables)

    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    "source",
    [
        "(-8) ** 0.5",
        "0 ** -1",
        "sqrt(-1)",
        "log(0)",
        "decimal(1, 99)",
        "odd(1.5)",
        '"a" ** 2',
        'mean("a")',
        'number("1", "1", ".")',
    ],
)
def test_a_number_that_does_not_exist_is_an_error(source: str) -> None:
    with pytest.raises(ExpressionEvaluationError):
        compile_expression(source).evaluate({})


@pytest.mark.parametrize("source", ["10 ** 35", "9 ** 9 ** 9", "exp(99999)", "x + 1"])
def test_a_number_out_of_bounds_is_an_error(source: str) -> None:
    with pytest.raises(ExpressionEvaluationError) as raised:
        compile_expression(source).evaluate({"x": 10**40})

    assert raised.value.reason == "Number too large"


_DECIMALS = st.decimals(-(10**6), 10**6, places=4)


@given(_DECIMALS, st.sampled_from(["+", "-", "*"]), _DECIMALS)
def test_sums_and_products_are_exact(left: Decimal, symbol: str, right: Decimal) -> None:
    expected = {"+": left + right, "-": left - right, "*": left * right}[symbol]

    result = compile_expression(f"string(({left:f}) {symbol} ({right:f}))").evaluate({})

    assert isinstance(result, str)
    assert Decimal(result) == expected


@given(_DECIMALS, _DECIMALS.filter(bool))
def test_a_quotient_is_the_nearest_of_34_digits(left: Decimal, right: Decimal) -> None:
    result = compile_expression(f"string(({left:f}) / ({right:f}))").evaluate({})

    assert isinstance(result, str)
    assert abs(Fraction(result) - Fraction(left) / Fraction(right)) <= Fraction(10) ** -24
    assert Decimal(result) == CONTEXT.divide(left, right)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_floats_compare_as_the_decimals_that_were_written(left: float, right: float) -> None:
    below = compile_expression("a < b").evaluate({"a": left, "b": right})

    assert below is (Decimal(repr(left)) < Decimal(repr(right)))


@given(
    st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["<", "<=", ">", ">=", "=", "!="]),
    st.integers(-(10**15), 10**15) | _DECIMALS,
)
def test_a_variable_beside_a_literal_compares_as_decimals_do(value: float, symbol: str, literal: Decimal | int) -> None:
    exact, bound = Decimal(repr(value)), Decimal(literal)
    expected = {
        "<": exact < bound,
        "<=": exact <= bound,
        ">": exact > bound,
        ">=": exact >= bound,
        "=": exact == bound,
        "!=": exact != bound,
    }[symbol]

    assert compile_expression(f"x {symbol} {bound:f}").evaluate({"x": value}) is expected
    assert compile_expression(f"(x) {symbol} ({bound:f} + 0)").evaluate({"x": value}) is expected or abs(exact) > 10**34
