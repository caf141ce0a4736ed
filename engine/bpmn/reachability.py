"""What a token can reach: along flows, by boundary events, into subprocesses, and by compensation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from engine.bpmn.model import EventSubProcess, ProcessModel, SubProcess


def reached_from(model: ProcessModel, node_ids: Iterable[str]) -> dict[str, None]:
    """Return the ids of all nodes of a scope that some lead to, these included, in an order that is always the same."""
    return _closure(node_ids, lambda node_id: next_nodes(model, node_id))


def reached_within(model: ProcessModel, start_event_ids: Iterable[str]) -> dict[str, None]:
    """Return the ids of all nodes that can be reached from some start events of the process.

    What stands in subprocesses is among them, the event subprocesses of every scope that can be entered, and the
    handlers of what can be compensated.
    """

    def following(node_id: str) -> list[str]:
        return [*next_nodes(model, node_id), *_inside(model, node_id), *_undone_by(model, node_id)]

    top = [event.id for event in model.event_subprocesses(None)]
    return _closure([*start_event_ids, *top], following)


def entries_ahead(model: ProcessModel, gateway_id: str, *, by_events: bool = True) -> dict[str, frozenset[str]]:
    """Return, for each node, by which flows into a gateway its token can come there without having passed it before.

    Nodes that do not lead there are left out.

    Args:
        model: The process.
        gateway_id: The gateway.
        by_events: Whether ways over boundary events count.
    """

    def previous(node_id: str) -> list[str]:
        return _previous(model, node_id, gateway_id, by_events=by_events)

    ahead: defaultdict[str, set[str]] = defaultdict(set)
    for flow in model.incoming(gateway_id):
        for node_id in _closure([flow.source], previous):
            ahead[node_id].add(flow.id)
    ahead.pop(gateway_id, None)
    return {node_id: frozenset(flow_ids) for node_id, flow_ids in ahead.items()}


def next_nodes(model: ProcessModel, node_id: str) -> list[str]:
    """Return the ids of the nodes to which a token can go on from one, by its boundary events included."""
    following = [flow.target for flow in model.outgoing(node_id)]
    return following + [event.id for event in model.boundary_events(node_id)]


def _undone_by(model: ProcessModel, node_id: str) -> list[str]:
    """Return the compensation events on an activity's boundary, and the handlers that they name."""
    events = model.compensation_events(node_id)
    return [each for event in events for each in (event.id, *event.handlers) if each in model.nodes]


def _inside(model: ProcessModel, node_id: str) -> list[str]:
    if not isinstance(model.nodes.get(node_id), SubProcess | EventSubProcess):
        return []
    return [event.id for event in (*model.start_events(node_id), *model.event_subprocesses(node_id))]


def _previous(model: ProcessModel, node_id: str, barrier: str, *, by_events: bool) -> list[str]:
    if node_id == barrier:
        return []
    host = getattr(model.nodes.get(node_id), "attached_to", None) if by_events else None
    return [flow.source for flow in model.incoming(node_id)] + ([] if host is None else [host])


def _closure(node_ids: Iterable[str], following: Callable[[str], list[str]]) -> dict[str, None]:
    reached, frontier = dict[str, None](), list(node_ids)
    while frontier:
        node_id = frontier.pop()
        if node_id not in reached:
            reached[node_id] = None
            frontier += following(node_id)
    return reached
