"""Ways told beforehand: which flows are taken where the answers say so, instead of the diagram's conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from engine.bpmn import ExclusiveGateway, ProcessModel, SequenceFlow
from engine.simulation.answers import AnswerBook
from engine.simulation.preparation import is_gateway
from engine.spiff import holds


class ToldWays:
    """Judges conditions, by the answers where there are any.

    A gateway is visited anew when the first of its flows is judged.
    """

    def __init__(self, book: AnswerBook, models: Iterable[ProcessModel]) -> None:
        self._book = book
        self._ways: dict[str, frozenset[str]] = {}
        self._first: dict[str, str] = {}
        for model in models:
            self._first.update(_first_flows(model, book))

    def judge(self, flow: SequenceFlow, variables: Mapping[str, JsonValue]) -> bool:
        """Return whether a flow is taken."""
        told = self._book.decision(flow)
        if told is not None:
            return told
        if flow.source not in self._first:
            return holds(flow, variables)
        if self._first[flow.source] == flow.id:
            self._ways[flow.source] = self._book.ways(flow.source)
        return not self._ways[flow.source].isdisjoint({flow.id, flow.target})


def _first_flows(model: ProcessModel, book: AnswerBook) -> dict[str, str]:
    """Return, for each answered gateway, the flow that is judged first."""
    first: dict[str, str] = {}
    for node in model.nodes.values():
        if is_gateway(node) and node.id in book:
            judges_all, default = isinstance(node, ExclusiveGateway), getattr(node, "default_flow", None)
            asked = [
                flow.id for flow in model.outgoing(node.id) if flow.id != default and (judges_all or flow.condition)
            ]
            first |= {node.id: asked[0]} if asked else {}
    return first
