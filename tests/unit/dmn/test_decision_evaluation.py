"""What decisions decide: hit policies, requirements, types, and which rules are said to have matched."""

from __future__ import annotations

import pytest
from decision_documents import decision, document, input_data, literal, table
from pydantic import JsonValue

from engine.dmn import DecisionResult, EvaluatedDecision, MatchedRule, evaluate, read_decisions
from engine.errors import DecisionEvaluationError, UnknownDecisionError


def decide(content: bytes, decision_id: str = "D1", **variables: JsonValue) -> JsonValue:
    return evaluate(read_decisions(content), decision_id, variables).value


OVERLAPPING = ["> 0 | 1", "> 10 | 2", "> 20 | 3"]


@pytest.mark.parametrize(
    ("policy", "aggregation", "rules", "x", "value"),
    [
        ("UNIQUE", "", ["< 10 | 1", ">= 10 | 2"], 5, 1),
        ("UNIQUE", "", ["< 10 | 1", ">= 10 | 2"], 10, 2),
        ("UNIQUE", "", ["< 10 | 1"], 10, None),
        ("ANY", "", ["> 0 | 1", "> 10 | 1"], 11, 1),
        ("FIRST", "", ["> 20 | 3", "> 10 | 2", "- | 0"], 15, 2),
        ("FIRST", "", ["> 20 | 3", "> 10 | 2", "- | 0"], None, 0),
        ("RULE ORDER", "", OVERLAPPING, 15, [1, 2]),
        ("RULE ORDER", "", OVERLAPPING, -1, []),
        ("COLLECT", "", OVERLAPPING, 25, [1, 2, 3]),
        ("COLLECT", "SUM", OVERLAPPING, 25, 6),
        ("COLLECT", "MIN", OVERLAPPING, 25, 1),
        ("COLLECT", "MAX", OVERLAPPING, 25, 3),
        ("COLLECT", "COUNT", OVERLAPPING, 15, 2),
        ("COLLECT", "COUNT", OVERLAPPING, -1, 0),
        ("COLLECT", "SUM", OVERLAPPING, -1, None),
        ("COLLECT", "SUM", ["- | 0.1", "- | 0.2"], 1, 0.3),
    ],
)
def test_a_hit_policy_makes_this_of_the_rules_that_match(
    policy: str, aggregation: str, rules: list[str], x: JsonValue, value: JsonValue
) -> None:
    logic = table(["x : number"], rules, policy=policy, aggregation=aggregation, outputs=("result : number",))

    assert decide(document(decision("D1", logic)), x=x) == value


@pytest.mark.parametrize(
    ("policy", "value"), [("PRIORITY", "refuse"), ("OUTPUT ORDER", ["refuse", "review", "accept"])]
)
def test_the_order_of_the_output_values_is_their_priority(policy: str, value: JsonValue) -> None:
    rules = ['> 0 | "accept"', '> 10 | "refuse"', '> 5 | "review"']
    logic = table(["x"], rules, policy=policy, outputs=('result : string : "refuse","review","accept"',))

    assert decide(document(decision("D1", logic)), x=15) == value


@pytest.mark.parametrize(
    ("policy", "value"),
    [
        ("PRIORITY", {"act": "refuse", "note": "b"}),
        (
            "OUTPUT ORDER",
            [{"act": "refuse", "note": "b"}, {"act": "refuse", "note": "c"}, {"act": "accept", "note": "a"}],
        ),
    ],
)
def test_a_column_that_lists_no_values_leaves_the_priority_to_the_others_and_then_to_the_order_of_the_rules(
    policy: str, value: JsonValue
) -> None:
    rules = ['- | "accept" | "a"', '- | "refuse" | "b"', '- | "refuse" | "c"']
    logic = table(["x"], rules, policy=policy, outputs=('act : string : "refuse","accept"', "note : string"))

    assert decide(document(decision("D1", logic)), x=1) == value


def test_a_column_without_a_default_is_null_where_another_has_one_and_no_rule_matches() -> None:
    outputs = ("name : string", "size : number :  : 0")
    one, several = (table(["x"], ['> 10 | "a" | 1'], policy=policy, outputs=outputs) for policy in ("FIRST", "COLLECT"))

    assert decide(document(decision("D1", one)), x=1) == {"name": None, "size": 0}
    assert decide(document(decision("D1", several)), x=1) == [{"name": None, "size": 0}]


def test_input_data_that_nobody_gives_is_null() -> None:
    content = document(input_data("born", "date"), decision("D1", literal("born = null"), wants=("born",)))

    assert decide(content) is True


def test_several_columns_make_a_context_and_defaults_stand_in_for_rules() -> None:
    logic = table(
        ["x : number"],
        ['> 10 | "a" | x * 2'],
        outputs=('name : string : "a","b" : "b"', "size : number :  : 0"),
    )
    content = document(decision("D1", logic))

    assert decide(content, x=11) == {"name": "a", "size": 22}
    assert decide(content, x=1) == {"name": "b", "size": 0}


def test_a_decision_sees_the_values_of_those_that_it_requires_under_their_names() -> None:
    content = document(
        input_data("Monthly income", "number"),
        input_data("birthday", "date"),
        decision("Yearly income", literal("Monthly income * 12"), wants=("Monthly income",), type_name="number"),
        decision(
            "Risk level",
            table(
                ["Yearly income : number", "birthday : date"],
                [
                    '< 1000 | - | "high"',
                    '>= 1000 | < date("2000-01-01") | "low"',
                    '>= 1000 | >= @"2000-01-01" | "medium"',
                ],
            ),
            needs=("Yearly income",),
            wants=("birthday",),
        ),
    )

    result = evaluate(read_decisions(content), "Risk_level", {"Monthly income": 100, "birthday": "2001-05-05"})

    assert result == DecisionResult(
        decision_id="Risk_level",
        value="medium",
        evaluated=(
            EvaluatedDecision(decision_id="Yearly_income", inputs={}, matched_rules=(), value=1200),
            EvaluatedDecision(
                decision_id="Risk_level",
                inputs={"Yearly income": 1200, "birthday": "2001-05-05"},
                matched_rules=(MatchedRule(rule_id="R3", number=3, outputs=("medium",)),),
                value="medium",
            ),
        ),
    )


def test_a_decision_that_two_others_require_is_evaluated_once() -> None:
    content = document(
        decision("base", literal("x + 1")),
        decision("left", literal("base * 2"), needs=("base",)),
        decision("right", literal("base * 3"), needs=("base",)),
        decision("both", literal("left + right"), needs=("left", "right")),
    )
    model = read_decisions(content)

    result = evaluate(model, "both", {"x": 1})

    assert (result.value, sorted(each.decision_id for each in result.evaluated)) == (
        10,
        ["base", "both", "left", "right"],
    )
    assert model.final_decisions == ("both",)


def test_a_chain_of_a_thousand_decisions_is_evaluated() -> None:
    links = [
        decision(f"d{number}", literal(f"d{number - 1} + 1"), needs=(f"d{number - 1}",)) for number in range(1, 1_000)
    ]

    assert decide(document(decision("d0", literal("0")), *links), "d999") == 999


@pytest.mark.parametrize(
    ("logic", "variables", "element_id"),
    [
        (table(["x : number"], ["- | 1"]), {"x": "5"}, "I0"),
        (table(['x : string : "a","b"'], ["- | 1"]), {"x": "c"}, "I0"),
        (table(["x"], ["> 5 | 1"]), {"x": "a"}, "R1"),
        (table(["x"], ['- | x + "a"']), {"x": 1}, "R1"),
        (table(["x"], ["- | x"], outputs=("result : string",)), {"x": 1}, "O0"),
        (table(["x"], ["- | x"], outputs=('result : string : "a"',)), {"x": "b"}, "O0"),
        (table(["x", "y"], ["? > y | - | 1", "? > 3 | - | 2"]), {"x": 5, "y": 1}, "D1"),
        (table(["x", "y"], ["? > y | - | 1", "? > 3 | - | 2"], policy="ANY"), {"x": 5, "y": 1}, "D1"),
        (table(["x"], ["- | x", "- | 2"], policy="COLLECT", aggregation="SUM"), {"x": "a"}, "D1"),
        (literal("[1..x]"), {"x": 2}, "D1"),
        (literal("for i in 1..1000000000 return i"), {}, "D1"),
        (table(["count(for i in 1..40000 return i)"] * 20, ["- |" * 20 + "1"]), {}, "I1"),
    ],
)
def test_values_that_do_not_fit_are_an_error_at_their_element(
    logic: str, variables: dict[str, JsonValue], element_id: str
) -> None:
    with pytest.raises(DecisionEvaluationError) as raised:
        decide(document(decision("D1", logic)), **variables)

    assert (raised.value.code, raised.value.element_id) == ("DECISION_FAILED", element_id)


def test_input_data_of_another_type_is_an_error() -> None:
    content = document(input_data("born", "date"), decision("D1", literal("born.year"), wants=("born",)))

    assert decide(content, born="2001-05-05") == 2001
    with pytest.raises(DecisionEvaluationError) as raised:
        decide(content, born="in May")
    assert raised.value.element_id == "born"


def test_a_decision_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(UnknownDecisionError) as raised:
        decide(document(decision("D1", literal("1"))), "D2")

    assert (raised.value.code, raised.value.decision_id, raised.value.hint) == (
        "DECISION_NOT_FOUND",
        "D2",
        "Its decisions: D1.",
    )
