"""Attributes that an element does not have are refused: one that is misspelt would go unnoticed."""

from __future__ import annotations

import pytest
from diagram_findings import codes_of
from diagrams import document, end, event_subprocess, path, process, signal, start

CALL = '<bpmn:extensionElements><zeebe:calledElement processId="child" /></bpmn:extensionElements>'


def drawn() -> str:
    each = (
        '<bpmn:multiInstanceLoopCharacteristics id="Each"><bpmn:extensionElements>'
        '<zeebe:loopCharacteristics inputCollection="=[1]" /></bpmn:extensionElements>'
        "</bpmn:multiInstanceLoopCharacteristics>"
    )
    caught = '<bpmn:signalEventDefinition id="Definition" signalRef="S" />'
    content = document(
        process(
            "p",
            start(),
            path("Begin", "X"),
            f'<bpmn:callActivity id="X">{CALL}{each}</bpmn:callActivity>',
            '<bpmn:sequenceFlow id="F" sourceRef="X" targetRef="Done" />',
            f'<bpmn:boundaryEvent id="B" attachedToRef="X">{caught}</bpmn:boundaryEvent>',
            path("B", "Done"),
            event_subprocess("Events", start("On", signal_ref="Other"), path("On", "Over"), end("Over")),
            end(),
        ),
        signal("S", "s"),
        signal("Other", "other"),
    )
    return content.decode()


def with_attribute(element_id: str, attribute: str) -> bytes:
    content = drawn()
    assert f'id="{element_id}"' in content
    return content.replace(f'id="{element_id}"', f'id="{element_id}" {attribute}', 1).encode()


def test_without_them_the_diagram_is_clean() -> None:
    assert codes_of(drawn().encode()) == []


@pytest.mark.parametrize(
    ("element_id", "attribute"),
    [
        ("p", 'executable="true"'),
        ("X", 'isForCompensatoin="true"'),
        ("X", 'zeebe:retryCounter="3"'),
        ("X", 'triggeredByEvent="true"'),
        ("F", 'condition="=a"'),
        ("F", 'default="true"'),
        ("Begin", 'cancelActivity="false"'),
        ("Done", 'terminate="true"'),
        ("B", 'isInterrupting="false"'),
        ("B", 'cancelactivity="false"'),
        ("Events", 'isInterrupting="false"'),
        ("Each", 'sequential="true"'),
        ("Each", 'loopCardinality="3"'),
        ("Definition", 'errorRef="S"'),
        ("S", 'errorCode="S"'),
    ],
)
def test_an_attribute_that_the_element_does_not_have_is_refused(element_id: str, attribute: str) -> None:
    assert codes_of(with_attribute(element_id, attribute)) == [("ATTRIBUTE_UNSUPPORTED", element_id)]


@pytest.mark.parametrize("element_id", ["p", "X", "Begin", "S"])
def test_what_the_modeler_notes_about_a_template_is_passed_over(element_id: str) -> None:
    assert codes_of(with_attribute(element_id, 'zeebe:modelerTemplate="a" zeebe:modelerTemplateVersion="1"')) == []
