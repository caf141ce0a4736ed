"""Every extension of the dialect at every element: it is read there, or refused. Nothing is passed over."""

from __future__ import annotations

from itertools import product

import pytest
from diagram_findings import findings_of
from diagrams import document, end, error, escalation, message, path, process, signal, start

from engine.bpmn import read_document
from engine.errors import DiagramError

EXTENSIONS = {
    "adHoc": '<zeebe:adHoc activeElementsCollection="=[]" outputCollection="a" outputElement="=a" />',
    "agentDefinition": '<zeebe:agentDefinition agentType="a" />',
    "assignmentDefinition": '<zeebe:assignmentDefinition candidateGroups="a" />',
    "calledDecision": '<zeebe:calledDecision decisionId="a" resultVariable="a" />',
    "calledElement": '<zeebe:calledElement processId="child" />',
    "conditionalFilter": '<zeebe:conditionalFilter variableNames="a" variableEvents="create" />',
    "executionListeners": (
        '<zeebe:executionListeners><zeebe:executionListener eventType="start" type="a" /></zeebe:executionListeners>'
    ),
    "formDefinition": '<zeebe:formDefinition formId="review" />',
    "ioMapping": '<zeebe:ioMapping><zeebe:output source="=a" target="b" /></zeebe:ioMapping>',
    "jobPriorityDefinition": '<zeebe:jobPriorityDefinition priority="7" />',
    "linkedResources": '<zeebe:linkedResources><zeebe:linkedResource resourceId="a" /></zeebe:linkedResources>',
    "loopCharacteristics": '<zeebe:loopCharacteristics inputCollection="=[1]" />',
    "priorityDefinition": '<zeebe:priorityDefinition priority="7" />',
    "script": '<zeebe:script expression="=1" resultVariable="a" />',
    "subscription": '<zeebe:subscription correlationKey="=a" />',
    "taskDefinition": '<zeebe:taskDefinition type="plain" />',
    "taskHeaders": '<zeebe:taskHeaders><zeebe:header key="a" value="b" /></zeebe:taskHeaders>',
    "taskListeners": '<zeebe:taskListeners><zeebe:taskListener eventType="creating" type="a" /></zeebe:taskListeners>',
    "taskSchedule": '<zeebe:taskSchedule dueDate="P1D" />',
    "userTask": "<zeebe:userTask />",
    "userTaskForm": '<zeebe:userTaskForm id="a">{}</zeebe:userTaskForm>',
    "versionTag": '<zeebe:versionTag value="a" />',
}
NEEDED = {
    "serviceTask": "taskDefinition",
    "userTask": "assignmentDefinition",
    "callActivity": "calledElement",
    "scriptTask": "script",
    "businessRuleTask": "calledDecision",
    "multiInstanceLoopCharacteristics": "loopCharacteristics",
    "message": "subscription",
}
"""What an element cannot do without."""

JOB = {"taskDefinition", "taskHeaders", "jobPriorityDefinition", "priorityDefinition", "ioMapping"}
READ: dict[str, set[str]] = {
    "process": {"versionTag"},
    "task": {"ioMapping"},
    "manualTask": {"ioMapping"},
    "serviceTask": JOB,
    "userTask": {
        *("userTask", "formDefinition", "assignmentDefinition", "taskSchedule", "priorityDefinition"),
        *("ioMapping", "taskHeaders"),
    },
    "receiveTask": {"ioMapping"},
    "sendTask": {"ioMapping", "taskDefinition"},
    "scriptTask": {"ioMapping", "script"},
    "businessRuleTask": {"calledDecision", "ioMapping"},
    "callActivity": {"calledElement", "ioMapping", "taskHeaders"},
    "subProcess": {"ioMapping"},
    "transaction": {"ioMapping"},
    "multiInstanceLoopCharacteristics": {"loopCharacteristics"},
    "message": {"subscription"},
    "messageCatch": {"ioMapping"},
    "messageThrow": {"ioMapping", "taskDefinition"},
    "messageEnd": {"ioMapping", "taskDefinition"},
    "boundaryEvent": {"ioMapping"},
}
"""What is read where; properties are read everywhere."""

M = '<bpmn:messageEventDefinition messageRef="M" />'
INSIDE = start("In") + path("In", "Out") + end("Out")
ELEMENTS = {
    **{
        kind: f'<bpmn:{kind} id="X">{{}}</bpmn:{kind}>'
        for kind in (
            *("task", "manualTask", "serviceTask", "userTask", "scriptTask", "businessRuleTask", "callActivity"),
            *("exclusiveGateway", "parallelGateway", "inclusiveGateway"),
        )
    },
    "receiveTask": '<bpmn:receiveTask id="X" messageRef="M">{}</bpmn:receiveTask>',
    "sendTask": '<bpmn:sendTask id="X" messageRef="M">{}</bpmn:sendTask>',
    "subProcess": f'<bpmn:subProcess id="X">{{}}{INSIDE}</bpmn:subProcess>',
    "transaction": f'<bpmn:transaction id="X">{{}}{INSIDE}</bpmn:transaction>',
    "multiInstanceLoopCharacteristics": (
        '<bpmn:callActivity id="X"><bpmn:extensionElements><zeebe:calledElement processId="child" />'
        "</bpmn:extensionElements><bpmn:multiInstanceLoopCharacteristics>{}</bpmn:multiInstanceLoopCharacteristics>"
        "</bpmn:callActivity>"
    ),
    "standardLoopCharacteristics": (
        '<bpmn:task id="X"><bpmn:standardLoopCharacteristics loopMaximum="1">{}</bpmn:standardLoopCharacteristics>'
        "</bpmn:task>"
    ),
    "messageCatch": f'<bpmn:intermediateCatchEvent id="X">{{}}{M}</bpmn:intermediateCatchEvent>',
    "messageThrow": f'<bpmn:intermediateThrowEvent id="X">{{}}{M}</bpmn:intermediateThrowEvent>',
    "messageEventDefinition": (
        '<bpmn:intermediateCatchEvent id="X"><bpmn:messageEventDefinition messageRef="M">{}'
        "</bpmn:messageEventDefinition></bpmn:intermediateCatchEvent>"
    ),
    "timerCatch": (
        '<bpmn:intermediateCatchEvent id="X">{}<bpmn:timerEventDefinition><bpmn:timeDuration>PT1H</bpmn:timeDuration>'
        "</bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>"
    ),
    "timerEventDefinition": (
        '<bpmn:intermediateCatchEvent id="X"><bpmn:timerEventDefinition>{}<bpmn:timeDuration>PT1H</bpmn:timeDuration>'
        "</bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>"
    ),
    "conditionalEventDefinition": (
        '<bpmn:intermediateCatchEvent id="X"><bpmn:conditionalEventDefinition>{}<bpmn:condition>=a</bpmn:condition>'
        "</bpmn:conditionalEventDefinition></bpmn:intermediateCatchEvent>"
    ),
    "noneThrow": '<bpmn:intermediateThrowEvent id="X">{}</bpmn:intermediateThrowEvent>',
    "signalThrow": (
        '<bpmn:intermediateThrowEvent id="X">{}<bpmn:signalEventDefinition signalRef="S" />'
        "</bpmn:intermediateThrowEvent>"
    ),
}
BESIDE = {
    "textAnnotation": '<bpmn:textAnnotation id="Y">{}</bpmn:textAnnotation>',
    "association": '<bpmn:association id="Y" sourceRef="X" targetRef="X">{}</bpmn:association>',
    "group": '<bpmn:group id="Y">{}</bpmn:group>',
    "laneSet": '<bpmn:laneSet id="Y">{}</bpmn:laneSet>',
    "lane": '<bpmn:laneSet id="Lanes"><bpmn:lane id="Y">{}</bpmn:lane></bpmn:laneSet>',
    "eventSubProcess": (
        '<bpmn:subProcess id="Y" triggeredByEvent="true">{}' + start("On", signal_ref="S")
        + path("On", "Over") + end("Over") + "</bpmn:subProcess>"
    ),
    "boundaryEvent": (
        f'<bpmn:callActivity id="Y"><bpmn:extensionElements>{EXTENSIONS["calledElement"]}</bpmn:extensionElements>'
        f'</bpmn:callActivity><bpmn:boundaryEvent id="Z" attachedToRef="Y">{{}}{M}</bpmn:boundaryEvent>'
        + path("X", "Y", "Done") + path("Z", "Done")
    ),
    "sequenceFlow": '<bpmn:sequenceFlow sourceRef="Begin" targetRef="Done">{}</bpmn:sequenceFlow>',
}  # fmt: skip
DECLARED = {
    "signal": '<bpmn:signal id="Y" name="y">{}</bpmn:signal>',
    "error": '<bpmn:error id="Y" errorCode="y">{}</bpmn:error>',
    "escalation": '<bpmn:escalation id="Y" escalationCode="y">{}</bpmn:escalation>',
    "collaboration": '<bpmn:collaboration id="Y">{}</bpmn:collaboration>',
    "participant": '<bpmn:collaboration id="C"><bpmn:participant id="Y">{}</bpmn:participant></bpmn:collaboration>',
    "category": '<bpmn:category id="Y">{}</bpmn:category>',
}
ENDS = {
    "process": "{}",
    "startEvent": '<bpmn:startEvent id="Begin">{}</bpmn:startEvent>',
    "messageEnd": f'<bpmn:endEvent id="Done">{{}}{M}</bpmn:endEvent>',
    "endEvent": '<bpmn:endEvent id="Done">{}</bpmn:endEvent>',
    "message": '<bpmn:message id="M" name="m">{}</bpmn:message>',
}
SENDS = {"messageThrow", "messageEnd"}
PLACES = [*ELEMENTS, *BESIDE, *DECLARED, *ENDS]


def placed(place: str, extension: str) -> bytes:
    """A diagram with an extension at an element of this kind, and what it needs besides."""

    def at(kind: str, template: str) -> str:
        needed = NEEDED.get(kind)
        content = "" if needed in {None, extension} else EXTENSIONS[str(needed)]
        content += EXTENSIONS.get(extension, extension) if kind == place else ""
        content = content.replace("zeebe:output", "zeebe:input") if kind in SENDS else content
        contained = f"<bpmn:extensionElements>{content}</bpmn:extensionElements>" if content else ""
        return template.replace("{}", contained, 1)

    ends = {kind: at(kind, template) for kind, template in ENDS.items()}
    inside = (
        ends["process"] if place == "process" else "",
        ends["startEvent"],
        path("Begin", "X", "Done"),
        at(place, ELEMENTS[place]) if place in ELEMENTS else '<bpmn:task id="X" />',
        at(place, BESIDE[place]) if place in BESIDE else "",
        ends["messageEnd"] if place == "messageEnd" else ends["endEvent"],
    )
    declared = at(place, DECLARED[place]) if place in DECLARED else ""
    return document(
        declared,
        process("p", *inside),
        ends["message"],
        signal("S", "s"),
        error("E", "E"),
        escalation("L", "L"),
    )


def codes(content: bytes) -> set[str]:
    """Return the errors; that the decision which a task asks is not there is none of the extension."""
    found = {finding.code for finding in findings_of(content) if finding.severity == "error"}
    return found - {"DECISION_UNKNOWN"}


@pytest.mark.parametrize(("place", "extension"), list(product(PLACES, EXTENSIONS)))
def test_an_extension_is_read_where_it_has_a_meaning_and_refused_elsewhere(place: str, extension: str) -> None:
    found = codes(placed(place, extension))

    if extension in READ.get(place, ()):
        assert found == set()
    else:
        assert "EXTENSION_UNSUPPORTED" in found


@pytest.mark.parametrize("place", PLACES)
def test_properties_may_stand_everywhere(place: str) -> None:
    properties = '<zeebe:properties><zeebe:property name="a" value="b" /></zeebe:properties>'

    assert codes(placed(place, properties)) == set()


@pytest.mark.parametrize("place", PLACES)
def test_what_another_tool_wrote_is_warned_of_everywhere(place: str) -> None:
    content = placed(place, '<other:note xmlns:other="http://other">a</other:note>')

    try:
        found = read_document(content).warnings
    except DiagramError as refused:  # for the sake of what the element lacks
        found = refused.findings

    assert {finding.severity for finding in found if finding.code == "EXTENSION_UNKNOWN"} == {"warning"}


ATTRIBUTES = [
    *(f'<zeebe:assignmentDefinition candidateGroups="a" {name}="a" />' for name in ("candidateStarters", "users")),
    *(EXTENSIONS["assignmentDefinition"] + f'<zeebe:formDefinition formId="review" {name}="a" />'
      for name in ("formKey", "externalReference")),
    EXTENSIONS["assignmentDefinition"] + '<zeebe:priorityDefinition priority="7" level="a" />',
    EXTENSIONS["assignmentDefinition"] + '<zeebe:taskSchedule dueDate="P1D" dueIn="a" />',
    EXTENSIONS["assignmentDefinition"] + '<zeebe:userTask implementation="a" />',
]  # fmt: skip


@pytest.mark.parametrize("extension", ATTRIBUTES)
def test_an_attribute_of_an_extension_that_is_not_executed_is_refused(extension: str) -> None:
    content = document(
        process(
            "p",
            start(),
            path("Begin", "X", "Done"),
            f'<bpmn:userTask id="X"><bpmn:extensionElements>{extension}</bpmn:extensionElements></bpmn:userTask>',
            end(),
        ),
        message("M", "m", "=a"),
    )

    assert codes(content) == {"ATTRIBUTE_UNSUPPORTED"}
