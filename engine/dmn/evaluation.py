"""Evaluating decisions: a decision after all that it requires, and with each table the rules that matched."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, JsonValue

from engine.dmn.hit_policies import Hit, outcome
from engine.dmn.model import Decision, DecisionModel, DecisionTable, Rule
from engine.dmn.typed_values import json_of, require_type, typed
from engine.errors import DecisionEvaluationError, ExpressionEvaluationError, UnknownDecisionError
from engine.feel import Budget, Value, compile_expression, compile_tests, from_json


class MatchedRule(BaseModel):
    """A rule that matched.

    Attributes:
        number: Of the row, from 1.
        outputs: Its values, by column; of a table with one column under the name of the decision.
    """

    model_config = ConfigDict(frozen=True)

    rule_id: str
    number: int
    outputs: tuple[JsonValue, ...]


class EvaluatedDecision(BaseModel):
    """A decision on the way: what it saw, what matched, what came out.

    Attributes:
        inputs: The values of the table's input columns, by their expressions; none for a literal expression.
        matched_rules: In the order of the table.
    """

    model_config = ConfigDict(frozen=True)

    decision_id: str
    inputs: dict[str, JsonValue]
    matched_rules: tuple[MatchedRule, ...]
    value: JsonValue


class DecisionResult(BaseModel):
    """The value of a decision, and how it came about.

    Attributes:
        evaluated: All decisions that were evaluated, in their order; this one is the last.
    """

    model_config = ConfigDict(frozen=True)

    decision_id: str
    value: JsonValue
    evaluated: tuple[EvaluatedDecision, ...]


def evaluate(model: DecisionModel, decision_id: str, variables: Mapping[str, JsonValue]) -> DecisionResult:
    """Return a decision's value, with the rules that matched in it and in the decisions that it requires.

    Args:
        model: As `read_decisions` returned it.
        decision_id: One of its decisions.
        variables: Input data by name. What a table reads without drawing it as input data is taken from here too.

    Raises:
        UnknownDecisionError: The model has no such decision.
        DecisionEvaluationError: A value is not of its type or not an allowed one, an expression fails, or several rules
            match where the hit policy wants one.
    """
    if decision_id not in model.decisions:
        raise UnknownDecisionError(decision_id=decision_id, known=tuple(model.decisions))
    evaluation = _Evaluation(model, variables)
    evaluated = tuple(evaluation.decide(decision) for decision in model.in_order(decision_id))
    return DecisionResult(decision_id=decision_id, value=evaluated[-1].value, evaluated=evaluated)


class _Evaluation:
    """One evaluation: the values known so far, and the steps that are left to it."""

    def __init__(self, model: DecisionModel, variables: Mapping[str, JsonValue]) -> None:
        self._names = model.names
        self._budget = Budget()
        self._known: dict[str, Value] = {name: from_json(value) for name, value in variables.items()}
        for data in model.inputs.values():
            if data.name in self._known:
                self._known[data.name] = typed(self._known[data.name], data.type_name, data.id, data.name)

    def decide(self, decision: Decision) -> EvaluatedDecision:
        inputs: dict[str, JsonValue] = {}
        matched: tuple[MatchedRule, ...] = ()
        if isinstance(decision.logic, DecisionTable):
            value, inputs, matched = self._decide_table(decision.id, decision.logic)
        else:
            value = self._value(decision.id, decision.logic.source)
        require_type(value, decision.type_name, decision.id, decision.variable)
        self._known[decision.variable] = value
        result = json_of(value, decision.id, self._budget)
        return EvaluatedDecision(decision_id=decision.id, inputs=inputs, matched_rules=matched, value=result)

    def _decide_table(
        self, decision_id: str, table: DecisionTable
    ) -> tuple[Value, dict[str, JsonValue], tuple[MatchedRule, ...]]:
        values = [self._input(decision_id, table, column) for column in range(len(table.inputs))]
        hits = [
            Hit(number, self._outputs(decision_id, table, rule))
            for number, rule in enumerate(table.rules, 1)
            if self._matches(decision_id, rule, values)
        ]
        defaults = [None if each.default is None else self._value(decision_id, each.default) for each in table.outputs]
        value = outcome(decision_id, table, hits, defaults, self._budget)
        labels = {
            clause.expression: json_of(one, decision_id, self._budget)
            for clause, one in zip(table.inputs, values, strict=True)
        }
        matched = tuple(self._matched(decision_id, table, hit) for hit in hits)
        return value, labels, matched

    def _matched(self, decision_id: str, table: DecisionTable, hit: Hit) -> MatchedRule:
        outputs = tuple(json_of(value, decision_id, self._budget) for value in hit.outputs)
        return MatchedRule(rule_id=table.rules[hit.number - 1].id, number=hit.number, outputs=outputs)

    def _input(self, decision_id: str, table: DecisionTable, column: int) -> Value:
        clause = table.inputs[column]
        element_id = clause.id or decision_id
        value = typed(self._value(element_id, clause.expression), clause.type_name, element_id, clause.expression)
        if value is not None and clause.allowed and not self._passes(element_id, clause.allowed, value):
            reason = f"{clause.label} is none of the values that the column allows: {clause.allowed}"
            raise DecisionEvaluationError(element_id=element_id, reason=reason)
        return value

    def _outputs(self, decision_id: str, table: DecisionTable, rule: Rule) -> tuple[Value, ...]:
        return tuple(
            self._output(decision_id, table, column, self._value(rule.id, source))
            for column, source in enumerate(rule.outputs)
        )

    def _output(self, decision_id: str, table: DecisionTable, column: int, value: Value) -> Value:
        clause = table.outputs[column]
        element_id = clause.id or decision_id
        value = typed(value, clause.type_name, element_id, clause.name or "The output")
        if value is not None and clause.allowed and not self._passes(element_id, clause.allowed, value):
            reason = f"{clause.name or 'The output'} is none of the values that the column allows: {clause.allowed}"
            raise DecisionEvaluationError(element_id=element_id, reason=reason)
        return value

    def _matches(self, decision_id: str, rule: Rule, values: list[Value]) -> bool:
        return all(
            test == "-" or self._passes(rule.id or decision_id, test, value)
            for test, value in zip(rule.tests, values, strict=True)
        )

    def _value(self, element_id: str, source: str) -> Value:
        try:
            return compile_expression(source, self._names).value_of(self._known, self._budget)
        except ExpressionEvaluationError as error:
            raise DecisionEvaluationError(element_id=element_id, reason=str(error)) from error

    def _passes(self, element_id: str, source: str, value: Value) -> bool:
        try:
            return compile_tests(source, self._names).accepts(value, self._known, self._budget)
        except ExpressionEvaluationError as error:
            raise DecisionEvaluationError(element_id=element_id, reason=str(error)) from error
