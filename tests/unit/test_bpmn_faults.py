"""One diagram with each fault of ids, references, flows and gateways, and the finding it gets."""

from __future__ import annotations

import pytest
from diagram_findings import STRAIGHT, WORK, codes_of
from diagrams import (
    boundary,
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
        pytest.param(
            diagram("p" * 201, start(), end(), path("Begin", "Done")), "ID_INVALID", "p" * 201, id="id too long"
        ),
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
            document(process("p", end("X", error_ref="E")), error("E", None)),
            "ERROR_CODE_MISSING",
            "X",
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
    ],
)
def test_a_fault_is_found_where_it_stands(content: bytes, code: str, element_id: str) -> None:
    assert (code, element_id) in codes_of(content)
