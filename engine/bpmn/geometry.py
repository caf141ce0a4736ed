"""Whether a diagram can be read as drawn: everything is there, in its place, and no line runs through anything."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from engine.bpmn.drawing import CONTAINERS, EDGES, FLOWS, Box, Drawing, Drawn, Point, Segment, read_drawing
from engine.bpmn.refusals import Refusals
from engine.bpmn.xml import BPMN, local_name, parse_xml
from engine.errors import Finding
from engine.xml_documents import Element

_SOURCE, _TARGET = "sourceRef", "targetRef"


def check_geometry(content: bytes) -> tuple[Finding, ...]:
    """Return the faults of a document's drawing.

    Raises:
        DiagramError: As `parse_xml`.
    """
    root = parse_xml(content)
    return _Geometry(root, read_drawing(root)).findings()


class _Geometry:
    def __init__(self, root: Element, drawing: Drawing) -> None:
        self._root = root
        self._drawing = drawing
        self._drawn = drawing.drawn
        self._refusals = Refusals()
        self._shapes = [each for each in self._drawn.values() if each.kind not in CONTAINERS | EDGES]
        self._edges = [each for each in self._drawn.values() if each.kind in EDGES]

    def findings(self) -> tuple[Finding, ...]:
        self._completeness()
        self._places()
        self._overlaps()
        for edge in self._edges:
            self._edge(edge)
        self._crossings()
        return tuple(dict.fromkeys(self._refusals.findings))

    def _completeness(self) -> None:
        for element in self._drawing.missing:
            message = f"The {local_name(element)} is not drawn."
            self._refusals.find(element, "DRAWING_MISSING", message, "Draw it, or remove it.")
        for element in self._drawing.unplaced_labels:
            message = "Nothing says where its name stands."
            self._refusals.find(element, "DRAWING_MISSING", message, "Move the label in the editor.")

    def _places(self) -> None:
        """Check that what belongs to a lane, a subprocess or an activity is drawn there."""
        for lane in self._root.iter(f"{{{BPMN}}}lane"):
            for reference in lane.iterfind(f"{{{BPMN}}}flowNodeRef"):
                self._inside((reference.text or "").strip(), lane.get("id"), "lane")
        for shape in self._drawn.values():
            parent = shape.element.getparent()
            if shape.box is not None and local_name(parent) in CONTAINERS:
                self._inside(shape.id, parent.get("id"), "subprocess")
            if shape.kind == "boundaryEvent":
                self._on_border(shape)

    def _inside(self, node_id: str, container_id: str | None, kind: str) -> None:
        node, container = self._drawn.get(node_id), self._drawn.get(container_id or "")
        if node is None or container is None or node.box is None or container.box is None:
            return
        if not container.box.holds(node.box.centre):
            message = f"It is drawn outside of its {kind} {container.id}."
            self._refusals.find(node.element, "DRAWING_MISPLACED", message, "Move it, or assign it anew.")

    def _on_border(self, event: Drawn) -> None:
        host = self._drawn.get(event.element.get("attachedToRef", ""))
        if host is None or host.box is None or event.box is None:
            return
        if not host.box.overlaps(event.box) or all(host.box.holds(corner) for corner in event.box.corners):
            message = f"It is not drawn on the border of {host.id}."
            self._refusals.find(event.element, "DRAWING_MISPLACED", message, "Move it onto the border.")

    def _overlaps(self) -> None:
        for first, second in combinations(self._shapes, 2):
            if not _are_attached(first, second) and _overlap(first.box, second.box):
                self._report(first, "SHAPES_OVERLAP", f"It overlaps {second.id}.")
        labels = [each for each in self._drawn.values() if each.label is not None]
        for first, second in combinations(labels, 2):
            if _overlap(first.label, second.label):
                self._report(first, "LABEL_COVERED", f"Its label overlaps that of {second.id}.")
        for each in labels:
            for shape in self._shapes:
                if _overlap(each.label, shape.box):
                    self._report(each, "LABEL_COVERED", f"Its label overlaps {shape.id}.")

    def _edge(self, edge: Drawn) -> None:
        if edge.kind in FLOWS and not all(segment.is_orthogonal for segment in edge.segments):
            self._report(edge, "EDGE_NOT_ORTHOGONAL", "It runs aslant.")
        ends = ((_SOURCE, edge.waypoints[0]), (_TARGET, edge.waypoints[-1]))
        for reference, point in ends:
            shape = self._drawn.get(edge.element.get(reference, ""))
            if shape is not None and shape.box is not None and not shape.box.has_on_border(point):
                self._report(edge, "EDGE_DETACHED", f"It does not end on the border of {shape.id}.")
        for shape in self._shapes:
            if _is_crossed(shape.box, edge):
                self._report(edge, "EDGE_THROUGH_SHAPE", f"It runs through {shape.id}.")
        for each in self._drawn.values():
            if _is_crossed(each.label, edge):
                self._report(edge, "EDGE_THROUGH_SHAPE", f"It runs through the label of {each.id}.")

    def _crossings(self) -> None:
        for first, second in combinations(self._edges, 2):
            if any(_cross(*pair) for pair in _pairs(first, second)):
                self._report(first, "EDGES_CROSS", f"It crosses or covers {second.id}.")

    def _report(self, drawn: Drawn, code: str, message: str) -> None:
        self._refusals.find(drawn.element, code, message, "Move it in the editor.")


def _overlap(first: Box | None, second: Box | None) -> bool:
    return first is not None and second is not None and first.overlaps(second)


def _is_crossed(box: Box | None, edge: Drawn) -> bool:
    return box is not None and any(box.is_crossed_by(segment) for segment in edge.segments)


def _are_attached(first: Drawn, second: Drawn) -> bool:
    """Return whether one of two shapes is a boundary event on the other."""
    hosts = {(each.id, each.element.get("attachedToRef")) for each in (first, second)}
    return (first.id, second.id) in hosts or (second.id, first.id) in hosts


def _pairs(first: Drawn, second: Drawn) -> Iterator[tuple[Segment, Segment, frozenset[Point]]]:
    """Return each part of one edge with each of the other, and the places where both edges may end."""
    shared = frozenset(
        point
        for point in (first.waypoints[0], first.waypoints[-1])
        for other in (second.waypoints[0], second.waypoints[-1])
        if point.is_at(other)
    )
    return ((one, other, shared) for one in first.segments for other in second.segments)


def _cross(first: Segment, second: Segment, shared: frozenset[Point]) -> bool:
    """Return whether two lines meet elsewhere than at a place where both edges end."""
    met = _meeting(first, second)
    return met is not None and not any(met.start.is_at(point) and met.end.is_at(point) for point in shared)


def _meeting(first: Segment, second: Segment) -> Segment | None:
    """Return what two lines have in common: a place, given twice, or a part of both."""
    (a, b), (c, d) = first, second
    turn = (b.x - a.x) * (d.y - c.y) - (b.y - a.y) * (d.x - c.x)
    if turn == 0:
        return _common_part(first, second)
    along = ((c.x - a.x) * (d.y - c.y) - (c.y - a.y) * (d.x - c.x)) / turn
    across = ((c.x - a.x) * (b.y - a.y) - (c.y - a.y) * (b.x - a.x)) / turn
    if not (0 <= along <= 1 and 0 <= across <= 1):
        return None
    place = Point(a.x + along * (b.x - a.x), a.y + along * (b.y - a.y))
    return Segment(place, place)


def _common_part(first: Segment, second: Segment) -> Segment | None:
    (a, b), (c, d) = first, second
    if (b.x - a.x) * (c.y - a.y) != (b.y - a.y) * (c.x - a.x):
        return None
    start, end = max(min(a, b), min(c, d)), min(max(a, b), max(c, d))
    return Segment(start, end) if start <= end else None
