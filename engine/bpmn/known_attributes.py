"""Attributes that BPMN gives to the elements that are executed (BPMN 2.0.2, the schema Semantic.xsd).

One that it does not give is a mistake that would go unnoticed, such as `isInterrupting` on a boundary event.
"""

from __future__ import annotations

from engine.bpmn.refusals import Refusals
from engine.bpmn.xml import ZEEBE, local_name
from engine.xml_documents import Element

_COMMON = frozenset({"id", "name"})
_OF_MODELER = ("modelerTemplate", "modelerConfiguration")
_ACTIVITY = "isForCompensation startQuantity completionQuantity default"
_EXPRESSION = "language evaluatesToTypeRef"
_KNOWN = {
    "process": "isClosed isExecutable processType definitionalCollaborationRef",
    "task": _ACTIVITY,
    "manualTask": _ACTIVITY,
    "userTask": f"{_ACTIVITY} implementation",
    "businessRuleTask": f"{_ACTIVITY} implementation",
    "serviceTask": f"{_ACTIVITY} implementation operationRef",
    "sendTask": f"{_ACTIVITY} implementation operationRef messageRef",
    "receiveTask": f"{_ACTIVITY} implementation operationRef messageRef instantiate",
    "scriptTask": f"{_ACTIVITY} scriptFormat",
    "callActivity": f"{_ACTIVITY} calledElement",
    "subProcess": f"{_ACTIVITY} triggeredByEvent",
    "transaction": f"{_ACTIVITY} triggeredByEvent method",
    "standardLoopCharacteristics": "testBefore loopMaximum",
    "multiInstanceLoopCharacteristics": "isSequential behavior oneBehaviorEventRef noneBehaviorEventRef",
    "startEvent": "isInterrupting parallelMultiple",
    "intermediateCatchEvent": "parallelMultiple",
    "boundaryEvent": "attachedToRef cancelActivity parallelMultiple",
    "intermediateThrowEvent": "",
    "endEvent": "",
    "timerEventDefinition": "",
    "messageEventDefinition": "messageRef",
    "signalEventDefinition": "signalRef",
    "conditionalEventDefinition": "",
    "errorEventDefinition": "errorRef",
    "escalationEventDefinition": "escalationRef",
    "linkEventDefinition": "",
    "terminateEventDefinition": "",
    "compensateEventDefinition": "activityRef waitForCompletion",
    "cancelEventDefinition": "",
    "exclusiveGateway": "gatewayDirection default",
    "inclusiveGateway": "gatewayDirection default",
    "parallelGateway": "gatewayDirection",
    "eventBasedGateway": "gatewayDirection instantiate eventGatewayType",
    "sequenceFlow": "sourceRef targetRef isImmediate",
    "association": "sourceRef targetRef associationDirection",
    **dict.fromkeys(("timeDate", "timeDuration", "timeCycle"), _EXPRESSION),
    **dict.fromkeys(("condition", "conditionExpression", "completionCondition", "loopCondition"), _EXPRESSION),
    "message": "itemRef",
    "signal": "structureRef",
    "error": "errorCode structureRef",
    "escalation": "escalationCode structureRef",
}
_ATTRIBUTES = {element: _COMMON | set(names.split()) for element, names in _KNOWN.items()}


def require_known_attributes(element: Element, refusals: Refusals) -> None:
    """Refuse each attribute that neither BPMN nor the `zeebe:` dialect gives to an element that is executed."""
    known = _ATTRIBUTES.get(local_name(element))
    if known is None:
        return
    for attribute in map(str, element.attrib):
        plain = attribute.removeprefix(f"{{{ZEEBE}}}")
        if plain.startswith("{") or plain in known or (plain != attribute and plain.startswith(_OF_MODELER)):
            continue
        message = f"A {local_name(element)} has no attribute {plain}."
        listed = ", ".join(sorted(known))
        refusals.find(element, "ATTRIBUTE_UNSUPPORTED", message, f"Remove it, or mend its name: {listed}.")
