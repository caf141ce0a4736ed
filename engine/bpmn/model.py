"""What a diagram says: nodes, and the flows between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from engine.bpmn.event_definitions import (
    CancelTrigger,
    CompensationThrow,
    CompensationTrigger,
    ConditionTrigger,
    ErrorTrigger,
    EscalationTrigger,
    MessageThrow,
    MessageTrigger,
    SignalTrigger,
    Thrown,
    TimerTrigger,
    Trigger,
)
from engine.bpmn.nodes import (
    Activity,
    BoundaryEvent,
    BoundaryTrigger,
    BusinessRuleTask,
    CallActivity,
    CandidateExpression,
    Candidates,
    CompensationEvent,
    EndEvent,
    EventBasedGateway,
    EventSubProcess,
    ExclusiveGateway,
    FlowNode,
    InclusiveGateway,
    IntermediateCatchEvent,
    IntermediateThrowEvent,
    LinkEvent,
    Mapping,
    MultiInstance,
    NodeIdentity,
    ParallelGateway,
    PlainTask,
    ReceiveTask,
    ScriptTask,
    SendTask,
    ServiceTask,
    StandardLoop,
    StartEvent,
    SubProcess,
    UserTask,
)

__all__ = [
    "Activity",
    "BoundaryEvent",
    "BoundaryTrigger",
    "BusinessRuleTask",
    "CallActivity",
    "CancelTrigger",
    "CandidateExpression",
    "Candidates",
    "CompensationEvent",
    "CompensationThrow",
    "CompensationTrigger",
    "ConditionTrigger",
    "EndEvent",
    "ErrorTrigger",
    "EscalationTrigger",
    "EventBasedGateway",
    "EventSubProcess",
    "ExclusiveGateway",
    "FlowNode",
    "InclusiveGateway",
    "IntermediateCatchEvent",
    "IntermediateThrowEvent",
    "LinkEvent",
    "Mapping",
    "MessageThrow",
    "MessageTrigger",
    "MultiInstance",
    "NodeIdentity",
    "ParallelGateway",
    "PlainTask",
    "ProcessModel",
    "ReceiveTask",
    "ScriptTask",
    "SendTask",
    "SequenceFlow",
    "ServiceTask",
    "SignalTrigger",
    "StandardLoop",
    "StartEvent",
    "SubProcess",
    "Thrown",
    "TimerTrigger",
    "Trigger",
    "UserTask",
]

_T = TypeVar("_T")
_Key = TypeVar("_Key", str, str | None)


@dataclass(frozen=True)
class SequenceFlow:
    """A way from one node to the next."""

    id: str
    name: str
    line: int
    source: str
    target: str
    condition: str | None = None


@dataclass(frozen=True)
class ProcessModel:
    """One executable process; its subprocesses' nodes and flows are among its own, each node knows its scope.

    What leaves a node and what stands on its boundary are looked up in indexes, made when first asked for.

    Attributes:
        declared_inputs: The variables with which an instance begins, as the process's property `inputs` lists them;
            `None` where it has none.
    """

    process_id: str
    name: str
    line: int
    version_tag: str | None
    nodes: dict[str, FlowNode]
    flows: tuple[SequenceFlow, ...]
    declared_inputs: frozenset[str] | None = None

    def outgoing(self, node_id: str) -> tuple[SequenceFlow, ...]:
        """Return the flows that leave a node, in the diagram's order."""
        return self._flows_by_source.get(node_id, ())

    def boundary_events(self, activity_id: str) -> tuple[BoundaryEvent, ...]:
        """Return the events on an activity's boundary."""
        return self._boundary_events_by_host.get(activity_id, ())

    def compensation_events(self, activity_id: str) -> tuple[CompensationEvent, ...]:
        """Return the compensation events on an activity's boundary: one at most, in a diagram without faults."""
        return self._compensation_events_by_host.get(activity_id, ())

    def handler_of(self, activity_id: str) -> str | None:
        """Return what undoes an activity."""
        return next((handler for event in self.compensation_events(activity_id) for handler in event.handlers), None)

    def members(self, scope: str | None) -> tuple[FlowNode, ...]:
        """Return what stands directly in a subprocess, or, for `None`, directly in the process."""
        return self._nodes_by_scope.get(scope, ())

    def start_events(self, scope: str | None = None) -> tuple[StartEvent, ...]:
        """Return the start events of the process, or of one of its subprocesses."""
        return tuple(node for node in self.members(scope) if isinstance(node, StartEvent))

    def event_subprocesses(self, scope: str | None) -> tuple[EventSubProcess, ...]:
        """Return what can begin beside the tokens of a scope."""
        return self._event_subprocesses_by_scope.get(scope, ())

    def scopes(self) -> tuple[str | None, ...]:
        """Return the process, as `None`, and all its subprocesses, each behind the one in which it stands."""
        return (None, *(node.id for node in self.nodes.values() if isinstance(node, SubProcess | EventSubProcess)))

    def none_start_event(self) -> StartEvent | None:
        """Return the start event of a direct start, if the process has one."""
        return next((event for event in self.start_events() if event.trigger is None), None)

    def incoming(self, node_id: str) -> tuple[SequenceFlow, ...]:
        """Return the flows that enter a node, in the diagram's order."""
        return self._flows_by_target.get(node_id, ())

    @cached_property
    def _nodes_by_scope(self) -> dict[str | None, tuple[FlowNode, ...]]:
        return _grouped(self.nodes.values(), lambda node: node.scope)

    @cached_property
    def _event_subprocesses_by_scope(self) -> dict[str | None, tuple[EventSubProcess, ...]]:
        found = (node for node in self.nodes.values() if isinstance(node, EventSubProcess))
        return _grouped(found, lambda node: node.scope)

    @cached_property
    def _flows_by_source(self) -> dict[str, tuple[SequenceFlow, ...]]:
        return _grouped(self.flows, lambda flow: flow.source)

    @cached_property
    def _flows_by_target(self) -> dict[str, tuple[SequenceFlow, ...]]:
        return _grouped(self.flows, lambda flow: flow.target)

    @cached_property
    def _boundary_events_by_host(self) -> dict[str, tuple[BoundaryEvent, ...]]:
        events = (node for node in self.nodes.values() if isinstance(node, BoundaryEvent))
        return _grouped(events, lambda event: event.attached_to)

    @cached_property
    def _compensation_events_by_host(self) -> dict[str, tuple[CompensationEvent, ...]]:
        events = (node for node in self.nodes.values() if isinstance(node, CompensationEvent))
        return _grouped(events, lambda event: event.attached_to)


def _grouped(items: Iterable[_T], key: Callable[[_T], _Key]) -> dict[_Key, tuple[_T, ...]]:
    groups = defaultdict[_Key, list[_T]](list)
    for item in items:
        groups[key(item)].append(item)
    return {name: tuple(group) for name, group in groups.items()}
