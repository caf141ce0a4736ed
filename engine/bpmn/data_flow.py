"""Which variables are certainly there, and which perhaps, whenever a token comes to a node.

A forward analysis over all paths (Kildall 1973). Behind a join all of its branches have written; behind any other node
where paths meet, only what each of them wrote is certain. A subprocess begins with what is there around it, and its
inputs; behind it stands what all of its ends have, its own inputs apart. Sets of variables are the bits of a number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from engine.bpmn.effects import Effects, Read
from engine.bpmn.model import (
    BoundaryEvent,
    CancelTrigger,
    CompensationEvent,
    EndEvent,
    EventSubProcess,
    FlowNode,
    IntermediateThrowEvent,
    ParallelGateway,
    ProcessModel,
    StartEvent,
    SubProcess,
)
from engine.bpmn.reachability import reached_within
from engine.bpmn.static_types import ANYTHING, StaticType

_OPEN = 1  # the bit that stands for variables of any name
_Sets = tuple[int, int]  # what is certain, what is possible


@dataclass(frozen=True)
class State:
    """The variables at one place of a process.

    Attributes:
        certain: What every path has written, or what an instance begins with.
        possible: What some path has.
        bits: Each name's bit in both.
    """

    certain: int
    possible: int
    bits: Mapping[str, int]

    @property
    def is_open(self) -> bool:
        """Whether variables of any name may be there."""
        return bool(self.possible & _OPEN)

    def is_certain(self, name: str) -> bool:
        """Return whether the variable is there on every path."""
        return bool(self.certain & self.bits.get(name, 0))

    def is_possible(self, name: str) -> bool:
        """Return whether the variable is there on some path that is known to write it."""
        return bool(self.possible & self.bits.get(name, 0))


class DataFlow:
    """The variables of one process, before and behind each of its nodes."""

    def __init__(self, model: ProcessModel, effects: Mapping[str, Effects], conditions: Iterable[Read]) -> None:
        self._model = model
        self._effects = effects
        names = {name for each in effects.values() for name in _names(each)}
        names.update(name for read in conditions for name in read.names)
        self._bits = {name: 2 << number for number, name in enumerate(sorted(names))}
        self._before: dict[str, _Sets] = {}
        self._solve()

    def before(self, node_id: str) -> State | None:
        """Return the variables when a token comes to a node; `None` where none ever comes."""
        sets = self._before.get(node_id)
        return None if sets is None else State(*sets, self._bits)

    def behind(self, node_id: str) -> State | None:
        """Return the variables when a token leaves a node."""
        return State(*self._after(node_id), self._bits) if node_id in self._before else None

    @cached_property
    def given(self) -> frozenset[str]:
        """What an instance begins with: what the process declares.

        Where it declares nothing, whatever it reads and never writes, or reads and writes at one place: what changes
        a value takes it to be there.
        """
        if self._model.declared_inputs is not None:
            return self._model.declared_inputs & self._bits.keys()
        changed = (_read_names(each) & {*each.writes, *each.perhaps} for each in self._effects.values())
        return frozenset(self._bits.keys() - self.writers.keys()).union(*changed)

    @cached_property
    def writers(self) -> dict[str, list[str]]:
        """The nodes that write each variable."""
        writers = defaultdict[str, list[str]](list)
        for node_id, each in self._effects.items():
            for name in (*each.writes, *each.perhaps, *each.inside):
                writers[name].append(node_id)
        return writers

    def type_of(self, name: str) -> StaticType:
        """Return what a variable can hold wherever only this process has written it."""
        written = [self._effects[writer].writes.get(name, ANYTHING) for writer in self.writers.get(name, ())]
        kind = written[0] if written else ANYTHING
        for each in written[1:]:
            kind = kind | each
        return kind

    def _solve(self) -> None:
        """Begin with the most that could be certain, and take away until nothing changes."""
        starts = [event.id for event in self._model.start_events()]
        reached = [node_id for node_id in reached_within(self._model, starts) if node_id in self._model.nodes]
        self._before = dict.fromkeys(reached, (self._set(self._bits), 0))
        frontier = dict.fromkeys(reached)
        while frontier:
            node_id = next(iter(frontier))
            del frontier[node_id]
            met = self._meet(self._model.nodes[node_id])
            if met != self._before[node_id]:
                self._before[node_id] = met
                frontier.update(dict.fromkeys(each for each in self._following(node_id) if each in self._before))

    def _following(self, node_id: str) -> Iterator[str]:
        """Return the nodes whose beginning depends on a node."""
        scope: str | None = node_id
        while scope is not None:  # the last nodes of a subprocess lead on behind it
            flows = self._model.outgoing(scope)
            yield from (flow.target for flow in flows)
            yield from (handler for event in self._model.compensation_events(scope) for handler in event.handlers)
            scope = None if flows else self._model.nodes[scope].scope
        yield from (event.id for event in self._model.boundary_events(node_id))
        for event in self._model.event_subprocesses(node_id):
            yield from (event.id, *(start.id for start in self._model.start_events(event.id)))
        yield from (start.id for start in self._model.start_events(node_id))

    def _meet(self, node: FlowNode) -> _Sets:
        match node:
            case StartEvent() | EventSubProcess():
                return self._beginning(node)
            case BoundaryEvent():
                certain, possible = self._before[node.attached_to]
                undone = self._written_by_handlers if isinstance(node.trigger, CancelTrigger) else 0
                return certain, possible | self._written_within(node.attached_to) | undone
        host = self._undone.get(node.id)
        if host is not None and host in self._before:
            return self._when_completed(self._model.nodes[host])
        sources = (flow.source for flow in self._model.incoming(node.id) if flow.source in self._before)
        states = [self._after(source) for source in dict.fromkeys(sources)]
        return self._merged(states, joins=isinstance(node, ParallelGateway))

    def _when_completed(self, node: FlowNode) -> _Sets:
        """Return what a handler sees: what stands behind its activity, and what is a subprocess's own."""
        certain, possible = self._after(node.id)
        if not isinstance(node, SubProcess):
            return certain, possible
        local, perhaps_local = self._at_its_ends(node)
        return certain | local, possible | perhaps_local

    def _merged(self, states: list[_Sets], *, joins: bool = False) -> _Sets:
        certain, possible = states[0] if states else (self._set(self._bits), 0)
        for sure, perhaps in states[1:]:
            certain = certain | sure if joins else certain & sure
            possible |= perhaps
        return certain, possible

    def _beginning(self, node: FlowNode) -> _Sets:
        """Return what is there when a scope, or something beside its tokens, begins."""
        scope = None if node.scope is None else self._model.nodes[node.scope]
        match scope:
            case None:
                certain, possible = self._set(self.given), self._set(self.given)
            case SubProcess():
                inputs = self._set(self._effects[scope.id].inside)
                certain, possible = (sets | inputs for sets in self._before[scope.id])
            case _:
                certain, possible = self._beginning(scope)
        return certain, possible | (_OPEN if isinstance(node, EventSubProcess) else 0)

    def _after(self, node_id: str) -> _Sets:
        node, effects, before = self._model.nodes[node_id], self._effects[node_id], self._before[node_id]
        certain, possible = before
        if isinstance(node, SubProcess) and node.multi_instance is None:
            certain, possible = self._behind_subprocess(node, before)
        written, perhaps = self._set(effects.writes), self._set(effects.perhaps)
        if isinstance(node, EndEvent | IntermediateThrowEvent) and node.compensation is not None:
            perhaps |= self._written_by_handlers
        if effects.is_open and not self._brings_what_is_declared(node):
            perhaps |= _OPEN
        return certain | written, possible | written | perhaps

    def _behind_subprocess(self, node: SubProcess, before: _Sets) -> _Sets:
        local = self._set(self._effects[node.id].inside)
        certain, possible = self._at_its_ends(node)
        return (certain & ~local) | (before[0] & local), (possible & ~local) | before[1]

    def _at_its_ends(self, node: SubProcess) -> _Sets:
        members = (each for each in self._model.members(node.id) if not isinstance(each, CompensationEvent))
        ends = [each.id for each in members if each.id in self._before and each.id not in self._undone]
        return self._merged([self._after(end) for end in ends if not self._model.outgoing(end)])

    def _brings_what_is_declared(self, node: FlowNode) -> bool:
        is_first = isinstance(node, StartEvent) and node.scope is None
        return is_first and self._model.declared_inputs is not None

    def _written_within(self, node_id: str) -> int:
        """Return what can have been written when a subprocess is left before its end; of anything else, nothing."""
        bits, frontier = 0, [node_id] if isinstance(self._model.nodes[node_id], SubProcess) else []
        while frontier:
            for member in self._model.members(frontier.pop()):
                effects = self._effects[member.id]
                bits |= self._set(effects.writes) | self._set(effects.perhaps) | (_OPEN if effects.is_open else 0)
                frontier.append(member.id)
        return bits

    @cached_property
    def _undone(self) -> dict[str, str]:
        """The activity that each handler undoes."""
        nodes = self._model.nodes.values()
        events = [node for node in nodes if isinstance(node, CompensationEvent)]
        return {handler: event.attached_to for event in events for handler in event.handlers}

    @cached_property
    def _written_by_handlers(self) -> int:
        """What can have been written when something was compensated: called processes bring anything."""
        bits = 0
        for handler in self._undone:
            if handler in self._model.nodes:
                effects = self._effects[handler]
                bits |= self._set(effects.writes) | self._set(effects.perhaps) | (_OPEN if effects.is_open else 0)
                bits |= self._written_within(handler)
        return bits

    def _set(self, names: Iterable[str]) -> int:
        bits = 0
        for name in names:
            bits |= self._bits[name]
        return bits


def _names(effects: Effects) -> Iterator[str]:
    yield from effects.writes
    yield from effects.perhaps
    yield from effects.inside
    yield from _read_names(effects)


def _read_names(effects: Effects) -> frozenset[str]:
    return frozenset[str]().union(*(read.names for read in effects.reads))
