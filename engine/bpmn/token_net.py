"""A process as a small net of places and transitions (Murata 1989), in which what only passes a token on is left out.

A place is where a token stands while something is open: a gateway that chooses, an activity that a boundary event may
leave, a fork, an entry of a join. Tokens at end events are gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.bpmn.components import strong_components
from engine.bpmn.model import EndEvent, FlowNode, ParallelGateway, ProcessModel, SequenceFlow
from engine.bpmn.structure import reached_from


@dataclass(frozen=True, eq=False)
class Transition:
    """One thing that can happen.

    Attributes:
        node_id: The element that does it.
        takes: Places, one token from each.
        puts: Places, one token to each mention.
        clears: Whether every other token goes too.
    """

    node_id: str
    takes: tuple[int, ...]
    puts: tuple[int, ...]
    clears: bool = False

    @property
    def multiplies(self) -> bool:
        """Whether there are more tokens behind it than before it."""
        return len(self.puts) > len(self.takes)


@dataclass(frozen=True)
class TokenNet:
    """The net of one process, begun at one start event.

    Attributes:
        start: The place to which its first token comes; `None` where that ends at once.
        choices: For each place, the transitions of which its token takes one; none for the entry of a join.
        joins: The transition of each join, by the places that are its entries.
        ranks: For each place, when to follow a token there: the lower the sooner. What comes behind goes first, so that
            one token is followed to its end before the next; last what never ends, or ends everything.
    """

    start: int | None
    choices: tuple[tuple[Transition, ...], ...]
    joins: dict[int, Transition]
    ranks: tuple[int, ...]

    @property
    def has_one_token(self) -> bool:
        """Whether there is never a second token, nor anything that waits for one."""
        return not self.joins and not any(choice.multiplies for choices in self.choices for choice in choices)


def token_net(model: ProcessModel, start_event_id: str) -> TokenNet:
    """Return the net of a process whose structure has no fault, without what its start event does not lead to."""
    return _Builder(model, start_event_id).net()


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
            if isinstance(self._model.nodes[node_id], ParallelGateway) and len(flows) > 1:
                self._joins[node_id] = flows
                self._entries.update({flow: self._new_place() for flow in flows})
        (start,) = self._behind(self._start)
        joins = [self._join(node_id) for node_id in self._joins]
        while self._branching:
            self._branch(self._branching.pop())
        return TokenNet(
            start=start,
            choices=tuple(map(tuple, self._choices)),
            joins={place: join for join in joins for place in join.takes},
            ranks=_ranks(self._choices),
        )

    def _join(self, node_id: str) -> Transition:
        takes = tuple(self._entries[flow] for flow in self._joins[node_id])
        return Transition(node_id, takes, _kept(self._behind(node_id)))

    def _branch(self, node: FlowNode) -> None:
        """Add what can happen to a token at a node where there is something to choose, or a fork."""
        place = self._ahead[node.id]
        if place is None:
            return
        if isinstance(node, EndEvent):
            self._choices[place] = [Transition(node.id, (place,), (), clears=True)]
        elif isinstance(node, ParallelGateway):
            self._choices[place] = [Transition(node.id, (place,), _kept(self._behind(node.id)))]
        else:
            place = self._side_effects(node, place)
            events = [event.id for event in self._model.boundary_events(node.id) if event.is_interrupting]
            ways = [way for node_id in (node.id, *events) for way in self._behind(node_id)]
            self._choices[place] = [Transition(node.id, (place,), _kept([way])) for way in dict.fromkeys(ways)]

    def _side_effects(self, node: FlowNode, place: int) -> int:
        """Let each event that does not interrupt happen or not, one after the other; return the place behind them."""
        for event in self._model.boundary_events(node.id):
            if not event.is_interrupting:
                following = self._new_place()
                happened = (following, *_kept(self._behind(event.id)))
                self._choices[place] = [
                    Transition(event.id, (place,), (following,)),
                    Transition(event.id, (place,), happened),
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
        if isinstance(node, EndEvent) and not node.terminates:
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
