"""What a diagram says, typed: one class for each executable element (BPMN 2.0.2, chapter 10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True)
class Mapping:
    """One `zeebe:input` or `zeebe:output`: the expression `source` gives the variable `target`.

    Attributes:
        source: FEEL text, without the leading `=`.
        target: A plain variable name.
    """

    source: str
    target: str


@dataclass(frozen=True)
class FlowNode:
    """Anything that a token can stand on."""

    id: str
    name: str
    line: int
    lane: str | None = None


@dataclass(frozen=True)
class StartEvent(FlowNode):
    """Where an instance begins; by a message of that name where one is given."""

    message: str | None = None


@dataclass(frozen=True)
class EndEvent(FlowNode):
    """Where a token is consumed."""


@dataclass(frozen=True)
class ExclusiveGateway(FlowNode):
    """Takes the first outgoing flow whose condition is true, else the default flow."""

    default_flow: str | None = None


@dataclass(frozen=True)
class Activity(FlowNode):
    """Work; `inputs` are evaluated when it is entered, `outputs` when it completes."""

    inputs: tuple[Mapping, ...] = ()
    outputs: tuple[Mapping, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ServiceTask(Activity):
    """Work of a handler.

    Attributes:
        retries: How many attempts there are in all.
    """

    type: str = ""
    retries: int = 3


@dataclass(frozen=True)
class UserTask(Activity):
    """Work of a person.

    Attributes:
        excludes_initiator: The header `excluded_principals` names `initiator`: who started the instance may not do it.
    """

    form_id: str | None = None
    candidate_groups: tuple[str, ...] = ()
    excludes_initiator: bool = False


@dataclass(frozen=True)
class CallActivity(Activity):
    """Another process, run inside this instance with variables of its own."""

    called_process: str = ""
    propagates_parent_variables: bool = True
    propagates_child_variables: bool = True


@dataclass(frozen=True)
class BoundaryErrorEvent(FlowNode):
    """Catches an error of the activity it is attached to.

    Attributes:
        error_code: `None` catches every code.
    """

    attached_to: str = ""
    error_code: str | None = None


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
    """One executable process.

    What leaves a node and what stands on its boundary are looked up in indexes, made when first asked for.
    """

    process_id: str
    name: str
    line: int
    version_tag: str | None
    nodes: dict[str, FlowNode]
    flows: tuple[SequenceFlow, ...]

    def outgoing(self, node_id: str) -> tuple[SequenceFlow, ...]:
        """Return the flows that leave a node, in the diagram's order."""
        return self._flows_by_source.get(node_id, ())

    def boundary_events(self, activity_id: str) -> tuple[BoundaryErrorEvent, ...]:
        """Return the events on an activity's boundary."""
        return self._boundary_events_by_host.get(activity_id, ())

    def start_events(self) -> tuple[StartEvent, ...]:
        """Return all start events."""
        return tuple(node for node in self.nodes.values() if isinstance(node, StartEvent))

    def none_start_event(self) -> StartEvent | None:
        """Return the start event of a direct start, if the process has one."""
        return next((event for event in self.start_events() if event.message is None), None)

    @cached_property
    def _flows_by_source(self) -> dict[str, tuple[SequenceFlow, ...]]:
        return _grouped(self.flows, lambda flow: flow.source)

    @cached_property
    def _boundary_events_by_host(self) -> dict[str, tuple[BoundaryErrorEvent, ...]]:
        events = (node for node in self.nodes.values() if isinstance(node, BoundaryErrorEvent))
        return _grouped(events, lambda event: event.attached_to)


def _grouped(items: Iterable[_T], key: Callable[[_T], str]) -> dict[str, tuple[_T, ...]]:
    groups = defaultdict[str, list[_T]](list)
    for item in items:
        groups[key(item)].append(item)
    return {name: tuple(group) for name, group in groups.items()}
