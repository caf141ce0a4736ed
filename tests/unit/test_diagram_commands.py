"""`ami-learning diagram` on files: what it prints, and with which exit code it ends."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import decision_documents
import pytest
from click.testing import Result
from diagrams import business_rule_task, diagram, document, end, flow, gateway, path, process, service_task, start
from typer.testing import CliRunner

from engine import canonical_digest
from engine.dmn import canonical_decision_digest
from learning.cli import app

SOUND = diagram("sound", start(), path("Begin", "Done"), end())
FAULTY = diagram("faulty", start(), "", path("Begin", "Work", "Done"), service_task("Work", "nobody"), end())
UNLABELLED = diagram(
    "unlabelled",
    start(),
    path("Begin", "Which"),
    gateway("Which", "Other"),
    flow("Which", "Done", "=a", flow_id="One"),
    flow("Which", "Done", flow_id="Other", name="no"),
    end(),
)
ASKING = diagram("asking", start(), path("Begin", "Ask", "Done"), business_rule_task("Ask", "more", "b"), end())
DECIDED = decision_documents.document(decision_documents.decision("more", decision_documents.literal("a + 1")))
FOREIGN = document(
    process("foreign", start(), path("Begin", "Work", "Done"), '<bpmn:serviceTask id="Work" c:class="W" />', end())
).replace(b"xmlns:bpmn", b'xmlns:c="http://camunda.org/schema/1.0/bpmn" xmlns:bpmn')


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["diagram", *map(str, arguments)])


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    contents = {
        "sound": SOUND,
        "faulty": FAULTY,
        "unlabelled": UNLABELLED,
        "foreign": FOREIGN,
        "broken": b"<definitions>\n\n<",
        "asking": ASKING,
        "decided": DECIDED,
        "undecided": DECIDED.replace(b"a + 1", b"a +"),
    }
    paths = {name: tmp_path / f"{name}.bpmn" for name in contents}
    for name, content in contents.items():
        paths[name].write_bytes(content)
    return paths


def findings_of(result: Result) -> list[Any]:
    answer = json.loads(result.stdout)
    assert set(answer) == {"findings", "files"}
    findings: list[Any] = answer["findings"]
    return findings


def test_each_finding_names_file_line_element_code_severity_and_what_to_do(files: dict[str, Path]) -> None:
    result = run("verify", files["sound"], files["faulty"], "--json")

    (finding,) = findings_of(result)
    assert result.exit_code == 1
    assert list(finding) == ["file", "line", "element_id", "code", "severity", "message", "hint"]
    line = FAULTY.decode().splitlines().index(service_task("Work", "nobody")) + 1
    where = (str(files["faulty"]), line, "Work", "HANDLER_UNKNOWN", "error")
    assert tuple(finding[key] for key in ("file", "line", "element_id", "code", "severity")) == where
    assert json.loads(result.stdout)["files"] == 2


def test_a_file_that_is_no_xml_is_a_finding_with_a_line_and_hinders_no_other(files: dict[str, Path]) -> None:
    result = run("verify", files["broken"], files["faulty"], "--json")

    found = [(Path(row["file"]).stem, row["line"], row["code"]) for row in findings_of(result)]
    assert found == [("broken", 3, "XML_INVALID"), ("faulty", found[1][1], "HANDLER_UNKNOWN")]


def test_a_sound_diagram_has_exit_code_0(files: dict[str, Path]) -> None:
    result = run("verify", files["sound"], "--json")

    assert (result.exit_code, json.loads(result.stdout)) == (0, {"findings": [], "files": 1})


def test_warnings_alone_let_a_diagram_pass_unless_they_are_to_count(files: dict[str, Path]) -> None:
    lenient, strict = run("verify", files["unlabelled"], "--json"), run("verify", files["unlabelled"], "--strict")

    assert [(row["element_id"], row["code"], row["severity"]) for row in findings_of(lenient)] == [
        ("One", "LABEL_MISSING", "warning")
    ]
    assert (lenient.exit_code, strict.exit_code) == (0, 1)


def test_the_structure_of_a_foreign_diagram_is_looked_at_when_asked_for(files: dict[str, Path]) -> None:
    refused, structure = run("verify", files["foreign"], "--json"), run("verify", files["foreign"], "--foreign")

    assert [row["code"] for row in findings_of(refused)] == ["DIALECT_UNSUPPORTED"]
    assert (refused.exit_code, structure.exit_code) == (1, 0)


def test_a_thousand_files_are_verified_in_one_call(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.bpmn" for number in range(1_000)]
    for number, each in enumerate(paths):
        each.write_bytes(SOUND.replace(b"sound", f"p{number}".encode()))

    result = run("verify", *paths, "--json")

    assert (result.exit_code, json.loads(result.stdout)) == (0, {"findings": [], "files": 1_000})


def test_a_description_has_both_digests_and_the_processes(files: dict[str, Path]) -> None:
    result = run("describe", files["sound"])

    assert json.loads(result.stdout) == [
        {
            "file": str(files["sound"]),
            "sha256": hashlib.sha256(SOUND).hexdigest(),
            "canonical_sha256": canonical_digest(SOUND),
            "processes": [
                {
                    "process_id": "sound",
                    "name": "sound",
                    "version_tag": None,
                    "inputs": None,
                    "calls": [],
                    "decisions": [],
                },
            ],
        }
    ]


def test_a_diagram_may_ask_the_decisions_of_the_other_files(files: dict[str, Path]) -> None:
    alone = findings_of(run("verify", files["asking"], "--json"))
    with_decision = run("verify", files["asking"], files["decided"], "--json")
    with_fault = findings_of(run("verify", files["undecided"], "--json"))

    assert [(each["code"], each["element_id"]) for each in alone] == [("DECISION_UNKNOWN", "Ask")]
    assert json.loads(with_decision.stdout) == {"findings": [], "files": 2}
    assert [(each["file"], each["code"]) for each in with_fault] == [(str(files["undecided"]), "EXPRESSION_INVALID")]


def test_a_file_of_decisions_is_described(files: dict[str, Path]) -> None:
    result = run("describe", files["decided"])

    assert json.loads(result.stdout) == [
        {
            "file": str(files["decided"]),
            "sha256": hashlib.sha256(DECIDED).hexdigest(),
            "canonical_sha256": canonical_decision_digest(DECIDED),
            "decisions": [{"decision_id": "more", "name": "more", "version_tag": None, "inputs": []}],
        }
    ]
