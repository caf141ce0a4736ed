"""The lint of drawings: a clean one has no findings, and one fault planted in it is found where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import check_geometry

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
SHAPES = {
    "Pool": (100, 80, 700, 400),
    "Upper": (130, 80, 670, 200),
    "Lower": (130, 280, 670, 200),
    "Begin": (182, 152, 36, 36),
    "Work": (270, 130, 100, 80),
    "Caught": (302, 192, 36, 36),
    "Which": (425, 145, 50, 50),
    "Done": (572, 152, 36, 36),
    "Failed": (572, 352, 36, 36),
    "Nested": (620, 100, 160, 140),
    "Inner": (650, 130, 100, 80),
    "Note": (150, 400, 100, 50),
}
EDGES = {
    "First": [(218, 170), (270, 170)],
    "Second": [(370, 170), (425, 170)],
    "Yes": [(475, 170), (572, 170)],
    "No": [(450, 195), (450, 360), (572, 360)],
    "Error": [(320, 228), (320, 380), (572, 380)],
    "Remark": [(200, 400), (200, 188)],
}
LABELS = {
    "Which": (428, 120, 44, 14),
    "Yes": (505, 150, 15, 14),
    "No": (458, 210, 14, 14),
    "Caught": (345, 215, 40, 14),
}
MODEL = """
<b:collaboration id="C"><b:participant id="Pool" processRef="p" /></b:collaboration>
<b:process id="p" isExecutable="true"><b:laneSet id="L">
<b:lane id="Upper"><b:flowNodeRef>Begin</b:flowNodeRef><b:flowNodeRef>Work</b:flowNodeRef></b:lane>
<b:lane id="Lower"><b:flowNodeRef>Failed</b:flowNodeRef></b:lane></b:laneSet>
<b:startEvent id="Begin" /><b:serviceTask id="Work" /><b:boundaryEvent id="Caught" name="x" attachedToRef="Work" />
<b:exclusiveGateway id="Which" name="Which?" /><b:endEvent id="Done" /><b:endEvent id="Failed" />
<b:subProcess id="Nested"><b:task id="Inner" /></b:subProcess>
<b:sequenceFlow id="First" sourceRef="Begin" targetRef="Work" />
<b:sequenceFlow id="Second" sourceRef="Work" targetRef="Which" />
<b:sequenceFlow id="Yes" name="yes" sourceRef="Which" targetRef="Done" />
<b:sequenceFlow id="No" name="no" sourceRef="Which" targetRef="Failed" />
<b:sequenceFlow id="Error" sourceRef="Caught" targetRef="Failed" />
<b:textAnnotation id="Note" /><b:association id="Remark" sourceRef="Note" targetRef="Begin" />
</b:process>"""
Bounds = dict[str, tuple[int, int, int, int]]
Edges = dict[str, list[tuple[int, int]]]


def drawn(shapes: Bounds | None = None, edges: Edges | None = None, labels: Bounds | None = None) -> bytes:
    """Return the clean diagram with some parts drawn otherwise; what is drawn with no extent is left out."""
    parts = [_shape(name, box, (LABELS | (labels or {})).get(name)) for name, box in (SHAPES | (shapes or {})).items()]
    parts += [_edge(name, way, (LABELS | (labels or {})).get(name)) for name, way in (EDGES | (edges or {})).items()]
    namespaces = (
        'xmlns:b="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:di="http://www.omg.org/spec/BPMN/20100524/DI" '
        'xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:dd="http://www.omg.org/spec/DD/20100524/DI"'
    )
    plane = f'<di:BPMNDiagram><di:BPMNPlane bpmnElement="C">{"".join(parts)}</di:BPMNPlane></di:BPMNDiagram>'
    return f'<b:definitions id="D" {namespaces}>{MODEL}{plane}</b:definitions>'.encode()


def _shape(name: str, box: tuple[int, int, int, int], label: tuple[int, int, int, int] | None) -> str:
    return f'<di:BPMNShape bpmnElement="{name}">{_bounds(box)}{_label(label)}</di:BPMNShape>' if any(box) else ""


def _edge(name: str, way: list[tuple[int, int]], label: tuple[int, int, int, int] | None) -> str:
    points = "".join(f'<dd:waypoint x="{x}" y="{y}" />' for x, y in way)
    return f'<di:BPMNEdge bpmnElement="{name}">{points}{_label(label)}</di:BPMNEdge>' if way else ""


def _label(box: tuple[int, int, int, int] | None) -> str:
    return f"<di:BPMNLabel>{_bounds(box)}</di:BPMNLabel>" if box is not None and any(box) else ""


def _bounds(box: tuple[int, int, int, int]) -> str:
    x, y, width, height = box
    return f'<dc:Bounds x="{x}" y="{y}" width="{width}" height="{height}" />'


def faults(content: bytes) -> set[tuple[str, str]]:
    return {(finding.code, finding.element_id) for finding in check_geometry(content)}


NOWHERE = (0, 0, 0, 0)


def test_a_clean_drawing_has_no_findings() -> None:
    assert faults(drawn()) == set()


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.bpmn")), ids=lambda path: path.stem)
def test_the_diagrams_that_ship_are_drawn_cleanly(path: Path) -> None:
    assert check_geometry(path.read_bytes()) == ()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param(drawn({"Done": NOWHERE}), ("DRAWING_MISSING", "Done"), id="no shape"),
        pytest.param(drawn({"Lower": NOWHERE}), ("DRAWING_MISSING", "Lower"), id="no lane"),
        pytest.param(drawn({"Pool": NOWHERE}), ("DRAWING_MISSING", "Pool"), id="no pool"),
        pytest.param(drawn({}, {"Yes": []}), ("DRAWING_MISSING", "Yes"), id="no flow"),
        pytest.param(drawn({}, {"Remark": []}), ("DRAWING_MISSING", "Remark"), id="no association"),
        pytest.param(drawn({}, {"Yes": [(475, 170)]}), ("DRAWING_MISSING", "Yes"), id="one waypoint"),
        pytest.param(drawn({}, {}, {"Yes": NOWHERE}), ("DRAWING_MISSING", "Yes"), id="no label of a flow"),
        pytest.param(drawn({}, {}, {"Which": NOWHERE}), ("DRAWING_MISSING", "Which"), id="no label of a gateway"),
        pytest.param(drawn({"Failed": (572, 212, 36, 36)}), ("DRAWING_MISPLACED", "Failed"), id="in another lane"),
        pytest.param(drawn({"Caught": (302, 152, 36, 36)}), ("DRAWING_MISPLACED", "Caught"), id="within its host"),
        pytest.param(drawn({"Caught": (402, 252, 36, 36)}), ("DRAWING_MISPLACED", "Caught"), id="off its host"),
        pytest.param(drawn({"Inner": (500, 290, 100, 50)}), ("DRAWING_MISPLACED", "Inner"), id="out of its subprocess"),
        pytest.param(drawn({}, {"Yes": [(475, 170), (572, 175)]}), ("EDGE_NOT_ORTHOGONAL", "Yes"), id="aslant"),
        pytest.param(drawn({}, {"Yes": [(480, 170), (572, 170)]}), ("EDGE_DETACHED", "Yes"), id="off its source"),
        pytest.param(drawn({}, {"Yes": [(475, 170), (580, 170)]}), ("EDGE_DETACHED", "Yes"), id="into its target"),
        pytest.param(
            drawn({}, {"No": [(450, 195), (450, 390), (572, 390)]}), ("EDGES_CROSS", "No"), id="two flows cross"
        ),
        pytest.param(
            drawn({}, {"Error": [(320, 228), (320, 360), (572, 360)]}), ("EDGES_CROSS", "No"), id="two flows overlap"
        ),
        pytest.param(
            drawn({}, {"Remark": [(200, 400), (200, 300), (330, 300), (330, 240), (200, 240), (200, 188)]}),
            ("EDGES_CROSS", "Error"),
            id="an association crosses a flow",
        ),
        pytest.param(
            drawn({"Note": (480, 330, 60, 40)}, {"Remark": [(480, 340), (200, 340), (200, 188)]}),
            ("EDGE_THROUGH_SHAPE", "No"),
            id="a flow runs through a shape",
        ),
        pytest.param(
            drawn({}, {"First": [(218, 170), (270, 170), (300, 170), (300, 130)]}),
            ("EDGE_THROUGH_SHAPE", "First"),
            id="a flow runs through its own target",
        ),
        pytest.param(drawn({}, {}, {"Yes": (505, 163, 15, 14)}), ("EDGE_THROUGH_SHAPE", "Yes"), id="through a label"),
        pytest.param(drawn({"Done": (340, 140, 36, 36)}), ("SHAPES_OVERLAP", "Work"), id="two shapes overlap"),
        pytest.param(drawn({}, {}, {"Which": (360, 120, 44, 14)}), ("LABEL_COVERED", "Which"), id="label on a shape"),
        pytest.param(drawn({}, {}, {"Yes": (440, 125, 15, 14)}), ("LABEL_COVERED", "Which"), id="label on a label"),
    ],
)
def test_a_planted_fault_is_found_where_it_stands(content: bytes, fault: tuple[str, str]) -> None:
    assert fault in faults(content)


def test_a_drawing_of_odd_numbers_is_looked_at_all_the_same() -> None:
    odd = drawn().replace(b'x="218"', b'x="NaN"').replace(b'width="100"', b'width="wide"')

    assert ("EDGE_DETACHED", "First") in faults(odd)
