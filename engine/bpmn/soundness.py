"""Soundness of concurrent flows (van der Aalst 1997): every join gets its tokens, and no loop makes ever more of them.

Where that holds, branches that meet without a join are warned of (`engine.bpmn.synchronisation`).

All distributions of tokens, called markings, that can arise are walked through. Where several things can happen that do
not hinder each other, only one of them is followed (a stubborn set, Valmari 1991): in a net in which only single tokens
choose, that changes nothing about what is found. Up to a bound; where it is reached, that is all that is said.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from engine.bpmn.components import strong_components
from engine.bpmn.findings import finding_at, warning_at
from engine.bpmn.model import BoundaryEvent, ExclusiveGateway, InclusiveGateway, ParallelGateway, ProcessModel
from engine.bpmn.synchronisation import TooManyPairsError, check_synchronisation
from engine.bpmn.token_net import InclusiveJoin, TokenNet, TooManyWaysError, Transition, token_net
from engine.errors import Finding

MAXIMUM_NODES = 1_000_000  # over all start events
MAXIMUM_MARKINGS = 20_000
MAXIMUM_TOKENS = 1_000_000  # over all markings

_Marking: TypeAlias = tuple[int, ...]  # places in order, each as often as it has tokens
_Code: TypeAlias = tuple[str, str]  # of a finding, with the node's id

_ADVICE = {
    "UNSOUND_JOIN": (
        "It can wait for a token that never comes.",
        "Lead every branch to it that was forked, and none that was chosen; no two joins may wait for each other.",
    ),
    "UNSOUND_LOOP": (
        "It stands in a loop and leaves more tokens behind with each round.",
        "Join the branches before the flow goes back.",
    ),
}


def check_soundness(model: ProcessModel) -> Iterator[Finding]:
    """Return the joins and loops of a process, whose structure has no fault, that are not sound.

    Each scope is looked at by itself: what runs in a subprocess has ended when its token goes on.
    """
    starts = _starts(model)
    if not _is_concurrent(model):
        return
    if len(starts) * len(model.nodes) > MAXIMUM_NODES:
        yield _unknown(model)
        return
    faults = dict[_Code, None]()
    try:
        for start in starts:
            faults.update(dict.fromkeys(_Search(token_net(model, start)).faults()))
        if not faults:
            yield from check_synchronisation(model)
    except (_BoundReachedError, TooManyWaysError, TooManyPairsError):
        yield _unknown(model)
    for code, node_id in faults:
        message, hint = _ADVICE[code]
        yield finding_at(model.nodes[node_id], code, message, hint)


def _starts(model: ProcessModel) -> list[str]:
    """Return the start events of all scopes; of those that lead to the same places, which start the same net, one."""
    events = [event for scope in model.scopes() for event in model.start_events(scope)]
    return list({tuple(flow.target for flow in model.outgoing(event.id)): event.id for event in events}.values())


def _unknown(model: ProcessModel) -> Finding:
    message = "It has more possible states than are looked at, so nothing is known of its joins and loops."
    return warning_at(model, "SOUNDNESS_UNKNOWN", message, "Draw parts of it as processes of their own.")


def _is_concurrent(model: ProcessModel) -> bool:
    return any(
        isinstance(node, ParallelGateway | InclusiveGateway)
        or (isinstance(node, BoundaryEvent) and not node.is_interrupting)
        or (len(model.outgoing(node.id)) > 1 and not isinstance(node, ExclusiveGateway))
        for node in model.nodes.values()
    )


class _BoundReachedError(Exception):
    """There are more markings than are looked at."""


@dataclass(frozen=True)
class _Task:
    """A marking to start from; `loops` are the transitions that left these tokens behind, one loop within another."""

    start: _Marking
    loops: tuple[Transition, ...] = ()


@dataclass
class _Graph:
    """The markings found so far, numbered, and which one leads to which."""

    numbers: dict[_Marking, int] = field(default_factory=dict)
    successors: list[list[int]] = field(default_factory=list)

    def add(self, marking: _Marking) -> int:
        self.numbers[marking] = len(self.successors)
        self.successors.append([])
        return self.numbers[marking]


@dataclass(frozen=True)
class _Visit:
    """A marking on the way from the start to where the search is."""

    number: int
    steps: Iterator[tuple[Transition, _Marking]]
    reached_by: Transition | None


class _Search:
    def __init__(self, net: TokenNet) -> None:
        self._net = net
        self._faults: dict[_Code, None] = {}
        self._markings = 0
        self._tokens = 0
        self._firings: dict[tuple[str, _Marking], Transition] = {}

    def faults(self) -> tuple[_Code, ...]:
        if self._net.has_one_token or not self._net.start:
            return ()
        tasks = {_Task(tuple(sorted(self._net.start))): None}
        for task in _growing(tasks):
            left_behind = self._explore(task)
            tasks.update(dict.fromkeys(left_behind))
        return tuple(self._faults)

    def _explore(self, task: _Task) -> list[_Task]:
        """Walk through all markings; return the tasks of looking at what loops leave behind."""
        graph = _Graph()
        left_behind = self._walk(task, graph)
        self._judge(task, graph)
        return left_behind

    def _walk(self, task: _Task, graph: _Graph) -> list[_Task]:
        left_behind: list[_Task] = []
        earlier: defaultdict[Transition, list[_Marking]] = defaultdict(list)
        path = [self._visit(graph, task.start, None)]
        while path:
            visit = path[-1]
            step = next(visit.steps, None)
            if step is None:
                path.pop()
                if visit.reached_by is not None:
                    earlier[visit.reached_by].pop()
                continue
            transition, marking = step
            if transition in task.loops:
                self._faults[("UNSOUND_LOOP", transition.node_id)] = None
                continue  # each round would make more of the same
            if transition.multiplies and marking not in graph.numbers:
                marking, rest = _without_growth(marking, earlier[transition])
                if rest:
                    left_behind.append(_Task(rest, (*task.loops, transition)))
            if marking not in graph.numbers:
                path.append(self._visit(graph, marking, transition))
                earlier[transition].append(marking)
            graph.successors[visit.number].append(graph.numbers[marking])
        return left_behind

    def _visit(self, graph: _Graph, marking: _Marking, reached_by: Transition | None) -> _Visit:
        self._markings += 1
        self._tokens += len(marking)
        if self._markings > MAXIMUM_MARKINGS or self._tokens > MAXIMUM_TOKENS:
            raise _BoundReachedError
        return _Visit(graph.add(marking), self._steps(marking), reached_by)

    def _steps(self, marking: _Marking) -> Iterator[tuple[Transition, _Marking]]:
        join = next(self._ready_joins(marking), None) or next(self._ready_inclusive_joins(marking), None)
        if join is not None:
            yield join, _after(marking, join)
            return
        place = min(self._choosing(marking), key=self._net.ranks.__getitem__, default=None)
        for choice in () if place is None else self._net.choices[place]:
            yield choice, () if choice.clears else _after(marking, choice)

    def _ready_joins(self, marking: _Marking) -> Iterator[Transition]:
        present = set(marking)
        candidates = dict.fromkeys(self._net.joins[place] for place in marking if place in self._net.joins)
        return (join for join in candidates if present.issuperset(join.takes))

    def _ready_inclusive_joins(self, marking: _Marking) -> Iterator[Transition]:
        """Return the inclusive joins for which no other token comes by an entry that has none."""
        present = frozenset(marking)
        joins = self._net.inclusive_joins
        for join in dict.fromkeys(joins[place] for place in marking if place in joins):
            if not any(_is_awaited(join, place, present) for place in present - join.entries):
                takes = tuple(sorted(join.entries & present))
                key = (join.node_id, takes)
                yield self._firings.setdefault(key, Transition(join.node_id, takes, (join.exit,)))

    def _choosing(self, marking: _Marking) -> set[int]:
        return {place for place in marking if self._net.choices[place]}

    def _judge(self, task: _Task, graph: _Graph) -> None:
        """Look at where tokens end up: at markings, or circles of markings, that nothing leads out of."""
        markings = list(graph.numbers)
        for component in strong_components(graph.successors):
            within = set(component)
            if any(target not in within for number in component for target in graph.successors[number]):
                continue
            final = [markings[number] for number in component]
            if final == [()]:
                continue
            if task.loops:
                self._faults[("UNSOUND_LOOP", task.loops[-1].node_id)] = None
            elif all(len(self._choosing(marking)) <= 1 for marking in final):  # else some token was never followed
                self._faults.update(dict.fromkeys(("UNSOUND_JOIN", node_id) for node_id in self._starving(final)))

    def _starving(self, markings: list[_Marking]) -> set[str]:
        waiting = set.intersection(*(self._waiting_joins(marking) for marking in markings))
        return waiting - {join.node_id for marking in markings for join in self._ready(marking)}

    def _waiting_joins(self, marking: _Marking) -> set[str]:
        joins = (self._net.joins.get(place) or self._net.inclusive_joins.get(place) for place in marking)
        return {join.node_id for join in joins if join is not None}

    def _ready(self, marking: _Marking) -> Iterator[Transition]:
        yield from self._ready_joins(marking)
        yield from self._ready_inclusive_joins(marking)


def _is_awaited(join: InclusiveJoin, place: int, present: frozenset[int]) -> bool:
    """Return whether a token can come by an entry that has none, and not as well by one that has."""
    ahead, by_flows = join.ahead.get(place, frozenset()), join.by_flows.get(place, frozenset())
    return bool(ahead - present) and not by_flows & present


def _growing(tasks: dict[_Task, None]) -> Iterator[_Task]:
    """Return each task once, those included that are added on the way."""
    done = 0
    while done < len(tasks):
        batch = list(tasks)[done:]
        yield from batch
        done += len(batch)


def _after(marking: _Marking, transition: Transition) -> _Marking:
    taken, rest = Counter(transition.takes), list[int]()
    for place in marking:
        if taken[place]:
            taken[place] -= 1
        else:
            rest.append(place)
    return tuple(sorted([*rest, *transition.puts]))


def _without_growth(marking: _Marking, earlier: list[_Marking]) -> tuple[_Marking, _Marking]:
    """Return the latest earlier marking that lies within this one, and the tokens that are more now.

    Where there is none: the marking itself, and nothing.
    """
    for candidate in reversed(earlier):
        rest = _difference(marking, candidate)
        if rest:
            return candidate, rest
    return marking, ()


def _difference(marking: _Marking, part: _Marking) -> _Marking:
    """Return the tokens of `marking` that `part` does not have; nothing where `part` has others."""
    rest, remaining = list[int](), iter(marking)
    if len(part) >= len(marking):
        return ()
    for place in part:
        for candidate in remaining:
            if candidate == place:
                break
            rest.append(candidate)
        else:
            return ()
    return (*rest, *remaining)
