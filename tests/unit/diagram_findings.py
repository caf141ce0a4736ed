"""What the tests of refusals share: contracts to verify against, and the findings that a diagram gets."""

from __future__ import annotations

from diagrams import activity, diagram, end, path, service_task, start

from engine.bpmn import Contracts, DecisionContract, read_diagram, verify
from engine.errors import DiagramError, Finding

CONTRACTS = Contracts(
    inputs={"work": {"needed": True, "optional": False}, "plain": {}},
    form_ids=frozenset({"review"}),
    calls={"p": frozenset(), "child": frozenset()},
    decisions={"policy": DecisionContract()},
)
WORK = service_task("Work", "plain")
STRAIGHT = (start(), path("Begin", "Work", "Done"), end())
TYPE = '<zeebe:taskDefinition type="plain" />'
ASSIGNED = '<zeebe:assignmentDefinition candidateGroups="a" />'


def findings_of(content: bytes, contracts: Contracts | None = CONTRACTS) -> tuple[Finding, ...]:
    """Return what reading, or else verifying, says of a document; without contracts, as of one of another engine."""
    try:
        models = read_diagram(content)
    except DiagramError as refused:
        return refused.findings
    return tuple(finding for model in models for finding in verify(model, contracts))


def codes_of(content: bytes) -> list[tuple[str, str]]:
    """Return code and element of each finding."""
    return [(finding.code, finding.element_id) for finding in findings_of(content)]


def task(extensions: str) -> bytes:
    """Return a process of one service task with these extensions."""
    return diagram("p", *STRAIGHT, activity("serviceTask", "Work", extensions))


def person(extensions: str) -> bytes:
    """Return a process of one user task with these extensions."""
    return diagram("p", *STRAIGHT, activity("userTask", "Work", extensions))
