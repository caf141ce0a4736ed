"""Rules that can never decide, and rules that decide the same case twice, where constants and ranges show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

from engine.dmn.model import Decision, DecisionModel, DecisionTable, HitPolicy, Rule
from engine.dmn.value_sets import ValueSet, value_set
from engine.errors import Finding
from engine.feel import compile_expression, compile_tests, constant_value, kind

# Rules are compared in pairs, interval by interval; beyond this a table is evaluated all the same.
MAXIMUM_COMPARISONS = 200_000

_Sets: TypeAlias = list[ValueSet | None]


@dataclass(frozen=True)
class _Row:
    """A rule as sets.

    Attributes:
        sets: For each column what passes, as far as that can be said.
        passes_all: For each column whether everything does, null included.
    """

    number: int
    rule: Rule
    sets: tuple[ValueSet | None, ...]
    passes_all: tuple[bool, ...]


def check_rules(model: DecisionModel, decision: Decision, table: DecisionTable) -> Iterator[Finding]:
    """Return what is wrong with the rules of a table."""
    passing = [[value_set(compile_tests(test, model.names).tests) for test in rule.tests] for rule in table.rules]
    mismatches = [*_input_types(table, passing), *_output_types(table, model.names)]
    if mismatches:
        yield from mismatches
        return
    rows = _rows(table, passing, model.names)
    for row in rows:
        if any(each is not None and each.is_empty for each in row.sets):
            message = f"Rule {row.number} of {decision.name} can never match."
            yield _at(row, "RULE_UNREACHABLE", message, "Correct its input entries, or the allowed values.")
    yield from _pairs(decision, table, rows)


def _pairs(decision: Decision, table: DecisionTable, rows: Sequence[_Row]) -> Iterator[Finding]:
    left = MAXIMUM_COMPARISONS
    for one, other in combinations(rows, 2):
        left -= _comparisons(one, other)
        if left < 0:
            return
        match table.hit_policy:
            case HitPolicy.UNIQUE if _overlap(one, other):
                message = f"Rules {one.number} and {other.number} of {decision.name} match the same values."
                yield _at(other, "RULES_OVERLAP", message, "Separate their input entries, or choose another policy.")
            case HitPolicy.ANY if _overlap(one, other) and _differ(one.rule, other.rule):
                message = f"Rules {one.number} and {other.number} of {decision.name} match the same values and differ."
                yield _at(other, "RULES_OVERLAP", message, "Give both the same output entries, or separate them.")
            case HitPolicy.FIRST if _covers(one, other):
                message = f"Rule {one.number} of {decision.name} always matches before rule {other.number}."
                yield _at(other, "RULE_UNREACHABLE", message, "Put the narrower rule first, or remove it.")


def _rows(table: DecisionTable, passing: list[_Sets], names: frozenset[str]) -> list[_Row]:
    allowed = [
        value_set(compile_tests(column.allowed, names).tests) if column.allowed else None for column in table.inputs
    ]
    return [
        _Row(
            number=number,
            rule=rule,
            sets=tuple(_within(one, other) for one, other in zip(sets, allowed, strict=True)),
            passes_all=tuple(test == "-" for test in rule.tests),
        )
        for number, (rule, sets) in enumerate(zip(table.rules, passing, strict=True), 1)
    ]


def _within(passes: ValueSet | None, allowed: ValueSet | None) -> ValueSet | None:
    return passes if passes is None or allowed is None else passes.meets(allowed)


def _comparisons(one: _Row, other: _Row) -> int:
    sizes = [[len(each.intervals) if each is not None else 0 for each in row.sets] for row in (one, other)]
    return sum((left + 1) * (left + right + 1) for left, right in zip(*sizes, strict=True))


def _overlap(one: _Row, other: _Row) -> bool:
    """Return whether some values match both, if any match either.

    What cannot be said of a cell counts as overlap only beside a cell that lets everything pass.
    """
    return all(
        is_one_all or is_other_all or (left is not None and right is not None and not left.meets(right).is_empty)
        for left, right, is_one_all, is_other_all in zip(
            one.sets, other.sets, one.passes_all, other.passes_all, strict=True
        )
    )


def _covers(one: _Row, other: _Row) -> bool:
    """Return whether all that matches the other certainly matches the one."""
    return all(
        is_all or (wide is not None and narrow is not None and narrow.meets(wide.complement).is_empty)
        for wide, narrow, is_all in zip(one.sets, other.sets, one.passes_all, strict=True)
    )


def _differ(one: Rule, other: Rule) -> bool:
    return one.outputs != other.outputs


def _input_types(table: DecisionTable, passing: list[_Sets]) -> Iterator[Finding]:
    for number, (rule, sets) in enumerate(zip(table.rules, passing, strict=True), 1):
        for column, passes in zip(table.inputs, sets, strict=True):
            if passes is not None and column.type_name is not None and passes.kind != column.type_name:
                message = f"Rule {number} asks {column.label}, a {column.type_name}, for a {passes.kind}."
                yield _mismatch(rule, message)


def _output_types(table: DecisionTable, names: frozenset[str]) -> Iterator[Finding]:
    for number, rule in enumerate(table.rules, 1):
        for column, source in zip(table.outputs, rule.outputs, strict=True):
            value = constant_value(compile_expression(source, names).node)
            if value is None:
                continue
            if column.type_name is not None and kind(value) != column.type_name:
                yield _mismatch(rule, f"Rule {number} gives a {kind(value)} where the column says {column.type_name}.")
            elif column.allowed and not compile_tests(column.allowed, names).accepts(value, {}):
                message = f"Rule {number} gives {source}, which the output column does not allow."
                hint = "Add it to the output values, or correct it."
                yield Finding(line=rule.line, element_id=rule.id, code="OUTPUT_NOT_ALLOWED", message=message, hint=hint)


def _mismatch(rule: Rule, message: str) -> Finding:
    hint = "Correct the entry, or the type of the column."
    return Finding(line=rule.line, element_id=rule.id, code="CELL_TYPE_MISMATCH", message=message, hint=hint)


def _at(row: _Row, code: str, message: str, hint: str) -> Finding:
    return Finding(line=row.rule.line, element_id=row.rule.id, code=code, message=message, hint=hint)
