"""The promotion policy that ships: which model is rejected at once, which is reviewed, and by how many."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree
from pydantic import JsonValue
from typer.testing import CliRunner

from engine.dmn import DecisionTable, evaluate, read_decisions
from engine.dmn.hit_policies import priority_values
from learning.cli import app
from storage.models import DataClassification, RiskSeverity

POLICY = Path(__file__).resolve().parents[3] / "workflows" / "promotion-policy.dmn"
DECISION = "Decision_PromotionPolicy"
GOOD: dict[str, JsonValue] = {
    "accuracy": 0.95,
    "baseline_accuracy": 0.1,
    "current_accuracy": 0.94,
    "drift_severity": "low",
    "data_classification": "internal",
}


@pytest.mark.parametrize(
    ("changes", "route", "approvals", "rule"),
    [
        ({}, "review", 1, "Rule_GoodWithoutDrift"),
        ({"current_accuracy": None}, "review", 1, "Rule_GoodWithoutDrift"),
        ({"drift_severity": None}, "review", 1, "Rule_GoodWithoutDrift"),
        ({"accuracy": 0.92}, "review", 1, "Rule_GoodWithoutDrift"),
        ({"accuracy": 0.9199}, "auto_reject", 0, "Rule_WorseWithoutDrift"),
        ({"accuracy": 0.91, "drift_severity": "critical"}, "review", 2, "Rule_WorseUnderDrift"),
        ({"accuracy": 0.1}, "auto_reject", 0, "Rule_NoBetterThanCommonest"),
        ({"data_classification": "restricted"}, "review", 2, "Rule_GoodWithoutDriftRestricted"),
        ({"drift_severity": "high"}, "expedite", 1, "Rule_GoodUnderDrift"),
        (
            {"drift_severity": "high", "data_classification": "confidential"},
            "review",
            2,
            "Rule_GoodUnderDriftSensitive",
        ),
        ({"data_classification": None}, "review", 2, None),
        ({"accuracy": None}, "review", 2, None),
    ],
)
def test_a_model_takes_this_route(changes: dict[str, JsonValue], route: str, approvals: int, rule: str | None) -> None:
    result = evaluate(read_decisions(POLICY.read_bytes()), DECISION, {**GOOD, **changes})

    assert isinstance(result.value, dict)
    assert (result.value["route"], result.value["approvals"]) == (route, approvals)
    assert [matched.rule_id for matched in result.evaluated[-1].matched_rules] == ([] if rule is None else [rule])


def test_the_policy_knows_every_classification_and_every_severity() -> None:
    table = read_decisions(POLICY.read_bytes()).decisions[DECISION].logic
    assert isinstance(table, DecisionTable)
    columns = {column.id: priority_values(column.allowed) for column in table.inputs if column.allowed}

    assert columns == {
        "Input_DataClassification": [str(each) for each in DataClassification],
        "Input_DriftSeverity": ["none", *(str(each) for each in RiskSeverity)],
    }


def test_every_element_of_the_policy_is_drawn() -> None:
    root = etree.fromstring(POLICY.read_bytes())
    drawn = set(root.xpath("//@dmnElementRef"))
    elements = root.xpath(
        "//*[local-name() = 'inputData' or local-name() = 'decision' or local-name() = 'informationRequirement']/@id"
    )

    assert drawn == set(elements)


def test_the_command_line_prints_the_decision_as_json() -> None:
    given = json.dumps({**GOOD, "drift_severity": "high"})

    printed = CliRunner().invoke(app, ["decision", "eval", str(POLICY), "--input", given]).stdout

    answer = json.loads(printed)
    assert (answer["decision_id"], answer["value"]["route"]) == (DECISION, "expedite")
    assert answer["evaluated"][-1]["matched_rules"][0]["rule_id"] == "Rule_GoodUnderDrift"


def test_the_command_line_evaluates_the_decision_that_is_named() -> None:
    arguments = ["decision", "eval", str(POLICY), "--decision", "Decision_Improvement", "--input", json.dumps(GOOD)]

    assert json.loads(CliRunner().invoke(app, arguments).stdout)["value"] == 0.01


def test_the_command_line_lists_findings_as_json(tmp_path: Path) -> None:
    broken = tmp_path / "broken.dmn"
    broken.write_bytes(POLICY.read_bytes().replace(b"accuracy &gt; baseline_accuracy", b"accuracy &gt; base"))

    result = CliRunner().invoke(app, ["decision", "verify", "--json", str(POLICY), str(broken)])

    report = json.loads(result.stdout)
    assert (result.exit_code, report["files"], len(report["findings"])) == (1, 2, 1)
    assert set(report["findings"][0]) == {"file", "line", "element_id", "code", "severity", "message", "hint"}
    assert report["findings"][0]["code"] == "INPUT_MISSING"


@pytest.mark.parametrize("given", ["[]", "{", "@/nowhere", '{"accuracy": NaN}'])
def test_the_command_line_refuses_an_input_that_is_no_object(given: str) -> None:
    assert CliRunner().invoke(app, ["decision", "eval", str(POLICY), "--input", given]).exit_code == 2
