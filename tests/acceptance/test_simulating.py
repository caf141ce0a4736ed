"""`ami-learning diagram simulate`, as it is typed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from diagrams import boundary, call_activity, diagram, duration, end, path, service_task, start, user_task
from terminal import typed

_WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
_ORDER = diagram(
    "order",
    start(),
    user_task("Approve", "reviewer"),
    boundary("Late", "Approve", timer=duration("P7D")),
    call_activity("Deliver", "delivery"),
    end(),
    end("Refused"),
    path("Begin", "Approve", "Deliver", "Done"),
    path("Late", "Refused"),
)
_DELIVERY = diagram(
    "delivery", start("Ready"), service_task("Pack", "warehouse.pack"), end("Sent"), path("Ready", "Pack", "Sent")
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "order.bpmn").write_bytes(_ORDER)
    (tmp_path / "delivery.bpmn").write_bytes(_DELIVERY)
    return tmp_path


def simulate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where nothing was ever set up."""
    return typed(folder, "diagram", "simulate", *arguments, LEARNING_HOME=str(folder / "home"))


@pytest.mark.requirement("simulation")
def test_a_process_is_played_through_on_a_machine_without_an_installation(files: Path) -> None:
    answers = {"tasks": {"Approve": {"$after": "P2DT30M", "approved": True}, "Pack": {"weight": 3}}}
    (files / "answers.json").write_text(json.dumps(answers))
    ended = simulate(files, "order.bpmn", "delivery.bpmn", "--answers", "answers.json", "--json")
    result: dict[str, Any] = json.loads(ended.stdout)
    completed = [tuple(each.values()) for each in result["trace"] if each["event"] == "completed"]
    assert ended.returncode == 0
    assert completed == [
        ("Begin", "completed", "PT0S", 1),
        ("Approve", "completed", "P2DT30M", 1),
        ("Ready", "completed", "P2DT30M", 2),
        ("Pack", "completed", "P2DT30M", 2),
        ("Sent", "completed", "P2DT30M", 2),
        ("Deliver", "completed", "P2DT30M", 1),
        ("Done", "completed", "P2DT30M", 1),
    ]
    assert (result["completed"], result["waiting"], result["incidents"]) == (True, [], [])
    assert result["variables"] == {"approved": True, "weight": 3}
    assert not (files / "home").exists()


@pytest.mark.requirement("simulation")
def test_the_clock_stops_where_it_is_told_to(files: Path) -> None:
    ended = simulate(files, "order.bpmn", "delivery.bpmn", "--until", "P1D", "--json")
    assert json.loads(ended.stdout)["waiting"] == [
        {"element": "Approve", "kind": "user_task", "for": "reviewer"},
        {"element": "Late", "kind": "timer", "for": "P7D"},
    ]


@pytest.mark.requirement("simulation")
def test_people_are_told_what_is_waited_for_and_what_is_needed(files: Path) -> None:
    answers = {
        "Task_EvaluateModel": {"evaluation": {"accuracy": 0.9, "baseline_accuracy": 0.5}},
        "Task_RegisterModel": {"data_classification": "internal", "current_accuracy": None},
    }
    (files / "answers.json").write_text(json.dumps({"tasks": answers}))
    ended = simulate(files, str(_WORKFLOWS / "supervised-training.bpmn"), "--answers", "answers.json")
    assert ended.returncode == 0
    assert "UserTask_ReviewModel: user task, for reviewer" in ended.stdout
    assert "UserTask_ReviewModel: permission EXECUTE, group reviewer, form model-review" in ended.stdout
    assert "Task_TrainModel: handler experiments.train_model, a worker, and compute" in ended.stdout


@pytest.mark.requirement("simulation")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["order.bpmn", "delivery.bpmn", "--process", "nothing"], "SIMULATED_PROCESS_UNKNOWN"),
        (["order.bpmn"], "PROCESS_UNKNOWN"),
        (["order.bpmn", "delivery.bpmn", "--answers", "order.bpmn"], "ANSWERS_INVALID"),
        (["order.bpmn", "delivery.bpmn", "--answers", "unknown.json"], "ANSWERED_ELEMENT_UNKNOWN"),
        (["order.bpmn", "delivery.bpmn", "--answers", "misspelt.json"], "ANSWERED_EVENT_UNKNOWN"),
        (["order.bpmn", "delivery.bpmn", "--answers", "fails.json"], "ANSWER_NOT_APPLICABLE"),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_its_reason(files: Path, arguments: list[str], said: str) -> None:
    (files / "unknown.json").write_text('{"tasks": {"Nobody": {}}}')
    (files / "misspelt.json").write_text('{"messages": [{"name": "nothing"}]}')
    (files / "fails.json").write_text('{"tasks": {"Approve": {"$fail": "no"}}}')
    ended = simulate(files, *arguments)
    assert (ended.returncode, said in ended.stderr, ended.stdout) == (1, True, "")
