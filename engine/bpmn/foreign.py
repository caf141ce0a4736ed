"""Diagrams of other engines, made readable: their implementations and expressions become stubs, their structure stays.

A service, send, script or business rule task becomes a service task of the type `foreign`, a condition that is not FEEL
is never true, a time that cannot be known becomes a fixed one. What is drawn (nodes, flows, scopes, events) is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from lxml import etree

from engine.bpmn.xml import BPMN, ZEEBE, is_true, local_name
from engine.xml_documents import Element

FOREIGN_TASK_TYPE = "foreign"
FOREIGN_GROUP = "foreign"
FOREIGN_PROCESS = "foreign"
_NEVER = "=false"
_PLACEHOLDER = re.compile(r"[$#]\{")
_QUARTZ_FIELDS = (6, 7)
_TIMES = {"timeDate": "2100-01-01T00:00:00Z", "timeDuration": "PT1H", "timeCycle": "R/PT1H"}
_WORKED_BY_ENGINES = ("serviceTask", "sendTask", "scriptTask", "businessRuleTask")
_IMPLEMENTED_HERE = ("taskDefinition", "calledDecision", "script")
_IMPLEMENTATION = frozenset(
    {"script", "humanPerformer", "potentialOwner", "performer", "resourceRole", "rendering", "ioSpecification"}
)
_IMPLEMENTING_ATTRIBUTES = ("language", "operationRef", "scriptFormat")
_MOST_ITEMS = 100
_SOURCES_OF_ITEMS = frozenset({"loopCardinality", "loopDataInputRef", "loopDataOutputRef"} | {"inputDataItem"})


def stub_foreign_parts(root: Element) -> None:
    """Change a parsed document, so that reading it refuses nothing for being written for another engine."""
    elements = list(root.iter(f"{{{BPMN}}}*"))
    for element in elements:
        _strip(element)
    _make_executable(root)
    for element in elements:
        stub = _STUBS.get(local_name(element))
        if stub is not None:
            stub(element)


def _strip(element: Element) -> None:
    """Remove attributes and extension elements of other vendors, and the standard's own notes on implementation."""
    for name in list(element.attrib):
        if str(name).startswith("{") and not str(name).startswith((f"{{{ZEEBE}}}", "{http://www.w3.org/")):
            del element.attrib[name]
    for name in _IMPLEMENTING_ATTRIBUTES:
        element.attrib.pop(name, None)
    is_container = local_name(element) == "extensionElements"
    for child in list(element):
        tag = str(child.tag)
        is_known = tag.startswith((f"{{{BPMN}}}", "{http://www.omg.org/spec/")) or (is_container and ZEEBE in tag)
        if not is_known or local_name(child) in _IMPLEMENTATION:
            element.remove(child)


def _make_executable(root: Element) -> None:
    processes = root.findall(f"{{{BPMN}}}process")
    if not any(is_true(process, "isExecutable") for process in processes):
        for process in processes:
            process.set("isExecutable", "true")


def _worked_task(task: Element) -> None:
    if not any(_extension(task, name) is not None for name in _IMPLEMENTED_HERE):
        task.tag = f"{{{BPMN}}}serviceTask"
        _drop_extensions(task)
        _extend(task, "taskDefinition", type=FOREIGN_TASK_TYPE)


def _user_task(task: Element) -> None:
    if _extension(task, "assignmentDefinition") is None:
        _extend(task, "assignmentDefinition", candidateGroups=FOREIGN_GROUP)


def _receive_task(task: Element) -> None:
    if task.get("messageRef") is None:
        name = f"foreign-{task.get('id', '')}"
        root = task.getroottree().getroot()
        message = etree.SubElement(root, f"{{{BPMN}}}message", {"id": name, "name": name})
        task.set("messageRef", name)
        _message(message)


def _message(message: Element) -> None:
    if _extension(message, "subscription") is None:
        _extend(message, "subscription", correlationKey=f'="{message.get("id", "")}"')


def _message_throw(event: Element) -> None:
    """Let an event that sends by an implementation, and names no message, be a plain one."""
    for definition in event.findall(f"{{{BPMN}}}messageEventDefinition"):
        if definition.get("messageRef") is None:
            event.remove(definition)


def _call_activity(activity: Element) -> None:
    if _extension(activity, "calledElement") is None:
        called = activity.attrib.pop("calledElement", "")
        is_static = called and not _PLACEHOLDER.search(called)
        _extend(activity, "calledElement", processId=called.rpartition(":")[2] if is_static else FOREIGN_PROCESS)


def _condition(condition: Element) -> None:
    if not (condition.text or "").strip().startswith("="):
        for child in list(condition):
            condition.remove(child)
        condition.text = _NEVER


def _time(time: Element) -> None:
    text = (time.text or "").strip()
    is_quartz = local_name(time) == "timeCycle" and len(text.split()) in _QUARTZ_FIELDS
    if is_quartz or _PLACEHOLDER.search(text):
        time.text = _TIMES[local_name(time)]


def _multi_instance(characteristics: Element) -> None:
    if _extension(characteristics, "loopCharacteristics") is not None:
        return
    cardinality = characteristics.findtext(f"{{{BPMN}}}loopCardinality", "").strip()
    for child in list(characteristics):
        if local_name(child) in _SOURCES_OF_ITEMS:
            characteristics.remove(child)
    count = int(cardinality) if re.fullmatch(r"[0-9]{1,3}", cardinality) else 1
    items = ", ".join(map(str, range(1, min(count, _MOST_ITEMS) + 1)))
    _extend(characteristics, "loopCharacteristics", inputCollection=f"=[{items}]")


def _extension(owner: Element, name: str) -> Element | None:
    return owner.find(f"{{{BPMN}}}extensionElements/{{{ZEEBE}}}{name}")


def _extend(owner: Element, name: str, **attributes: str) -> None:
    container = owner.find(f"{{{BPMN}}}extensionElements")
    if container is None:
        container = etree.Element(f"{{{BPMN}}}extensionElements")
        owner.insert(0, container)
    etree.SubElement(container, f"{{{ZEEBE}}}{name}", attributes)


def _drop_extensions(owner: Element) -> None:
    for container in owner.findall(f"{{{BPMN}}}extensionElements"):
        owner.remove(container)


_STUBS: dict[str, Callable[[Element], None]] = {
    **dict.fromkeys(_WORKED_BY_ENGINES, _worked_task),
    **dict.fromkeys(_TIMES, _time),
    **dict.fromkeys(("conditionExpression", "condition", "completionCondition", "loopCondition"), _condition),
    **dict.fromkeys(("intermediateThrowEvent", "endEvent"), _message_throw),
    "userTask": _user_task,
    "receiveTask": _receive_task,
    "message": _message,
    "callActivity": _call_activity,
    "multiInstanceLoopCharacteristics": _multi_instance,
}
