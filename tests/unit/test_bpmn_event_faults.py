"""One diagram with each fault of events, repetition and assignment, and the finding it gets; and what is no fault."""

from __future__ import annotations

import pytest
from diagram_findings import STRAIGHT, TYPE, WORK, codes_of, findings_of
from diagrams import (
    activity,
    boundary,
    catch,
    cycle,
    date,
    diagram,
    document,
    duration,
    end,
    flow,
    for_each,
    lanes,
    message,
    parallel,
    path,
    process,
    receive_task,
    service_task,
    signal,
    start,
    throw,
    user_task,
)

PAID = message("Paid", "paid", "=order_id")
STOP = signal("Stop", "stop")


def waiting(event: str) -> bytes:
    """Return a process with this element on its one way, as `X`."""
    return document(process("p", start(), path("Begin", "X", "Done"), event, end()), PAID, STOP)


def beside(event: str, work: str = WORK) -> bytes:
    """Return a process with this boundary event, as `X`, on its one task, as `Work`."""
    return document(process("p", *STRAIGHT, work, event, flow("X", "Done")), PAID, STOP)


def starting(*events: str) -> bytes:
    return document(process("p", *STRAIGHT, WORK, *events, flow("X", "Work")), PAID, STOP)


def repeated(loop: str) -> bytes:
    return waiting(service_task("X", "plain", multi_instance=loop))


def multi_instance(attributes: str, content: str) -> bytes:
    marker = f"<bpmn:multiInstanceLoopCharacteristics {attributes}>{content}</bpmn:multiInstanceLoopCharacteristics>"
    return waiting(activity("serviceTask", "X", TYPE, marker))


ITEMS = '<bpmn:extensionElements><zeebe:loopCharacteristics inputCollection="=a" /></bpmn:extensionElements>'


@pytest.mark.parametrize(
    ("content", "code", "element_id"),
    [
        pytest.param(waiting(catch("X")), "EVENT_UNSUPPORTED", "X", id="catches nothing"),
        pytest.param(waiting(catch("X", message_ref="Gone")), "MESSAGE_MISSING", "X", id="catches no message"),
        pytest.param(waiting(receive_task("X", None)), "MESSAGE_MISSING", "X", id="receives no message"),
        pytest.param(waiting(catch("X", signal_ref="Gone")), "SIGNAL_MISSING", "X", id="catches no signal"),
        pytest.param(waiting(throw("X", "Gone")), "SIGNAL_MISSING", "X", id="throws no signal"),
        pytest.param(
            document(process("p", start(signal_ref="S")), signal("S", None)), "SIGNAL_MISSING", "Begin", id="no name"
        ),
        pytest.param(
            document(process("p", start(signal_ref="S")), signal("S", "=a")),
            "EXPRESSION_UNSUPPORTED",
            "S",
            id="signal name is an expression",
        ),
        pytest.param(
            document(process("p", receive_task("X", "M")), message("M", "m")),
            "CORRELATION_KEY_MISSING",
            "X",
            id="no correlation key",
        ),
        pytest.param(
            document(process("p", receive_task("X", "M")), message("M", "m", "order_id")),
            "CORRELATION_KEY_INVALID",
            "M",
            id="correlation key without =",
        ),
        pytest.param(
            document(
                process("p", start(), path("Begin", "X", "E"), receive_task("X", "M"), end("E")),
                message("M", "m", "=a +"),
            ),
            "EXPRESSION_INVALID",
            "X",
            id="correlation key is no expression",
        ),
        pytest.param(
            waiting(activity("intermediateCatchEvent", "X", "", "<bpmn:timerEventDefinition />")),
            "TIMER_MISSING",
            "X",
            id="no time",
        ),
        pytest.param(waiting(catch("X", timer=duration(" "))), "TIMER_MISSING", "X", id="empty time"),
        pytest.param(
            waiting(catch("X", timer=duration("PT1H") + date("2030-01-01T00:00:00Z"))),
            "TIMER_MISSING",
            "X",
            id="two times",
        ),
        pytest.param(waiting(catch("X", timer=duration("1 hour"))), "TIMER_INVALID", "X", id="no duration"),
        pytest.param(waiting(catch("X", timer=duration('="1 hour"'))), "TIMER_INVALID", "X", id="no duration in FEEL"),
        pytest.param(waiting(catch("X", timer=duration("=5"))), "TIMER_INVALID", "X", id="a number as duration"),
        pytest.param(waiting(catch("X", timer=date("tomorrow"))), "TIMER_INVALID", "X", id="no date"),
        pytest.param(waiting(catch("X", timer=duration("=a +"))), "EXPRESSION_INVALID", "X", id="no expression"),
        pytest.param(waiting(catch("X", timer=cycle("R/soon"))), "TIMER_INVALID", "X", id="no cycle on the way"),
        pytest.param(
            beside(boundary("X", "Work", timer=cycle("soon"), interrupting=False)),
            "TIMER_INVALID",
            "X",
            id="no cycle",
        ),
        pytest.param(starting(start("X", timer=duration("PT1H"))), "TIMER_MISPLACED", "X", id="start after a while"),
        pytest.param(starting(start("X", timer=cycle("soon"))), "TIMER_INVALID", "X", id="start at no time"),
        pytest.param(starting(start("X", timer=cycle("=when"))), "TIMER_INVALID", "X", id="start at a variable's time"),
        pytest.param(starting(start("X", timer=cycle("=1 < true"))), "EXPRESSION_FAILED", "X", id="start fails"),
        pytest.param(
            starting(start("X", "Paid"), start("Y", "Paid"), flow("Y", "Work")),
            "START_EVENT_AMBIGUOUS",
            "Y",
            id="two starts by one message",
        ),
        pytest.param(
            starting(start("X", signal_ref="Stop"), start("Y", signal_ref="Stop"), flow("Y", "Work")),
            "START_EVENT_AMBIGUOUS",
            "Y",
            id="two starts by one signal",
        ),
        pytest.param(
            waiting(catch("X", timer=duration("PT1H"), outputs={"a": "=b"})),
            "EXTENSION_UNSUPPORTED",
            "X",
            id="a timer brings nothing",
        ),
        pytest.param(
            waiting(
                catch("X", message_ref="Paid", outputs={"a": "=b"}).replace("zeebe:output", "zeebe:input"),
            ),
            "MAPPING_INVALID",
            "X",
            id="an event takes nothing in",
        ),
        pytest.param(
            waiting(catch("X", message_ref="Paid", outputs={"a": "=b +"})),
            "EXPRESSION_INVALID",
            "X",
            id="output of an event is no expression",
        ),
        pytest.param(
            beside(boundary("X", "Begin", timer=duration("PT1H"))), "BOUNDARY_MISPLACED", "X", id="on an event"
        ),
        pytest.param(beside(boundary("X", "Gone", timer=duration("PT1H"))), "BOUNDARY_MISPLACED", "X", id="on nothing"),
        pytest.param(
            beside(boundary("X", "Work"), receive_task("Work", "Paid")),
            "BOUNDARY_IDLE",
            "X",
            id="on a receive task",
        ),
        pytest.param(
            beside(boundary("X", "Work", message_ref="Paid"), receive_task("Work", "Paid")),
            "BOUNDARY_AMBIGUOUS",
            "X",
            id="the message that the task waits for",
        ),
        pytest.param(
            document(
                process(
                    "p",
                    *(*STRAIGHT, WORK, boundary("X", "Work", signal_ref="Stop"), flow("X", "Done")),
                    *(boundary("Y", "Work", signal_ref="Stop", interrupting=False), flow("Y", "Done")),
                ),
                STOP,
            ),
            "BOUNDARY_AMBIGUOUS",
            "Y",
            id="two boundary events for one signal",
        ),
        pytest.param(
            beside(boundary("X", "Work").replace("id=", "cancelActivity='0' id=")),
            "ATTRIBUTE_UNSUPPORTED",
            "X",
            id="an error that does not interrupt",
        ),
        pytest.param(
            waiting(receive_task("X", "Paid").replace("id=", "instantiate='true' id=")),
            "ATTRIBUTE_UNSUPPORTED",
            "X",
            id="a task that starts instances",
        ),
        pytest.param(
            waiting(service_task("X", "plain").replace("id=", "completionQuantity='2' id=", 1)),
            "ATTRIBUTE_UNSUPPORTED",
            "X",
            id="a task that makes two tokens",
        ),
        pytest.param(multi_instance("", ""), "MULTI_INSTANCE_INVALID", "X", id="for no items"),
        pytest.param(repeated(for_each("items")), "MULTI_INSTANCE_INVALID", "X", id="items without ="),
        pytest.param(repeated(for_each("=items", "a b")), "MULTI_INSTANCE_INVALID", "X", id="item is no name"),
        pytest.param(
            repeated(for_each("=items", collect="a.b", each="=c")),
            "MULTI_INSTANCE_INVALID",
            "X",
            id="outputs are no name",
        ),
        pytest.param(
            repeated(for_each("=items", collect="a")), "MULTI_INSTANCE_INVALID", "X", id="outputs without output"
        ),
        pytest.param(
            repeated(for_each("=items", each="=a")), "MULTI_INSTANCE_INVALID", "X", id="output without outputs"
        ),
        pytest.param(
            repeated(for_each("=items", collect="a", each="b")), "MULTI_INSTANCE_INVALID", "X", id="output without ="
        ),
        pytest.param(repeated(for_each("=items +")), "EXPRESSION_INVALID", "X", id="items are no expression"),
        pytest.param(repeated(for_each("=items", until="a")), "CONDITION_INVALID", "X", id="condition without ="),
        pytest.param(repeated(for_each("=items", until="=a +")), "EXPRESSION_INVALID", "X", id="condition is none"),
        pytest.param(multi_instance('behavior="One"', ITEMS), "ATTRIBUTE_UNSUPPORTED", "X", id="throws events"),
        pytest.param(
            waiting(user_task("X", "a", excluded="initiator, Task_Other")), "HEADER_INVALID", "X", id="unknown task"
        ),
        pytest.param(
            waiting(user_task("X", "a", excluded="Begin")), "HEADER_INVALID", "X", id="exclusion of no user task"
        ),
        pytest.param(waiting(user_task("X", None, users="=a +")), "EXPRESSION_INVALID", "X", id="users"),
        pytest.param(waiting(user_task("X", None, assignee="=a +")), "EXPRESSION_INVALID", "X", id="assignee"),
        pytest.param(waiting(user_task("X", "a", due_date="=a +")), "EXPRESSION_INVALID", "X", id="due date"),
        pytest.param(waiting(user_task("X", "a", due_date="soon")), "TIMER_INVALID", "X", id="due at no time"),
        pytest.param(waiting(user_task("X", "a", follow_up_date="soon")), "TIMER_INVALID", "X", id="follow-up"),
        pytest.param(waiting(user_task("X", "a", priority="high")), "PRIORITY_INVALID", "X", id="priority"),
        pytest.param(waiting(user_task("X", "a", priority="101")), "PRIORITY_INVALID", "X", id="too high a priority"),
        pytest.param(
            waiting(service_task("X", "plain", priority="=a +")), "EXPRESSION_INVALID", "X", id="job priority"
        ),
        pytest.param(
            diagram("p", lanes({"": ["X"]}), start(), path("Begin", "X", "Done"), user_task("X", None), end()),
            "CANDIDATES_MISSING",
            "X",
            id="a lane without name",
        ),
        pytest.param(
            diagram(
                "p",
                lanes({"reviewer": ["X"], "operator": ["X"]}),
                start(),
                path("Begin", "X", "Done"),
                user_task("X", None),
                end(),
            ),
            "CANDIDATES_MISSING",
            "X",
            id="two lanes beside each other",
        ),
        pytest.param(
            diagram("p", start(), parallel("X"), path("Begin", "X")), "OUTGOING_FLOWS", "X", id="no flow out of a fork"
        ),
        pytest.param(
            diagram("p", *STRAIGHT, parallel("Work"), flow("Work", "Done", "=a", flow_id="F")),
            "CONDITION_MISPLACED",
            "F",
            id="condition behind a fork",
        ),
        pytest.param(
            document(
                process("p", *STRAIGHT, receive_task("Work", "Paid"), catch("X", signal_ref="Stop"), flow("X", "Done")),
                PAID,
                STOP,
            ),
            "UNREACHABLE",
            "X",
            id="an event that nothing leads to",
        ),
    ],
)
def test_a_fault_is_found_where_it_stands(content: bytes, code: str, element_id: str) -> None:
    assert (code, element_id) in codes_of(content)


def test_a_start_at_a_variables_time_is_told_by_the_expression() -> None:
    (finding,) = findings_of(starting(start("X", timer=cycle("=when"))))

    assert "'=when'" in finding.message


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(waiting(throw("X")), id="a milestone"),
        pytest.param(waiting(user_task("X", "a", due_date="P3D", follow_up_date="PT1H")), id="due after a while"),
        pytest.param(waiting(throw("X", "Stop")), id="a signal is thrown"),
        pytest.param(waiting(catch("X", timer=duration("=wait"))), id="a variable's duration"),
        pytest.param(waiting(catch("X", timer=date("2030-01-01T00:00:00+02:00"))), id="a date"),
        pytest.param(beside(boundary("X", "Work", timer=cycle("R3/PT1H"), interrupting=False)), id="a reminder"),
        pytest.param(beside(boundary("X", "Work", timer=duration("PT1H")), user_task("Work", "a")), id="a time limit"),
        pytest.param(beside(boundary("X", "Work", signal_ref="Stop"), receive_task("Work", "Paid")), id="a stop"),
        pytest.param(starting(start("X", timer=cycle("0 9 * * 1-5"))), id="a start by cron line"),
        pytest.param(starting(start("X", timer=date('="2030-01-01" + "T00:00:00Z"'))), id="a start by computed date"),
        pytest.param(starting(start("X", "Paid")), id="a start by message, of which the key is not asked"),
        pytest.param(
            document(process("p", start("Begin", "M"), path("Begin", "E"), end("E")), message("M", "m")),
            id="a message for starts only",
        ),
        pytest.param(
            starting(start("X", timer=cycle("R/PT1H")), start("Y", timer=cycle("R/PT1H")), flow("Y", "Work")),
            id="two clocks",
        ),
        pytest.param(repeated(for_each("=items", "item", collect="all", each="=item", until="=false")), id="for each"),
        pytest.param(
            waiting(user_task("X", "a", excluded="initiator, X", multi_instance=for_each("=[1, 2]"))), id="two persons"
        ),
        pytest.param(waiting(user_task("X", None, assignee="=owner", due_date="=due", priority="=5")), id="assignee"),
        pytest.param(
            document(
                process(
                    "p",
                    start(),
                    path("Begin", "X"),
                    parallel("X"),
                    path("X", "A"),
                    path("X", "B"),
                    end("A", terminates=True),
                    end("B", signal_ref="Stop"),
                ),
                STOP,
            ),
            id="a fork without a join",
        ),
    ],
)
def test_a_diagram_without_fault_has_no_findings(content: bytes) -> None:
    assert findings_of(content) == ()
