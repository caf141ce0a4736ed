"""Whether a running instance can go on under another version of its diagram: pure rules on two models.

The rules are conservative: they refuse where a token would wait at something else than it waits at now, where work that
the new diagram draws before it would be skipped, where work would be done twice, and where a join could starve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from engine.bpmn import (
    Activity,
    BoundaryEvent,
    CallActivity,
    EndEvent,
    ErrorTrigger,
    EscalationTrigger,
    EventBasedGateway,
    EventSubProcess,
    ExclusiveGateway,
    FlowNode,
    InclusiveGateway,
    IntermediateCatchEvent,
    IntermediateThrowEvent,
    ParallelGateway,
    ProcessModel,
    ReceiveTask,
    ServiceTask,
    StartEvent,
    SubProcess,
    UserTask,
)

Names = Mapping[str, str]


@dataclass(frozen=True)
class LiveElement:
    """An element at which something is alive; `arrived` are the flows by which tokens came to a waiting join."""

    element_id: str
    arrived: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Change:
    """One version of a process and another, and what the elements of the first are called in the second.

    Attributes:
        renamed: Old element id to new; an element that is not named keeps its id.
        start_event_id: Where the instance began, in the old version.
    """

    old: ProcessModel
    new: ProcessModel
    renamed: Names
    start_event_id: str

    def name(self, element_id: str) -> str:
        """Return what an old element is called in the new version."""
        return self.renamed.get(element_id, element_id)

    @cached_property
    def old_graph(self) -> Graph:
        """The ways through the old version, with the names of the new one."""
        return Graph(self.old, self.start_event_id, self.name)

    @cached_property
    def new_graph(self) -> Graph:
        """The ways through the new version."""
        return Graph(self.new, self.name(self.start_event_id), lambda element_id: element_id)


class Graph:
    """The ways through a process: along its flows, to events on a boundary, into subprocesses and out of them."""

    def __init__(self, model: ProcessModel, start_event_id: str, name: Callable[[str], str]) -> None:
        self.nodes = {name(node_id): node for node_id, node in model.nodes.items()}
        self.start = name(start_event_id)
        self._ahead: dict[str, list[str]] = {node_id: [] for node_id in self.nodes}
        self._behind: dict[str, list[str]] = {node_id: [] for node_id in self.nodes}
        ways = [(flow.source, flow.target) for flow in model.flows]
        ways += [way for node in model.nodes.values() for way in _undrawn_ways(model, node, start_event_id)]
        for source, target in ways:
            self._ahead[name(source)].append(name(target))
            self._behind[name(target)].append(name(source))
        self._model = model

    def after(self, node_id: str, stops: frozenset[str] = frozenset()) -> set[str]:
        """Return what can be reached from a node, itself only where a loop leads back; nothing behind `stops`."""
        return _reached(self._ahead, self._ahead[node_id], stops)

    def before(self, node_id: str) -> set[str]:
        """Return what a token may have passed before it first came to a node."""
        first = _reached(self._ahead, [self.start], frozenset({node_id}))
        return (first & _reached(self._behind, self._behind[node_id], frozenset())) - {node_id}

    def forks(self) -> frozenset[str]:
        """Return the gateways that make several tokens of one."""
        return frozenset(node_id for node_id in self.nodes if self.branches(node_id) > 1)

    def branches(self, node_id: str) -> int:
        """Return how many tokens can leave a node at once; 0 for a gateway that chooses one way."""
        node = self.nodes.get(node_id)
        if node is None or isinstance(node, ExclusiveGateway | EventBasedGateway):
            return 0
        return len(self._model.outgoing(node.id))

    def entries(self, node_id: str) -> int:
        """Return on how many flows tokens come that a gateway joins; 0 for any other node."""
        node = self.nodes.get(node_id)
        return len(self._model.incoming(node.id)) if isinstance(node, ParallelGateway | InclusiveGateway) else 0

    def entries_from(self, node_id: str, join: str) -> int:
        """Return at how many entries of a join a token can arrive from a node."""
        sources, join_id = {node_id} | self.after(node_id), self.nodes[join].id
        reached = {self.nodes[source].id for source in sources}
        return sum(flow.source in reached for flow in self._model.incoming(join_id))


def obstacles(change: Change, live: Iterable[LiveElement]) -> tuple[str, ...]:
    """Return why an instance with these live elements cannot go over; nothing where it can."""
    if type(change.new.nodes.get(change.name(change.start_event_id))) is not type(
        change.old.nodes[change.start_event_id]
    ):
        return (f"{change.start_event_id}: the start event of the instance is not there",)
    found: dict[str, None] = {}
    if _listening(change.old, None, change.name) != _listening(change.new, None, str):
        found["the events that can begin beside its tokens are not the same"] = None
    for element in live:
        found.update(dict.fromkeys(f"{element.element_id}: {reason}" for reason in _obstacles(change, element)))
    return tuple(found)


def _obstacles(change: Change, element: LiveElement) -> Iterator[str]:
    old, new = change.old.nodes[element.element_id], change.new.nodes.get(change.name(element.element_id))
    if new is None:
        yield "the element is not there; name the one that replaces it in the mapping"
        return
    yield from _differences(change, old, new)
    flows = {flow.id for flow in change.new.incoming(new.id)}
    for flow in sorted(element.arrived - flows):
        yield f"the flow {flow}, by which a token has arrived, does not lead to it"
    if not isinstance(old, BoundaryEvent | StartEvent):  # what they wait beside is alive too
        yield from _skipped(change, new.id)
        yield from _repeated(change, new.id)
        yield from _concurrency(change, new.id)


def _differences(change: Change, old: FlowNode, new: FlowNode) -> Iterator[str]:
    if type(old) is not type(new):
        yield f"it is a {type(old).__name__}, and would be a {type(new).__name__}"
        return
    before, now = _nature(old, change.name), _nature(new, lambda element_id: element_id)
    for aspect in before:
        if before[aspect] != now[aspect]:
            yield f"its {aspect} is not the same"
    if isinstance(old, Activity) and _events(change.old, old, change.name) != _events(change.new, new, str):
        yield "the events on its boundary are not the same"
    if isinstance(old, EventBasedGateway) and _awaited(change.old, old, change.name) != _awaited(change.new, new, str):
        yield "the events behind it are not the same"
    if _listening(change.old, old.id, change.name) != _listening(change.new, new.id, str):
        yield "the events that can begin beside its tokens are not the same"


def _nature(node: FlowNode, name: Callable[[str], str]) -> dict[str, object]:
    """Return what an element must not change while something waits at it."""
    nature: dict[str, object] = {"scope": None if node.scope is None else name(node.scope)}
    if isinstance(node, Activity):
        nature["loop"] = (node.multi_instance, node.loop)
    match node:
        case ServiceTask():
            nature["task type"] = node.type
        case UserTask():
            nature |= {"form": node.form_id, "exclusion": [name(entry) for entry in node.excluded]}
        case CallActivity():
            nature["called process"] = (node.called_process, node.binding, node.version_tag)
        case ReceiveTask() | IntermediateCatchEvent():
            nature["trigger"] = node.trigger
        case BoundaryEvent() | StartEvent():
            nature |= {"trigger": node.trigger, "interruption": node.is_interrupting}
        case EndEvent():
            nature["error"] = node.error_code
    return nature


def _events(model: ProcessModel, activity: FlowNode, name: Callable[[str], str]) -> dict[str, tuple[object, bool]]:
    """Return the boundary events that wait while the activity is alive; those for errors are only looked up."""
    return {
        name(event.id): (event.trigger, event.is_interrupting)
        for event in model.boundary_events(activity.id)
        if not isinstance(event.trigger, ErrorTrigger | EscalationTrigger)
    }


def _awaited(model: ProcessModel, gateway: FlowNode, name: Callable[[str], str]) -> set[str]:
    """Return the events that wait at an event-based gateway."""
    return {name(flow.target) for flow in model.outgoing(gateway.id)}


def _listening(model: ProcessModel, scope: str | None, name: Callable[[str], str]) -> dict[str, tuple[object, bool]]:
    """Return the start events that wait while a scope is open; those for what is thrown are only looked up."""
    return {
        name(event.id): (event.trigger, event.is_interrupting)
        for subprocess in model.event_subprocesses(scope)
        for event in model.start_events(subprocess.id)
        if not isinstance(event.trigger, ErrorTrigger | EscalationTrigger)
    }


def _undrawn_ways(model: ProcessModel, node: FlowNode, start_event_id: str) -> Iterator[tuple[str, str]]:
    """Return the ways to a node, and from it, along which no flow is drawn."""
    if isinstance(node, BoundaryEvent):
        yield node.attached_to, node.id
    if isinstance(node, EventSubProcess):
        yield node.scope or start_event_id, node.id
    if isinstance(node, SubProcess | EventSubProcess):
        yield from ((node.id, event.id) for event in model.start_events(node.id))
    scope = model.nodes.get(node.scope or "")
    while isinstance(scope, EventSubProcess):
        scope = model.nodes.get(scope.scope or "")
    if scope is not None:
        yield from ((node.id, flow.target) for flow in model.outgoing(scope.id))


def _does_something(node: FlowNode) -> bool:
    """Return whether it matters that a node is passed, and how often."""
    thrown = isinstance(node, IntermediateThrowEvent) and (node.signal or node.message or node.escalation_code)
    return isinstance(node, Activity | IntermediateCatchEvent) or bool(thrown)


def _skipped(change: Change, place: str) -> Iterator[str]:
    old, new = change.old_graph, change.new_graph
    added = new.before(place) - old.before(place)
    for fork in sorted(_passed_forks(old, place) & new.nodes.keys()):
        # What is new on a branch that may have ended already.
        added |= new.after(fork) - old.nodes.keys() - new.after(place)
    for node_id in sorted(added - {place}):
        if _does_something(new.nodes[node_id]) or new.branches(node_id) > 1:
            yield f"{node_id} would be skipped"


def _repeated(change: Change, place: str) -> Iterator[str]:
    old, new = change.old_graph, change.new_graph
    done = old.before(place)
    for fork in _passed_forks(old, place):
        done |= old.after(fork) - old.after(place) - {place}
    for node_id in sorted(done & (new.after(place) - new.before(place))):
        if _does_something(old.nodes[node_id]):
            yield f"{node_id} could be done a second time"


def _concurrency(change: Change, place: str) -> Iterator[str]:
    """Refuse what could let a join wait for a token that was never made, or take too few."""
    old, new = change.old_graph, change.new_graph
    passed = _passed_forks(old, place)
    for fork in sorted(passed):
        if new.branches(fork) != old.branches(fork):
            yield f"the fork {fork}, which was passed, does not have as many branches"
    joins = {place} | new.after(place, new.forks() - passed)
    for join in sorted(join for join in joins if new.entries(join) > 1):
        same = join in old.nodes and old.entries(join) == new.entries(join)
        if not same or (join != place and old.entries_from(place, join) != new.entries_from(place, join)):
            yield f"the join {join} does not wait for the same branches"


def _passed_forks(old: Graph, place: str) -> frozenset[str]:
    return old.forks() & old.before(place)


def _reached(ways: Mapping[str, list[str]], frontier: Iterable[str], stops: frozenset[str]) -> set[str]:
    reached, waiting = set[str](), list(frontier)
    while waiting:
        node_id = waiting.pop()
        if node_id not in reached:
            reached.add(node_id)
            if node_id not in stops:
                waiting += ways[node_id]
    return reached
