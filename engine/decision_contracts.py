"""What decisions take and give, as the diagrams that ask them are verified against it."""

from __future__ import annotations

from engine.bpmn import ANYTHING, DecisionContract, StaticType
from engine.dmn import DecisionModel, DecisionTable, HitPolicy, OutputClause, drawn_inputs, needed_inputs

_KINDS = {"boolean": "boolean", "number": "number", "string": "string", "list": "list", "context": "context"}
_TEXTS = frozenset({"date", "time", "date and time", "days and time duration", "years and months duration"})
_LISTS = frozenset({HitPolicy.RULE_ORDER, HitPolicy.OUTPUT_ORDER, HitPolicy.COLLECT})


def decision_contract(model: DecisionModel, decision_id: str) -> DecisionContract:
    """Return what a decision takes and gives."""
    return DecisionContract(
        inputs=drawn_inputs(model, decision_id),
        needed=needed_inputs(model, decision_id),
        output=_output(model, decision_id),
    )


def _output(model: DecisionModel, decision_id: str) -> StaticType:
    decision = model.decisions[decision_id]
    table = decision.logic
    if not isinstance(table, DecisionTable):
        return _of_type(decision.type_name)
    if table.aggregator is not None:
        return StaticType(frozenset({"number", "null"}))
    if table.hit_policy in _LISTS:
        return StaticType(frozenset({"list"}))
    return _row(table.outputs)


def _row(outputs: tuple[OutputClause, ...]) -> StaticType:
    if len(outputs) == 1:
        return _of_type(outputs[0].type_name)
    return StaticType(frozenset({"context", "null"}), {output.name: _of_type(output.type_name) for output in outputs})


def _of_type(type_name: str | None) -> StaticType:
    kind = "string" if type_name in _TEXTS else _KINDS.get(type_name or "")
    return ANYTHING if kind is None else StaticType(frozenset({kind, "null"}))
