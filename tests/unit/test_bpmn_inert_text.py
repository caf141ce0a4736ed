"""Nothing in a diagram reaches Python: hostile text in any place is refused, or stays text while the instance runs."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from stored_tree import StoredTree

from engine.bpmn import Contracts, ErrorTrigger, ServiceTask, read_diagram, verify
from engine.errors import DiagramError, ExpressionError
from engine.spiff import compile_process

CONTRACTS = Contracts(
    inputs={"plain": {"a": False}}, form_ids=frozenset({"review"}), calls={"p": frozenset(), "child": frozenset()}
)
# {NAME} marks a place; what stands behind the colon is what an honest diagram has there.
TEMPLATE = """\
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="{definitions id:D}" name="{definitions name:D}"
  targetNamespace="http://test" expressionLanguage="{expression language:http://feel}"
  exporter="{exporter:e}" exporterVersion="{exporter version:1}">
  <bpmn:collaboration id="Collaboration" name="{collaboration name:c}">
    <bpmn:participant id="Participant" name="{participant:p}" processRef="p" />
  </bpmn:collaboration>
  <bpmn:process id="{process id:p}" name="{process name:P}" isExecutable="true" processType="{process type:None}">
    <bpmn:documentation textFormat="{format:text/plain}">{documentation:d}</bpmn:documentation>
    <bpmn:extensionElements>
      <zeebe:versionTag value="{version tag:1}" />
      <zeebe:properties><zeebe:property name="{property name:n}" value="{property value:v}" /></zeebe:properties>
    </bpmn:extensionElements>
    <bpmn:laneSet id="Lanes">
      <bpmn:lane id="Lane" name="{lane name:l}"><bpmn:flowNodeRef>{lane reference:Check}</bpmn:flowNodeRef></bpmn:lane>
    </bpmn:laneSet>
    <bpmn:startEvent id="{start id:Begin}" name="{start name:b}">{start part:}</bpmn:startEvent>
    <bpmn:startEvent id="OnMessage">
      <bpmn:messageEventDefinition id="{definition id:MD}" messageRef="{message reference:Message}" />
    </bpmn:startEvent>
    <bpmn:sequenceFlow id="FlowM" sourceRef="OnMessage" targetRef="Work" />
    <bpmn:sequenceFlow id="{flow id:F1}" name="{flow name:f}"
      sourceRef="{flow source:Begin}" targetRef="{flow target:Work}" />
    <bpmn:serviceTask id="{task id:Work}" name="{task name:w}" implementation="{implementation:x}"
      zeebe:modelerTemplate="{template:t}">
      <bpmn:extensionElements>
        <zeebe:taskDefinition type="{task type:plain}" retries="{retries:3}" />
        <zeebe:priorityDefinition priority="{priority:1}" />
        <zeebe:ioMapping>
          <zeebe:input source="{input source:=1}" target="{input target:a}" />
          <zeebe:output source="{output source:=1}" target="{output target:b}" />
        </zeebe:ioMapping>
        <zeebe:taskHeaders><zeebe:header key="{header key:k}" value="{header value:v}" /></zeebe:taskHeaders>
      </bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:boundaryEvent id="Caught" name="{boundary name:c}" attachedToRef="{attached to:Work}">
      <bpmn:errorEventDefinition errorRef="{error reference:Error}" />
    </bpmn:boundaryEvent>
    <bpmn:sequenceFlow id="F2" sourceRef="Caught" targetRef="Done" />
    <bpmn:sequenceFlow id="F3" sourceRef="Work" targetRef="Which" />
    <bpmn:exclusiveGateway id="Which" name="{gateway name:g}" default="{default flow:F5}" />
    <bpmn:sequenceFlow id="F4" name="yes" sourceRef="Which" targetRef="Done">
      <bpmn:conditionExpression language="{condition language:feel}">{condition:=[b] = [2]}</bpmn:conditionExpression>
    </bpmn:sequenceFlow>
    <bpmn:sequenceFlow id="F5" name="no" sourceRef="Which" targetRef="Ask" />
    <bpmn:userTask id="Ask" name="{user task name:a}">
      <bpmn:extensionElements>
        <zeebe:userTask />
        <zeebe:formDefinition formId="{form id:review}" />
        <zeebe:assignmentDefinition candidateGroups="{candidate groups:g}" candidateUsers="{candidate users:u}"
          assignee="{assignee:a}" />
        <zeebe:taskSchedule dueDate="{due date:P1D}" followUpDate="{follow-up date:=f}" />
        <zeebe:ioMapping>
          <zeebe:input source="{context source:=b}" target="shown" />
          <zeebe:output source="{submission source:=c}" target="d" />
        </zeebe:ioMapping>
        <zeebe:taskHeaders><zeebe:header key="excluded_principals" value="{excluded:initiator}" /></zeebe:taskHeaders>
      </bpmn:extensionElements>
    </bpmn:userTask>
    <bpmn:sequenceFlow id="F6" sourceRef="Ask" targetRef="Call" />
    <bpmn:callActivity id="Call" name="{call name:c}">
      <bpmn:extensionElements>
        <zeebe:calledElement processId="{called process:child}" propagateAllParentVariables="{propagation:true}" />
        <zeebe:ioMapping><zeebe:input source="{call source:=1}" target="x" /></zeebe:ioMapping>
      </bpmn:extensionElements>
    </bpmn:callActivity>
    <bpmn:sequenceFlow id="F7" sourceRef="Call" targetRef="Pause" />
    <bpmn:intermediateCatchEvent id="Pause" name="{pause name:p}">
      <bpmn:timerEventDefinition id="{timer id:T}">
        <bpmn:timeDuration id="{duration id:TD}">{duration:PT1H}</bpmn:timeDuration>
      </bpmn:timerEventDefinition>
    </bpmn:intermediateCatchEvent>
    <bpmn:sequenceFlow id="F8" sourceRef="Pause" targetRef="Receive" />
    <bpmn:receiveTask id="Receive" name="{receive name:r}" messageRef="{received message:Answer}">
      <bpmn:extensionElements>
        <zeebe:ioMapping><zeebe:output source="{received source:=answer}" target="answer" /></zeebe:ioMapping>
      </bpmn:extensionElements>
    </bpmn:receiveTask>
    <bpmn:boundaryEvent id="Stopped" attachedToRef="Receive" cancelActivity="{cancelling:true}">
      <bpmn:signalEventDefinition signalRef="{signal reference:Signal}" />
    </bpmn:boundaryEvent>
    <bpmn:sequenceFlow id="F9" sourceRef="Stopped" targetRef="Done" />
    <bpmn:sequenceFlow id="F10" sourceRef="Receive" targetRef="Check" />
    <bpmn:userTask id="Check" name="{check name:c}">
      <bpmn:extensionElements><zeebe:userTask /></bpmn:extensionElements>
      <bpmn:multiInstanceLoopCharacteristics isSequential="{sequential:true}" behavior="{behavior:All}">
        <bpmn:extensionElements>
          <zeebe:loopCharacteristics inputCollection="{input collection:=[1, 2]}" inputElement="{input element:item}"
            outputCollection="{output collection:checks}" outputElement="{output element:=c}" />
        </bpmn:extensionElements>
        <bpmn:completionCondition>{completion condition:=count(checks) = 2}</bpmn:completionCondition>
      </bpmn:multiInstanceLoopCharacteristics>
    </bpmn:userTask>
    <bpmn:sequenceFlow id="F11" sourceRef="Check" targetRef="Tell" />
    <bpmn:intermediateThrowEvent id="Tell">
      <bpmn:signalEventDefinition signalRef="Signal" />
    </bpmn:intermediateThrowEvent>
    <bpmn:sequenceFlow id="F12" sourceRef="Tell" targetRef="Sum" />
    <bpmn:scriptTask id="Sum" scriptFormat="feel">
      <bpmn:extensionElements>
        <zeebe:script expression="{script:=b}" resultVariable="{script result:s}" />
      </bpmn:extensionElements>
      <bpmn:standardLoopCharacteristics loopMaximum="{loop maximum:2}">
        <bpmn:loopCondition>{loop condition:=false}</bpmn:loopCondition>
      </bpmn:standardLoopCharacteristics>
    </bpmn:scriptTask>
    <bpmn:sequenceFlow id="F13" sourceRef="Sum" targetRef="Await" />
    <bpmn:intermediateCatchEvent id="Await">
      <bpmn:conditionalEventDefinition>
        <bpmn:condition>{awaited condition:=b != null}</bpmn:condition>
      </bpmn:conditionalEventDefinition>
    </bpmn:intermediateCatchEvent>
    <bpmn:sequenceFlow id="F14" sourceRef="Await" targetRef="Send" />
    <bpmn:intermediateThrowEvent id="Send">
      <bpmn:extensionElements>
        <zeebe:properties><zeebe:property name="time_to_live" value="{time to live:PT1H}" /></zeebe:properties>
        <zeebe:ioMapping><zeebe:input source="{sent source:=b}" target="sent" /></zeebe:ioMapping>
      </bpmn:extensionElements>
      <bpmn:messageEventDefinition messageRef="Answer" />
    </bpmn:intermediateThrowEvent>
    <bpmn:sequenceFlow id="F15" sourceRef="Send" targetRef="Done" />
    <bpmn:endEvent id="Done" name="{end name:d}">{end part:}</bpmn:endEvent>
    <bpmn:textAnnotation id="Note"><bpmn:text>{annotation:n}</bpmn:text></bpmn:textAnnotation>
  </bpmn:process>
  <bpmn:process id="child" isExecutable="true">
    <bpmn:startEvent id="In" /><bpmn:sequenceFlow sourceRef="In" targetRef="Out" /><bpmn:endEvent id="Out" />
  </bpmn:process>
  <bpmn:message id="Message" name="{message name:m}" />
  <bpmn:message id="Answer" name="{answer name:a}">
    <bpmn:extensionElements><zeebe:subscription correlationKey="{correlation key:=b}" /></bpmn:extensionElements>
  </bpmn:message>
  <bpmn:signal id="Signal" name="{signal name:s}" />
  <bpmn:error id="Error" name="{error name:e}" errorCode="{error code:E}" />
</bpmn:definitions>
"""
PLACES = tuple(part.split("}")[0].partition(":")[0] for part in TEMPLATE.split("{")[1:])
PARTS = {"start part", "end part"}
REFUSED_AS_EXPRESSION = {
    *("input source", "output source", "condition", "context source", "submission source", "call source", "task type"),
    *("retries", "form id", "candidate groups", "called process", "error code", "message name", "excluded"),
    *("priority", "candidate users", "assignee", "due date", "follow-up date", "duration", "received source"),
    *("input collection", "output element", "completion condition", "answer name", "correlation key", "signal name"),
    *("script", "loop condition", "awaited condition", "time to live", "sent source"),
}
EVENT_PARTS = (
    "<bpmn:timerEventDefinition><bpmn:timeDuration>{}</bpmn:timeDuration></bpmn:timerEventDefinition>",
    "<bpmn:timerEventDefinition><bpmn:timeCycle>{}</bpmn:timeCycle></bpmn:timerEventDefinition>",
    "<bpmn:conditionalEventDefinition><bpmn:condition>{}</bpmn:condition></bpmn:conditionalEventDefinition>",
    "<bpmn:messageEventDefinition><bpmn:correlationKey>{}</bpmn:correlationKey></bpmn:messageEventDefinition>",
    "<bpmn:signalEventDefinition><bpmn:script>{}</bpmn:script></bpmn:signalEventDefinition>",
)
HOSTILE_ELEMENTS = (
    "<bpmn:scriptTask id='X' scriptFormat='python'><bpmn:script>{}</bpmn:script></bpmn:scriptTask>",
    "<bpmn:businessRuleTask id='X' implementation='{}' />",
    (
        "<bpmn:callActivity id='X'><bpmn:standardLoopCharacteristics><bpmn:loopCondition>{}</bpmn:loopCondition>"
        "</bpmn:standardLoopCharacteristics></bpmn:callActivity>"
    ),
    (
        "<bpmn:serviceTask id='X'><bpmn:multiInstanceLoopCharacteristics>"
        "<bpmn:loopCardinality>{}</bpmn:loopCardinality>"
        "</bpmn:multiInstanceLoopCharacteristics></bpmn:serviceTask>"
    ),
    (
        "<bpmn:serviceTask id='X'><bpmn:extensionElements><s:preScript xmlns:s='http://spiffworkflow.org/bpmn/schema/1.0/core'>"
        "{}</s:preScript></bpmn:extensionElements></bpmn:serviceTask>"
    ),
    "<bpmn:adHocSubProcess id='X'><bpmn:completionCondition>{}</bpmn:completionCondition></bpmn:adHocSubProcess>",
    (
        "<bpmn:serviceTask id='X'><bpmn:dataInputAssociation><bpmn:transformation>{}</bpmn:transformation>"
        "</bpmn:dataInputAssociation></bpmn:serviceTask>"
    ),
    "<bpmn:serviceTask id='X' operationRef='{}' />",
    "<bpmn:callActivity id='X' calledElement='{}' />",
)


def _fill(place: str | None = None, text: str = "") -> bytes:
    first, *rest = TEMPLATE.split("{")
    filled = [first]
    for part in rest:
        marker, _, following = part.partition("}")
        name, _, honest = marker.partition(":")
        filled += [text if name == place else escape(honest), following]
    return "".join(filled).encode()


def _deployed(content: bytes) -> bool:
    try:
        models = read_diagram(content)
    except DiagramError:
        return False
    return not any(verify(model, CONTRACTS) for model in models)


def _run(content: bytes) -> None:
    """Run the deployed instance along each of its ways out of the service task."""
    first, child = read_diagram(content)
    for event in first.start_events():
        compiled = compile_process(first, {"child": child}, event.id)
        for result in ({"b": 2}, {"b": 3}, None):
            stored = StoredTree(compiled, {"b": 1})
            while waiting := stored.waiting:
                if result is None and isinstance(stored.task(waiting[0]).element, ServiceTask):
                    (trigger,) = (event.trigger for event in first.boundary_events("Work"))
                    assert isinstance(trigger, ErrorTrigger)
                    assert stored.raise_error(waiting[0], str(trigger.error_code), {})
                else:
                    stored.complete(waiting[0], **(result or {}))
            assert stored.is_completed


def _payloads(file: Path) -> list[str]:
    call = f'__import__("os").system("touch {file}")'
    return [
        call,
        f"= {call}",
        f"={{x: {call}}}",
        f'="a" + {call}',
        f"#{{{call}}}",
        f"${{{call}}}",
        f"{{{{ {call} }}}}",
        f"exec({call!r})",
        f"(lambda: {call})()",
    ]


def test_the_honest_diagram_is_deployed_and_runs() -> None:
    assert _deployed(_fill())
    _run(_fill())
    assert len(PLACES) == len(set(PLACES)) > 50


@pytest.mark.parametrize("place", PLACES)
def test_hostile_text_in_any_place_is_refused_or_stays_text(place: str, tmp_path: Path) -> None:
    file = tmp_path / "touched"
    for payload in _payloads(file):
        text = escape(payload, {'"': "&quot;"})
        content = _fill(place, text if place not in PARTS else f"<bpmn:documentation>{text}</bpmn:documentation>")

        deployed = _deployed(content)
        if deployed:
            _run(content)

        assert not file.exists()
        assert not (deployed and place in REFUSED_AS_EXPRESSION and payload.startswith("="))


@pytest.mark.parametrize("place", sorted(PARTS))
@pytest.mark.parametrize("part", EVENT_PARTS)
def test_events_with_text_to_evaluate_are_refused(place: str, part: str, tmp_path: Path) -> None:
    payload = escape(_payloads(tmp_path / "touched")[0], {'"': "&quot;"})

    assert not _deployed(_fill(place, part.format(payload)))


@pytest.mark.parametrize("element", HOSTILE_ELEMENTS)
def test_elements_with_text_to_evaluate_are_refused(element: str, tmp_path: Path) -> None:
    payload = escape(_payloads(tmp_path / "touched")[0], {'"': "&quot;", "'": "&apos;"})
    content = _fill().replace(b"<bpmn:textAnnotation", element.format(payload).encode() + b"<bpmn:textAnnotation")

    assert not _deployed(content)


def test_hostile_values_of_variables_stay_values(tmp_path: Path) -> None:
    file = tmp_path / "touched"
    first, child = read_diagram(_fill())
    for payload in _payloads(file):
        compiled = compile_process(first, {"child": child}, "Begin")
        stored = StoredTree(compiled, {"b": payload, payload: payload})
        try:
            while waiting := stored.waiting:
                stored.complete(waiting[0], b=payload, c=payload, answer=payload, __class__=payload)
        except ExpressionError:
            pass

        assert not file.exists()
        assert stored.variables["d"] == payload
