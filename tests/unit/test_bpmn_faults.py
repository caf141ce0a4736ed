"""One diagram with each fault of ids, references, extensions, gateways and contracts, and the finding it gets."""

from __future__ import annotations

import pytest
from diagram_findings import ASSIGNED, STRAIGHT, TYPE, WORK, codes_of, person, task
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
)

MESSAGE_START = start("Begin", "Message")
NEEDED = {"needed": "=a"}


@pytest.mark.parametrize(
    ("content", "code", "element_id"),
    [
        pytest.param(
            document("<bpmn:choreography id='C' />", process("p", *STRAIGHT, WORK)),
            "ELEMENT_UNSUPPORTED",
            "C",
            id="top-level element",
        ),
        pytest.param(document('<bpmn:process id="p" />'), "NOT_EXECUTABLE", "Definitions", id="not executable"),
        pytest.param(
            document('<bpmn:process id="" isExecutable="true" />'), "ID_INVALID", "Definitions", id="empty id"
        ),
        pytest.param(document('<bpmn:process isExecutable="true" />'), "ID_MISSING", "Definitions", id="no process id"),
        pytest.param(diagram("p", *STRAIGHT, WORK, "<bpmn:serviceTask />"), "ID_MISSING", "p", id="no element id"),
        pytest.param(diagram("p", *STRAIGHT, service_task("a b", "plain")), "ID_INVALID", "a b", id="no valid id"),
        pytest.param(diagram("p", *STRAIGHT, WORK, WORK), "ID_DUPLICATE", "Work", id="an id twice"),
        pytest.param(
            document(process("p", start("A")), process("p", start("B"))), "ID_DUPLICATE", "p", id="a process id twice"
        ),
        pytest.param(
            diagram("p", MESSAGE_START, path("Begin", "Work", "Done"), WORK, end()),
            "MESSAGE_MISSING",
            "Begin",
            id="no message",
        ),
        pytest.param(
            document(process("p", MESSAGE_START), message("Message", None)),
            "MESSAGE_MISSING",
            "Begin",
            id="no message name",
        ),
        pytest.param(
            document(process("p", MESSAGE_START), message("Message", "=a")),
            "EXPRESSION_UNSUPPORTED",
            "Message",
            id="message name is an expression",
        ),
        pytest.param(
            document(process("p", boundary("B", "Work", "E")), error("E", None)),
            "ERROR_CODE_MISSING",
            "B",
            id="no error code",
        ),
        pytest.param(diagram("p", boundary("B", "Work", "E")), "ERROR_CODE_MISSING", "B", id="no error"),
        pytest.param(
            document(process("p", boundary("B", "Work", "E")), error("E", "=a")),
            "EXPRESSION_UNSUPPORTED",
            "E",
            id="error code is an expression",
        ),
        pytest.param(
            diagram("p", '<bpmn:boundaryEvent id="B" attachedToRef="Work" />'),
            "EVENT_UNSUPPORTED",
            "B",
            id="boundary event without definition",
        ),
        pytest.param(
            diagram("p", boundary("B", "W").replace("id=", 'cancelActivity="false" id=')),
            "ATTRIBUTE_UNSUPPORTED",
            "B",
            id="error event that does not interrupt",
        ),
        pytest.param(
            diagram("p", WORK.replace("id=", 'isForCompensation="true" id=')),
            "COMPENSATION_HANDLER_UNUSED",
            "Work",
            id="compensation",
        ),
        pytest.param(task(""), "TASK_TYPE_MISSING", "Work", id="no task type"),
        pytest.param(
            task('<zeebe:taskDefinition type="=a" />'),
            "EXPRESSION_UNSUPPORTED",
            "Work",
            id="task type is an expression",
        ),
        pytest.param(task(TYPE + TYPE), "EXTENSION_REPEATED", "Work", id="extension twice"),
        pytest.param(
            task(TYPE + "<zeebe:executionListeners />"), "EXTENSION_UNSUPPORTED", "Work", id="unknown extension"
        ),
        pytest.param(
            task(TYPE.replace("/>", 'pool="a" />')), "ATTRIBUTE_UNSUPPORTED", "Work", id="attribute of an extension"
        ),
        pytest.param(
            task(TYPE + "<zeebe:taskHeaders><zeebe:entry key='a' /></zeebe:taskHeaders>"),
            "EXTENSION_UNSUPPORTED",
            "Work",
            id="no header",
        ),
        pytest.param(
            task(TYPE + "<zeebe:taskHeaders><zeebe:header key='resultVariable' value='a b' /></zeebe:taskHeaders>"),
            "HEADER_INVALID",
            "Work",
            id="result variable is no name",
        ),
        pytest.param(
            task('<taskDefinition type="plain" />'), "EXTENSION_UNSUPPORTED", "Work", id="extension without namespace"
        ),
        pytest.param(task(TYPE + ASSIGNED), "EXTENSION_UNSUPPORTED", "Work", id="extension of another element"),
        pytest.param(
            task(TYPE + "<zeebe:ioMapping><zeebe:both source='=a' target='b' /></zeebe:ioMapping>"),
            "EXTENSION_UNSUPPORTED",
            "Work",
            id="no mapping",
        ),
        pytest.param(
            task(TYPE + "<zeebe:ioMapping><zeebe:input source='=a' target='b.c' /></zeebe:ioMapping>"),
            "MAPPING_INVALID",
            "Work",
            id="target is no name",
        ),
        pytest.param(
            task(TYPE + "<zeebe:ioMapping><zeebe:input target='b' /></zeebe:ioMapping>"),
            "MAPPING_INVALID",
            "Work",
            id="no source",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, service_task("Work", "plain", {}, {"a": "=b +"})),
            "EXPRESSION_INVALID",
            "Work",
            id="mapping is no expression",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, service_task("Work", "plain", retries=0)),
            "RETRIES_INVALID",
            "Work",
            id="no attempt",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, service_task("Work", "plain", retries=101)),
            "RETRIES_INVALID",
            "Work",
            id="too many attempts",
        ),
        pytest.param(
            task('<zeebe:taskDefinition type="plain" retries="²" />'),
            "RETRIES_INVALID",
            "Work",
            id="retries that are a digit and no number",
        ),
        pytest.param(
            task(f'<zeebe:taskDefinition type="plain" retries="{"1" * 5_000}" />'),
            "RETRIES_INVALID",
            "Work",
            id="retries of more digits than Python converts",
        ),
        pytest.param(
            task('<zeebe:taskDefinition type="plain" retries="=n" />'),
            "RETRIES_INVALID",
            "Work",
            id="attempts are an expression",
        ),
        pytest.param(person("<zeebe:userTask />"), "CANDIDATES_MISSING", "Work", id="no candidates"),
        pytest.param(
            person('<zeebe:assignmentDefinition candidateGroups="=a +" />'),
            "EXPRESSION_INVALID",
            "Work",
            id="candidates are no expression",
        ),
        pytest.param(
            person('<zeebe:assignmentDefinition candidateGroups="a" taskPool="b" />'),
            "ATTRIBUTE_UNSUPPORTED",
            "Work",
            id="assigned in another way",
        ),
        pytest.param(
            person(ASSIGNED + '<zeebe:formDefinition formId="=a" />'),
            "EXPRESSION_UNSUPPORTED",
            "Work",
            id="form is an expression",
        ),
        pytest.param(
            person(ASSIGNED + '<zeebe:formDefinition formId="other" />'), "FORM_UNKNOWN", "Work", id="unknown form"
        ),
        pytest.param(
            person(
                ASSIGNED + "<zeebe:taskHeaders><zeebe:header key='excluded_principals' value='all' />"
                "</zeebe:taskHeaders>"
            ),
            "HEADER_INVALID",
            "Work",
            id="unknown exclusion",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, activity("callActivity", "Work", "")),
            "CALLED_PROCESS_MISSING",
            "Work",
            id="no called process",
        ),
        pytest.param(
            person(ASSIGNED + '<zeebe:formDefinition formKey="camunda-forms:bpmn:a" />'),
            "ATTRIBUTE_UNSUPPORTED",
            "Work",
            id="form of another kind",
        ),
        pytest.param(
            person(ASSIGNED + '<zeebe:formDefinition formId="review" bindingType="deployment" />'),
            "BINDING_UNSUPPORTED",
            "Work",
            id="version of a form",
        ),
        *(
            pytest.param(
                diagram(
                    "p", *STRAIGHT, activity("callActivity", "Work", f'<zeebe:calledElement processId="p" {text} />')
                ),
                code,
                "Work",
                id=f"call with {text}",
            )
            for text, code in (
                ('bindingType="versionTag"', "BINDING_INVALID"),
                ('bindingType="newest"', "BINDING_INVALID"),
                ('versionTag="1.0"', "BINDING_INVALID"),
                ('processIdExpression="=a"', "ATTRIBUTE_UNSUPPORTED"),
                ('propagateAllChildVariables="yes"', "ATTRIBUTE_UNSUPPORTED"),
            )
        ),
        pytest.param(
            diagram("p", *STRAIGHT, call_activity("Work", "=a")),
            "EXPRESSION_UNSUPPORTED",
            "Work",
            id="called process is an expression",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, call_activity("Work", "other")),
            "PROCESS_UNKNOWN",
            "Work",
            id="unknown called process",
        ),
        pytest.param(
            diagram("p", start(), WORK, end(), path("Begin", "Work"), flow("Work", "Done", "a = 1")),
            "CONDITION_INVALID",
            "p",
            id="condition without =",
        ),
        pytest.param(
            diagram("p", start(), WORK, end(), path("Begin", "Work"), flow("Work", "Done", "=a", flow_id="F")),
            "DEFAULT_FLOW_MISSING",
            "Work",
            id="nothing but a condition behind a task",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, choice("Work", "=a or", "Done", "Done")),
            "EXPRESSION_INVALID",
            "Work_accepted",
            id="condition is no expression",
        ),
        pytest.param(diagram("p", WORK, end(), path("Work", "Done")), "START_EVENT_MISSING", "p", id="no start event"),
        pytest.param(
            diagram("p", *STRAIGHT, WORK, start("Also"), path("Also", "Work")),
            "START_EVENT_AMBIGUOUS",
            "Also",
            id="two start events",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, WORK, flow("Done", "Work")), "FLOW_AFTER_END", "Done", id="flow after end"
        ),
        pytest.param(diagram("p", start()), "OUTGOING_FLOWS", "Begin", id="no flow out of a start event"),
        pytest.param(
            diagram("p", start(), gateway("G"), path("Begin", "G")),
            "OUTGOING_FLOWS",
            "G",
            id="no flow out of a gateway",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, WORK, boundary("B", "Work")),
            "OUTGOING_FLOWS",
            "B",
            id="no flow out of a boundary event",
        ),
        pytest.param(diagram("p", *STRAIGHT, WORK, end("Far")), "UNREACHABLE", "Far", id="unreachable"),
        pytest.param(
            diagram("p", *STRAIGHT, WORK, flow("Gone", "Done", flow_id="F")),
            "REFERENCE_MISSING",
            "F",
            id="flow from nowhere",
        ),
        pytest.param(
            diagram("p", start(), flow("Begin", "Gone", flow_id="F")), "REFERENCE_MISSING", "F", id="flow to nowhere"
        ),
        pytest.param(
            diagram("p", start(), WORK, path("Begin", "Work"), flow("Work", "Begin", flow_id="F")),
            "FLOW_INTO_EVENT",
            "F",
            id="flow into the start",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, WORK, boundary("B", "Done"), path("B", "Done")),
            "BOUNDARY_MISPLACED",
            "B",
            id="boundary event on an end event",
        ),
        pytest.param(
            document(
                message("M", "m", "=a"),
                process("p", *STRAIGHT, receive_task("Work", "M"), boundary("B", "Work"), path("B", "Done")),
            ),
            "BOUNDARY_MISPLACED",
            "B",
            id="error event on a receive task",
        ),
        pytest.param(
            diagram(
                "p", *STRAIGHT, WORK, boundary("A", "Work"), boundary("B", "Work"), path("A", "Done"), path("B", "Done")
            ),
            "BOUNDARY_AMBIGUOUS",
            "B",
            id="two boundary events for one error",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, gateway("Work"), flow("Work", "Done", "=a", name="a")),
            "DEFAULT_FLOW_MISSING",
            "Work",
            id="no default flow",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, gateway("Work", "Gone")),
            "DEFAULT_FLOW_MISSING",
            "Work",
            id="default flow of another gateway",
        ),
        pytest.param(
            diagram(
                "p",
                start(),
                path("Begin", "Work"),
                end(),
                gateway("Work", "F"),
                flow("Work", "Done", flow_id="F", name="f"),
                flow("Work", "Done", flow_id="G", name="g"),
            ),
            "CONDITION_MISSING",
            "G",
            id="no condition",
        ),
        pytest.param(
            diagram(
                "p",
                start(),
                path("Begin", "Work"),
                end(),
                gateway("Work", "F"),
                flow("Work", "Done", flow_id="F", name="f"),
                flow("Work", "Done", "=a", flow_id="G"),
            ),
            "LABEL_MISSING",
            "G",
            id="no label",
        ),
        pytest.param(
            diagram(
                "p",
                *STRAIGHT,
                gateway("Work", "F", name=None),
                flow("Work", "Done", "=a", flow_id="G", name="g"),
            ),
            "LABEL_MISSING",
            "Work",
            id="no label of a gateway",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, service_task("Work", "other")), "HANDLER_UNKNOWN", "Work", id="unknown handler"
        ),
        pytest.param(
            diagram("p", *STRAIGHT, service_task("Work", "work")), "INPUT_MISSING", "Work", id="missing input"
        ),
        pytest.param(
            diagram("p", *STRAIGHT, service_task("Work", "work", NEEDED | {"other": "=a"})),
            "INPUT_UNKNOWN",
            "Work",
            id="unknown input",
        ),
    ],
)
def test_a_fault_is_found_where_it_stands(content: bytes, code: str, element_id: str) -> None:
    assert (code, element_id) in codes_of(content)
