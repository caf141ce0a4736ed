"""Documents at the door: what else than meaning a digest passes over, what is warned of, and how much is let in."""

from __future__ import annotations

import pytest
from diagram_findings import STRAIGHT, TYPE, WORK, codes_of, task
from diagrams import diagram, document, end, message, path, process, service_task, start
from stored_tree import StoredTree

from engine.bpmn import Contracts, MessageTrigger, canonical_digest, read_diagram, read_document, verify
from engine.spiff import compile_process

CONTRACTS = Contracts(inputs={"plain": {"a": False}}, form_ids=frozenset(), calls={"p": frozenset()})
PLAIN = diagram("p", *STRAIGHT, WORK)
DRAWN = PLAIN.replace(
    b"</bpmn:definitions>",
    b'<di:BPMNDiagram xmlns:di="http://www.omg.org/spec/BPMN/20100524/DI"><di:BPMNPlane bpmnElement="p" />'
    b"</di:BPMNDiagram></bpmn:definitions>",
)
CONDITION = (
    b'<bpmn:sequenceFlow id="F" xmlns:s="http://www.w3.org/2001/XMLSchema-instance">'
    b'<bpmn:conditionExpression s:type="bpmn:tFormalExpression">=a</bpmn:conditionExpression></bpmn:sequenceFlow>'
)


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(DRAWN, id="drawing"),
        pytest.param(PLAIN.replace(b'id="Begin"', b'\n  id = "Begin" '), id="white space"),
        pytest.param(PLAIN.replace(b"<bpmn:startEvent", b"<!-- here --><bpmn:startEvent"), id="comment"),
        pytest.param(PLAIN.replace(b'id="p" isExecutable="true"', b'isExecutable="true" id="p"'), id="attributes"),
        pytest.param(PLAIN.replace(b"bpmn:", b"b:").replace(b"xmlns:bpmn", b"xmlns:b"), id="prefix"),
        pytest.param(PLAIN.replace(b'id="Definitions"', b'id="Definitions" exporter="x"'), id="tool"),
        pytest.param(b'<?xml version="1.0" encoding="UTF-8"?>\n' + PLAIN, id="declaration"),
    ],
)
def test_what_changes_no_meaning_changes_no_digest(same: bytes) -> None:
    assert same != PLAIN
    assert canonical_digest(same) == canonical_digest(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(diagram("p", WORK, *STRAIGHT), id="order of elements"),
        pytest.param(diagram("q", *STRAIGHT, WORK), id="an attribute"),
        pytest.param(diagram("p", *STRAIGHT, service_task("Work", "plain", {"a": "=b"})), id="an extension"),
        pytest.param(diagram("p", *STRAIGHT, WORK, "text"), id="a text"),
    ],
)
def test_what_may_change_the_meaning_changes_the_digest(other: bytes) -> None:
    assert canonical_digest(other) != canonical_digest(PLAIN)


def test_the_type_of_an_expression_is_compared_by_namespace() -> None:
    first = PLAIN.replace(b"</bpmn:process>", CONDITION + b"</bpmn:process>")
    renamed = first.replace(b"bpmn:", b"b:").replace(b"xmlns:bpmn", b"xmlns:b")

    assert canonical_digest(first) == canonical_digest(renamed)
    assert canonical_digest(first) != canonical_digest(first.replace(b"tFormalExpression", b"tExpression"))


def test_extensions_of_another_vendor_are_warned_of_and_change_nothing() -> None:
    note = '<other:note xmlns:other="http://other" text="a"><other:part /></other:note>'
    noted = read_document(task(TYPE + note))
    marked = read_document(task(TYPE).replace(b'id="Work"', b'id="Work" other:mark="a" xmlns:other="http://other"'))

    plain = read_document(task(TYPE))
    assert (plain.warnings, noted.models, marked.models) == ((), plain.models, plain.models)
    for read in (noted, marked):
        assert [(found.code, found.element_id, found.severity) for found in read.warnings] == [
            ("EXTENSION_UNKNOWN", "Work", "warning")
        ]


def test_what_the_modeler_notes_about_templates_changes_nothing() -> None:
    noted = task(TYPE).replace(b'id="Work"', b'id="Work" zeebe:modelerTemplate="t" zeebe:modelerTemplateVersion="1"')

    assert read_document(noted) == read_document(task(TYPE))


def test_five_thousand_tasks_in_a_chain_are_read_verified_and_run() -> None:
    ids = [f"Task_{number}" for number in range(5_000)]
    tasks = [service_task(node_id, "plain", {"a": "=b"}, {"b": "=a"}) for node_id in ids]
    (model,) = read_document(diagram("p", start(), path("Begin", *ids, "Done"), *tasks, end())).models

    assert verify(model, CONTRACTS) == ()
    stored = StoredTree(compile_process(model, {}, "Begin"), {"b": 1})
    stored.complete(*stored.waiting, a=2)

    assert [stored.task(task_id).element.id for task_id in stored.waiting] == ["Task_1"]


def test_a_reference_by_qualified_name_leads_to_the_element_of_this_document() -> None:
    content = document(process("p", start("Begin", "t:Message"), *STRAIGHT[1:], WORK), message("Message", "arrived"))
    qualified = content.replace(b"targetNamespace=", b'xmlns:t="http://test" xmlns:u="http://u" targetNamespace=')

    assert read_diagram(qualified)[0].start_events()[0].trigger == MessageTrigger("arrived")
    assert codes_of(qualified.replace(b"t:Message", b"u:Message")) == [("MESSAGE_MISSING", "Begin")]
