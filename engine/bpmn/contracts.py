"""What a diagram needs of its surroundings: handlers, forms and the processes that it calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.bpmn.findings import finding_at
from engine.bpmn.model import CallActivity, FlowNode, ServiceTask, UserTask
from engine.errors import Finding


@dataclass(frozen=True)
class Contracts:
    """What exists around a diagram.

    Attributes:
        inputs: Service-task type to the names of its handler's inputs; `True` where one is required.
        calls: Each process that exists, this one included, to those that it calls directly.
    """

    inputs: dict[str, dict[str, bool]]
    form_ids: frozenset[str]
    calls: Mapping[str, frozenset[str]]


def check_contract(node: FlowNode, contracts: Contracts) -> Iterator[Finding]:
    """Return what a node needs and its surroundings do not give."""
    match node:
        case ServiceTask():
            yield from _handler(node, contracts)
        case UserTask():
            if node.form_id is not None and node.form_id not in contracts.form_ids:
                known = ", ".join(sorted(contracts.form_ids)) or "none"
                yield finding_at(node, "FORM_UNKNOWN", f"No form {node.form_id!r}.", f"Known forms: {known}.")
        case CallActivity():
            if node.called_process not in contracts.calls:
                message = f"No process {node.called_process!r} is deployed."
                yield finding_at(node, "PROCESS_UNKNOWN", message, "Deploy the called process first, or with this one.")


def _handler(task: ServiceTask, contracts: Contracts) -> Iterator[Finding]:
    inputs = contracts.inputs.get(task.type)
    if inputs is None:
        known = ", ".join(sorted(contracts.inputs)) or "none"
        yield finding_at(task, "HANDLER_UNKNOWN", f"No handler for {task.type!r}.", f"Known types: {known}.")
        return
    given = {mapping.target for mapping in task.inputs}
    for name in sorted(given - set(inputs)):
        message = f"{task.type} has no input {name!r}."
        yield finding_at(task, "INPUT_UNKNOWN", message, f"Inputs: {', '.join(inputs)}.")
    for name in sorted(name for name, required in inputs.items() if required and name not in given):
        yield finding_at(task, "INPUT_MISSING", f"{task.type} needs the input {name!r}.", "Add an input mapping.")
