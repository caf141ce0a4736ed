"""What a decision model must satisfy before it may be evaluated: requirements, expressions, types, rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from engine.dmn.model import Aggregator, Decision, DecisionModel, DecisionTable, HitPolicy, OutputClause
from engine.dmn.rules import check_rules
from engine.errors import ExpressionError, Finding
from engine.feel import compile_expression, compile_tests, free_names


def verify(model: DecisionModel) -> tuple[Finding, ...]:
    """Return every reason not to evaluate `model`; empty means that it decides as drawn."""
    requirements = (*_requirements(model), *_cycles(model))
    expressions = tuple(found for decision in model.decisions.values() for found in _expressions(model, decision))
    if requirements or expressions:
        return (*requirements, *expressions)
    return tuple(
        found
        for decision in model.decisions.values()
        for found in (*_unknown_names(model, decision), *_logic(model, decision))
    )


def _requirements(model: DecisionModel) -> Iterator[Finding]:
    names = Counter(data.name for data in model.inputs.values())
    names.update(each.variable for each in model.decisions.values())
    for decision in model.decisions.values():
        missing = [each for each in decision.required_inputs if each not in model.inputs]
        missing += [each for each in decision.required_decisions if each not in model.decisions]
        for each in missing:
            message = f"{decision.name} requires {each!r}, which the document does not have."
            yield _at(decision, "REQUIREMENT_MISSING", message, "Draw the requirement again.")
        if names[decision.variable] > 1:
            message = f"{decision.variable!r} names more than one thing."
            yield _at(decision, "NAME_AMBIGUOUS", message, "Rename one of them.")


def _cycles(model: DecisionModel) -> Iterator[Finding]:
    try:
        TopologicalSorter({each.id: each.required_decisions for each in model.decisions.values()}).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1][:-1]
        message = f"Decisions require each other in a circle: {', '.join(circle[:10])}."
        decision = model.decisions[min(circle, key=list(model.decisions).index)]
        yield _at(decision, "REQUIREMENT_CYCLE", message, "Remove one of the requirements.")


def _expressions(model: DecisionModel, decision: Decision) -> Iterator[Finding]:
    logic = decision.logic
    if not isinstance(logic, DecisionTable):
        yield from _parsed(decision, logic.line, logic.id, logic.source, model.names)
        return
    for column in logic.inputs:
        yield from _parsed(decision, column.line, column.id, column.expression, model.names)
        if column.allowed:
            yield from _parsed(decision, column.line, column.id, column.allowed, model.names, is_test=True)
    for output in logic.outputs:
        if output.allowed:
            yield from _parsed(decision, output.line, output.id, output.allowed, model.names, is_test=True)
        if output.default:
            yield from _parsed(decision, output.line, output.id, output.default, model.names)
    for rule in logic.rules:
        for test in rule.tests:
            yield from _parsed(decision, rule.line, rule.id, test, model.names, is_test=True)
        for source in rule.outputs:
            yield from _parsed(decision, rule.line, rule.id, source, model.names)


def _parsed(
    decision: Decision, line: int, element_id: str, source: str, names: frozenset[str], *, is_test: bool = False
) -> Iterator[Finding]:
    try:
        compile_tests(source, names) if is_test else compile_expression(source, names)
    except ExpressionError as error:
        where = element_id or decision.id
        yield Finding(line=line, element_id=where, code=error.code, message=str(error), hint=error.hint)


def _unknown_names(model: DecisionModel, decision: Decision) -> Iterator[Finding]:
    """Hold a model that draws its input data to it; in others, variables need no drawing."""
    if not model.inputs:
        return
    known = {model.inputs[each].name for each in decision.required_inputs}
    known |= {model.decisions[each].variable for each in decision.required_decisions}
    for line, element_id, name in sorted(set(_names_read(model, decision))):
        if name not in known:
            message = f"{decision.name} reads {name!r}, which it does not require."
            hint = "Draw an information requirement from that input data or decision, or correct the name."
            yield Finding(
                line=line, element_id=element_id or decision.id, code="INPUT_MISSING", message=message, hint=hint
            )


def _names_read(model: DecisionModel, decision: Decision) -> Iterator[tuple[int, str, str]]:
    logic = decision.logic
    if not isinstance(logic, DecisionTable):
        for name in free_names(compile_expression(logic.source, model.names).node):
            yield logic.line, logic.id, name
        return
    for column in logic.inputs:
        for name in free_names(compile_expression(column.expression, model.names).node):
            yield column.line, column.id, name
    for rule in logic.rules:
        for source in rule.outputs:
            for name in free_names(compile_expression(source, model.names).node):
                yield rule.line, rule.id, name
        for test in rule.tests:
            for name in free_names(compile_tests(test, model.names).tests):
                yield rule.line, rule.id, name


def _logic(model: DecisionModel, decision: Decision) -> Iterator[Finding]:
    table = decision.logic
    if not isinstance(table, DecisionTable):
        return
    yield from _aggregation(decision, table)
    if table.hit_policy in {HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER}:
        yield from _priorities(decision, table)
    yield from check_rules(model, decision, table)


def _aggregation(decision: Decision, table: DecisionTable) -> Iterator[Finding]:
    if table.aggregator is None:
        return
    if table.hit_policy is not HitPolicy.COLLECT or len(table.outputs) > 1:
        message = f"{table.aggregator} needs hit policy COLLECT and one output column."
        yield _at(decision, "AGGREGATION_INVALID", message, "Choose another hit policy, or one output.")
    elif table.aggregator is not Aggregator.COUNT and table.outputs[0].type_name in {"string", "boolean", "context"}:
        message = f"{table.aggregator} of a {table.outputs[0].type_name} is not computed."
        yield _at(decision, "AGGREGATION_INVALID", message, "Give the output column the type number.")


def _priorities(decision: Decision, table: DecisionTable) -> Iterator[Finding]:
    if not any(_has_priorities(output) for output in table.outputs):
        message = f"{table.hit_policy} needs an output column that lists its values, the most important one first."
        yield _at(decision, "PRIORITY_VALUES_MISSING", message, "List the output values.")


def _has_priorities(output: OutputClause) -> bool:
    return output.allowed is not None and bool(compile_tests(output.allowed).constants())


def _at(decision: Decision, code: str, message: str, hint: str) -> Finding:
    return Finding(line=decision.line, element_id=decision.id, code=code, message=message, hint=hint)
