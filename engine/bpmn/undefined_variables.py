"""Variables that are read before anything has written them, on every path or on some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from engine.bpmn.data_flow import DataFlow, State
from engine.bpmn.effects import Effects, Read
from engine.bpmn.findings import finding_at, warning_at
from engine.bpmn.model import EventBasedGateway, ExclusiveGateway, FlowNode, ProcessModel, SequenceFlow
from engine.bpmn.reachability import reached_from
from engine.errors import Finding

_DECLARE = "or list it in the process's property 'inputs', if an instance begins with it"

_MOST_WRITERS = 3  # that a hint names


def check_variables(
    model: ProcessModel, flow: DataFlow, effects: Mapping[str, Effects], conditions: Mapping[SequenceFlow, Read]
) -> Iterator[Finding]:
    """Return the variables that an expression of a node or flow looks for in vain."""
    check = _Check(model, flow)
    for node_id, each in effects.items():
        for read in each.reads:
            yield from check.read(model.nodes[node_id], flow.before(node_id), read)
    for sequence_flow, read in conditions.items():
        yield from check.read(sequence_flow, flow.behind(sequence_flow.source), read)


class _Check:
    def __init__(self, model: ProcessModel, flow: DataFlow) -> None:
        self._model = model
        self._flow = flow

    def read(self, owner: FlowNode | SequenceFlow, state: State | None, read: Read) -> Iterator[Finding]:
        if state is None or state.is_open:
            return
        place = owner.source if isinstance(owner, SequenceFlow) else owner.id
        for name in sorted(read.names):
            if state.is_certain(name) or (state.is_possible(name) and read.accepts_null):
                continue
            if state.is_possible(name) or self._is_written_beside(place, name):
                message = f"{name} is read, and not on every path has anything written it: it may be null here."
                hint = f"Write it on every path, ask 'if {name} = null', {_DECLARE}."
                yield warning_at(owner, "VARIABLE_PERHAPS_MISSING", message, hint)
            else:
                message = f"{name} is read before anything can have written it."
                hint = f"Correct the name, read it behind {self._writers(name)}, {_DECLARE}."
                yield finding_at(owner, "VARIABLE_MISSING", message, hint)

    def _writers(self, name: str) -> str:
        return ", ".join(self._flow.writers.get(name, ())[:_MOST_WRITERS]) or "an element that writes it"

    def _is_written_beside(self, place: str, name: str) -> bool:
        """Return whether a branch that runs beside the place can have written the variable by then."""
        around = self._scopes([place])
        writers = self._scopes(self._flow.writers.get(name, ()))
        forks = (node.id for node in self._model.nodes.values() if self._forks(node))
        return any(
            not (around.isdisjoint(reached) or writers.isdisjoint(reached))
            for reached in (reached_from(self._model, [fork]) for fork in forks)
        )

    def _scopes(self, node_ids: Iterable[str]) -> set[str]:
        """Return nodes with the subprocesses in which they stand."""
        found, frontier = set[str](), list(node_ids)
        while frontier:
            node_id = frontier.pop()
            scope = self._model.nodes[node_id].scope
            found.add(node_id)
            frontier += [] if scope is None else [scope]
        return found

    def _forks(self, node: FlowNode) -> bool:
        flows = self._model.outgoing(node.id)
        beside = [event for event in self._model.boundary_events(node.id) if not event.is_interrupting]
        return bool(beside) or (len(flows) > 1 and not isinstance(node, ExclusiveGateway | EventBasedGateway))
