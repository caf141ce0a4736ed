"""Reading decision tables."""

from __future__ import annotations

from engine.dmn.findings import Findings
from engine.dmn.model import Aggregator, DecisionTable, HitPolicy, InputClause, OutputClause, Rule
from engine.dmn.xml import children, local_name, text_of
from engine.xml_documents import Element

_TYPES = {
    **{name: name for name in ("string", "boolean", "number", "date", "time", "list", "context")},
    **dict.fromkeys(("integer", "long", "double"), "number"),
    **dict.fromkeys(("dateTime", "date and time"), "date and time"),
    **dict.fromkeys(("dayTimeDuration", "days and time duration"), "days and time duration"),
    **dict.fromkeys(("yearMonthDuration", "years and months duration"), "years and months duration"),
}
_ANY = frozenset({"", "Any"})
_PARTS = frozenset({"input", "output", "rule", "annotation", "description", "extensionElements"})


def type_name(element: Element, findings: Findings) -> str | None:
    """Return FEEL's name of the type that an element refers to; none for any."""
    reference: str = (element.get("typeRef") or "").rpartition(":")[2].strip()
    if reference in _ANY:
        return None
    if reference not in _TYPES:
        findings.at(element, "TYPE_UNKNOWN", f"There is no type {reference!r}.", f"Use {', '.join(sorted(_TYPES))}.")
        return None
    return _TYPES[reference]


class TableReader:
    """Reads the tables of one document."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def read(self, element: Element) -> DecisionTable | None:
        """Return a table; none where it is refused."""
        for child in element:
            if local_name(child) not in _PARTS:
                self._findings.unsupported(child, "Remove it.")
        policy, aggregator = self._policy(element)
        table = DecisionTable(
            id=element.get("id") or "",
            line=element.sourceline or 0,
            hit_policy=policy,
            aggregator=aggregator,
            inputs=tuple(self._input(child, number) for number, child in enumerate(children(element, "input"), 1)),
            outputs=tuple(self._output(child) for child in children(element, "output")),
            rules=tuple(self._rule(child, number) for number, child in enumerate(children(element, "rule"), 1)),
        )
        return table if self._is_complete(element, table) else None

    def _policy(self, element: Element) -> tuple[HitPolicy, Aggregator | None]:
        name, aggregation = element.get("hitPolicy") or "UNIQUE", element.get("aggregation")
        if name not in set(HitPolicy) or (aggregation and aggregation not in set(Aggregator)):
            message = f"{name[:40]} {(aggregation or '')[:40]} is no hit policy."
            self._findings.at(element, "HIT_POLICY_UNKNOWN", message, f"Use {', '.join(HitPolicy)}.")
            return HitPolicy.UNIQUE, None
        return HitPolicy(name), Aggregator(aggregation) if aggregation else None

    def _is_complete(self, element: Element, table: DecisionTable) -> bool:
        if not table.outputs:
            self._findings.at(element, "OUTPUT_MISSING", "The table has no output column.", "Add one.")
        names = [output.name for output in table.outputs]
        if len(names) > 1 and (not all(names) or len(set(names)) < len(names)):
            hint = "Give each output column its own name."
            self._findings.at(element, "OUTPUT_NAMES_INVALID", "Output columns have no name, or the same.", hint)
        for number, rule in enumerate(table.rules, 1):
            if (len(rule.tests), len(rule.outputs)) != (len(table.inputs), len(table.outputs)):
                message = f"Rule {number} has not one entry for each column."
                (*_, row) = children(element, "rule")[:number]
                self._findings.at(row, "RULE_INCOMPLETE", message, "Save the table again in a DMN editor.")
        return not self._findings.found

    def _input(self, element: Element, number: int) -> InputClause:
        (expression, *_) = [*children(element, "inputExpression"), element]
        self._findings.require_feel(expression)
        source = text_of(expression)
        if not source:
            self._findings.at(element, "INPUT_MISSING", f"Input column {number} has no expression.", "Write one.")
        return InputClause(
            id=element.get("id") or "",
            line=element.sourceline or 0,
            label=element.get("label") or source,
            expression=source,
            type_name=type_name(expression, self._findings),
            allowed=self._allowed(element, "inputValues"),
        )

    def _output(self, element: Element) -> OutputClause:
        defaults = children(element, "defaultOutputEntry")
        return OutputClause(
            id=element.get("id") or "",
            line=element.sourceline or 0,
            name=element.get("name") or "",
            type_name=type_name(element, self._findings),
            allowed=self._allowed(element, "outputValues"),
            default=text_of(defaults[0]) or None if defaults else None,
        )

    def _rule(self, element: Element, number: int) -> Rule:
        entries = [*children(element, "inputEntry"), *children(element, "outputEntry")]
        for entry in entries:
            self._findings.require_feel(entry)
        return Rule(
            id=element.get("id") or f"rule {number}",
            line=element.sourceline or 0,
            tests=tuple(text_of(entry) or "-" for entry in children(element, "inputEntry")),
            outputs=tuple(text_of(entry) or "null" for entry in children(element, "outputEntry")),
        )

    def _allowed(self, element: Element, name: str) -> str | None:
        values = children(element, name)
        for value in values:
            self._findings.require_feel(value)
        return text_of(values[0]) or None if values else None
