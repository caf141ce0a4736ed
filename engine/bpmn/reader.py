"""From `zeebe:` BPMN XML, as Camunda Modeler writes it, to process models.

Reading refuses every element and extension that it does not know, with its id and line: nothing in a diagram is silent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TypedDict

from engine.bpmn.extensions import Extensions, expression_text, read_extensions
from engine.bpmn.model import (
    BoundaryErrorEvent,
    CallActivity,
    EndEvent,
    ExclusiveGateway,
    FlowNode,
    ProcessModel,
    SequenceFlow,
    ServiceTask,
    StartEvent,
    UserTask,
)
from engine.bpmn.xml import BPMN, BPMN_DIAGRAM, Element, parse_xml
from engine.errors import DiagramError, Finding

_SUPPORTED = (
    "start, end and boundary error events, service and user tasks, call activities, exclusive gateways, sequence flows"
)
_TOP_LEVEL = frozenset({"process", "collaboration", "message", "error", "BPMNDiagram"})
_DESCRIPTIVE = frozenset({"documentation", "extensionElements", "laneSet", "textAnnotation", "association"})
_NODE_CHILDREN = frozenset({"incoming", "outgoing", "documentation", "extensionElements"})
_FLOW_CHILDREN = frozenset({"documentation", "extensionElements", "conditionExpression"})
_DEFINITION_CHILDREN = frozenset({"documentation"})
_ACTIVITY = frozenset({"ioMapping", "taskHeaders", "properties"})
_ID = re.compile(r"[^\W\d][\w.-]*")
_CHANGED_MEANINGS = {"cancelActivity": "false", "isForCompensation": "true"}


class _Common(TypedDict):
    id: str
    name: str
    line: int
    lane: str | None


def read_diagram(content: bytes) -> tuple[ProcessModel, ...]:
    """Return the executable processes of a document.

    Raises:
        DiagramError: With every finding, where the document cannot be read as drawn.
    """
    reader = _Reader(parse_xml(content))
    models = reader.models()
    if reader.findings:
        raise DiagramError(tuple(reader.findings))
    return models


class _Reader:
    def __init__(self, root: Element) -> None:
        self._root = root
        self._definitions = _definitions(root)
        self._lanes: dict[str, str] = {}
        self.findings: list[Finding] = []

    def models(self) -> tuple[ProcessModel, ...]:
        self._require_ids()
        for child in self._root:
            if _local(child) not in _TOP_LEVEL:
                self._unsupported(child)
            elif _local(child) in {"message", "error"}:
                self._extensions(child, frozenset({"properties"}))
        processes = [child for child in self._root if _local(child) == "process"]
        executable = [process for process in processes if process.get("isExecutable") == "true"]
        if not executable:
            self._find(self._root, "NOT_EXECUTABLE", "No process is executable.", "Set 'Executable' in the editor.")
        return tuple(self._process(process) for process in executable)

    def _require_ids(self) -> None:
        named = [element for element in self._root.iter(f"{{{BPMN}}}*") if element.get("id") is not None]
        counts = Counter(element.get("id") for element in named)
        for element in named:
            element_id = element.get("id")
            if not _ID.fullmatch(element_id):
                message = f"{element_id!r} is not an id."
                self._find(element, "ID_INVALID", message, "Use letters, digits, '_', '-' and '.'.")
            elif counts[element_id] > 1:
                message = f"{counts[element_id]} elements have the id {element_id!r}."
                self._find(element, "ID_DUPLICATE", message, "Give each its own.")

    def _process(self, process: Element) -> ProcessModel:
        self._lanes = _lanes(process)
        nodes: dict[str, FlowNode] = {}
        flows: list[SequenceFlow] = []
        for child in process:
            if _local(child) == "sequenceFlow":
                flows.append(self._flow(child, len(flows)))
            elif _local(child) not in _DESCRIPTIVE:
                nodes.update({node.id: node for node in self._nodes(child)})
        process_id = process.get("id", "")
        if not process_id:
            self._find(process, "ID_MISSING", "The process has no id.", "Give it an id in the editor.")
        return ProcessModel(
            process_id=process_id,
            name=process.get("name") or process_id,
            line=process.sourceline or 0,
            version_tag=self._extensions(process, frozenset({"versionTag", "properties"})).version_tag,
            nodes=nodes,
            flows=tuple(flows),
        )

    def _nodes(self, element: Element) -> Iterator[FlowNode]:
        node_id = element.get("id")
        if node_id is None:
            self._find(element, "ID_MISSING", f"A {_local(element)} has no id.", "Give it an id in the editor.")
            return
        self._require_plain_meaning(element)
        common = _Common(
            id=node_id,
            name=" ".join((element.get("name") or node_id).split()),
            line=element.sourceline or 0,
            lane=self._lanes.get(node_id),
        )
        match _local(element):
            case "startEvent":
                yield self._start_event(element, common)
            case "endEvent":
                self._event_definition(element, None)
                yield EndEvent(**common)
            case "exclusiveGateway":
                self._extensions(element, frozenset({"properties"}))
                self._require_children(element)
                yield ExclusiveGateway(**common, default_flow=element.get("default"))
            case "serviceTask":
                yield self._service_task(element, common)
            case "userTask":
                yield self._user_task(element, common)
            case "callActivity":
                yield self._call_activity(element, common)
            case "boundaryEvent":
                yield self._boundary_event(element, common)
            case _:
                self._unsupported(element)

    def _require_plain_meaning(self, element: Element) -> None:
        for attribute, value in _CHANGED_MEANINGS.items():
            if element.get(attribute) == value:
                message = f"{attribute}={value} is not executed by this engine."
                self._find(element, "ATTRIBUTE_UNSUPPORTED", message, "Choose another kind of element.")

    def _start_event(self, element: Element, common: _Common) -> StartEvent:
        definition = self._event_definition(element, "messageEventDefinition")
        if definition is None:
            return StartEvent(**common)
        message = self._referenced("message", definition.get("messageRef"), "name")
        if message is None:
            self._find(element, "MESSAGE_MISSING", "The start event names no message.", "Choose a message by name.")
        return StartEvent(**common, message=message)

    def _boundary_event(self, element: Element, common: _Common) -> BoundaryErrorEvent:
        definition = self._event_definition(element, "errorEventDefinition")
        if definition is None:
            self._find(element, "EVENT_UNSUPPORTED", "Only error boundary events.", "Use an error boundary event.")
        error_ref = None if definition is None else definition.get("errorRef")
        error_code = self._referenced("error", error_ref, "errorCode")
        if error_ref is not None and error_code is None:
            self._find(element, "ERROR_CODE_MISSING", "The error has no code.", "Give the error a code.")
        return BoundaryErrorEvent(**common, attached_to=element.get("attachedToRef", ""), error_code=error_code)

    def _service_task(self, element: Element, common: _Common) -> ServiceTask:
        extensions = self._activity(element, frozenset({"taskDefinition"}))
        if not extensions.task_type:
            self._find(element, "TASK_TYPE_MISSING", "The service task has no type.", "Choose an element template.")
        return ServiceTask(
            **common,
            inputs=tuple(extensions.inputs),
            outputs=tuple(extensions.outputs),
            headers=extensions.headers,
            type=extensions.task_type or "",
            retries=extensions.retries,
        )

    def _user_task(self, element: Element, common: _Common) -> UserTask:
        extensions = self._activity(element, frozenset({"userTask", "formDefinition", "assignmentDefinition"}))
        excluded = extensions.headers.pop("excluded_principals", None)
        if excluded not in {None, "initiator"}:
            self._find(element, "HEADER_INVALID", "excluded_principals knows 'initiator'.", "Write 'initiator'.")
        if not extensions.candidate_groups:
            self._find(element, "CANDIDATES_MISSING", "Nobody can do this task.", "Give it candidate groups.")
        return UserTask(
            **common,
            inputs=tuple(extensions.inputs),
            outputs=tuple(extensions.outputs),
            headers=extensions.headers,
            form_id=extensions.form_id,
            candidate_groups=extensions.candidate_groups,
            excludes_initiator=excluded == "initiator",
        )

    def _call_activity(self, element: Element, common: _Common) -> CallActivity:
        extensions = self._activity(element, frozenset({"calledElement"}))
        if not extensions.called_process:
            self._find(element, "CALLED_PROCESS_MISSING", "No called process is named.", "Name the process's id.")
        return CallActivity(
            **common,
            inputs=tuple(extensions.inputs),
            outputs=tuple(extensions.outputs),
            headers=extensions.headers,
            called_process=extensions.called_process or "",
            propagates_parent_variables=extensions.propagates_parent_variables,
            propagates_child_variables=extensions.propagates_child_variables,
        )

    def _flow(self, element: Element, number: int) -> SequenceFlow:
        self._extensions(element, frozenset({"properties"}))
        self._require_children(element, _FLOW_CHILDREN)
        condition = element.find(f"{{{BPMN}}}conditionExpression")
        if condition is not None:
            self._require_children(condition, frozenset())
        text = (condition.text or "").strip() if condition is not None else None
        if text is not None and not text.startswith("="):
            self._find(element, "CONDITION_INVALID", "A condition is FEEL and starts with '='.", "Put '=' before it.")
        return SequenceFlow(
            id=element.get("id") or f"flow-{number}",
            name=element.get("name", ""),
            line=element.sourceline or 0,
            source=element.get("sourceRef", ""),
            target=element.get("targetRef", ""),
            condition=None if text is None else expression_text(text),
        )

    def _activity(self, element: Element, allowed: frozenset[str]) -> Extensions:
        self._require_children(element)
        return self._extensions(element, allowed | _ACTIVITY)

    def _extensions(self, element: Element, allowed: frozenset[str]) -> Extensions:
        return read_extensions(element.findall(f"{{{BPMN}}}extensionElements"), allowed, self._find)

    def _event_definition(self, element: Element, allowed: str | None) -> Element | None:
        self._extensions(element, frozenset({"properties"}))
        definition = None
        for child in element:
            if allowed is not None and _local(child) == allowed and definition is None:
                definition = child
                self._require_children(child, _DEFINITION_CHILDREN)
            elif _local(child) not in _NODE_CHILDREN:
                self._unsupported(child, owner=element)
        return definition

    def _require_children(self, element: Element, allowed: frozenset[str] = _NODE_CHILDREN) -> None:
        for child in element:
            if _local(child) not in allowed:
                self._unsupported(child, owner=element)

    def _referenced(self, kind: str, reference: str | None, attribute: str) -> str | None:
        element = None if reference is None else self._definitions.get((kind, reference))
        if element is None:
            return None
        value = str(element.get(attribute) or "")
        if value.startswith("="):
            self._find(element, "EXPRESSION_UNSUPPORTED", f"{attribute} is an expression.", "Write the value itself.")
        return value or None

    def _unsupported(self, element: Element, owner: Element | None = None) -> None:
        message = f"{_local(element)} is not executed by this engine."
        self._find(element, "ELEMENT_UNSUPPORTED", message, f"Supported: {_SUPPORTED}.", owner=owner)

    def _find(self, element: Element, code: str, message: str, hint: str, *, owner: Element | None = None) -> None:
        named = next((e for e in (element, owner, *element.iterancestors()) if e is not None and e.get("id")), element)
        finding = Finding(
            line=element.sourceline or 0,
            element_id=named.get("id") or _local(named),
            code=code,
            message=message,
            hint=hint,
        )
        self.findings.append(finding)


def _definitions(root: Element) -> dict[tuple[str, str], Element]:
    kinds = ("message", "error")
    return {(kind, e.get("id")): e for kind in kinds for e in root.iterfind(f"{{{BPMN}}}{kind}") if e.get("id")}


def _lanes(process: Element) -> dict[str, str]:
    return {
        (reference.text or "").strip(): lane.get("name", "")
        for lane in process.iter(f"{{{BPMN}}}lane")
        for reference in lane.findall(f"{{{BPMN}}}flowNodeRef")
    }


def _local(element: Element) -> str:
    """Return an element's name within BPMN; of another namespace, the whole of it, which nothing here is called."""
    namespace, _, name = str(element.tag).removeprefix("{").rpartition("}")
    return name if namespace in {BPMN, BPMN_DIAGRAM} else f"{{{namespace}}}{name}"
