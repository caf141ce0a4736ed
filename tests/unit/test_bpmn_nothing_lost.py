"""What is accepted loses no part: each flow node of the XML is there, and can be reached, in the compiled process."""

from __future__ import annotations

from pathlib import Path

import pytest
from decision_documents import deployed
from diagrams import (
    activity,
    boundary,
    call_activity,
    catch,
    choice,
    document,
    duration,
    end,
    error,
    escalation,
    event_based,
    event_subprocess,
    flow,
    for_each,
    inclusive,
    lanes,
    link_ends,
    loop,
    message,
    parallel,
    path,
    process,
    receive_task,
    script_task,
    service_task,
    signal,
    start,
    subprocess,
    throw,
    user_task,
)
from lxml import etree

from engine import ProcessModel, read_document
from engine.bpmn import CompensationEvent
from engine.bpmn.drawing import ACTIVITIES, EVENTS, GATEWAYS
from engine.spiff import compile_process

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
DECISIONS = deployed((WORKFLOWS / "promotion-policy.dmn").read_bytes())
BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
WORK = service_task("Work", "plain")
SAMPLES = {
    "gateways": (
        start(), path("Begin", "Fork", "Work", "Join"), path("Fork", "Some", "Other", "Met", "Join", "Wait"),
        flow("Some", "Third", "=a", name="a"), path("Third", "Met"), path("Wait", "Late", "Done"),
        path("Wait", "Heard", "Which"), choice("Which", "=b", "Done", "Wait"), parallel("Fork"), parallel("Join"),
        inclusive("Some"), inclusive("Met"), event_based("Wait"), WORK, service_task("Other", "plain"),
        service_task("Third", "plain"), catch("Late", timer=duration("PT1H")), catch("Heard", signal_ref="Signal"),
        end(),
    ),
    "scopes": (
        start(), path("Begin", "Outer", "Done"), end(),
        subprocess("Outer", start("In"), path("In", "Inner", "Out"), end("Out"),
            subprocess("Inner", start("Deep"), path("Deep", "Work", "Up"), WORK, end("Up", error_ref="Error"))),
        boundary("Caught", "Outer", "Error"), path("Caught", "Done"),
        event_subprocess("Beside", activity("startEvent", "Told", "", "<bpmn:escalationEventDefinition />"),
            path("Told", "Ask", "Answered"), user_task("Ask", "reviewer"), end("Answered")),
    ),
    "activities": (
        start(), path("Begin", "Many", "Again", "Computed", "Called", "Received", "Thrown"), WORK,
        lanes({"reviewer": ["Ask"]}), service_task("Many", "plain", multi_instance=for_each("=items")),
        activity("userTask", "Ask", "", ""), path("Received", "Ask", "Work"), flow("Work", "Sent", "=a"),
        flow("Work", "Done"), activity("task", "Again", "", loop("=again")), script_task("Computed", "=1", "x"),
        call_activity("Called", "child"), receive_task("Received", "Message"), link_ends("L", "Sent", catching="Back"),
        throw("Thrown", escalation_ref="Escalation"), path("Thrown", "Done"), path("Back", "Done"),
        end(terminates=True), boundary("Late", "Received", timer=duration("PT1H"), interrupting=False),
        path("Late", "Reminded"), end("Reminded"),
    ),
    "no end event and no ids of flows": (start(), path("Begin", "Work"), WORK),
    "several starts": (
        start(), start("Heard", "Start"), start("Due", timer="<bpmn:timeCycle>R/P1D</bpmn:timeCycle>"),
        path("Begin", "Done"), path("Heard", "Work", "Done"), path("Due", "Work"), WORK, end(),
    ),
}  # fmt: skip
DECLARED = (
    message("Message", "told", "=key"),
    message("Start", "begin"),
    signal("Signal", "heard"),
    error("Error", "BROKEN"),
    escalation("Escalation", "RAISED"),
)


def flow_nodes(content: bytes) -> set[str]:
    """Return the ids of all flow nodes of a document's executable processes."""
    kinds = EVENTS | GATEWAYS | ACTIVITIES
    processes = [
        each for each in etree.fromstring(content).iter(f"{BPMN}process") if each.get("isExecutable") == "true"
    ]
    elements = (element for each in processes for element in each.iter(f"{BPMN}*"))
    return {str(element.get("id")) for element in elements if str(element.tag).removeprefix(BPMN) in kinds}


def compiled_nodes(model: ProcessModel) -> set[str]:
    """Return the ids of the elements that some start event of the compiled process leads to."""
    specs = [compile_process(model, {}, event.id, decisions=DECISIONS).spec for event in model.start_events()]
    names = (name for spec in specs for name in spec.task_specs)
    compiled = {name.removeprefix("element:") for name in names if name.startswith("element:")}
    undone = (event for event in model.nodes.values() if isinstance(event, CompensationEvent))
    return compiled | {event.id for event in undone if {event.attached_to, *event.handlers} <= compiled}


@pytest.mark.parametrize("elements", SAMPLES.values(), ids=SAMPLES)
def test_every_node_of_a_sample_is_compiled(elements: tuple[str, ...]) -> None:
    content = document(process("p", *elements), *DECLARED)
    (model,) = read_document(content).models

    assert compiled_nodes(model) == flow_nodes(content)


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.bpmn")), ids=lambda path: path.stem)
def test_every_node_of_a_diagram_that_ships_is_compiled(path: Path) -> None:
    (model,) = read_document(path.read_bytes()).models

    assert compiled_nodes(model) == flow_nodes(path.read_bytes())


def test_every_node_of_a_foreign_diagram_is_compiled() -> None:
    parts = (
        start(),
        path("Begin", "Script", "Rule", "Mail", "Part", "Done"),
        '<bpmn:scriptTask id="Script" scriptFormat="groovy"><bpmn:script>x = 1</bpmn:script></bpmn:scriptTask>',
        '<bpmn:businessRuleTask id="Rule" /><bpmn:sendTask id="Mail" />',
        '<bpmn:callActivity id="Part" calledElement="${which}" />',
        end(),
    )
    content = document(process("p", *parts))
    (model,) = read_document(content, foreign=True).models

    assert compiled_nodes(model) == flow_nodes(content)
