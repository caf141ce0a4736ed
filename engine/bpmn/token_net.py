"""A scope as a small net of places and transitions (Murata 1989), in which what only passes a token on is left out.

A place is where a token stands while something is open: a gateway that chooses, an activity that a boundary event may
leave, a fork, an entry of a join. Tokens at the ends of paths are gone. A subprocess is an activity here, and a net of
its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from engine.bpmn.components import strong_components
from engine.bpmn.model import (
    EndEvent,
    EventBasedGateway,
    ExclusiveGateway,
    FlowNode,
    InclusiveGateway,
    ParallelGateway,
    ProcessModel,
    SequenceFlow,
)
from engine.bpmn.reachability import reached_from

_MOST_CONDITIONS = 8  # that leave one node: each combination of them is looked at


class TooManyWaysError(Exception):
    """So many conditions leave one node that not every combination can be looked at."""


@dataclass(frozen=True, eq=False)
class Transition:
    """One thing that can happen.

    Attributes:
        node_id: The element that does it.
        takes: Places, one token from each.
        puts: Places, one token to each mention.
        clears: Whether every other token goes too.
        by_event: Whether an event on a boundary does it.
    """

    node_id: str
    takes: tuple[int, ...]
    puts: tuple[int, ...]
    clears: bool = False
    by_event: bool = False

    @property
    def multiplies(self) -> bool:
        """Whether there are more tokens behind it than before it."""
        return len(self.puts) > len(self.takes)


@dataclass(frozen=True, eq=False)
class InclusiveJoin:
    """An inclusive gateway that may wait for more than one token.

    Attributes:
        entries: The places of its incoming flows.
        exit: The place to which it puts the one token that is left.
        ahead: For each place, the entries to which its token can come without passing the gateway.
        by_flows: Those to which it can come without an event on a boundary.
    """

    node_id: str
    entries: frozenset[int]
    exit: int
    ahead: dict[int, frozenset[int]]
    by_flows: dict[int, frozenset[int]]


@dataclass(frozen=True)
class TokenNet:
    """The net of one scope, begun at one start event.

    Attributes:
        start: The places to which its first tokens come; none where that ends at once.
        choices: For each place, the transitions of which its token takes one; none for the entry of a join.
        joins: The transition of each parallel join, by the places that are its entries.
        inclusive_joins: The inclusive joins, by the places that are their entries.
        ranks: For each place, when to follow a token there: the lower the sooner. What comes behind goes first, so that
            one token is followed to its end before the next; last what never ends, or ends everything.
    """

    start: tuple[int, ...]
    choices: tuple[tuple[Transition, ...], ...]
    joins: dict[int, Transition]
    inclusive_joins: dict[int, InclusiveJoin]
    ranks: tuple[int, ...]

    @property
    def has_one_token(self) -> bool:
        """Whether there is never a second token, nor anything that waits for one."""
        is_multiplied = any(choice.multiplies for choices in self.choices for choice in choices)
        return not self.joins and not is_multiplied and len(self.start) <= 1


def token_net(model: ProcessModel, start_event_id: str) -> TokenNet:
    """Return the net of a scope whose structure has no fault, without what its start event does not lead to.

    Raises:
        TooManyWaysError: It cannot be drawn up.
    """
    return _Builder(model, start_event_id).net()


def ways_out(model: ProcessModel, node: FlowNode) -> list[tuple[SequenceFlow, ...]]:
    """Return the sets of flows that tokens can leave a node on, of each set all at once.

    Raises:
        TooManyWaysError: There are too many.
    """
    flows = model.outgoing(node.id)
    if isinstance(node, ExclusiveGateway | EventBasedGateway):
        return [(flow,) for flow in flows]
    default = getattr(node, "default_flow", None)
    asked = [flow for flow in flows if flow.condition is not None and flow.id != default]
    if len(asked) > _MOST_CONDITIONS:
        raise TooManyWaysError
    plain = tuple(flow for flow in flows if flow.condition is None and flow.id != default)
    otherwise = tuple(flow for flow in flows if flow.id == default)
    some = [chosen for count in range(1, len(asked) + 1) for chosen in combinations(asked, count)]
    ways = [plain + otherwise, *(plain + chosen for chosen in some)]
    return [way for way in ways if way or not flows]


class _Builder:
    def __init__(self, model: ProcessModel, start_event_id: str) -> None:
        self._model = model
        self._start = start_event_id
        self._reached = reached_from(model, [start_event_id])
        self._choices: list[list[Transition]] = []
        self._entries: dict[SequenceFlow, int] = {}
        self._joins: dict[str, list[SequenceFlow]] = {}
        self._ahead: dict[str, int | None] = {}
        self._branching: list[FlowNode] = []

    def net(self) -> TokenNet:
        for node_id in self._reached:
            flows = [flow for flow in self._model.incoming(node_id) if flow.source in self._reached]
            if isinstance(self._model.nodes[node_id], ParallelGateway | InclusiveGateway) and len(flows) > 1:
                self._joins[node_id] = flows
                self._entries.update({flow: self._new_place() for flow in flows})
        start = _kept(self._behind(self._start))
        joins, exits = list[Transition](), dict[str, int]()
        for node_id in self._joins:
            if isinstance(self._model.nodes[node_id], ParallelGateway):
                joins.append(self._join(node_id))
            else:
                exits[node_id] = self._exit(node_id)
        while self._branching:
            self._branch(self._branching.pop())
        parallel = {place: join for join in joins for place in join.takes}
        return TokenNet(
            start=start,
            choices=tuple(map(tuple, self._choices)),
            joins=parallel,
            inclusive_joins=self._inclusive_joins(exits, parallel),
            ranks=_ranks(self._choices),
        )

    def _join(self, node_id: str) -> Transition:
        takes = tuple(self._entries[flow] for flow in self._joins[node_id])
        return Transition(node_id, takes, _kept(self._behind(node_id)))

    def _exit(self, node_id: str) -> int:
        place = self._new_place()
        self._leave(self._model.nodes[node_id], place, self._ways(node_id))
        return place

    def _inclusive_joins(self, exits: dict[str, int], parallel: dict[int, Transition]) -> dict[int, InclusiveJoin]:
        entries = {node_id: frozenset(self._entries[flow] for flow in self._joins[node_id]) for node_id in exits}
        before, by_flows = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
        for place, choices in enumerate(self._choices):
            always = set(parallel[place].puts) if place in parallel else set()
            always |= {exits[node_id] for node_id in exits if place in entries[node_id]}
            for put in always.union(*(choice.puts for choice in choices)):
                before[put].append(place)
            for put in always.union(*(choice.puts for choice in choices if not choice.by_event)):
                by_flows[put].append(place)
        joins = [
            InclusiveJoin(node_id, at, place, ahead=_places_ahead(before, at), by_flows=_places_ahead(by_flows, at))
            for node_id, place in exits.items()
            for at in (entries[node_id],)
        ]
        return {entry: join for join in joins for entry in join.entries}

    def _branch(self, node: FlowNode) -> None:
        """Add what can happen to a token at a node where there is something to choose, or a fork."""
        place = self._ahead[node.id]
        if place is None:
            return
        if isinstance(node, EndEvent):
            self._choices[place] = [Transition(node.id, (place,), (), clears=True)]
            return
        place = self._side_effects(node, place)
        ways = self._ways(node.id)
        self._leave(node, place, ways)
        events = [event.id for event in self._model.boundary_events(node.id) if event.is_interrupting]
        further = dict.fromkeys(way for event_id in events for way in self._ways(event_id) if way not in ways)
        self._choices[place] += [Transition(node.id, (place,), way, by_event=True) for way in further]

    def _leave(self, node: FlowNode, place: int, ways: list[tuple[int, ...]]) -> None:
        self._choices[place] = [Transition(node.id, (place,), way) for way in dict.fromkeys(ways)]

    def _ways(self, node_id: str) -> list[tuple[int, ...]]:
        ways = ways_out(self._model, self._model.nodes[node_id])
        return [_kept(self._place_ahead(flow) for flow in way) for way in ways]

    def _side_effects(self, node: FlowNode, place: int) -> int:
        """Let each event that does not interrupt happen or not, one after the other; return the place behind them."""
        for event in self._model.boundary_events(node.id):
            if not event.is_interrupting:
                following = self._new_place()
                happened = (following, *_kept(self._behind(event.id)))
                self._choices[place] = [
                    Transition(event.id, (place,), (following,)),
                    Transition(event.id, (place,), happened, by_event=True),
                ]
                place = following
        return place

    def _behind(self, node_id: str) -> list[int | None]:
        return [self._place_ahead(flow) for flow in self._model.outgoing(node_id)]

    def _place_ahead(self, flow: SequenceFlow) -> int | None:
        """Return the first place that a token on a flow comes to."""
        passed: dict[str, None] = {}
        while True:
            node = self._model.nodes[flow.target]
            if node.id in self._joins:
                place: int | None = self._entries[flow]
            elif node.id in self._ahead:
                place = self._ahead[node.id]
            elif node.id in passed:
                place = self._endless(node)
            elif self._passes_on(node):
                passed[node.id] = None
                flow = self._model.outgoing(node.id)[0]
                continue
            else:
                place = self._stop(node)
            self._ahead.update(dict.fromkeys(passed, place))
            return place

    def _stop(self, node: FlowNode) -> int | None:
        if self._ends_path(node):
            self._ahead[node.id] = None
        else:
            self._ahead[node.id] = self._new_place()
            self._branching.append(node)
        return self._ahead[node.id]

    def _endless(self, node: FlowNode) -> int:
        place = self._new_place()
        self._choices[place] = [Transition(node.id, (place,), (place,))]
        return place

    def _new_place(self) -> int:
        self._choices.append([])
        return len(self._choices) - 1

    def _passes_on(self, node: FlowNode) -> bool:
        return len(self._model.outgoing(node.id)) == 1 and not self._model.boundary_events(node.id)

    def _ends_path(self, node: FlowNode) -> bool:
        if isinstance(node, EndEvent):
            return not (node.terminates or node.cancels) and node.error_code is None
        return not self._model.outgoing(node.id) and not self._model.boundary_events(node.id)


def _places_ahead(before: dict[int, list[int]], entries: frozenset[int]) -> dict[int, frozenset[int]]:
    ahead = defaultdict[int, set[int]](set)
    for entry in entries:
        reached, frontier = set[int](), list(before[entry])
        while frontier:
            place = frontier.pop()
            if place not in reached and place not in entries:
                reached.add(place)
                frontier += before[place]
        for place in reached:
            ahead[place].add(entry)
    return {place: frozenset(found) for place, found in ahead.items()}


def _kept(places: Iterable[int | None]) -> tuple[int, ...]:
    return tuple(place for place in places if place is not None)


def _ranks(choices: list[list[Transition]]) -> tuple[int, ...]:
    components = strong_components([[way for choice in each for way in choice.puts] for each in choices])
    ranks = [0] * len(choices)
    for number, component in enumerate(components):
        urgency = _urgency(component, choices)
        for place in component:
            ranks[place] = urgency * len(components) + number
    return tuple(ranks)


def _urgency(component: list[int], choices: list[list[Transition]]) -> int:
    """Return 2 for a place that ends the process, 1 for those that a token never leaves, 0 for all others."""
    leaving = [choice for place in component for choice in choices[place]]
    if any(choice.clears for choice in leaving):
        return 2
    within = set(component)
    return int(bool(leaving) and all(choice.puts and within.issuperset(choice.puts) for choice in leaving))
