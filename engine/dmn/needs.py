"""What decisions read of what they are given."""

from __future__ import annotations

from collections.abc import Iterator

from engine.bpmn.variables import names_needed
from engine.dmn.model import Decision, DecisionModel, DecisionTable
from engine.feel import compile_expression, compile_tests


def drawn_inputs(model: DecisionModel, decision_id: str) -> frozenset[str] | None:
    """Return the names of the input data that a decision starts from; `None` where the model draws none."""
    if not model.inputs:
        return None
    required = (each for decision in model.in_order(decision_id) for each in decision.required_inputs)
    return frozenset(model.inputs[each].name for each in required)


def needed_inputs(model: DecisionModel, decision_id: str) -> frozenset[str]:
    """Return the names that a decision, and those that it requires, look for and do not expect to be missing."""
    decisions = model.in_order(decision_id)
    trees = [tree for decision in decisions for tree in _trees(decision, model.names)]
    return names_needed(*trees) - {decision.variable for decision in decisions}


def _trees(decision: Decision, names: frozenset[str]) -> Iterator[object]:
    """Return everything that a decision evaluates, parsed."""
    logic = decision.logic
    if not isinstance(logic, DecisionTable):
        yield compile_expression(logic.source, names).node
        return
    defaults = (output.default for output in logic.outputs if output.default is not None)
    outputs = (source for rule in logic.rules for source in rule.outputs)
    for source in (*(column.expression for column in logic.inputs), *outputs, *defaults):
        yield compile_expression(source, names).node
    for test in (test for rule in logic.rules for test in rule.tests):
        yield compile_tests(test, names).tests
