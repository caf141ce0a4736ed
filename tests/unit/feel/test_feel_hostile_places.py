"""Hostile expressions at every place that holds one: refused or stopped within half a second and 64 MiB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from yardstick import here

HERE = Path(__file__).resolve().parent
MAXIMUM_SECONDS = 0.5
MAXIMUM_BYTES = 64 * 1_024 * 1_024


def chain(first: str, step: str, links: int) -> str:
    """Return a context of which each entry is made of the one before it."""
    entries = [f"a0: {first}", *(f"a{number}: {step.format(f'a{number - 1}')}" for number in range(1, links))]
    return f"{{{', '.join(entries)}}}"


_LONG = 'string join(for j in 1..6000 return "abbabaabbaababba")'
GROWING = [
    "for i in 1..1000000000 return i",
    "for i in 1..1000, j in 1..1000, k in 1..1000 return i",
    "for i in 1..90000 return [i, i]",
    "for i in 1..90000 return i * 0.5",
    "for i in 1..90000 return {a: {b: {c: i}}}",
    "for i in 1..90000 return partial",
    'for i in 1..90000 return string join(for j in 1..6000 return "xxxxxxxxxxxxxxxx")',
    'for i in 1..90000 return substring("' + "\U0001f600" * 500 + '", 2)',
    "for i in 1..9 return " * 40 + "1",
    "[1..1000000000] = [1..1000000000]",
    "every i in 1..99999, j in 1..99999 satisfies i > 0",
    "some i in (for j in 1..50000 return j) satisfies count(for k in 1..50000 return k) < i",
    "(for i in 1..50000 return {n: i})[n > 1][n > 2][n > 3][n > 4]",
    "sort(for i in 1..9000 return -i, function(a, b) a < b)",
    "sort(for i in 1..300 return i, function(a, b) count(sort(for j in 1..300 return j, function(c, d) c < d)) > 0)",
    "distinct values(for i in 1..50000 return i)",
    "union(for i in 1..50000 return i, for i in 1..50000 return -i)",
    "index of(for i in 1..50000 return [1, 2, 3], [1, 2, 3])",
    "flatten(for i in 1..300 return for j in 1..300 return [i, j])",
    "stddev(for i in 1..50000 return i * 0.1)",
    "for i in 1..50000 return exp(1.5) + log(1.5) + sqrt(1.5)",
    "for i in 1..50000 return 1.000001 ** 0.999999",
    'for i in 1..50000 return date and time("2026-03-01T00:00:00@Europe/Berlin") + @"PT1H"',
    'for i in 1..50000 return date("2026-01-" + string(modulo(i, 28) + 1))',
    "context merge(for i in 1..50000 return {a: i, b: i})",
    chain('"xxxxxxxx"', "{0} + {0}", 30),
    chain("[1, 2]", "concatenate({0}, {0})", 40),
    chain("[1, 2]", "[{0}, {0}]", 60),
    chain("[1, 2]", "append({0}, {0}, {0})", 40),
    chain("{{x: 1}}".format(), "{{x: {0}, y: {0}}}", 40),
    chain("9999999", "{0} * {0}", 40),
    chain("1.0000001", "{0} ** {0}", 40),
    chain('@"P9999D"', "{0} + {0}", 60),
    "count(flatten(" + chain("[1, 2]", "[{0}, {0}]", 40) + ".a39))",
    "9 ** 9 ** 9 ** 9",
    'duration("P999999999D") * 99999999',
    f'for i in 1..90000 return matches({_LONG}, "(a|b)*a(a|b){{400}}c")',
    f'for i in 1..90000 return split({_LONG}, "((a|b)*a(a|b){{60}}c)|a")',
    'for i in 1..90000 return matches("a", "([a-z]{30}){30}" + string(i))',
    'for i in 1..90000 return replace("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "(a+)+$", "b")',
]
REFUSED = [
    '__import__("os").system("id")',
    '"".__class__.__mro__',
    'matches("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "(a+)+(?=!)$")',
    'replace("aaaaaaaaaaaaaaaaaaaaaaaa", "(a|aa)\\\\1+$", "b")',
    'split("aaaaaaaaaaaaaaaaaaaaaaaa", "(?<=a)(a|aa)+$")',
    "function(f) f(f)",
    "(" * 1_500 + "1" + ")" * 1_500,
    "[" * 4_000,
    "not(" * 1_000,
    "-" * 4_000 + "1",
    "1" + "+1" * 2_000,
    "9" * 4_000,
    '"' + "x" * 5_000 + '"',
    "for i in 1..9 return " * 180 + "1",
]
WORST = [GROWING[4], GROWING[15], GROWING[-4], REFUSED[0], REFUSED[6]]
PLACES = [
    *("condition", "input source", "output source", "priority", "context source", "submission source", "call source"),
    *("assignee", "candidate groups", "candidate users"),
    *("due date", "follow-up date", "duration", "correlation key", "received source"),
    *("input collection", "output element", "completion condition"),
    *("script", "loop condition", "awaited condition", "time to live", "sent source"),
    *("literal expression", "table input", "table cell", "table output"),
]


def measured(cases: list[tuple[str, str]]) -> dict[str, list[list[str | float]] | int]:
    child = subprocess.run(
        [sys.executable, str(HERE / "hostile_child.py")],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    answer: dict[str, list[list[str | float]] | int] = json.loads(child.stdout)
    return answer


@pytest.mark.parametrize(
    "cases",
    [
        [("input source", source) for source in (*GROWING, *REFUSED)],
        [("condition", source) for source in (*GROWING, *REFUSED)],
        [(place, source) for place in PLACES for source in WORST],
    ],
    ids=["mapping", "condition", "every place"],
)
def test_hostile_expressions_take_neither_time_nor_memory(cases: list[tuple[str, str]]) -> None:
    answer = measured(cases)

    results, memory_bytes = answer["results"], answer["memory_bytes"]
    assert isinstance(results, list)
    assert isinstance(memory_bytes, int)
    maximum = here(MAXIMUM_SECONDS)
    assert [result for result in results if float(result[3]) > maximum or result[2] == "recursion"] == []
    assert memory_bytes < MAXIMUM_BYTES
    assert len(results) == len(cases)


def test_what_is_no_expression_is_refused_at_every_place() -> None:
    results = measured([(place, source) for place in PLACES for source in REFUSED])["results"]

    assert isinstance(results, list)
    assert [result for result in results if result[2] not in {"DIAGRAM_REFUSED", "DECISIONS_REFUSED"}] == []


def test_what_goes_on_and_on_is_stopped_at_every_place() -> None:
    results = measured([(place, GROWING[0]) for place in PLACES])["results"]

    assert isinstance(results, list)
    assert {str(result[2]) for result in results} == {"EXPRESSION_FAILED", "DECISION_FAILED"}
