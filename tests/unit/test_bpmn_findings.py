"""What the reader and the verifier refuse: one diagram for each finding, and the clean one beside it."""

from __future__ import annotations

import pytest
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
    service_task,
    start,
    user_task,
)

from engine.bpmn import Contracts, ServiceTask, StartEvent, UserTask, read_diagram, verify
from engine.errors import DiagramError, Finding

CONTRACTS = Contracts(
    inputs={"work": {"needed": True, "optional": False}, "plain": {}},
    form_ids=frozenset({"review"}),
    process_ids=frozenset({"p", "child"}),
)
WORK = service_task("Work", "plain")
STRAIGHT = (start(), path("Begin", "Work", "Done"), end())


def _findings(content: bytes) -> tuple[Finding, ...]:
    try:
        models = read_diagram(content)
    except DiagramError as refused:
        return refused.findings
    return tuple(finding for model in models for finding in verify(model, CONTRACTS))


def _codes(content: bytes) -> list[tuple[str, str]]:
    return [(finding.code, finding.element_id) for finding in _findings(content)]


def _task(extensions: str) -> bytes:
    return diagram("p", *STRAIGHT, activity("serviceTask", "Work", extensions))


def _person(extensions: str) -> bytes:
    return diagram("p", *STRAIGHT, activity("userTask", "Work", extensions))


TYPE = '<zeebe:taskDefinition type="plain" />'
ASSIGNED = '<zeebe:assignmentDefinition candidateGroups="a" />'


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

    assert _findings(content) == ()


def test_sequence_flows_need_no_ids() -> None:
    (model,) = read_diagram(diagram("p", *STRAIGHT, WORK))

    assert [(each.source, each.target) for each in model.flows] == [("Begin", "Work"), ("Work", "Done")]
    assert len({each.id for each in model.flows}) == 2


def test_what_a_diagram_says_is_read_whole() -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "Work", "Ask", "Done"),
        service_task("Work", "work", {"needed": "= a.b", "optional": 'say "hi" \\ '}, {"c": "=d"}, retries=7),
        user_task("Ask", " reviewer ,, admin ", form="review", excludes_initiator=True),
        end(),
    )

    (model,) = read_diagram(content)

    work, ask = model.nodes["Work"], model.nodes["Ask"]
    assert isinstance(work, ServiceTask)
    assert isinstance(ask, UserTask)
    assert (work.type, work.retries) == ("work", 7)
    assert [(each.source, each.target) for each in (*work.inputs, *work.outputs)] == [
        ("a.b", "needed"),
        ('"say \\"hi\\" \\\\ "', "optional"),
        ("d", "c"),
    ]
    assert (ask.candidate_groups, ask.form_id, ask.excludes_initiator) == (("reviewer", "admin"), "review", True)
    assert isinstance(model.nodes["Begin"], StartEvent)


def test_comments_and_processing_instructions_change_nothing() -> None:
    plain = diagram(
        "p",
        *STRAIGHT,
        service_task("Work", "work", {"needed": "=a"}),
        choice("Which", "=a and b", "Done", "Done"),
        flow("Begin", "Which"),
    )
    noisy = plain.replace(b"=a and", b"=a <!-- or c --> and").replace(b"<zeebe:input", b"<!-- c --><?pi?><zeebe:input")

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
        (b"<x>" * 2_000 + b"</x>" * 2_000, "XML_INVALID"),
        (b"<html/>", "NOT_BPMN"),
        (b"<definitions/>", "NOT_BPMN"),
        (b"<!DOCTYPE a><a/>", "DOCTYPE_REFUSED"),
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>', "DOCTYPE_REFUSED"),
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "DOCTYPE_REFUSED"),
        (b'<!DOCTYPE a [<!ENTITY b "bbb"><!ENTITY c "&b;&b;">]><a c="&c;"/>', "DOCTYPE_REFUSED"),
        (b" " * (5 * 1024 * 1024) + b"<a/>", "DOCUMENT_TOO_LARGE"),
        (b"<a>" + b"<b/>" * 50_000 + b"</a>", "DOCUMENT_TOO_LARGE"),
    ],
)
def test_what_is_not_a_plain_bpmn_document_is_refused(content: bytes, code: str) -> None:
    assert [found for found, _ in _codes(content)] == [code]


def test_entities_that_would_fill_memory_are_refused() -> None:
    levels = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(12))
    content = f'<!DOCTYPE a [<!ENTITY e0 "boom">{levels}]><a b="&e12;">&e12;</a>'.encode()

    (finding,) = _findings(content)

    assert finding.code in {"XML_INVALID", "DOCTYPE_REFUSED"}


@pytest.mark.parametrize(
    "element",
    [
        '<bpmn:scriptTask id="X"><bpmn:script>print(1)</bpmn:script></bpmn:scriptTask>',
        '<bpmn:businessRuleTask id="X" />',
        '<bpmn:sendTask id="X" />',
        '<bpmn:receiveTask id="X" />',
        '<bpmn:manualTask id="X" />',
        '<bpmn:task id="X" />',
        '<bpmn:subProcess id="X" />',
        '<bpmn:transaction id="X" />',
        '<bpmn:adHocSubProcess id="X" />',
        '<bpmn:parallelGateway id="X" />',
        '<bpmn:inclusiveGateway id="X" />',
        '<bpmn:eventBasedGateway id="X" />',
        '<bpmn:complexGateway id="X" />',
        '<bpmn:intermediateCatchEvent id="X" />',
        '<bpmn:intermediateThrowEvent id="X" />',
        '<bpmn:dataObject id="X" />',
        '<bpmn:ioSpecification id="X" />',
        '<other:serviceTask xmlns:other="http://other" id="X" />',
        '<serviceTask id="X" />',
    ],
)
def test_an_element_that_is_not_executed_is_refused_with_its_line(element: str) -> None:
    content = diagram("p", *STRAIGHT, WORK, "", element)
    line = content.decode().splitlines().index(element) + 1

    (finding,) = _findings(content)

    assert (finding.code, finding.element_id, finding.line) == ("ELEMENT_UNSUPPORTED", "X", line)


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        (
            "startEvent",
            "<bpmn:timerEventDefinition><bpmn:timeCycle>R/PT1S</bpmn:timeCycle></bpmn:timerEventDefinition>",
        ),
        ("startEvent", "<bpmn:signalEventDefinition />"),
        ("startEvent", "<bpmn:conditionalEventDefinition />"),
        ("endEvent", "<bpmn:errorEventDefinition />"),
        ("endEvent", "<bpmn:terminateEventDefinition />"),
        ("endEvent", "<bpmn:messageEventDefinition />"),
        ("serviceTask", "<bpmn:multiInstanceLoopCharacteristics />"),
        ("serviceTask", "<bpmn:standardLoopCharacteristics />"),
        ("serviceTask", "<bpmn:dataInputAssociation />"),
        ("serviceTask", "<bpmn:property />"),
        ("userTask", "<bpmn:potentialOwner />"),
        ("callActivity", "<bpmn:multiInstanceLoopCharacteristics />"),
        ("exclusiveGateway", "<bpmn:resourceRole />"),
        ("sequenceFlow", "<bpmn:signalEventDefinition />"),
    ],
)
def test_a_part_of_an_element_that_is_not_executed_is_refused(kind: str, part: str) -> None:
    findings = _codes(diagram("p", *STRAIGHT, WORK, f'<bpmn:{kind} id="X">{part}</bpmn:{kind}>'))

    assert ("ELEMENT_UNSUPPORTED", "X") in findings


MESSAGE_START = start("Begin", "Message")
NEEDED = {"needed": "=a"}


@pytest.mark.parametrize(
    ("content", "code", "element_id"),
    [
        pytest.param(document("<bpmn:choreography id='C' />", process("p", *STRAIGHT, WORK)), "ELEMENT_UNSUPPORTED", "C",
                     id="top-level element"),
        pytest.param(document('<bpmn:process id="p" />'), "NOT_EXECUTABLE", "Definitions", id="not executable"),
        pytest.param(document('<bpmn:process id="" isExecutable="true" />'), "ID_INVALID", "Definitions", id="empty id"),
        pytest.param(document('<bpmn:process isExecutable="true" />'), "ID_MISSING", "Definitions", id="no process id"),
        pytest.param(diagram("p", *STRAIGHT, WORK, "<bpmn:serviceTask />"), "ID_MISSING", "p", id="no element id"),
        pytest.param(diagram("p", *STRAIGHT, service_task("a b", "plain")), "ID_INVALID", "a b", id="no valid id"),
        pytest.param(diagram("p", *STRAIGHT, WORK, WORK), "ID_DUPLICATE", "Work", id="an id twice"),
        pytest.param(document(process("p", start("A")), process("p", start("B"))), "ID_DUPLICATE", "p",
                     id="a process id twice"),
        pytest.param(diagram("p", MESSAGE_START, path("Begin", "Work", "Done"), WORK, end()), "MESSAGE_MISSING", "Begin",
                     id="no message"),
        pytest.param(document(process("p", MESSAGE_START), message("Message", None)), "MESSAGE_MISSING", "Begin",
                     id="no message name"),
        pytest.param(document(process("p", MESSAGE_START), message("Message", "=a")), "EXPRESSION_UNSUPPORTED", "Message",
                     id="message name is an expression"),
        pytest.param(document(process("p", boundary("B", "Work", "E")), error("E", None)), "ERROR_CODE_MISSING", "B",
                     id="no error code"),
        pytest.param(diagram("p", boundary("B", "Work", "E")), "ERROR_CODE_MISSING", "B", id="no error"),
        pytest.param(document(process("p", boundary("B", "Work", "E")), error("E", "=a")), "EXPRESSION_UNSUPPORTED", "E",
                     id="error code is an expression"),
        pytest.param(diagram("p", '<bpmn:boundaryEvent id="B" attachedToRef="Work" />'), "EVENT_UNSUPPORTED", "B",
                     id="boundary event without definition"),
        pytest.param(diagram("p", boundary("B", "W").replace("id=", 'cancelActivity="false" id=')), "ATTRIBUTE_UNSUPPORTED",
                     "B", id="boundary event that does not interrupt"),
        pytest.param(diagram("p", WORK.replace("id=", 'isForCompensation="true" id=')), "ATTRIBUTE_UNSUPPORTED", "Work",
                     id="compensation"),
        pytest.param(_task(""), "TASK_TYPE_MISSING", "Work", id="no task type"),
        pytest.param(_task('<zeebe:taskDefinition type="=a" />'), "EXPRESSION_UNSUPPORTED", "Work",
                     id="task type is an expression"),
        pytest.param(_task(TYPE + TYPE), "EXTENSION_REPEATED", "Work", id="extension twice"),
        pytest.param(_task(TYPE + "<zeebe:executionListeners />"), "EXTENSION_UNSUPPORTED", "Work",
                     id="unknown extension"),
        pytest.param(_task(TYPE + '<other:properties xmlns:other="http://other" />'), "EXTENSION_UNSUPPORTED", "Work",
                     id="extension of another vendor"),
        pytest.param(_task('<taskDefinition type="plain" />'), "EXTENSION_UNSUPPORTED", "Work",
                     id="extension without namespace"),
        pytest.param(_task(TYPE + ASSIGNED), "EXTENSION_UNSUPPORTED", "Work", id="extension of another element"),
        pytest.param(_task(TYPE + "<zeebe:ioMapping><zeebe:both source='=a' target='b' /></zeebe:ioMapping>"),
                     "EXTENSION_UNSUPPORTED", "Work", id="no mapping"),
        pytest.param(_task(TYPE + "<zeebe:ioMapping><zeebe:input source='=a' target='b.c' /></zeebe:ioMapping>"),
                     "MAPPING_INVALID", "Work", id="target is no name"),
        pytest.param(_task(TYPE + "<zeebe:ioMapping><zeebe:input target='b' /></zeebe:ioMapping>"), "MAPPING_INVALID",
                     "Work", id="no source"),
        pytest.param(diagram("p", *STRAIGHT, service_task("Work", "plain", {}, {"a": "=b +"})), "EXPRESSION_INVALID",
                     "Work", id="mapping is no expression"),
        pytest.param(diagram("p", *STRAIGHT, service_task("Work", "plain", retries=0)), "RETRIES_INVALID", "Work",
                     id="no attempt"),
        pytest.param(diagram("p", *STRAIGHT, service_task("Work", "plain", retries=101)), "RETRIES_INVALID", "Work",
                     id="too many attempts"),
        pytest.param(_task('<zeebe:taskDefinition type="plain" retries="=n" />'), "RETRIES_INVALID", "Work",
                     id="attempts are an expression"),
        pytest.param(_person("<zeebe:userTask />"), "CANDIDATES_MISSING", "Work", id="no candidates"),
        pytest.param(_person('<zeebe:assignmentDefinition candidateGroups="=a" />'), "EXPRESSION_UNSUPPORTED", "Work",
                     id="candidates are an expression"),
        pytest.param(_person('<zeebe:assignmentDefinition candidateGroups="a" assignee="b" />'),
                     "ASSIGNMENT_UNSUPPORTED", "Work", id="assignee"),
        pytest.param(_person(ASSIGNED + '<zeebe:formDefinition formId="=a" />'), "EXPRESSION_UNSUPPORTED", "Work",
                     id="form is an expression"),
        pytest.param(_person(ASSIGNED + '<zeebe:formDefinition formId="other" />'), "FORM_UNKNOWN", "Work",
                     id="unknown form"),
        pytest.param(_person(ASSIGNED + "<zeebe:taskHeaders><zeebe:header key='excluded_principals' value='all' />"
                             "</zeebe:taskHeaders>"), "HEADER_INVALID", "Work", id="unknown exclusion"),
        pytest.param(diagram("p", *STRAIGHT, activity("callActivity", "Work", "")), "CALLED_PROCESS_MISSING", "Work",
                     id="no called process"),
        pytest.param(diagram("p", *STRAIGHT, call_activity("Work", "=a")), "EXPRESSION_UNSUPPORTED", "Work",
                     id="called process is an expression"),
        pytest.param(diagram("p", *STRAIGHT, call_activity("Work", "other")), "PROCESS_UNKNOWN", "Work",
                     id="unknown called process"),
        pytest.param(diagram("p", start(), WORK, end(), path("Begin", "Work"), flow("Work", "Done", "a = 1")),
                     "CONDITION_INVALID", "p", id="condition without ="),
        pytest.param(diagram("p", start(), WORK, end(), path("Begin", "Work"), flow("Work", "Done", "=a", flow_id="F")),
                     "CONDITION_MISPLACED", "F", id="condition behind a task"),
        pytest.param(diagram("p", *STRAIGHT, choice("Work", "=a or", "Done", "Done")), "EXPRESSION_INVALID",
                     "Work_accepted", id="condition is no expression"),
        pytest.param(diagram("p", WORK, end(), path("Work", "Done")), "START_EVENT_MISSING", "p", id="no start event"),
        pytest.param(diagram("p", *STRAIGHT, WORK, start("Also"), path("Also", "Work")), "START_EVENT_AMBIGUOUS", "p",
                     id="two start events"),
        pytest.param(diagram("p", *STRAIGHT, WORK, flow("Done", "Work")), "FLOW_AFTER_END", "Done", id="flow after end"),
        pytest.param(diagram("p", *STRAIGHT, WORK, flow("Work", "Done")), "OUTGOING_FLOWS", "Work", id="two flows"),
        pytest.param(diagram("p", start(), WORK, path("Begin", "Work")), "OUTGOING_FLOWS", "Work", id="no flow"),
        pytest.param(diagram("p", start(), gateway("G"), path("Begin", "G")), "OUTGOING_FLOWS", "G",
                     id="no flow out of a gateway"),
        pytest.param(diagram("p", *STRAIGHT, WORK, boundary("B", "Work")), "OUTGOING_FLOWS", "B",
                     id="no flow out of a boundary event"),
        pytest.param(diagram("p", *STRAIGHT, WORK, end("Far")), "UNREACHABLE", "Far", id="unreachable"),
        pytest.param(diagram("p", *STRAIGHT, WORK, flow("Gone", "Done", flow_id="F")), "REFERENCE_MISSING", "F",
                     id="flow from nowhere"),
        pytest.param(diagram("p", start(), flow("Begin", "Gone", flow_id="F")), "REFERENCE_MISSING", "F",
                     id="flow to nowhere"),
        pytest.param(diagram("p", start(), WORK, path("Begin", "Work"), flow("Work", "Begin", flow_id="F")),
                     "FLOW_INTO_EVENT", "F", id="flow into the start"),
        pytest.param(diagram("p", *STRAIGHT, WORK, boundary("B", "Done"), path("B", "Done")), "BOUNDARY_MISPLACED", "B",
                     id="boundary event on an end event"),
        pytest.param(diagram("p", *STRAIGHT, user_task("Work", "a"), boundary("B", "Work"), path("B", "Done")),
                     "BOUNDARY_MISPLACED", "B", id="boundary event on a user task"),
        pytest.param(diagram("p", *STRAIGHT, WORK, boundary("A", "Work"), boundary("B", "Work"), path("A", "Done"),
                             path("B", "Done")), "BOUNDARY_AMBIGUOUS", "B", id="two boundary events for one error"),
        pytest.param(diagram("p", *STRAIGHT, gateway("Work"), flow("Work", "Done", "=a", name="a")),
                     "DEFAULT_FLOW_MISSING", "Work", id="no default flow"),
        pytest.param(diagram("p", *STRAIGHT, gateway("Work", "Gone")), "DEFAULT_FLOW_MISSING", "Work",
                     id="default flow of another gateway"),
        pytest.param(diagram("p", start(), path("Begin", "Work"), end(), gateway("Work", "F"),
                             flow("Work", "Done", flow_id="F", name="f"), flow("Work", "Done", flow_id="G", name="g")),
                     "CONDITION_MISSING", "G", id="no condition"),
        pytest.param(diagram("p", start(), path("Begin", "Work"), end(), gateway("Work", "F"),
                             flow("Work", "Done", flow_id="F", name="f"), flow("Work", "Done", "=a", flow_id="G")),
                     "LABEL_MISSING", "G", id="no label"),
        pytest.param(diagram("p", *STRAIGHT, service_task("Work", "other")), "HANDLER_UNKNOWN", "Work",
                     id="unknown handler"),
        pytest.param(diagram("p", *STRAIGHT, service_task("Work", "work")), "INPUT_MISSING", "Work", id="missing input"),
        pytest.param(diagram("p", *STRAIGHT, service_task("Work", "work", NEEDED | {"other": "=a"})), "INPUT_UNKNOWN",
                     "Work", id="unknown input"),
    ],
)  # fmt: skip
def test_a_fault_is_found_where_it_stands(content: bytes, code: str, element_id: str) -> None:
    assert (code, element_id) in _codes(content)


def test_every_finding_says_what_to_do_and_where() -> None:
    content = diagram("p", start(), '<bpmn:scriptTask id="X" />', _task("").decode())

    findings = _findings(content)

    assert len(findings) > 1
    assert all(finding.line > 0 and finding.message and finding.hint for finding in findings)
    with pytest.raises(DiagramError) as raised:
        read_diagram(content)
    assert (raised.value.code, raised.value.findings) == ("DIAGRAM_REFUSED", findings)


def test_a_gateway_with_one_flow_needs_neither_condition_nor_label() -> None:
    assert _findings(diagram("p", *STRAIGHT, gateway("Work"))) == ()
