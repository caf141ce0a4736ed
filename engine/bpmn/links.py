"""Link events: ways that are not drawn, from each throwing end to the catching one (BPMN 2.0.2, 10.5.5.8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.bpmn.findings import finding_at
from engine.bpmn.model import FlowNode, LinkEvent, ProcessModel, SequenceFlow
from engine.errors import Finding


def linking_flows(nodes: Iterable[FlowNode]) -> list[SequenceFlow]:
    """Return a flow for each throwing end whose link has another end in the same scope."""
    ends = [node for node in nodes if isinstance(node, LinkEvent)]
    targets = {(end.scope, end.link): end.id for end in ends if end.is_catching}
    return [
        SequenceFlow(
            id=f"link {end.id}",  # no element can have such an id
            name=end.link,
            line=end.line,
            source=end.id,
            target=targets[end.scope, end.link],
        )
        for end in ends
        if not end.is_catching and (end.scope, end.link) in targets
    ]


def check_links(model: ProcessModel) -> Iterator[Finding]:
    """Return the faults of links: ends without the other end, and ends at which drawn flows go past the link."""
    seen = dict[tuple[str | None, str], LinkEvent]()
    for end in (node for node in model.nodes.values() if isinstance(node, LinkEvent)):
        if end.is_catching:
            first = seen.setdefault((end.scope, end.link), end)
            if first is not end:
                message = f"{first.id} catches the link {end.link!r} too."
                yield finding_at(end, "LINK_INVALID", message, "Keep one of them.")
            if any(not _is_link(flow) for flow in model.incoming(end.id)):
                yield finding_at(end, "LINK_INVALID", "A flow enters the catching end.", "Remove the flow.")
        elif not any(map(_is_link, model.outgoing(end.id))):
            message = f"Nothing in its scope catches the link {end.link!r}."
            yield finding_at(end, "LINK_INVALID", message, "Draw the other end, with the same name.")
        elif len(model.outgoing(end.id)) > 1:
            yield finding_at(end, "LINK_INVALID", "A flow leaves the throwing end.", "Remove the flow.")


def _is_link(flow: SequenceFlow) -> bool:
    return flow.id.startswith("link ")
