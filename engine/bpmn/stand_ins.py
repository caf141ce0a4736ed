"""Diagrams made ready to be simulated: tasks whose outcome is told beforehand become service tasks of a stand-in type.

User, receive and service tasks stay as they are: their outcomes come from outside anyway. Never used on deployment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from lxml import etree
from pydantic import JsonValue

from engine.bpmn.foreign import FOREIGN_TASK_TYPE, stub_foreign_parts
from engine.bpmn.references import resolve_references
from engine.bpmn.xml import BPMN, ZEEBE, local_name, parse_xml
from engine.xml_documents import Element

_REPLACEABLE = frozenset({"task", "manualTask", "scriptTask", "sendTask", "businessRuleTask", "callActivity"})
_IMPLEMENTING_ATTRIBUTES = ("calledElement", "implementation", "messageRef", "operationRef", "scriptFormat")
_KEPT_EXTENSIONS = frozenset({"ioMapping", "taskHeaders", "loopCharacteristics", "properties"})
_OTHERWISE_READ = frozenset({"script", "ioSpecification", "dataInputAssociation", "dataOutputAssociation"})


@dataclass(frozen=True)
class StandIns:
    """What is told beforehand.

    Attributes:
        answers: By element id; only whether there is one counts, but for conditional events.
        foreign: Whether the diagrams are of other engines.
        process_ids: The processes that can be called; of another engine's diagram, other calls are stood in for.
        decision_ids: As `process_ids`, the decisions.
    """

    answers: Mapping[str, JsonValue] = field(default_factory=dict)
    foreign: bool = False
    process_ids: Collection[str] = ()
    decision_ids: Collection[str] = ()


def process_ids_of(content: bytes) -> frozenset[str]:
    """Return the ids of all processes of a document, executable or not.

    Raises:
        DiagramError: It is no BPMN document.
    """
    return frozenset(process.get("id", "") for process in parse_xml(content).iter(f"{{{BPMN}}}process"))


def with_stand_ins(content: bytes, stand_ins: StandIns) -> bytes:
    """Return a document in which what is answered, or foreign, needs nothing from outside but the answer.

    Raises:
        DiagramError: It is no BPMN document.
    """
    root = parse_xml(content)
    resolve_references(root)
    if stand_ins.foreign:
        stub_foreign_parts(root)
    for element in list(root.iter(f"{{{BPMN}}}*")):
        _stand_in(element, stand_ins)
    text: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text


def _stand_in(element: Element, stand_ins: StandIns) -> None:
    element_id, kind = element.get("id", ""), local_name(element)
    if stand_ins.foreign and _calls_what_is_not_there(element, stand_ins):
        _replace(element)
    elif element_id not in stand_ins.answers:
        return
    elif kind in _REPLACEABLE:
        _replace(element)
    else:
        for condition in element.findall(f"{{{BPMN}}}conditionalEventDefinition/{{{BPMN}}}condition"):
            condition.text = "=true" if stand_ins.answers[element_id] is True else "=false"


def _calls_what_is_not_there(activity: Element, stand_ins: StandIns) -> bool:
    extensions = f"{{{BPMN}}}extensionElements/{{{ZEEBE}}}"
    process, decision = activity.find(f"{extensions}calledElement"), activity.find(f"{extensions}calledDecision")
    if process is not None:
        return process.get("processId") not in stand_ins.process_ids
    return decision is not None and decision.get("decisionId") not in stand_ins.decision_ids


def _replace(task: Element) -> None:
    task.tag = f"{{{BPMN}}}serviceTask"
    for name in _IMPLEMENTING_ATTRIBUTES:
        task.attrib.pop(name, None)
    for child in list(task):
        if local_name(child) in _OTHERWISE_READ:
            task.remove(child)
    container = task.find(f"{{{BPMN}}}extensionElements")
    if container is None:
        container = etree.Element(f"{{{BPMN}}}extensionElements")
        task.insert(0, container)
    for child in list(container):
        if child.tag not in {f"{{{ZEEBE}}}{name}" for name in _KEPT_EXTENSIONS}:
            container.remove(child)
    etree.SubElement(container, f"{{{ZEEBE}}}taskDefinition", {"type": FOREIGN_TASK_TYPE})
