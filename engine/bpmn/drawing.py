"""How a diagram is drawn (BPMN 2.0.2, chapter 12): where its shapes, edges and labels lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite
from typing import NamedTuple

from engine.bpmn.xml import BPMN, BPMN_DIAGRAM, local_name
from engine.xml_documents import Element

_BOUNDS = "{http://www.omg.org/spec/DD/20100524/DC}Bounds"
_WAYPOINT = "{http://www.omg.org/spec/DD/20100524/DI}waypoint"
_CLOSE = 1.0  # distances below this are drawn as none
EVENTS = frozenset({"startEvent", "endEvent", "intermediateCatchEvent", "intermediateThrowEvent", "boundaryEvent"})
GATEWAYS = frozenset({"exclusiveGateway", "inclusiveGateway", "parallelGateway", "eventBasedGateway", "complexGateway"})
ACTIVITIES = frozenset(
    {
        *("task", "serviceTask", "userTask", "receiveTask", "sendTask", "scriptTask", "manualTask"),
        *("businessRuleTask", "callActivity", "subProcess", "transaction", "adHocSubProcess"),
    }
)
_NOTES = frozenset({"textAnnotation", "dataObjectReference", "dataStoreReference"})
CONTAINERS = frozenset({"participant", "lane", "subProcess", "transaction", "adHocSubProcess", "group"})
SHAPES = EVENTS | GATEWAYS | ACTIVITIES | _NOTES | CONTAINERS
EDGES = frozenset({"sequenceFlow", "messageFlow", "association", "dataInputAssociation", "dataOutputAssociation"})
FLOWS = frozenset({"sequenceFlow", "messageFlow"})
LABELLED = EVENTS | GATEWAYS | FLOWS


class Point(NamedTuple):
    """A place, in pixels from the upper left."""

    x: float
    y: float

    def is_at(self, other: Point) -> bool:
        """Return whether two places are drawn as one."""
        return abs(self.x - other.x) < _CLOSE and abs(self.y - other.y) < _CLOSE


class Segment(NamedTuple):
    """A straight part of an edge."""

    start: Point
    end: Point

    @property
    def is_orthogonal(self) -> bool:
        """Whether it is horizontal or vertical."""
        return abs(self.start.x - self.end.x) < _CLOSE or abs(self.start.y - self.end.y) < _CLOSE


class Box(NamedTuple):
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def centre(self) -> Point:
        """Its middle."""
        return Point((self.left + self.right) / 2, (self.top + self.bottom) / 2)

    @property
    def corners(self) -> tuple[Point, Point]:
        """Its upper left and its lower right."""
        return Point(self.left, self.top), Point(self.right, self.bottom)

    def overlaps(self, other: Box) -> bool:
        """Return whether the two share more than a border."""
        across = min(self.right, other.right) - max(self.left, other.left)
        return across >= _CLOSE and min(self.bottom, other.bottom) - max(self.top, other.top) >= _CLOSE

    def holds(self, point: Point, margin: float = 0.0) -> bool:
        """Return whether a place lies within, or at most `margin` outside."""
        is_across = self.left - margin <= point.x <= self.right + margin
        return is_across and self.top - margin <= point.y <= self.bottom + margin

    def has_on_border(self, point: Point) -> bool:
        """Return whether a place lies on the rectangle's outline."""
        return self.holds(point, _CLOSE) and not self._shrunk().holds(point)

    def is_crossed_by(self, segment: Segment) -> bool:
        """Return whether a line runs through the inside (Liang and Barsky 1984)."""
        inner = self._shrunk()
        (x, y), (end_x, end_y) = segment
        entry, leaving = 0.0, 1.0
        for step, lowest, highest in (
            (end_x - x, inner.left - x, inner.right - x),
            (end_y - y, inner.top - y, inner.bottom - y),
        ):
            if step == 0:
                if lowest > 0 or highest < 0:
                    return False
                continue
            first, second = sorted((lowest / step, highest / step))
            entry, leaving = max(entry, first), min(leaving, second)
        return entry <= leaving

    def _shrunk(self) -> Box:
        return Box(self.left + _CLOSE, self.top + _CLOSE, self.right - _CLOSE, self.bottom - _CLOSE)


@dataclass(frozen=True)
class Drawn:
    """One element and how it is drawn.

    Attributes:
        kind: The element's name in BPMN.
        box: Of a shape; `None` for an edge.
        waypoints: Of an edge.
        label: Where its name stands, if outside of it.
    """

    element: Element
    kind: str
    box: Box | None = None
    waypoints: tuple[Point, ...] = ()
    label: Box | None = None

    @property
    def id(self) -> str:
        """The element's id."""
        return str(self.element.get("id"))

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The straight parts of an edge."""
        return tuple(Segment(start, end) for start, end in pairwise(self.waypoints))


@dataclass(frozen=True)
class Drawing:
    """Everything of a document that can be drawn.

    Attributes:
        drawn: What is drawn, by id.
        missing: The elements that are not.
        unplaced_labels: Named events, gateways and flows of which nothing says where the name stands.
    """

    drawn: dict[str, Drawn] = field(default_factory=dict)
    missing: tuple[Element, ...] = ()
    unplaced_labels: tuple[Element, ...] = ()


def read_drawing(root: Element) -> Drawing:
    """Return how a document is drawn."""
    notations = {each.get("bpmnElement"): each for each in root.iter(f"{{{BPMN_DIAGRAM}}}BPMNShape")}
    notations |= {each.get("bpmnElement"): each for each in root.iter(f"{{{BPMN_DIAGRAM}}}BPMNEdge")}
    drawn: dict[str, Drawn] = {}
    missing: list[Element] = []
    for element in _drawable(root):
        each = _drawn(element, notations.get(element.get("id")))
        if each is None:
            missing.append(element)
        else:
            drawn[each.id] = each
    named = (each for each in drawn.values() if each.kind in LABELLED and each.element.get("name"))
    return Drawing(drawn, tuple(missing), tuple(each.element for each in named if each.label is None))


def _drawable(root: Element) -> Iterator[Element]:
    kinds = SHAPES | EDGES
    return (element for element in root.iter(f"{{{BPMN}}}*") if local_name(element) in kinds)


def _drawn(element: Element, notation: Element | None) -> Drawn | None:
    if notation is None:
        return None
    kind, label = local_name(element), notation.find(f"{{{BPMN_DIAGRAM}}}BPMNLabel")
    place = None if label is None else _box(label)
    if kind in EDGES:
        points = tuple(Point(*_numbers(each, "x", "y")) for each in notation.iterfind(_WAYPOINT))
        return Drawn(element, kind, waypoints=points, label=place) if len(points) > 1 else None
    box = _box(notation)
    return None if box is None else Drawn(element, kind, box, label=place)


def _box(owner: Element) -> Box | None:
    bounds = owner.find(_BOUNDS)
    if bounds is None:
        return None
    x, y, width, height = _numbers(bounds, "x", "y", "width", "height")
    return Box(x, y, x + width, y + height)


def _numbers(element: Element, *names: str) -> tuple[float, ...]:
    """Return attributes as numbers; what is none counts as 0."""
    numbers = []
    for name in names:
        try:
            number = float(element.get(name, "0"))
        except ValueError:
            number = 0.0
        numbers.append(number if isfinite(number) else 0.0)
    return tuple(numbers)
