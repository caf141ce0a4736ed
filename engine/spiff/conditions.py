"""Conditional events: each waits for its condition to become true (BPMN 2.0.2, 10.5.5.4).

A condition is looked at when it begins to be waited for, and again when variables that it has read have changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from engine.errors import ExpressionEvaluationError
from engine.feel import compile_expression
from engine.spiff.workflow import InstanceTask, InstanceWorkflow


class _Reading(Mapping[str, JsonValue]):
    """Variables that remember which of them were asked for."""

    def __init__(self, variables: Mapping[str, JsonValue]) -> None:
        self._variables = variables
        self.names = set[str]()

    def __getitem__(self, name: str) -> JsonValue:
        self.names.add(name)
        return self._variables[name]

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return name in self._variables

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


def judge_conditions(workflow: InstanceWorkflow) -> bool:
    """Let every event happen whose condition has become true; return whether there was one."""
    changed = workflow.scopes.take_written()
    happened = False
    for event in list(workflow.conditions.values()):
        if event.is_alive and _concerns(event, changed):
            happened = _judge(event) or happened
    return happened


def _concerns(event: InstanceTask, changed: set[str]) -> bool:
    if "holds" not in event.internal_data:
        return True
    return bool(changed) if event.reads is None else not changed.isdisjoint(event.reads)


def _judge(event: InstanceTask) -> bool:
    seen = _Reading(event.workflow.visible(event))
    node = event.task_spec.node
    try:
        holds = compile_expression(node.trigger.expression).evaluate(seen) is True
    except ExpressionEvaluationError as error:
        raise error.standing_at(node.id) from error
    event.reads = frozenset(seen.names)
    held = event.internal_data.get("holds")
    if holds != held:
        event.note(holds=holds)
    if not holds or held:
        return False
    event.task_spec.happen(event, {})
    return True
