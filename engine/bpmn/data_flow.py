"""Which variables are certainly there, and which perhaps, whenever a token comes to a node.

A forward analysis over all paths (Kildall 1973). Behind a join all of its branches have written; behind any other node
where paths meet, only what each of them wrote is certain. Sets of variables are the bits of a number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from engine.bpmn.effects import Effects, Read
from engine.bpmn.model import BoundaryEvent, ParallelGateway, ProcessModel, StartEvent
from engine.bpmn.static_types import ANYTHING, StaticType
from engine.bpmn.structure import reached_from

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
        return bool(self.certain & self.bits[name])

    def is_possible(self, name: str) -> bool:
        """Return whether the variable is there on some path that is known to write it."""
        return bool(self.possible & self.bits[name])


class DataFlow:
    """The variables of one process, before and behind each of its nodes."""

    def __init__(self, model: ProcessModel, effects: Mapping[str, Effects], conditions: Iterable[Read]) -> None:
        self._model = model
        self._effects = effects
        names = {name for each in effects.values() for name in _names(each)}
        names.update(name for read in conditions for name in read.names)
        self._bits = {name: 2 << number for number, name in enumerate(sorted(names))}
        self._before = self._solved()

    def before(self, node_id: str) -> State | None:
        """Return the variables when a token comes to a node; `None` where none ever comes."""
        sets = self._before.get(node_id)
        return None if sets is None else State(*sets, self._bits)

    def behind(self, node_id: str) -> State | None:
        """Return the variables when a token leaves a node."""
        sets = self._before.get(node_id)
        return None if sets is None else State(*self._after(node_id, sets), self._bits)

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
            for name in (*each.writes, *each.perhaps):
                writers[name].append(node_id)
        return writers

    def type_of(self, name: str) -> StaticType:
        """Return what a variable can hold wherever only this process has written it."""
        written = [self._effects[writer].writes.get(name, ANYTHING) for writer in self.writers.get(name, ())]
        kind = written[0] if written else ANYTHING
        for each in written[1:]:
            kind = kind | each
        return kind

    def _solved(self) -> dict[str, _Sets]:
        everything = self._set(self._bits)
        starts = [node.id for node in self._model.nodes.values() if isinstance(node, StartEvent)]
        before = dict.fromkeys(reached_from(self._model, starts), (everything, 0))
        before = {node_id: sets for node_id, sets in before.items() if node_id in self._model.nodes}
        frontier = dict.fromkeys(before)
        while frontier:
            node_id = next(iter(frontier))
            del frontier[node_id]
            met = self._meet(node_id, before)
            if met != before[node_id]:
                before[node_id] = met
                frontier.update(dict.fromkeys(each for each in self._following(node_id) if each in before))
        return before

    def _following(self, node_id: str) -> Iterator[str]:
        yield from (flow.target for flow in self._model.outgoing(node_id))
        yield from (event.id for event in self._model.boundary_events(node_id))

    def _meet(self, node_id: str, before: Mapping[str, _Sets]) -> _Sets:
        node = self._model.nodes[node_id]
        if isinstance(node, StartEvent):
            return self._set(self.given), self._set(self.given)
        if isinstance(node, BoundaryEvent):
            return before[node.attached_to]
        sources = (flow.source for flow in self._model.incoming(node_id) if flow.source in before)
        states = [self._after(source, before[source]) for source in dict.fromkeys(sources)]
        certain, possible = states[0]
        for sure, perhaps in states[1:]:
            certain = certain | sure if isinstance(node, ParallelGateway) else certain & sure
            possible |= perhaps
        return certain, possible

    def _after(self, node_id: str, before: _Sets) -> _Sets:
        effects, (certain, possible) = self._effects[node_id], before
        written, perhaps = self._set(effects.writes), self._set(effects.perhaps)
        is_declared = isinstance(self._model.nodes[node_id], StartEvent) and self._model.declared_inputs is not None
        if effects.is_open and not is_declared:
            perhaps |= _OPEN
        return certain | written, possible | written | perhaps

    def _set(self, names: Iterable[str]) -> int:
        bits = 0
        for name in names:
            bits |= self._bits[name]
        return bits


def _names(effects: Effects) -> Iterator[str]:
    yield from effects.writes
    yield from effects.perhaps
    yield from _read_names(effects)


def _read_names(effects: Effects) -> frozenset[str]:
    return frozenset[str]().union(*(read.names for read in effects.reads))
