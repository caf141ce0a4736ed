"""Scopes, thrown events, links, loops, conditions: what of them is refused, where, and what is not."""

from __future__ import annotations

import pytest
from diagram_findings import codes_of
from diagrams import (
    activity,
    boundary,
    catch,
    diagram,
    document,
    duration,
    end,
    error,
    escalation,
    event_based,
    event_subprocess,
    flow,
    for_each,
    gateway,
    inclusive,
    link_ends,
    loop,
    message,
    path,
    process,
    receive_task,
    script_task,
    service_task,
    start,
    subprocess,
    throw,
    user_task,
)

INSIDE = (start("In"), path("In", "Inner", "Out"), service_task("Inner", "plain"), end("Out"))
LASTING = '<zeebe:properties><zeebe:property name="time_to_live" value="1h" /></zeebe:properties>'
STRAIGHT = (start(), path("Begin", "X", "Done"), end())
DECLARED = (
    message("Paid", "paid", "=key"),
    message("Keyless", "keyless"),
    error("Broken", "BROKEN"),
    error("Codeless", None),
    escalation("Late", "LATE"),
    escalation("Mute", None),
)


def drawn(*content: str) -> bytes:
    return document(process("p", *content), *DECLARED)


def beside(*within: str) -> bytes:
    """A process with an event subprocess."""
    return drawn(*STRAIGHT, service_task("X", "plain"), event_subprocess("Events", *within))


@pytest.mark.parametrize(
    ("content", "code", "element_id"),
    [
        pytest.param(drawn(*STRAIGHT, subprocess("X", end("Out"))), "START_EVENT_MISSING", "X", id="no start event"),
        pytest.param(
            drawn(*STRAIGHT, subprocess("X", *INSIDE, start("Also"), path("Also", "Inner"))),
            "START_EVENT_AMBIGUOUS",
            "Also",
            id="two start events",
        ),
        pytest.param(
            drawn(*STRAIGHT, subprocess("X", start("In", timer=duration("PT1H")), path("In", "Out"), end("Out"))),
            "START_EVENT_MISPLACED",
            "In",
            id="a subprocess that begins by a timer",
        ),
        pytest.param(beside(*INSIDE), "START_EVENT_MISPLACED", "In", id="an event subprocess that begins by nothing"),
        pytest.param(
            beside(*(start(name, error_ref=code) + path(name, "Out") for name, code in (("A", ""), ("B", "Broken"))),
                   end("Out")),
            "START_EVENT_AMBIGUOUS",
            "Events",
            id="two start events in an event subprocess",
        ),
        pytest.param(
            drawn(*STRAIGHT, event_subprocess("X", start("On", error_ref=""), path("On", "Out"), end("Out"))),
            "EVENT_SUBPROCESS_CONNECTED",
            "X",
            id="a flow to an event subprocess",
        ),
        pytest.param(
            beside(start("On", error_ref="", interrupting=False), path("On", "Out"), end("Out")),
            "ATTRIBUTE_UNSUPPORTED",
            "On",
            id="an error that does not interrupt",
        ),
        pytest.param(
            beside(start("On", message_ref="Keyless"), path("On", "Out"), end("Out")),
            "CORRELATION_KEY_MISSING",
            "On",
            id="a message without key",
        ),
        pytest.param(
            beside(start("On", timer="<bpmn:timeCycle>hourly</bpmn:timeCycle>"), path("On", "Out"), end("Out")),
            "TIMER_INVALID",
            "On",
            id="no cycle",
        ),
        pytest.param(
            drawn(
                *STRAIGHT,
                service_task("X", "plain"),
                *(event_subprocess(name, start(f"On{name}", error_ref="Broken"), path(f"On{name}", f"Out{name}"),
                                   end(f"Out{name}")) for name in "AB"),
            ),
            "BOUNDARY_AMBIGUOUS",
            "OnB",
            id="two event subprocesses for one error",
        ),
        pytest.param(
            drawn(*STRAIGHT, subprocess("X", *INSIDE), flow("Inner", "Done", flow_id="F")),
            "FLOW_ACROSS_SCOPES",
            "F",
            id="a flow out of a subprocess",
        ),
        pytest.param(
            drawn(*STRAIGHT, subprocess("X", *INSIDE, boundary("B", "X"), path("B", "Out"))),
            "BOUNDARY_MISPLACED",
            "B",
            id="a boundary event within",
        ),
        pytest.param(
            drawn(*STRAIGHT, subprocess("X", *INSIDE, service_task("Lost", "plain"))),
            "UNREACHABLE",
            "Lost",
            id="unreachable within",
        ),
        pytest.param(
            drawn(*STRAIGHT, script_task("X", "=1", "x"), boundary("B", "X", timer=duration("PT1H")),
                  path("B", "Done")),
            "BOUNDARY_IDLE",
            "B",
            id="on what takes no time",
        ),
        pytest.param(drawn(start(), path("Begin", "X"), end("X", error_ref="Codeless")), "ERROR_CODE_MISSING", "X",
                     id="an error end without code"),
        pytest.param(drawn(start(), path("Begin", "X"), end("X", error_ref="")), "ERROR_CODE_MISSING", "X",
                     id="an error end without error"),
        pytest.param(drawn(*STRAIGHT, throw("X", escalation_ref="Mute")), "ESCALATION_CODE_MISSING", "X",
                     id="an escalation without code"),
        pytest.param(drawn(*STRAIGHT, throw("X", message_ref="Gone")), "MESSAGE_MISSING", "X", id="no message"),
        pytest.param(drawn(*STRAIGHT, throw("X", message_ref="Keyless")), "CORRELATION_KEY_MISSING", "X",
                     id="a sent message without key"),
        pytest.param(
            drawn(*STRAIGHT, activity("sendTask", "X", LASTING, messageRef="Paid")),
            "TIMER_INVALID",
            "X",
            id="a time to live that is none",
        ),
        pytest.param(drawn(*STRAIGHT, throw("X", link="far")), "LINK_INVALID", "X", id="no other end"),
        pytest.param(drawn(start(), path("Begin", "X"), throw("X", link="")), "LINK_INVALID", "X", id="no name"),
        pytest.param(
            drawn(start(), path("Begin", "Out"), link_ends("far", "Out", catching="In"), catch("X", link="far"),
                  path("X", "Done"), path("In", "Done"), end()),
            "LINK_INVALID",
            "X",
            id="two catching ends",
        ),
        pytest.param(
            drawn(start(), path("Begin", "X", "Done"), link_ends("far", "X", catching="In"), path("In", "Done"), end()),
            "LINK_INVALID",
            "X",
            id="a flow out of the throwing end",
        ),
        pytest.param(
            drawn(start(), path("Begin", "Out"), path("Begin", "X", "Done"), link_ends("far", "Out", catching="X"),
                  end()),
            "LINK_INVALID",
            "X",
            id="a flow into the catching end",
        ),
        pytest.param(drawn(*STRAIGHT, service_task("X", "plain", multi_instance=loop())), "LOOP_INVALID", "X",
                     id="a loop without end"),
        pytest.param(drawn(*STRAIGHT, service_task("X", "plain", multi_instance=loop(maximum=0))), "LOOP_INVALID", "X",
                     id="no round at all"),
        pytest.param(drawn(*STRAIGHT, service_task("X", "plain", multi_instance=loop("=a or"))), "EXPRESSION_INVALID",
                     "X", id="a loop's condition is no expression"),
        pytest.param(drawn(*STRAIGHT, service_task("X", "plain", multi_instance=loop("=a") + for_each("=b"))),
                     "ELEMENT_UNSUPPORTED", "X", id="two markers"),
        pytest.param(drawn(*STRAIGHT, catch("X", condition="=a or")), "EXPRESSION_INVALID", "X", id="no condition"),
        pytest.param(drawn(*STRAIGHT, catch("X", condition="a")), "CONDITION_INVALID", "X", id="no FEEL"),
        pytest.param(
            drawn(*STRAIGHT, activity("intermediateCatchEvent", "X", "", "<bpmn:conditionalEventDefinition />")),
            "CONDITION_MISSING",
            "X",
            id="an event without condition",
        ),
        pytest.param(drawn(*STRAIGHT, activity("scriptTask", "X", "")), "SCRIPT_INVALID", "X", id="no script"),
        pytest.param(drawn(*STRAIGHT, script_task("X", "=a or", "a")), "EXPRESSION_INVALID", "X", id="no expression"),
        pytest.param(
            drawn(start(), path("Begin", "X"), event_based("X"), flow("X", "Done", flow_id="F"), end()),
            "EVENT_GATEWAY_INVALID",
            "F", id="an end behind an event gateway",
        ),
        pytest.param(
            drawn(start(), path("Begin", "G", "X"), path("Begin", "X"), event_based("G"), catch("X", condition="=a")),
            "EVENT_GATEWAY_INVALID",
            "X",
            id="two ways to an awaited event",
        ),
        pytest.param(
            drawn(start(), path("Begin", "G", "X"), event_based("G"), receive_task("X", "Paid"),
                  boundary("B", "X", timer=duration("PT1H")), path("B", "Done"), end()),
            "EVENT_GATEWAY_INVALID",
            "X",
            id="an awaited task with a boundary event",
        ),
        pytest.param(
            drawn(*STRAIGHT, '<bpmn:eventBasedGateway id="X" eventGatewayType="Parallel" />'),
            "ATTRIBUTE_UNSUPPORTED",
            "X",
            id="all of several events",
        ),
        pytest.param(
            drawn(start(), path("Begin", "X"), inclusive("X"), flow("X", "Done", "=a", name="a"), end()),
            "DEFAULT_FLOW_MISSING",
            "X",
            id="an inclusive choice without default",
        ),
        pytest.param(
            drawn(start(), flow("Begin", "Done", "=a", flow_id="F"), end()), "CONDITION_MISPLACED", "F",
            id="a condition behind a start event",
        ),
        pytest.param(
            drawn(*STRAIGHT, activity("throwEvent", "X", "")), "ELEMENT_UNSUPPORTED", "X", id="an event of no kind"
        ),
    ],
)  # fmt: skip
def test_a_fault_is_found_where_it_stands(content: bytes, code: str, element_id: str) -> None:
    assert (code, element_id) in codes_of(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(drawn(*STRAIGHT, subprocess("X", *INSIDE)), id="a subprocess"),
        pytest.param(drawn(*STRAIGHT, subprocess("X", *INSIDE, repeated=loop("=a"))), id="a subprocess in a loop"),
        pytest.param(drawn(*STRAIGHT, subprocess("X", *INSIDE, repeated=for_each("=a"))), id="one for each item"),
        pytest.param(
            drawn(*STRAIGHT, subprocess("X", *INSIDE), boundary("B", "X", escalation_ref="Late", interrupting=False),
                  path("B", "Done")),
            id="a subprocess that escalates",
        ),
        *(
            pytest.param(beside(start("On", **trigger), path("On", "Out"), end("Out")), id=f"begins by {name}")
            for name, trigger in {
                "an error": {"error_ref": ""},
                "an escalation": {"escalation_ref": "Late"},
                "a message": {"message_ref": "Paid"},
                "a time": {"timer": duration("PT1H")},
                "a condition": {"condition": "=a > 3"},
            }.items()
        ),
        pytest.param(drawn(start(), path("Begin", "X"), end("X", error_ref="Broken")), id="an error end"),
        pytest.param(drawn(start(), path("Begin", "X"), service_task("X", "plain")), id="no end event"),
        pytest.param(
            drawn(start(), path("Begin", "X"), service_task("X", "plain"), path("X", "Done"), path("X", "Y"),
                  user_task("Y", "a"), end()),
            id="two ways on",
        ),
        pytest.param(
            drawn(start(), path("Begin", "Out"), link_ends("far", "Out", catching="In"), path("In", "Done"), end()),
            id="a link",
        ),
        pytest.param(drawn(*STRAIGHT, throw("X", message_ref="Paid", inputs={"a": "=1"})), id="a message"),
        pytest.param(drawn(*STRAIGHT, activity("sendTask", "X", "", messageRef="Paid")), id="a send task"),
        *(
            pytest.param(
                drawn(*STRAIGHT, activity(kind, "X", '<zeebe:taskDefinition type="plain" />', definition)),
                id=f"a {kind} done by a handler",
            )
            for kind, definition in {
                "sendTask": "",
                "scriptTask": "",
                "businessRuleTask": "",
                "intermediateThrowEvent": "<bpmn:messageEventDefinition />",
            }.items()
        ),
        pytest.param(
            drawn(start(), path("Begin", "G", "A"), path("G", "B"), event_based("G"), receive_task("A", "Paid"),
                  catch("B", timer=duration("PT1H"))),
            id="an event-based gateway",
        ),
        pytest.param(drawn(*STRAIGHT, gateway("X")), id="a gateway that does nothing"),
    ],
)  # fmt: skip
def test_what_is_executed_as_drawn_has_no_findings(content: bytes) -> None:
    assert codes_of(content) == []


def test_the_words_of_scopes_are_read() -> None:
    inside = subprocess("Inner", start("In2"), path("In2", "Deep"), script_task("Deep", "=1", "x"))
    content = diagram("p", *STRAIGHT, subprocess("X", start("In"), path("In", "Inner"), inside))

    assert codes_of(content) == []
