"""How a decision that a process has asked stands on the record: an event with what led to it, and an audit leaf."""

from __future__ import annotations

from pydantic import JsonValue

from engine.persistence import StepDocument
from engine.spiff import MadeDecision
from storage import SecurityContext


def record_decision(document: StepDocument, decision: MadeDecision, context: SecurityContext) -> None:
    """Add what was decided to a step: of which version, by which rules."""
    ref, result = decision.ref, decision.result
    facts: dict[str, JsonValue] = {"decision_id": ref.decision_id, "version": ref.version, "sha256": ref.sha256}
    evaluated: list[JsonValue] = [each.model_dump(mode="json") for each in result.evaluated]
    payload: dict[str, JsonValue] = {
        **facts,
        "task_id": str(decision.task_id),
        "value": result.value,
        "evaluated": evaluated,
    }
    document.add_event("decision.evaluated", payload, decision.element.id)
    matched: dict[str, JsonValue] = {
        each.decision_id: [rule.rule_id for rule in each.matched_rules] for each in result.evaluated
    }
    document.add_leaf("decision.evaluated", {"element_id": decision.element.id, **facts, "matched": matched}, context)
