"""Loops that no way leads out of: what begins such a loop never completes by itself (van der Aalst 1997).

BPMN executes them, and a watch that runs until somebody ends it may be drawn so; hence a warning. Nothing is said where
something else ends the loop: a terminating or throwing end beside it, an interrupting event of a scope around it.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.bpmn.components import strong_components
from engine.bpmn.findings import warning_at
from engine.bpmn.model import EndEvent, ProcessModel
from engine.bpmn.reachability import next_nodes
from engine.errors import Finding


def check_endless_loops(model: ProcessModel) -> Iterator[Finding]:
    """Return a warning for each loop without a way out, at the first of its nodes in the document."""
    nodes = list(model.nodes.values())
    numbers = {node.id: number for number, node in enumerate(nodes)}
    successors = [[numbers[each] for each in next_nodes(model, node.id)] for node in nodes]
    for component in strong_components(successors):
        within = set(component)
        if any(successors[number] == [] or not within.issuperset(successors[number]) for number in component):
            continue
        first = min((nodes[number] for number in component), key=lambda node: (node.line, numbers[node.id]))
        if not _is_ended_from_outside(model, first.scope):
            message = "No way leads out of the loop in which it stands: what comes here never completes."
            yield warning_at(first, "LOOP_ENDLESS", message, "Draw a way out, or an event that ends the loop.")


def _is_ended_from_outside(model: ProcessModel, scope: str | None) -> bool:
    inner: str | None = None
    while True:
        beside = [event.id for event in model.event_subprocesses(scope) if event.id != inner]
        ending = [
            *(node for node in model.members(scope) if isinstance(node, EndEvent) and _ends_more_than_its_token(node)),
            *(start for event_id in beside for start in model.start_events(event_id) if start.is_interrupting),
        ]
        if ending or scope is None:
            return bool(ending)
        if any(event.is_interrupting for event in model.boundary_events(scope)):
            return True
        inner, scope = scope, model.nodes[scope].scope


def _ends_more_than_its_token(end: EndEvent) -> bool:
    return end.terminates or end.cancels or end.error_code is not None or end.escalation_code is not None
