"""Branches that run at the same time and meet without being joined: what follows is done once for each of them.

BPMN allows that (2.0.2, 13.4.2: an exclusive gateway passes every token on), and mostly nobody meant it. Which flows
can have tokens at once is the concurrency relation of Kovalyov and Esparza (1996): exact for sound processes of
parallel and exclusive gateways; an inclusive gateway is taken to choose all, and to wait for all that leads to it. The
tokens of boundary events that do not interrupt are left out, since they are meant to run beside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from engine.bpmn.findings import warning_at
from engine.bpmn.model import (
    Activity,
    EndEvent,
    EventBasedGateway,
    ExclusiveGateway,
    FlowNode,
    InclusiveGateway,
    IntermediateThrowEvent,
    ParallelGateway,
    ProcessModel,
)
from engine.bpmn.reachability import entries_ahead, reached_from
from engine.errors import Finding

MAXIMUM_PAIRS = 1_000_000


class TooManyPairsError(Exception):
    """More flows run beside each other than are looked at."""


def check_synchronisation(model: ProcessModel) -> Iterator[Finding]:
    """Return the nodes at which branches of a sound process meet without being joined.

    Raises:
        TooManyPairsError: So many flows run beside each other that nothing is known of them.
    """
    meeting = [node for node in model.nodes.values() if _may_meet(model, node)]
    if not meeting or not any(_forks(model, node) for node in model.nodes.values()):
        return
    concurrency = _Concurrency(model)
    for node in meeting:
        if concurrency.meet(node):
            message = "Branches that run at the same time meet here and are not joined: what follows is done for each."
            hint = "Join them with a parallel or inclusive gateway, if it is to be done once."
            yield warning_at(node, "MERGE_UNSYNCHRONISED", message, hint)


def _may_meet(model: ProcessModel, node: FlowNode) -> bool:
    is_joined = isinstance(node, ParallelGateway | InclusiveGateway)
    return not is_joined and len(model.incoming(node.id)) > 1 and _has_consequences(model, node)


def _has_consequences(model: ProcessModel, node: FlowNode) -> bool:
    return any(_does_something(model.nodes[node_id]) for node_id in reached_from(model, [node.id]))


def _does_something(node: FlowNode) -> bool:
    match node:
        case EndEvent() | IntermediateThrowEvent():
            codes = (node.signal, node.escalation_code, getattr(node, "error_code", None))
            return any(each is not None for each in (*codes, node.message, node.compensation))
        case _:
            return isinstance(node, Activity)


def _forks(model: ProcessModel, node: FlowNode) -> bool:
    """Return whether several tokens can leave a node at once."""
    return len(model.outgoing(node.id)) > 1 and not isinstance(node, ExclusiveGateway | EventBasedGateway)


class _Concurrency:
    """Which flows can have tokens at the same time, as bits; grows until nothing new follows."""

    def __init__(self, model: ProcessModel) -> None:
        self._model = model
        self._targets = [flow.target for flow in model.flows]
        self._beside = [0] * len(model.flows)
        self._into = defaultdict[str, list[int]](list)
        self._out = defaultdict[str, list[int]](list)
        for number, flow in enumerate(model.flows):
            self._into[flow.target].append(number)
            self._out[flow.source].append(number)
        self._awaited: dict[str, int] = {}
        self._pairs = 0
        self._changed = dict.fromkeys(self._forked())
        while self._changed:
            self._pass_on(next(iter(self._changed)))

    def meet(self, node: FlowNode) -> bool:
        """Return whether two flows into a node can have tokens at once, neither of them several of its own."""
        flows = self._into[node.id]
        single = [flow for flow in flows if not self._beside[flow] >> flow & 1]
        return any(self._beside[flow] >> other & 1 for flow in single for other in single if flow != other)

    def _forked(self) -> Iterator[str]:
        """Let the flows out of each fork run beside each other; yield the nodes to which that matters."""
        for node in self._model.nodes.values():
            if _forks(self._model, node):
                mask = sum(1 << flow for flow in self._out[node.id])
                for flow in self._out[node.id]:
                    self._beside[flow] |= mask & ~(1 << flow)
                    yield self._targets[flow]

    def _pass_on(self, node_id: str) -> None:
        """Let what leaves a node run beside what ran beside the tokens that come to it."""
        del self._changed[node_id]
        beside = self._beside_tokens_of(node_id)
        hosted = [event.id for event in self._model.boundary_events(node_id) if event.is_interrupting]
        for flow in (each for source in (node_id, *hosted) for each in self._out[source]):
            added = beside & ~self._beside[flow]
            if added:
                self._add(flow, added)

    def _beside_tokens_of(self, node_id: str) -> int:
        entries = self._into[node_id]
        masks = [self._beside[entry] for entry in entries]
        either = every = masks[0] if masks else 0
        for mask in masks[1:]:
            either, every = either | mask, every & mask
        match self._model.nodes[node_id]:
            case ParallelGateway():
                return every
            case InclusiveGateway():
                return either & ~self._awaited_by(node_id)
            case _:
                return either

    def _awaited_by(self, node_id: str) -> int:
        """Return the flows whose tokens an inclusive gateway waits for: they lead to it, and it not to them."""
        if node_id not in self._awaited:
            ahead, behind = entries_ahead(self._model, node_id), reached_from(self._model, [node_id])
            self._awaited[node_id] = sum(
                1 << number
                for number, flow in enumerate(self._model.flows)
                if flow.target == node_id or (flow.target in ahead and flow.source not in behind)
            )
        return self._awaited[node_id]

    def _add(self, flow: int, added: int) -> None:
        self._pairs += added.bit_count()
        if self._pairs > MAXIMUM_PAIRS:
            raise TooManyPairsError
        self._beside[flow] |= added
        self._changed[self._targets[flow]] = None
        while added:
            lowest = added & -added
            other = lowest.bit_length() - 1
            self._beside[other] |= 1 << flow
            self._changed[self._targets[other]] = None
            added ^= lowest
