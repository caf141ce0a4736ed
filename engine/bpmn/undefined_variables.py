"""Variables that are read before anything has written them, on every path or on some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.bpmn.data_flow import DataFlow, State
from engine.bpmn.effects import Effects, Read
from engine.bpmn.findings import finding_at, warning_at
from engine.bpmn.model import FlowNode, ProcessModel, SequenceFlow
from engine.bpmn.structure import reached_from
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
        writers = set(self._flow.writers.get(name, ()))
        if not writers:
            return False
        for node in self._model.nodes.values():
            if self._forks(node):
                reached = reached_from(self._model, [node.id])
                if place in reached and not writers.isdisjoint(reached):
                    return True
        return False

    def _forks(self, node: FlowNode) -> bool:
        unconditional = [flow for flow in self._model.outgoing(node.id) if flow.condition is None]
        beside = [event for event in self._model.boundary_events(node.id) if not event.is_interrupting]
        is_choice = getattr(node, "default_flow", None) is not None
        return bool(beside) or (len(unconditional) > 1 and not is_choice)
