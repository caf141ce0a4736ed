"""Findings about parts of a model that has been read."""

from __future__ import annotations

from engine.bpmn.model import FlowNode, ProcessModel, SequenceFlow
from engine.errors import Finding


def finding_at(owner: FlowNode | SequenceFlow | ProcessModel, code: str, message: str, hint: str) -> Finding:
    """Return a finding at the place of `owner`."""
    element_id = owner.process_id if isinstance(owner, ProcessModel) else owner.id
    return Finding(line=owner.line, element_id=element_id, code=code, message=message, hint=hint)
