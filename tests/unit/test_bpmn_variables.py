"""Which variables an expression looks for: not those that it names itself, nor those whose absence it asks for."""

from __future__ import annotations

import pytest

from engine.bpmn.variables import variables_read


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("1 + 2", ""),
        ("a.b + c", "a c"),
        ("{a: b, c: a + d}", "b d"),
        ("[a, b][1]", "a b"),
        ("orders[price > limit]", "orders"),
        ("some x in xs satisfies x > y", "xs y"),
        ("for x in xs, y in ys return x + y + z", "xs ys z"),
        ("sort(xs, function(p, q) p < q)", "xs"),
        ("if a then b else c", "a b c"),
        ("a in (b, c)", "a b c"),
        ("a between b and c", "a b c"),
        ("if a = null then 1 else a", "a"),
        ("a != null", ""),
        ("is defined(a.b)", ""),
        ("get or else(a, b)", ""),
        ("count(a)", "a"),
        ("date(a).year", "a"),
        ('date("2030-01-01") + b', "b"),
        ("a instance of number", "a"),
    ],
)
def test_an_expression_reads_these_variables(source: str, names: str) -> None:
    assert variables_read(source) == frozenset(names.split())
