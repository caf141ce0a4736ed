"""Which process calls which others, and which decisions: a circle of calls would nest instances without end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import assert_never

from engine.bpmn.model import BusinessRuleTask, CallActivity, ProcessModel
from engine.errors import Finding

_DECISION = "decision/"  # no id of a process has a slash


def called_processes(model: ProcessModel) -> frozenset[str]:
    """Return the ids of the processes that `model` calls directly."""
    return frozenset(node.called_process for node in call_activities(model))


def asked_decisions(model: ProcessModel) -> frozenset[str]:
    """Return the ids of the decisions that `model` asks."""
    return frozenset(node.decision_id for node in business_rule_tasks(model))


def called_key(caller: str, activity: CallActivity) -> str:
    """Return under which key an instance keeps the version of a process that an activity calls.

    Args:
        caller: The key of the calling process.
        activity: Several that bind in the same way call the same version.
    """
    return _bound_key(caller, activity.called_process, activity)


def decision_key(caller: str, task: BusinessRuleTask) -> str:
    """Return under which key an instance keeps the version of a decision that a task asks: never one of a process."""
    return _DECISION + _bound_key(caller, task.decision_id, task)


def is_decision_key(key: str) -> bool:
    """Return whether a key stands for a decision, and not for a process."""
    return key.startswith(_DECISION)


def _bound_key(caller: str, called: str, node: CallActivity | BusinessRuleTask) -> str:
    match node.binding:
        case "latest":
            return called
        case "versionTag":
            return f"{called}:{node.version_tag}"
        case "deployment":
            return f"{called}@{caller}"
        case _:
            assert_never(node.binding)


def process_of(key: str) -> str:
    """Return the id of the process that a key stands for."""
    return re.split("[:@]", key, maxsplit=1)[0]


def call_activities(model: ProcessModel) -> Iterator[CallActivity]:
    """Return every call activity of a process."""
    return (node for node in model.nodes.values() if isinstance(node, CallActivity))


def business_rule_tasks(model: ProcessModel) -> Iterator[BusinessRuleTask]:
    """Return every task of a process that asks a decision."""
    return (node for node in model.nodes.values() if isinstance(node, BusinessRuleTask))


def find_call_cycles(model: ProcessModel, calls: Mapping[str, frozenset[str]]) -> tuple[Finding, ...]:
    """Return one finding for each call activity through which `model` calls itself, directly or not.

    Args:
        model: The process that is to be deployed.
        calls: Each process to those that it calls directly.
    """
    return tuple(
        Finding(
            line=node.line,
            element_id=node.id,
            code="CALL_CYCLE",
            message=f"Calling {node.called_process!r} leads back to {model.process_id!r}.",
            hint="Draw the repetition as a loop inside one process.",
        )
        for node in call_activities(model)
        if _leads_to(node.called_process, model.process_id, calls)
    )


def _leads_to(process_id: str, destination: str, calls: Mapping[str, frozenset[str]]) -> bool:
    reached, frontier = set[str](), [process_id]
    while frontier:
        current = frontier.pop()
        if current not in reached:
            reached.add(current)
            frontier += calls.get(current, frozenset())
    return destination in reached
