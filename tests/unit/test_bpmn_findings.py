"""What the reader and the verifier refuse: one diagram for each finding, and the clean one beside it."""

from __future__ import annotations

import pytest
from diagram_findings import STRAIGHT, WORK, codes_of, findings_of, task
from diagrams import (
    activity,
    boundary,
    call_activity,
    choice,
    diagram,
    document,
    end,
    error,
    flow,
    gateway,
    message,
    path,
    process,
    receive_task,
    service_task,
    start,
    user_task,
)

from engine.bpmn import read_diagram
from engine.errors import DiagramError

MARKER = "<bpmn:multiInstanceLoopCharacteristics>{}</bpmn:multiInstanceLoopCharacteristics>"


def test_a_diagram_without_fault_has_no_findings() -> None:
    content = document(
        process(
            "p",
            start(),
            start("OnMessage", "Message"),
            flow("OnMessage", "Work"),
            path("Begin", "Work", "Which"),
            service_task("Work", "work", {"needed": "=a"}, {"b": "=c"}, retries=100),
            boundary("Caught", "Work", "Error"),
            boundary("CaughtAny", "Work"),
            path("Caught", "Ask", "Call", "Done"),
            path("CaughtAny", "Done"),
            user_task("Ask", "reviewer, admin", form="review"),
            call_activity("Call", "child"),
            choice("Which", "=b = 1", "Done", "Ask"),
            end(),
        ),
        message("Message", "arrived"),
        error("Error", "BROKEN"),
    )

    assert findings_of(content) == ()


def test_sequence_flows_need_no_ids() -> None:
    (model,) = read_diagram(diagram("p", *STRAIGHT, WORK))

    assert [(each.source, each.target) for each in model.flows] == [("Begin", "Work"), ("Work", "Done")]
    assert len({each.id for each in model.flows}) == 2


def test_comments_and_processing_instructions_change_nothing() -> None:
    plain = diagram(
        "p",
        *STRAIGHT,
        service_task("Work", "work", {"needed": "=a"}),
        choice("Which", "=a and b", "Done", "Done"),
        flow("Begin", "Which"),
    )
    noisy = plain.replace(b"=a and", b"=a<!-- or c --> and").replace(b"<zeebe:input", b"<!-- c --><?pi?><zeebe:input")

    assert read_diagram(noisy) == read_diagram(plain)
    assert b"<!-- c -->" in noisy


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "XML_INVALID"),
        (b"not xml", "XML_INVALID"),
        (b"<a><b></a>", "XML_INVALID"),
        (b"\xff\xfe\x00\x00", "XML_INVALID"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "XML_INVALID"),
        (b"<a>&undefined;</a>", "XML_INVALID"),
        (b"<x>" * 2_000 + b"</x>" * 2_000, "DOCUMENT_TOO_DEEP"),
        (b"<x>" * 101 + b"</x>" * 101, "DOCUMENT_TOO_DEEP"),
        (b"<x>" * 100 + b"</x>" * 100, "NOT_BPMN"),
        (b"<html/>", "NOT_BPMN"),
        (b"<definitions/>", "NOT_BPMN"),
        (b"<!DOCTYPE a><a/>", "DOCTYPE_REFUSED"),
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>', "DOCTYPE_REFUSED"),
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "DOCTYPE_REFUSED"),
        (b'<!DOCTYPE a [<!ENTITY b "bbb"><!ENTITY c "&b;&b;">]><a c="&c;"/>', "DOCTYPE_REFUSED"),
        (b" " * (10 * 1024 * 1024) + b"<a/>", "DOCUMENT_TOO_LARGE"),
        (b"<a>" + b"<b/>" * 200_000 + b"</a>", "DOCUMENT_TOO_LARGE"),
        (b"<a" + b"".join(b' b%d=""' % number for number in range(101)) + b"/>", "DOCUMENT_TOO_LARGE"),
        (b"<a" + b"".join(b' b%d=""' % number for number in range(100)) + b"/>", "NOT_BPMN"),
    ],
)
def test_what_is_not_a_plain_bpmn_document_is_refused(content: bytes, code: str) -> None:
    assert [found for found, _ in codes_of(content)] == [code]


def test_entities_that_would_fill_memory_are_refused() -> None:
    levels = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(12))
    content = f'<!DOCTYPE a [<!ENTITY e0 "boom">{levels}]><a b="&e12;">&e12;</a>'.encode()

    (finding,) = findings_of(content)

    assert finding.code == "DOCTYPE_REFUSED"


@pytest.mark.parametrize(
    "element",
    [
        '<bpmn:adHocSubProcess id="X" />',
        '<bpmn:complexGateway id="X" />',
        '<bpmn:intermediateCatchEvent id="X"><bpmn:compensateEventDefinition /></bpmn:intermediateCatchEvent>',
        '<bpmn:intermediateThrowEvent id="X"><bpmn:cancelEventDefinition /></bpmn:intermediateThrowEvent>',
        '<bpmn:property id="X" name="amount" />',
        '<bpmn:ioSpecification id="X" />',
        '<other:serviceTask xmlns:other="http://other" id="X" />',
        '<serviceTask id="X" />',
    ],
)
def test_an_element_that_is_not_executed_is_refused_with_its_line(element: str) -> None:
    content = diagram("p", *STRAIGHT, WORK, "", element)
    line = content.decode().splitlines().index(element) + 1

    (finding,) = (found for found in findings_of(content) if found.element_id == "X")

    assert (finding.code, finding.element_id, finding.line) == ("ELEMENT_UNSUPPORTED", "X", line)


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("startEvent", "<bpmn:errorEventDefinition />"),
        ("startEvent", "<bpmn:timerEventDefinition /><bpmn:timerEventDefinition />"),
        ("startEvent", "<bpmn:timerEventDefinition><bpmn:timeZone /></bpmn:timerEventDefinition>"),
        ("startEvent", "<bpmn:conditionalEventDefinition />"),
        ("startEvent", "<bpmn:escalationEventDefinition />"),
        ("endEvent", "<bpmn:signalEventDefinition /><bpmn:errorEventDefinition />"),
        ("scriptTask", "<bpmn:script>print(1)</bpmn:script>"),
        ("serviceTask", "<bpmn:multiInstanceLoopCharacteristics /><bpmn:multiInstanceLoopCharacteristics />"),
        ("serviceTask", MARKER.format("<bpmn:loopCardinality>3</bpmn:loopCardinality>")),
        ("serviceTask", "<bpmn:dataInputAssociation><bpmn:assignment /></bpmn:dataInputAssociation>"),
        ("serviceTask", "<bpmn:dataOutputAssociation><bpmn:transformation /></bpmn:dataOutputAssociation>"),
        ("serviceTask", "<bpmn:property />"),
        ("userTask", "<bpmn:potentialOwner />"),
        ("parallelGateway", "<bpmn:multiInstanceLoopCharacteristics />"),
        ("exclusiveGateway", "<bpmn:resourceRole />"),
        ("sequenceFlow", "<bpmn:signalEventDefinition />"),
    ],
)
def test_a_part_of_an_element_that_is_not_executed_is_refused(kind: str, part: str) -> None:
    findings = codes_of(diagram("p", *STRAIGHT, WORK, f'<bpmn:{kind} id="X">{part}</bpmn:{kind}>'))

    assert ("ELEMENT_UNSUPPORTED", "X") in findings


def test_every_finding_says_what_to_do_and_where() -> None:
    content = diagram("p", start(), '<bpmn:scriptTask id="X" />', task("").decode())

    findings = findings_of(content)

    assert len(findings) > 1
    assert all(finding.line > 0 and finding.message and finding.hint for finding in findings)
    with pytest.raises(DiagramError) as raised:
        read_diagram(content)
    assert (raised.value.code, raised.value.findings) == ("DIAGRAM_REFUSED", findings)


def test_a_gateway_with_one_flow_needs_neither_condition_nor_label() -> None:
    assert findings_of(diagram("p", *STRAIGHT, gateway("Work"))) == ()


@pytest.mark.parametrize(
    ("element", "instead"),
    [
        ('<bpmn:complexGateway id="X" />', "inclusive and parallel gateways"),
        ('<bpmn:adHocSubProcess id="X" />', "Draw the order"),
    ],
)
def test_what_is_not_executed_names_what_to_draw_instead(element: str, instead: str) -> None:
    (finding,) = (found for found in findings_of(diagram("p", *STRAIGHT, WORK, element)) if found.element_id == "X")

    assert instead in finding.hint


@pytest.mark.parametrize("called", ["", '<zeebe:calledDecision decisionId="policy" />'])
def test_a_business_rule_task_names_a_decision_and_a_variable_for_its_value(called: str) -> None:
    content = diagram("p", start(), path("Begin", "X", "Done"), activity("businessRuleTask", "X", called), end())

    assert codes_of(content) == [("CALLED_DECISION_INVALID", "X")]


def test_what_is_found_twice_is_said_once() -> None:
    declared = message("Message", "arrived", "key")
    tasks = [receive_task(task_id, "Message") for task_id in ("Work", "Also")]
    content = document(process("p", start(), path("Begin", "Work", "Also", "Done"), *tasks, end()), declared)

    assert codes_of(content) == [("CORRELATION_KEY_INVALID", "Message")]
