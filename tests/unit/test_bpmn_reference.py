"""The BPMN page says of every element and attribute what the verification says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from diagram_findings import ASSIGNED, TYPE, findings_of
from diagrams import (
    activity,
    attributes,
    boundary,
    business_rule_task,
    document,
    end,
    error,
    escalation,
    event_subprocess,
    flow,
    for_each,
    gateway,
    link_ends,
    message,
    path,
    process,
    receive_task,
    script_task,
    service_task,
    signal,
    start,
    subprocess,
    transaction,
    undone_by,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "bpmn.md").read_text(encoding="utf-8")
EXECUTED, NO_EFFECT, UNKNOWN = "executed", "no effect", "-"
WORK = service_task("Work", "plain")
STRAIGHT = (start(), path("Begin", "X", "Done"), end())
CALLED = '<zeebe:calledElement processId="child" />'
DECLARED = (message("M", "m", "=key"), signal("S", "s"), error("E", "E"), escalation("L", "L"))


def section(title: str) -> list[list[str]]:
    """Return the rows of a section's table; in each cell, code without its marks."""
    text = next(part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE) if part.startswith(f"{title}\n"))
    lines = [line for line in text.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip().replace("`", "") for cell in line.split("|")[1:-1]] for line in lines]


def verdicts(title: str) -> dict[str, str]:
    return {row[0]: row[1] for row in section(title)}


def judge(content: bytes, verdict: str) -> None:
    """Require that a document is let in, or refused with the code of the verdict."""
    codes = {finding.code for finding in findings_of(content) if finding.severity == "error"}
    if verdict in {EXECUTED, NO_EFFECT}:
        assert codes == set()
    else:
        assert codes if verdict == UNKNOWN else verdict in codes


def drawn(*content: str, beside: str = "") -> bytes:
    return document(beside, process("p", *content), *DECLARED)


def node(element: str) -> bytes:
    """A process through the element X."""
    return drawn(*STRAIGHT, element)


def within(part: str, kind: str = "serviceTask") -> bytes:
    return node(activity(kind, "X", '<zeebe:taskDefinition type="plain" />', part))


def repeated(part: str) -> bytes:
    items = '<bpmn:extensionElements><zeebe:loopCharacteristics inputCollection="=a" /></bpmn:extensionElements>'
    mark = f"<bpmn:multiInstanceLoopCharacteristics>{items}{part}</bpmn:multiInstanceLoopCharacteristics>"
    return node(service_task("X", "plain", multi_instance=mark))


def looping(part: str, marks: str = ' loopMaximum="2"') -> bytes:
    mark = f"<bpmn:standardLoopCharacteristics{marks}>{part}</bpmn:standardLoopCharacteristics>"
    return node(service_task("X", "plain", multi_instance=mark))


ACTIVITIES = {
    "task": node('<bpmn:task id="X" />'),
    "manualTask": node('<bpmn:manualTask id="X" />'),
    "serviceTask": node(service_task("X", "plain")),
    "userTask": node(activity("userTask", "X", ASSIGNED)),
    "receiveTask": node(receive_task("X", "M")),
    "sendTask": node(activity("sendTask", "X", "", messageRef="M")),
    "scriptTask": node(script_task("X", "=1", "a")),
    "script": node(activity("scriptTask", "X", "", "<bpmn:script>1</bpmn:script>")),
    "businessRuleTask with a task definition": node(activity("businessRuleTask", "X", TYPE)),
    "businessRuleTask": node(business_rule_task("X", "policy", "a")),
    "callActivity": node(activity("callActivity", "X", CALLED)),
    "subProcess": node(subprocess("X", start("In"), path("In", "Out"), end("Out"))),
    "subProcess triggered by an event": drawn(
        *STRAIGHT, service_task("X", "plain"),
        event_subprocess("Y", start("In", signal_ref="S"), path("In", "Out"), end("Out")),
    ),
    "transaction": node(transaction("X", start("In"), path("In", "Out"), end("Out"))),
    "adHocSubProcess": node('<bpmn:adHocSubProcess id="X" />'),
    "multiInstanceLoopCharacteristics": repeated(""),
    "completionCondition": repeated("<bpmn:completionCondition>=true</bpmn:completionCondition>"),
    **{
        name: repeated(f"<bpmn:{name} />")
        for name in ("loopCardinality", "loopDataInputRef", "loopDataOutputRef", "inputDataItem", "outputDataItem")
    },
    "complexBehaviorDefinition": repeated("<bpmn:complexBehaviorDefinition />"),
    "standardLoopCharacteristics": looping(""),
    "loopCondition": looping("<bpmn:loopCondition>=a</bpmn:loopCondition>", ""),
}  # fmt: skip
GATEWAYS = {
    **{name: node(f'<bpmn:{name} id="X" />') for name in ("exclusiveGateway", "parallelGateway", "inclusiveGateway")},
    "eventBasedGateway": drawn(start(), path("Begin", "X", "Y"), '<bpmn:eventBasedGateway id="X" />',
                               receive_task("Y", "M")),
    "complexGateway": node('<bpmn:complexGateway id="X" />'),
    "sequenceFlow": drawn(start(), path("Begin", "Done"), end()),
    "conditionExpression": drawn(start(), path("Begin", "X", "Done"), service_task("X", "plain"), end(),
                                 flow("X", "Work", "=a"), WORK),
}  # fmt: skip
DATA = {
    **{name: drawn(*STRAIGHT, service_task("X", "plain"), f'<bpmn:{name} id="Y" />')
       for name in ("dataObject", "dataObjectReference", "dataStoreReference", "property", "ioSpecification",
                    "correlationSubscription", "auditing", "monitoring", "textAnnotation", "association", "group",
                    "laneSet", "documentation", "resourceRole", "performer", "humanPerformer", "potentialOwner")},
    **{name: within(f"<bpmn:{name} />") for name in ("dataInputAssociation", "dataOutputAssociation")},
    **{name: within(f"<bpmn:dataInputAssociation><bpmn:{name} /></bpmn:dataInputAssociation>")
       for name in ("transformation", "assignment")},
    "rendering": node(activity("userTask", "X", ASSIGNED, "<bpmn:rendering />")),
}  # fmt: skip
DECLARING = ("message", "signal", "error", "escalation", "process")
BESIDE = {
    **{name: node(service_task("X", "plain")) for name in DECLARING},
    **{
        name: drawn(*STRAIGHT, service_task("X", "plain"), beside=f'<bpmn:{name.split()[0]} id="Y" />')
        for name in verdicts("Beside processes")
        if name not in DECLARING
    },
}


def marked(kind: str, **marks: str) -> bytes:
    return node(activity(kind, "X", TYPE if kind == "serviceTask" else "", **marks))


def executed(name: str) -> bytes:
    """A document in which the attribute is executed; each of them is tried elsewhere with what it does."""
    text = f" {name}="
    found = [content for content in (*ACTIVITIES.values(), *GATEWAYS.values(), *EVENT_DOCUMENTS.values())
             if text.encode() in content and not any(f.severity == "error" for f in findings_of(content))]  # fmt: skip
    return found[0]


ATTRIBUTES = {
    "isForCompensation": node(service_task("X", "plain") + undone_by("X", service_task("Y", "plain"))),
    "activityRef": drawn(start(), path("Begin", "X", "Done"), service_task("X", "plain"), end(compensates="X"),
                         undone_by("X", service_task("Y", "plain"))),
    "waitForCompletion": drawn(start(), path("Begin", "Done"), end(compensates="")).replace(
        b"<bpmn:compensateEventDefinition", b'<bpmn:compensateEventDefinition waitForCompletion="false"'
    ),
    "method": node(transaction("X", start("In"), path("In", "Out"), end("Out"))).replace(
        b"<bpmn:transaction ", b'<bpmn:transaction method="##Store" '
    ),
    "instantiate": node(receive_task("X", "M").replace(" id=", ' instantiate="true" id=')),
    "parallelMultiple": node('<bpmn:intermediateCatchEvent id="X" parallelMultiple="true" />'),
    "startQuantity": marked("serviceTask", startQuantity="2"),
    "completionQuantity": marked("serviceTask", completionQuantity="2"),
    "eventGatewayType": node('<bpmn:eventBasedGateway id="X" eventGatewayType="Parallel" />'),
    "behavior": repeated("").replace(b"LoopCharacteristics>", b'LoopCharacteristics behavior="One">', 1),
    "isImmediate": drawn(start(), flow("Begin", "Done").replace(" ", ' isImmediate="false" ', 1), end()),
    "operationRef": marked("serviceTask", operationRef="O"),
    "calledElement": node(activity("callActivity", "X", CALLED, calledElement="a")),
    "scriptFormat": node(script_task("X", "=1", "a").replace(" id=", ' scriptFormat="python" id=')),
    "language": GATEWAYS["conditionExpression"].replace(b"Expression>", b'Expression language="python">', 1),
    "default": node(activity("serviceTask", "X", TYPE, default="F") + flow("X", "Y", flow_id="F") + path("Y", "Done")
                    + service_task("Y", "plain")),
    "isSequential": node(service_task("X", "plain", multi_instance=for_each("=a", sequential=True))),
    "testBefore": looping("<bpmn:loopCondition>=a</bpmn:loopCondition>", ' testBefore="true"'),
    "any that BPMN does not give to the element": marked("serviceTask", invented="a"),
    "implementation": marked("serviceTask", implementation="##WebService"),
    "gatewayDirection": node('<bpmn:exclusiveGateway id="X" gatewayDirection="Diverging" />'),
    "isClosed": node(service_task("X", "plain")).replace(b"<bpmn:process ", b'<bpmn:process isClosed="true" '),
    "processType": node(service_task("X", "plain")).replace(b"<bpmn:process ", b'<bpmn:process processType="Public" '),
    "structureRef": node(service_task("X", "plain")).replace(b"<bpmn:error ", b'<bpmn:error structureRef="Y" '),
    "itemRef": node(service_task("X", "plain")).replace(b"<bpmn:message ", b'<bpmn:message itemRef="Y" '),
    "expressionLanguage": node(service_task("X", "plain")).replace(
        b"<bpmn:definitions ", b'<bpmn:definitions expressionLanguage="http://www.w3.org/1999/XPath" '
    ),
}  # fmt: skip

REFERENCES = {
    "messageEventDefinition": ("messageRef", "M"),
    "signalEventDefinition": ("signalRef", "S"),
    "errorEventDefinition": ("errorRef", "E"),
    "escalationEventDefinition": ("escalationRef", "L"),
}
PARTS = {
    "timerEventDefinition": "<bpmn:timeDuration>PT1H</bpmn:timeDuration>",
    "conditionalEventDefinition": "<bpmn:condition>=a</bpmn:condition>",
}


def definition(name: str, place: str) -> str:
    if name == "none":
        return ""
    if name == "several definitions":
        return definition("signalEventDefinition", place) + definition("messageEventDefinition", place)
    part = PARTS.get(name, "")
    if name == "timerEventDefinition" and place == "process start":
        part = "<bpmn:timeCycle>R/PT1H</bpmn:timeCycle>"
    attribute, reference = REFERENCES.get(name, ("name", "far" if name == "linkEventDefinition" else None))
    return f"<bpmn:{name}{attributes(**{attribute: reference})}>{part}</bpmn:{name}>"


def placed_around_transaction(name: str, place: str) -> bytes | None:
    """A document in which the event of this definition stands at a transaction or in it, where it belongs there."""
    inside = (start("In"), path("In", "Out"), end("Out"))
    straight = (start(), path("Begin", "Sub", "Done"), end())
    marks = {"cancelActivity": "false", "isInterrupting": "false"} if "," not in place else {}
    match name, place.partition(",")[0]:
        case "compensateEventDefinition", "boundary":
            undone = undone_by("Sub", service_task("Y", "plain"))
            if marks:
                undone = undone.replace(" attachedToRef", ' cancelActivity="false" attachedToRef')
            return drawn(*straight, transaction("Sub", *inside), undone)
        case "compensateEventDefinition", "beside":
            begin = start("X", compensates="", interrupting=not marks)
            events = event_subprocess("Events", begin, path("X", "Handled"), end("Handled"))
            return drawn(*straight, subprocess("Sub", *inside, events))
        case "cancelEventDefinition", "boundary":
            event = boundary("X", "Sub", cancels=True, interrupting=not marks)
            return drawn(*straight, transaction("Sub", *inside), event, path("X", "Done"))
        case "cancelEventDefinition", "end":
            inside = (start("In"), path("In", "X"), end("X", cancels=True))
            event = boundary("Off", "Sub", cancels=True)
            return drawn(*straight, transaction("Sub", *inside), event, path("Off", "Done"))
        case _:
            return None


def placed(name: str, place: str) -> bytes:  # noqa: PLR0911 - one case a place
    """A document with an event of this definition at this place."""
    part = definition(name, place)
    if name in {"compensateEventDefinition", "cancelEventDefinition"}:
        around = placed_around_transaction(name, place)
        if around is not None:
            return around
    inside = subprocess("Sub", start("In"), path("In", "Out"), end("Out"))
    match place:
        case "process start":
            return drawn(activity("startEvent", "X", "", part), path("X", "Done"), end())
        case "beside, interrupting" | "beside":
            event = activity("startEvent", "X", "", part, isInterrupting="true" if "," in place else "false")
            return drawn(start(), path("Begin", "Done"), end(),
                         event_subprocess("Sub", event, path("X", "Out"), end("Out")))  # fmt: skip
        case "boundary, interrupting" | "boundary":
            event = activity("boundaryEvent", "X", "", part, attachedToRef="Sub",
                             cancelActivity="true" if "," in place else "false")  # fmt: skip
            return drawn(start(), path("Begin", "Sub", "Done"), inside, event, path("X", "Done"), end())
        case "catch":
            other = path("Begin", "Far") + link_ends("far", "Far", catching="X").split("\n")[0]
            link = name == "linkEventDefinition"
            way = other if link else path("Begin", "X")
            return drawn(start(), way, activity("intermediateCatchEvent", "X", "", part), path("X", "Done"), end())
        case "throw":
            link = name == "linkEventDefinition"
            other = link_ends("far", catching="Far") + path("Far", "Done") if link else path("X", "Done")
            return drawn(start(), path("Begin", "X"), activity("intermediateThrowEvent", "X", "", part), other, end())
        case _:
            return drawn(start(), path("Begin", "X"), activity("endEvent", "X", "", part))


PLACES = (
    "process start",
    "beside, interrupting",
    "beside",
    "catch",
    "boundary, interrupting",
    "boundary",
    "throw",
    "end",
)
EVENTS = {(row[0], place): verdict for row in section("Events") for place, verdict in zip(PLACES, row[1:], strict=True)}
EVENT_DOCUMENTS = {case: placed(*case) for case in EVENTS}
EXAMPLES = {
    "Activities": ACTIVITIES,
    "Gateways and flows": GATEWAYS,
    "Data, people and notes": DATA,
    "Beside processes": BESIDE,
}
_CASES = [(title, name) for title in EXAMPLES for name in EXAMPLES[title]]


@pytest.mark.parametrize("title", EXAMPLES)
def test_the_page_lists_each_element_once_and_each_has_an_example(title: str) -> None:
    assert [row[0] for row in section(title)] == list(dict.fromkeys(row[0] for row in section(title)))
    assert set(verdicts(title)) == set(EXAMPLES[title])


@pytest.mark.parametrize(("title", "name"), _CASES)
def test_an_element_is_executed_or_refused_as_the_page_says(title: str, name: str) -> None:
    judge(EXAMPLES[title][name], verdicts(title)[name])


@pytest.mark.parametrize("name", verdicts("Attributes"))
def test_an_attribute_is_executed_or_refused_as_the_page_says(name: str) -> None:
    verdict = verdicts("Attributes")[name]

    judge(ATTRIBUTES.get(name) or executed(name), verdict)


@pytest.mark.parametrize(("name", "place"), EVENTS)
def test_an_event_is_executed_or_refused_as_the_page_says(name: str, place: str) -> None:
    judge(EVENT_DOCUMENTS[name, place], EVENTS[name, place])


def test_an_event_definition_may_not_stand_elsewhere_and_be_referred_to() -> None:
    event = activity("intermediateCatchEvent", "X", "", "<bpmn:eventDefinitionRef>Y</bpmn:eventDefinitionRef>")

    judge(node(event), "ELEMENT_UNSUPPORTED")


STANDARD = (
    "adHocSubProcess association auditing businessRuleTask callActivity category choreography collaboration "
    "completionCondition complexBehaviorDefinition complexGateway conditionExpression correlationProperty "
    "correlationSubscription dataInputAssociation dataObject dataObjectReference dataOutputAssociation dataStore "
    "dataStoreReference documentation endPoint error escalation eventBasedGateway exclusiveGateway extension "
    "globalBusinessRuleTask globalChoreographyTask globalConversation globalManualTask globalScriptTask globalTask "
    "globalUserTask group humanPerformer import inclusiveGateway inputDataItem interface ioSpecification "
    "itemDefinition laneSet loopCardinality loopCondition loopDataInputRef loopDataOutputRef manualTask message "
    "monitoring multiInstanceLoopCharacteristics outputDataItem parallelGateway partnerEntity partnerRole performer "
    "potentialOwner process property receiveTask relationship rendering resource resourceRole script scriptTask "
    "sendTask sequenceFlow serviceTask signal standardLoopCharacteristics subProcess task textAnnotation transaction "
    "userTask "
)


def test_the_page_names_every_element_of_the_standard() -> None:
    listed = {name for title in EXAMPLES for row in section(title) for name in re.findall(r"^\w+", row[0])}

    assert listed >= set(STANDARD.split())
    kinds = [
        "cancel",
        "compensate",
        "conditional",
        "error",
        "escalation",
        "link",
        "message",
        "signal",
        "terminate",
        "timer",
    ]
    assert {row[0] for row in section("Events")} >= {f"{kind}EventDefinition" for kind in kinds}


def test_a_gateway_of_the_examples_has_no_name_and_may_do_without() -> None:
    assert findings_of(node(gateway("X"))) == ()
