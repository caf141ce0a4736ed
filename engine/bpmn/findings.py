"""Findings about parts of a model that has been read."""

from __future__ import annotations

from collections.abc import Iterable

from engine.bpmn.model import FlowNode, ProcessModel, SequenceFlow
from engine.errors import Finding


def finding_at(owner: FlowNode | SequenceFlow | ProcessModel, code: str, message: str, hint: str) -> Finding:
    """Return a finding at the place of `owner`."""
    element_id = owner.process_id if isinstance(owner, ProcessModel) else owner.id
    return Finding(line=owner.line, element_id=element_id, code=code, message=message, hint=hint)


def warning_at(owner: FlowNode | SequenceFlow | ProcessModel, code: str, message: str, hint: str) -> Finding:
    """Return a warning at the place of `owner`."""
    return finding_at(owner, code, message, hint).model_copy(update={"severity": "warning"})


def errors_among(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return those that refuse a diagram."""
    return tuple(finding for finding in findings if finding.severity == "error")
