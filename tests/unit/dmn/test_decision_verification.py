"""What is refused when a decision model is read, and where."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from decision_documents import decision, document, input_data, literal, table
from hypothesis import given
from hypothesis import strategies as st

from engine.dmn import read_decisions
from engine.dmn.value_sets import value_set
from engine.errors import DecisionModelError
from engine.feel import compile_tests

ROOT = Path(__file__).resolve().parents[3]


def findings(content: bytes) -> list[tuple[str, str]]:
    try:
        read_decisions(content)
    except DecisionModelError as error:
        return [(found.code, found.element_id) for found in error.findings]
    return []


def of_table(
    *rules: str, columns: tuple[str, ...] = ("x : number",), policy: str = "UNIQUE", **options: object
) -> bytes:
    return document(decision("D1", table(list(columns), list(rules), policy=policy, **options)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"<definitions", [("XML_INVALID", "definitions")]),
        (
            b'<!DOCTYPE a [<!ENTITY b "c">]>' + document(decision("D1", literal("1"))),
            [("DOCTYPE_REFUSED", "definitions")],
        ),
        (b"<definitions/>" + b" " * 5_242_880, [("DOCUMENT_TOO_LARGE", "definitions")]),
        (document(*["<group />"] * 50_001), [("DOCUMENT_TOO_LARGE", "definitions")]),
        (b"<definitions/>", [("NOT_DMN", "definitions")]),
        (
            document(decision("D1", literal("1")), namespace="http://www.omg.org/spec/DMN/20180521/MODEL/"),
            [("NOT_DMN", "definitions")],
        ),
        (document(), [("DECISION_MISSING", "D")]),
        (document('<businessKnowledgeModel id="B" name="B" />'), [("ELEMENT_UNSUPPORTED", "B")]),
        (document('<itemDefinition id="B" name="B" />'), [("ELEMENT_UNSUPPORTED", "B")]),
        (document('<import id="B" />'), [("ELEMENT_UNSUPPORTED", "B")]),
        (document('<decisionService id="B" name="B" />'), [("ELEMENT_UNSUPPORTED", "B")]),
        (document(decision("D1", '<context id="C" />')), [("ELEMENT_UNSUPPORTED", "C")]),
        (document(decision("D1", "")), [("LOGIC_MISSING", "D1")]),
        (document(decision("D1", literal("1")), decision("D1", literal("2"))), [("ID_DUPLICATE", "D1")]),
        (document(decision("D" * 201, literal("1"))), [("ID_INVALID", "D" * 201)]),
        (document(decision("D" * 200, literal("1"))), []),
        (
            document(
                decision(
                    "D1", '<literalExpression id="L" expressionLanguage="python"><text>1</text></literalExpression>'
                )
            ),
            [("EXPRESSION_LANGUAGE_UNSUPPORTED", "L")],
        ),
        (document(decision("D1", literal("1 +"))), [("EXPRESSION_INVALID", "D1")]),
        (document(decision("D1", literal("1"), type_name="thing")), [("TYPE_UNKNOWN", "D1")]),
        (document(decision("D1", literal("D2"), needs=("D2",))), [("REQUIREMENT_MISSING", "D1")]),
        (document(decision("D1", literal("D1"), needs=("D1",))), [("REQUIREMENT_CYCLE", "D1")]),
        (
            document(decision("a", literal("b"), needs=("b",)), decision("b", literal("a"), needs=("a",))),
            [("REQUIREMENT_CYCLE", "a")],
        ),
        (
            document(input_data("x"), decision("D1", literal("x"), wants=("x",)), decision("D2", literal("x"))),
            [("INPUT_MISSING", "D2")],
        ),
        (
            document(input_data("x"), decision("D1", literal("x")).replace('name="D1"', 'name="x"')),
            [("NAME_AMBIGUOUS", "D1")],
        ),
        (of_table("< 5 | 1", "[5..] | 2"), [("EXPRESSION_INVALID", "R2")]),
        (of_table("1 | 2", columns=("",)), [("INPUT_MISSING", "I0")]),
        (of_table("1 | 2 | 3"), [("RULE_INCOMPLETE", "R1")]),
        (of_table("1", outputs=()), [("OUTPUT_MISSING", "T")]),
        (of_table("1 | 2 | 3", outputs=("a", "a")), [("OUTPUT_NAMES_INVALID", "T")]),
        (of_table("1 | 2", policy="SOMETIMES"), [("HIT_POLICY_UNKNOWN", "T")]),
        (of_table("1 | 2", policy="FIRST", aggregation="SUM"), [("AGGREGATION_INVALID", "D1")]),
        (
            of_table('1 | "a"', policy="COLLECT", aggregation="SUM", outputs=("a : string",)),
            [("AGGREGATION_INVALID", "D1")],
        ),
        (of_table("1 | 2", policy="PRIORITY"), [("PRIORITY_VALUES_MISSING", "D1")]),
        (of_table('"a" | 1'), [("CELL_TYPE_MISMATCH", "R1")]),
        (of_table('1 | "a"', outputs=("a : number",)), [("CELL_TYPE_MISMATCH", "R1")]),
        (of_table("1 | 3", outputs=("a : number : 1, 2",)), [("OUTPUT_NOT_ALLOWED", "R1")]),
        (of_table('"c" | 1', columns=('x : string : "a","b"',)), [("RULE_UNREACHABLE", "R1")]),
        (of_table("[5..1] | 1"), [("RULE_UNREACHABLE", "R1")]),
        (of_table("(5..5) | 1"), [("RULE_UNREACHABLE", "R1")]),
    ],
)
def test_a_document_is_refused_with_this_finding(content: bytes, found: list[tuple[str, str]]) -> None:
    assert findings(content) == found


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        (("< 5 | 1", ">= 5 | 2"), []),
        (("< 5 | 1", "> 4 | 2"), ["R2"]),
        (("<= 5 | 1", "[5..9] | 2"), ["R2"]),
        (("[1..5) | 1", "[5..9] | 2"), []),
        (("1, 3 | 1", "2, 3 | 2"), ["R2"]),
        (("not(1) | 1", "1 | 2"), []),
        (("not(1) | 1", "2 | 2"), ["R2"]),
        (("- | 1", "2 | 2"), ["R2"]),
        (("? > y | 1", "2 | 2"), []),
        (("1 | 1", "1.0 | 2"), ["R2"]),
    ],
)
def test_rules_of_a_unique_table_that_certainly_overlap_are_found(rules: tuple[str, ...], found: list[str]) -> None:
    assert findings(of_table(*rules)) == [("RULES_OVERLAP", rule) for rule in found]


@pytest.mark.parametrize(
    ("columns", "rules", "is_found"),
    [
        (("x : boolean",), ("true | 1", "not(true) | 2"), False),
        (("x : boolean",), ("not(false) | 1", "not(true) | 2"), False),
        (("x : string",), ('"a" | 1', 'not("a","b") | 2'), False),
        (("x : string",), ('< "m" | 1', '"k" | 2'), True),
        (("x : date",), ('< date("2026-01-01") | 1', '>= @"2026-01-01" | 2'), False),
        (("x : date",), ('<= date("2026-01-01") | 1', '>= @"2026-01-01" | 2'), True),
        (("x : number", "y : number"), ("< 5 | < 5 | 1", "< 5 | >= 5 | 2"), False),
        (("x : number", "y : number"), ("< 5 | - | 1", "- | >= 5 | 2"), True),
    ],
)
def test_columns_of_every_kind_are_compared(
    columns: tuple[str, ...], rules: tuple[str, ...], *, is_found: bool
) -> None:
    assert (findings(of_table(*rules, columns=columns)) == [("RULES_OVERLAP", "R2")]) is is_found


@pytest.mark.parametrize(
    ("policy", "rules", "found"),
    [
        ("ANY", ("< 5 | 1", "< 3 | 1"), []),
        ("ANY", ("< 5 | 1", "< 3 | 2"), [("RULES_OVERLAP", "R2")]),
        ("FIRST", ("< 3 | 1", "< 5 | 2"), []),
        ("FIRST", ("< 5 | 1", "< 3 | 2"), [("RULE_UNREACHABLE", "R2")]),
        ("FIRST", ("- | 1", "< 3 | 2"), [("RULE_UNREACHABLE", "R2")]),
        ("FIRST", ("< 5 | 1", "- | 2"), []),
        ("RULE ORDER", ("< 5 | 1", "< 3 | 2"), []),
    ],
)
def test_other_policies_allow_what_they_can_order(
    policy: str, rules: tuple[str, ...], found: list[tuple[str, str]]
) -> None:
    assert findings(of_table(*rules, policy=policy)) == found


def test_a_finding_says_line_and_what_to_do() -> None:
    content = document("\n\n", decision("D1", "\n" + literal("1 +")))

    with pytest.raises(DecisionModelError) as raised:
        read_decisions(content)

    (found,) = raised.value.findings
    assert (raised.value.code, found.line, raised.value.hint) == ("DECISIONS_REFUSED", 4, found.hint)


@pytest.mark.parametrize(
    "content",
    [
        of_table(*[f"{number} | 1" for number in range(5_000)]),
        of_table(*[", ".join(map(str, range(number, number + 90))) + " | 1" for number in range(0, 90_000, 90)]),
        of_table(*[f"not({', '.join(map(str, range(600)))}) | {number}" for number in range(500)], policy="ANY"),
        document(*(decision(f"d{number}", literal("1")) for number in range(5_000))),
    ],
    ids=["rules", "tests", "negations", "decisions"],
)
def test_a_large_document_is_read_in_a_moment(content: bytes) -> None:
    started_at = time.thread_time()

    assert findings(content) == []

    assert time.thread_time() - started_at < 60


_NUMBERS = st.integers(-3, 3)
_TESTS = st.one_of(
    _NUMBERS.map(str),
    st.tuples(st.sampled_from(["<", "<=", ">", ">=", "=", "!="]), _NUMBERS).map(lambda parts: f"{parts[0]} {parts[1]}"),
    st.tuples(st.sampled_from("[("), _NUMBERS, _NUMBERS, st.sampled_from("])")).map(
        lambda parts: f"{parts[0]}{parts[1]}..{parts[2]}{parts[3]}"
    ),
)
_CELLS = (
    st.lists(_TESTS, min_size=1, max_size=3)
    .map(", ".join)
    .flatmap(lambda cell: st.sampled_from([cell, f"not({cell})"]))
)


@given(_CELLS, _CELLS)
def test_cells_overlap_where_some_value_passes_both(one: str, other: str) -> None:
    samples = [number / 4 for number in range(-20, 21)]
    passing = [x for x in samples if compile_tests(one).accepts(x, {}) and compile_tests(other).accepts(x, {})]
    sets = [value_set(compile_tests(cell).tests) for cell in (one, other)]

    assert sets[0] is not None
    assert sets[1] is not None
    assert sets[0].meets(sets[1]).is_empty is (not passing)


def test_the_page_lists_every_finding_of_decision_models() -> None:
    page = (ROOT / "docs" / "reference" / "dmn.md").read_text(encoding="utf-8")
    modules = (*(ROOT / "engine" / "dmn").glob("*.py"), ROOT / "engine" / "xml_documents.py")
    sources = "".join(path.read_text(encoding="utf-8") for path in modules)
    written = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', sources))

    assert set(re.findall(r"^\| `([A-Z]+(?:_[A-Z]+)+)`", page, flags=re.MULTILINE)) == written
