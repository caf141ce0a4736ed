"""What a diagram needs of its surroundings: handlers, forms, groups of people, the processes and decisions it calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from engine.bpmn.findings import finding_at, warning_at
from engine.bpmn.model import (
    BusinessRuleTask,
    CallActivity,
    CandidateExpression,
    ErrorTrigger,
    FlowNode,
    ProcessModel,
    ServiceTask,
    UserTask,
)
from engine.bpmn.static_types import ANYTHING, StaticType
from engine.errors import Finding


@dataclass(frozen=True)
class InputContract:
    """One input of a handler.

    Attributes:
        objection: Returns why a value is not accepted; `None` where it is.
    """

    type: StaticType
    objection: Callable[[JsonValue], str | None]


@dataclass(frozen=True)
class Signature:
    """What a handler takes, gives and throws.

    Attributes:
        outputs: `None` where they are not known.
        errors: The codes of the BPMN errors that a diagram has to catch.
        inverse: The type of the service task that undoes it.
    """

    inputs: Mapping[str, InputContract] = field(default_factory=dict)
    outputs: Mapping[str, StaticType] | None = None
    errors: tuple[str, ...] = ()
    inverse: str | None = None


@dataclass(frozen=True)
class DecisionContract:
    """What a decision takes and gives.

    Attributes:
        inputs: The names that its model draws as input data; `None` where it draws none, and reads what it finds.
        needed: The names that it reads and whose absence it does not expect.
    """

    inputs: frozenset[str] | None = None
    needed: frozenset[str] = frozenset()
    output: StaticType = ANYTHING


_UNKNOWN = Signature()
_UNKNOWN_DECISION = DecisionContract()


@dataclass(frozen=True)
class Contracts:
    """What exists around a diagram.

    Attributes:
        inputs: Service-task type to the names of its handler's inputs; `True` where one is required.
        calls: Each process that exists, this one included, to those that it calls directly.
        signatures: What is known besides of the handlers, by service-task type.
        forms: The fields that each form gives, as far as known.
        groups: The groups in which principals can be; `None` where any name may be one.
        process_inputs: What processes declare as the variables with which an instance begins.
        version_tags: The tags of the versions of each process; `None` where they are not known.
        decisions: The decisions that exist, by id.
        decision_tags: The tags of the versions of each decision; `None` where they are not known.
        errors_caught: For each process, the codes that its callers catch around their calls; `None` stands for all.
    """

    inputs: dict[str, dict[str, bool]]
    form_ids: frozenset[str]
    calls: Mapping[str, frozenset[str]]
    signatures: Mapping[str, Signature] = field(default_factory=dict)
    forms: Mapping[str, Mapping[str, StaticType]] = field(default_factory=dict)
    groups: frozenset[str] | None = None
    errors_caught: Mapping[str, frozenset[str | None]] = field(default_factory=dict)
    process_inputs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    version_tags: Mapping[str, frozenset[str]] | None = None
    decisions: Mapping[str, DecisionContract] = field(default_factory=dict)
    decision_tags: Mapping[str, frozenset[str]] | None = None

    def signature(self, task_type: str) -> Signature:
        """Return what is known of a handler."""
        return self.signatures.get(task_type, _UNKNOWN)

    def decision(self, decision_id: str) -> DecisionContract:
        """Return what is known of a decision."""
        return self.decisions.get(decision_id, _UNKNOWN_DECISION)


def errors_caught_around_calls(*models: ProcessModel) -> dict[str, frozenset[str | None]]:
    """Return, for each process that some of the models call, the error codes that they catch around the call."""
    caught: dict[str, frozenset[str | None]] = {}
    for model in models:
        for node in model.nodes.values():
            if isinstance(node, CallActivity):
                codes = frozenset(_codes_caught(model, node))
                caught[node.called_process] = caught.get(node.called_process, frozenset()) | codes
    return caught


def check_contract(model: ProcessModel, node: FlowNode, contracts: Contracts) -> Iterator[Finding]:
    """Return what a node needs and its surroundings do not give."""
    match node:
        case ServiceTask():
            yield from _handler(node, contracts)
            yield from _errors(model, node, contracts)
        case UserTask():
            if node.form_id is not None and node.form_id not in contracts.form_ids:
                known = ", ".join(sorted(contracts.form_ids)) or "none"
                yield finding_at(node, "FORM_UNKNOWN", f"No form {node.form_id!r}.", f"Known forms: {known}.")
            yield from _groups(node, contracts)
        case CallActivity():
            if node.called_process not in contracts.calls:
                message = f"No process {node.called_process!r} is deployed."
                yield finding_at(node, "PROCESS_UNKNOWN", message, "Deploy the called process first, or with this one.")
            yield from _process_inputs(node, contracts)
            yield from _version(node, contracts)
        case BusinessRuleTask():
            yield from _decision(node, contracts)


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


def _version(call: CallActivity, contracts: Contracts) -> Iterator[Finding]:
    if contracts.version_tags is None or call.version_tag is None:
        return
    known = contracts.version_tags.get(call.called_process, frozenset())
    if call.version_tag not in known:
        message = f"No version of {call.called_process!r} has the tag {call.version_tag!r}."
        hint = f"Known tags: {', '.join(sorted(known)) or 'none'}."
        yield finding_at(call, "PROCESS_VERSION_UNKNOWN", message, hint)


def _decision(task: BusinessRuleTask, contracts: Contracts) -> Iterator[Finding]:
    if task.decision_id not in contracts.decisions:
        known = ", ".join(sorted(contracts.decisions)) or "none"
        message = f"No decision {task.decision_id!r} is deployed."
        hint = f"Deploy its DMN file first, or with this one. Known: {known}."
        yield finding_at(task, "DECISION_UNKNOWN", message, hint)
        return
    inputs = contracts.decision(task.decision_id).inputs
    for name in sorted({mapping.target for mapping in task.inputs} - (inputs or frozenset())):
        if inputs is not None:
            message = f"{task.decision_id} has no input {name!r}."
            yield warning_at(task, "INPUT_UNKNOWN", message, f"Inputs: {', '.join(sorted(inputs)) or 'none'}.")
    if contracts.decision_tags is not None and task.version_tag is not None:
        tags = contracts.decision_tags.get(task.decision_id, frozenset())
        if task.version_tag not in tags:
            message = f"No version of {task.decision_id!r} has the tag {task.version_tag!r}."
            hint = f"Known tags: {', '.join(sorted(tags)) or 'none'}."
            yield finding_at(task, "DECISION_VERSION_UNKNOWN", message, hint)


def _process_inputs(call: CallActivity, contracts: Contracts) -> Iterator[Finding]:
    if call.propagates_parent_variables:
        return
    given = {mapping.target for mapping in call.inputs}
    for name in sorted(contracts.process_inputs.get(call.called_process, frozenset()) - given):
        message = f"The process {call.called_process} needs the input {name!r}."
        yield finding_at(call, "INPUT_MISSING", message, "Add an input mapping.")


def _errors(model: ProcessModel, task: ServiceTask, contracts: Contracts) -> Iterator[Finding]:
    thrown = contracts.signature(task.type).errors
    caught = {*_codes_caught(model, task), *contracts.errors_caught.get(model.process_id, ())} if thrown else set()
    for code in thrown:
        if caught.isdisjoint({code, None}):
            message = f"{task.type} can throw {code}, and nothing catches it."
            hint = "Attach an error boundary event with this code, or one without a code, which catches every error."
            yield finding_at(task, "ERROR_UNCAUGHT", message, hint)


def _codes_caught(model: ProcessModel, node: FlowNode) -> Iterator[str | None]:
    """Return the codes of the errors that the process catches when a node throws them; `None` stands for all."""
    place: FlowNode | None = node
    while place is not None:
        beside = [start for each in model.event_subprocesses(place.scope) for start in model.start_events(each.id)]
        triggers = [event.trigger for event in model.boundary_events(place.id)] + [event.trigger for event in beside]
        yield from (trigger.error_code for trigger in triggers if isinstance(trigger, ErrorTrigger))
        place = None if place.scope is None else model.nodes[place.scope]


def _groups(task: UserTask, contracts: Contracts) -> Iterator[Finding]:
    if contracts.groups is None:
        return
    for group in () if isinstance(task.candidate_groups, CandidateExpression) else task.candidate_groups:
        if group not in contracts.groups:
            message = f"No principal can be in the group {group!r}."
            hint = f"Groups: {', '.join(sorted(contracts.groups))}. Assign the task to one, or name its lane after one."
            yield finding_at(task, "GROUP_UNKNOWN", message, hint)
