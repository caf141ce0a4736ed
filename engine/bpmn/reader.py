"""From `zeebe:` BPMN XML, as Camunda Modeler writes it, to process models.

Reading refuses every element and extension that it does not know, with its id and line: nothing in a diagram is silent.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from dataclasses import dataclass

from engine.bpmn.activities import REPETITIONS, ActivityReader
from engine.bpmn.attributes import require_plain_meaning
from engine.bpmn.drawn_data import pass_over_drawn_data
from engine.bpmn.events import EventReader
from engine.bpmn.known_attributes import require_known_attributes
from engine.bpmn.links import linking_flows
from engine.bpmn.model import (
    EventBasedGateway,
    EventSubProcess,
    ExclusiveGateway,
    FlowNode,
    InclusiveGateway,
    NodeIdentity,
    ParallelGateway,
    ProcessModel,
    SequenceFlow,
    SubProcess,
)
from engine.bpmn.refusals import Refusals
from engine.bpmn.xml import BPMN, is_true, local_name
from engine.xml_documents import MAXIMUM_ID_LENGTH, Element

_DECLARATIONS = frozenset({"message", "signal", "error", "escalation"})
# What describes and is not executed; what refers to it where it would be executed is refused there.
_TOP_LEVEL = _DECLARATIONS | {
    *("process", "collaboration", "BPMNDiagram", "category", "interface", "itemDefinition"),
    *("endPoint", "partnerEntity", "partnerRole"),
}
_DESCRIPTIVE = frozenset({"documentation", "extensionElements", "laneSet", "textAnnotation", "association", "group"})
_FLOW_CHILDREN = frozenset({"documentation", "extensionElements", "conditionExpression"})
_CONTAINER = f"{{{BPMN}}}extensionElements"
_ID = re.compile(r"[^\W\d][\w.-]*")
_INPUTS = "inputs"  # the process's property that lists the variables with which an instance begins


def read_models(root: Element, refusals: Refusals) -> tuple[ProcessModel, ...]:
    """Return the executable processes of a parsed document; what cannot be read as drawn goes to `refusals`."""
    return _Reader(root, refusals).models()


@dataclass(frozen=True)
class _Scope:
    """The process, or a subprocess, whose children are read; those without a lane of their own are in its lane."""

    element: Element
    node: SubProcess | EventSubProcess | None
    lane: str | None

    @property
    def notes(self) -> frozenset[str]:
        """The children that are no nodes; those of a subprocess itself have been looked at with it."""
        return _DESCRIPTIVE if self.node is None else _DESCRIPTIVE | REPETITIONS | {"incoming", "outgoing"}


class _Reader:
    def __init__(self, root: Element, refusals: Refusals) -> None:
        self._root = root
        self._lanes: dict[str, str] = {}
        self.refusals = refusals
        self._events = EventReader(root, self.refusals)
        self._activities = ActivityReader(self.refusals, self._events)

    def models(self) -> tuple[ProcessModel, ...]:
        self._require_ids()
        pass_over_drawn_data(self._root, self.refusals)
        for child in self._root:
            if local_name(child) not in _TOP_LEVEL:
                self.refusals.unsupported(child)
            elif local_name(child) in _DECLARATIONS:
                allowed = {"subscription"} if local_name(child) == "message" else set[str]()
                self.refusals.extensions(child, frozenset(allowed))
                require_known_attributes(child, self.refusals)
        processes = [child for child in self._root if local_name(child) == "process"]
        executable = [process for process in processes if is_true(process, "isExecutable")]
        if not executable:
            hint = "Set 'Executable' in the editor."
            self.refusals.find(self._root, "NOT_EXECUTABLE", "No process is executable.", hint)
        models = tuple(self._process(process) for process in executable)
        self._look_at_the_other_extensions([process for process in processes if process not in executable])
        return models

    def _look_at_the_other_extensions(self, left_alone: list[Element]) -> None:
        """Refuse or warn of extensions where none is read: of lanes, notes, definitions of events and the like."""
        passed = {container for process in left_alone for container in process.iter(_CONTAINER)}
        for container in self._root.iter(_CONTAINER):
            if container not in passed and not self.refusals.has_read(container):
                self.refusals.extensions(container.getparent())

    def _require_ids(self) -> None:
        named = [element for element in self._root.iter(f"{{{BPMN}}}*") if element.get("id") is not None]
        counts = Counter(element.get("id") for element in named)
        for element in named:
            element_id = element.get("id")
            if not _ID.fullmatch(element_id):
                message = f"{element_id!r} is not an id."
                self.refusals.find(element, "ID_INVALID", message, "Use letters, digits, '_', '-' and '.'.")
            elif len(element_id) > MAXIMUM_ID_LENGTH:
                message = f"The id has {len(element_id)} characters and may have {MAXIMUM_ID_LENGTH}."
                self.refusals.find(element, "ID_INVALID", message, "Choose a shorter one.")
            elif counts[element_id] > 1:
                message = f"{counts[element_id]} elements have the id {element_id!r}."
                self.refusals.find(element, "ID_DUPLICATE", message, "Give each its own.")

    def _process(self, process: Element) -> ProcessModel:
        require_plain_meaning(process, self.refusals)
        self._lanes = _lanes(process)
        nodes: dict[str, FlowNode] = {}
        flows: list[SequenceFlow] = []
        scopes: deque[_Scope] = deque([_Scope(process, None, None)])
        while scopes:
            scope = scopes.popleft()
            for child in scope.element:
                if local_name(child) == "sequenceFlow":
                    flows.append(self._flow(child, len(flows)))
                elif local_name(child) not in scope.notes:
                    node = self._node(child, scope)
                    if node is not None:
                        nodes[node.id] = node
                    if isinstance(node, SubProcess | EventSubProcess):
                        scopes.append(_Scope(child, node, node.lane))
        flows += linking_flows(nodes.values())
        process_id = process.get("id", "")
        if not process_id:
            self.refusals.find(process, "ID_MISSING", "The process has no id.", "Give it an id in the editor.")
        extensions = self.refusals.extensions(process, frozenset({"versionTag"}))
        return ProcessModel(
            process_id=process_id,
            name=process.get("name") or process_id,
            line=process.sourceline or 0,
            version_tag=extensions.version_tag,
            nodes=nodes,
            flows=tuple(flows),
            declared_inputs=_declared_inputs(extensions.properties.get(_INPUTS)),
        )

    def _node(self, element: Element, scope: _Scope) -> FlowNode | None:
        identity = self._identity(element, scope)
        if identity is None:
            return None
        match local_name(element):
            case name if name.endswith("Event"):
                return self._event(element, identity, scope)
            case name if name.endswith("Gateway"):
                return self._gateway(element, identity)
            case "subProcess" | "transaction":
                return self._subprocess(element, identity)
            case _:
                return self._task(element, identity)

    def _event(self, element: Element, identity: NodeIdentity, scope: _Scope) -> FlowNode | None:  # noqa: PLR0911 - one case a kind
        match local_name(element):
            case "startEvent":
                begins_beside = isinstance(scope.node, EventSubProcess)
                return self._events.start_event(element, identity, begins_beside=begins_beside)
            case "endEvent" | "intermediateThrowEvent" if self._is_sent_by_handler(element):
                self._events.require_message_definition(element)
                return self._activities.service_task(element, identity)
            case "endEvent":
                return self._events.end_event(element, identity)
            case "intermediateCatchEvent":
                return self._events.catch_event(element, identity)
            case "intermediateThrowEvent":
                return self._events.throw_event(element, identity)
            case "boundaryEvent":
                return self._events.boundary_event(element, identity)
        self.refusals.unsupported(element)
        return None

    def _gateway(self, element: Element, identity: NodeIdentity) -> FlowNode | None:
        default = element.get("default")
        match local_name(element):
            case "exclusiveGateway":
                node: FlowNode = ExclusiveGateway(**identity, default_flow=default)
            case "inclusiveGateway":
                node = InclusiveGateway(**identity, default_flow=default)
            case "parallelGateway":
                node = ParallelGateway(**identity)
            case "eventBasedGateway":
                node = EventBasedGateway(**identity)
            case _:
                self.refusals.unsupported(element)
                return None
        self._require_plain_gateway(element)
        return node

    def _task(self, element: Element, identity: NodeIdentity) -> FlowNode | None:  # noqa: PLR0911 - one case a kind
        match local_name(element):
            case "serviceTask":
                return self._activities.service_task(element, identity)
            case "sendTask" | "scriptTask" | "businessRuleTask" if self._activities.is_job(element):
                return self._activities.service_task(element, identity)
            case "userTask":
                return self._activities.user_task(element, identity)
            case "receiveTask":
                return self._activities.receive_task(element, identity)
            case "sendTask":
                return self._activities.send_task(element, identity)
            case "scriptTask":
                return self._activities.script_task(element, identity)
            case "businessRuleTask":
                return self._activities.business_rule_task(element, identity)
            case "task" | "manualTask":
                return self._activities.plain_task(element, identity)
            case "callActivity":
                return self._activities.call_activity(element, identity)
        self.refusals.unsupported(element)
        return None

    def _is_sent_by_handler(self, element: Element) -> bool:
        return self._events.throws_message(element) and self._activities.is_job(element)

    def _subprocess(self, element: Element, identity: NodeIdentity) -> SubProcess | EventSubProcess:
        if not is_true(element, "triggeredByEvent"):
            return self._activities.subprocess(element, identity)
        self.refusals.extensions(element)
        begins = element.find(f"{{{BPMN}}}startEvent/{{{BPMN}}}compensateEventDefinition")
        if is_true(element, "isForCompensation") and begins is None:
            message = "An event subprocess for compensation begins with a compensation start event."
            self.refusals.find(element, "ATTRIBUTE_UNSUPPORTED", message, "Give it a compensation start event.")
        for child in element:
            if local_name(child) in REPETITIONS:
                self.refusals.unsupported(child, owner=element)
        return EventSubProcess(**identity)

    def _identity(self, element: Element, scope: _Scope) -> NodeIdentity | None:
        node_id = element.get("id")
        if node_id is None:
            message = f"A {local_name(element)} has no id."
            self.refusals.find(element, "ID_MISSING", message, "Give it an id in the editor.")
            return None
        return NodeIdentity(
            id=node_id,
            name=" ".join((element.get("name") or node_id).split()),
            line=element.sourceline or 0,
            lane=self._lanes.get(node_id, scope.lane),
            scope=None if scope.node is None else scope.node.id,
        )

    def _require_plain_gateway(self, element: Element) -> None:
        self.refusals.extensions(element)
        self.refusals.require_children(element)

    def _flow(self, element: Element, number: int) -> SequenceFlow:
        self.refusals.extensions(element)
        self.refusals.require_children(element, _FLOW_CHILDREN)
        condition = element.find(f"{{{BPMN}}}conditionExpression")
        return SequenceFlow(
            id=element.get("id") or f"flow-{number}",
            name=element.get("name", ""),
            line=element.sourceline or 0,
            source=element.get("sourceRef", ""),
            target=element.get("targetRef", ""),
            condition=None if condition is None else self.refusals.condition(element, condition),
        )


def _declared_inputs(names: str | None) -> frozenset[str] | None:
    return None if names is None else frozenset(name for name in re.split(r"[\s,]+", names) if name)


def _lanes(process: Element) -> dict[str, str]:
    """Return each node's lane by name; of lanes within lanes, the innermost, which the document names last.

    What stands in several lanes beside each other belongs to none of them.
    """
    lanes: defaultdict[str, list[Element]] = defaultdict(list)
    for lane in process.iter(f"{{{BPMN}}}lane"):
        for reference in lane.findall(f"{{{BPMN}}}flowNodeRef"):
            lanes[(reference.text or "").strip()].append(lane)
    return {
        node_id: " ".join(innermost.get("name", "").split())
        if all(lane in (innermost, *innermost.iterancestors()) for lane in around)
        else ""
        for node_id, (*around, innermost) in lanes.items()
    }
