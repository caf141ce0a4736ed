"""`bpmn:extensionElements` of the `zeebe:` dialect, as far as elements may carry them.

Every element and attribute of the dialect is read here, or refused: it would change what is executed. Elements of
other namespaces mean nothing to this engine; they stay in the stored diagram, and each is warned of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from engine.bpmn.model import CandidateExpression, Candidates, Mapping
from engine.bpmn.xml import BPMN, ZEEBE
from engine.feel import is_variable_name
from engine.xml_documents import Element

Report = Callable[[Element, str, str, str], None]
BindingType = Literal["latest", "deployment", "versionTag"]

_ONE_TO_A_HUNDRED = re.compile(r"[1-9][0-9]?|100")
_NOUGHT_TO_A_HUNDRED = re.compile(r"[0-9][0-9]?|100")
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


@dataclass
class Loop:
    """What `zeebe:loopCharacteristics` says; expressions are FEEL text."""

    input_collection: str | None = None
    input_element: str | None = None
    output_collection: str | None = None
    output_element: str | None = None


@dataclass(frozen=True)
class Binding:
    """Which version of a process or decision is called; `version_tag` with the type `versionTag` only."""

    type: BindingType = "latest"
    version_tag: str | None = None


@dataclass(frozen=True)
class CalledDecision:
    """What `zeebe:calledDecision` says."""

    decision_id: str
    result_variable: str
    binding: Binding


@dataclass(frozen=True)
class Script:
    """What `zeebe:script` says; the expression is FEEL text."""

    expression: str
    result_variable: str


@dataclass
class Extensions:
    """What one element's extensions say."""

    version_tag: str | None = None
    task_type: str | None = None
    retries: int = 3
    inputs: list[Mapping] = field(default_factory=list)
    outputs: list[Mapping] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    form_id: str | None = None
    candidate_groups: Candidates = ()
    candidate_users: Candidates = ()
    assignee: str | None = None
    due_date: str | None = None
    follow_up_date: str | None = None
    priority: str | None = None
    correlation_key: str | None = None
    loop: Loop = field(default_factory=Loop)
    is_zeebe_user_task: bool = False
    called_process: str | None = None
    binding: Binding = Binding()
    propagates_parent_variables: bool = True
    propagates_child_variables: bool = True
    called_decision: CalledDecision | None = None
    script: Script | None = None


def read_extensions(containers: Sequence[Element], allowed: frozenset[str], report: Report, warn: Report) -> Extensions:
    """Return the extensions in the containers; every unknown, misplaced or repeated one is reported.

    Args:
        containers: The `bpmn:extensionElements` of one element.
        allowed: The names, without namespace, of the `zeebe:` elements that have a meaning here.
        report: Takes what refuses the diagram.
        warn: Takes what does not.
    """
    extensions, seen = Extensions(), set[str]()
    for child in (child for container in containers for child in container):
        name = zeebe_name(child)
        read = _READERS.get(name)
        if _is_of_another_vendor(child):
            message = f"Extension {name} means nothing here; it stays in the diagram."
            warn(child, "EXTENSION_UNKNOWN", message, "Remove it, or leave it to the tool that wrote it.")
        elif name not in allowed or read is None:
            listed = ", ".join(sorted(allowed)) or "none"
            hint = _INSTEAD.get(name, f"Allowed: {listed}.")
            report(child, "EXTENSION_UNSUPPORTED", f"Extension {name} has no meaning here.", hint)
        elif name in seen:
            report(child, "EXTENSION_REPEATED", f"Extension {name} stands here twice.", "Keep one of them.")
        else:
            seen.add(name)
            _require_attributes(child, name, report)
            read(child, extensions, report)
    return extensions


def _is_of_another_vendor(element: Element) -> bool:
    tag: str = element.tag
    return tag.startswith("{") and not tag.startswith((f"{{{ZEEBE}}}", f"{{{BPMN}}}"))


def _require_attributes(element: Element, name: str, report: Report) -> None:
    """Refuse each attribute that is not read."""
    for attribute in element.attrib:
        plain = str(attribute).removeprefix(f"{{{ZEEBE}}}")
        if plain not in _ATTRIBUTES[name] and not plain.startswith(("modelerTemplate", "modelerConfiguration", "{")):
            message = f"{plain} of {name} is not executed by this engine."
            hint = _INSTEAD.get(plain, f"Attributes: {', '.join(sorted(_ATTRIBUTES[name])) or 'none'}.")
            report(element, "ATTRIBUTE_UNSUPPORTED", message, hint)


def _version_tag(element: Element, extensions: Extensions, _report: Report) -> None:
    extensions.version_tag = element.get("value")


def _task_definition(element: Element, extensions: Extensions, report: Report) -> None:
    extensions.task_type = _static(element, "type", report)
    retries = element.get("retries", "3")
    if _ONE_TO_A_HUNDRED.fullmatch(retries):
        extensions.retries = int(retries)
    else:
        message = f"Retries {retries[:20]!r} is no number from 1 to 100."
        report(element, "RETRIES_INVALID", message, "Give a whole number.")


def _io_mapping(element: Element, extensions: Extensions, report: Report) -> None:
    lists = {"input": extensions.inputs, "output": extensions.outputs}
    for child in element:
        target, source = child.get("target", ""), child.get("source")
        mappings = lists.get(zeebe_name(child))
        if mappings is None:
            report(child, "EXTENSION_UNSUPPORTED", f"{zeebe_name(child)} is no mapping.", "Allowed: input, output.")
            continue
        _require_attributes(child, "mapping", report)
        if not is_variable_name(target):
            report(child, "MAPPING_INVALID", f"Target {target!r} is not a variable name.", "Use a plain name.")
        elif source is None:
            report(child, "MAPPING_INVALID", f"Nothing is mapped to {target!r}.", "Give the mapping a source.")
        else:
            mappings.append(Mapping(source=expression_text(source), target=target))


def _task_headers(element: Element, extensions: Extensions, report: Report) -> None:
    extensions.headers.update(_pairs(element, "header", "key", report))


def _properties(element: Element, extensions: Extensions, report: Report) -> None:
    extensions.properties.update(_pairs(element, "property", "name", report))


def _pairs(element: Element, kind: str, key: str, report: Report) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for child in element:
        if zeebe_name(child) == kind:
            _require_attributes(child, kind, report)
            pairs[child.get(key, "")] = child.get("value", "")
        else:
            report(child, "EXTENSION_UNSUPPORTED", f"{zeebe_name(child)} is no {kind}.", f"Allowed: {kind}.")
    return pairs


def _user_task(_element: Element, extensions: Extensions, _report: Report) -> None:
    extensions.is_zeebe_user_task = True


def _form_definition(element: Element, extensions: Extensions, report: Report) -> None:
    extensions.form_id = _static(element, "formId", report)
    if _binding(element, report).type != "latest":
        message = "A form is that of the running release; no other version can be chosen."
        report(element, "BINDING_UNSUPPORTED", message, "Set the binding to 'latest'.")


def _assignment_definition(element: Element, extensions: Extensions, _report: Report) -> None:
    extensions.candidate_groups = _candidates(element, "candidateGroups")
    extensions.candidate_users = _candidates(element, "candidateUsers")
    extensions.assignee = _optional_expression(element, "assignee")


def _task_schedule(element: Element, extensions: Extensions, _report: Report) -> None:
    extensions.due_date = _optional_expression(element, "dueDate")
    extensions.follow_up_date = _optional_expression(element, "followUpDate")


def _priority_definition(element: Element, extensions: Extensions, report: Report) -> None:
    priority = element.get("priority", "").strip()
    if priority.startswith("="):
        extensions.priority = expression_text(priority)
    elif _NOUGHT_TO_A_HUNDRED.fullmatch(priority):
        extensions.priority = priority
    else:
        message = f"Priority {priority[:20]!r} is no number from 0 to 100."
        report(element, "PRIORITY_INVALID", message, "Give a whole number, or an expression such as =urgency.")


def _subscription(element: Element, extensions: Extensions, report: Report) -> None:
    extensions.correlation_key = _expression(element, "correlationKey", "CORRELATION_KEY_INVALID", report)


def _loop_characteristics(element: Element, extensions: Extensions, report: Report) -> None:
    code = "MULTI_INSTANCE_INVALID"
    extensions.loop = Loop(
        input_collection=_expression(element, "inputCollection", code, report),
        input_element=_variable(element, "inputElement", code, report),
        output_collection=_variable(element, "outputCollection", code, report),
        output_element=_expression(element, "outputElement", code, report),
    )


def _called_element(element: Element, extensions: Extensions, report: Report) -> None:
    extensions.called_process = _static(element, "processId", report)
    extensions.binding = _binding(element, report)
    extensions.propagates_parent_variables = _truth(element, "propagateAllParentVariables", report)
    extensions.propagates_child_variables = _truth(element, "propagateAllChildVariables", report)


def _called_decision(element: Element, extensions: Extensions, report: Report) -> None:
    decision_id = _static(element, "decisionId", report)
    result_variable = _variable(element, "resultVariable", "CALLED_DECISION_INVALID", report)
    if not decision_id or result_variable is None:
        message = "Of decision and result variable one is missing."
        report(element, "CALLED_DECISION_INVALID", message, "Name the decision's id and a variable for its result.")
        return
    extensions.called_decision = CalledDecision(decision_id, result_variable, _binding(element, report))


def _script(element: Element, extensions: Extensions, report: Report) -> None:
    expression = _expression(element, "expression", "SCRIPT_INVALID", report)
    result_variable = _variable(element, "resultVariable", "SCRIPT_INVALID", report)
    if expression is None or result_variable is None:
        message = "Of expression and result variable one is missing."
        report(element, "SCRIPT_INVALID", message, "Give a FEEL expression and a variable for its result.")
        return
    extensions.script = Script(expression, result_variable)


def _binding(element: Element, report: Report) -> Binding:
    kind, version_tag = element.get("bindingType", "latest"), element.get("versionTag") or None
    if kind not in get_args(BindingType) or (kind == "versionTag") != (version_tag is not None):
        message = f"Binding {kind[:20]!r} with {'a' if version_tag else 'no'} version tag says no version."
        report(element, "BINDING_INVALID", message, "Choose latest, deployment, or versionTag with a tag.")
        return Binding()
    return Binding(cast("BindingType", kind), version_tag)


def _truth(element: Element, attribute: str, report: Report) -> bool:
    text = element.get(attribute, "true").strip()
    if text not in _TRUTHS:
        message = f"{attribute} {text[:20]!r} is neither true nor false."
        report(element, "ATTRIBUTE_UNSUPPORTED", message, "Write true or false.")
    return _TRUTHS.get(text, True)


def _candidates(element: Element, attribute: str) -> Candidates:
    text = str(element.get(attribute, "")).strip()
    if text.startswith("="):
        return CandidateExpression(expression_text(text))
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _optional_expression(element: Element, attribute: str) -> str | None:
    value = element.get(attribute, "").strip()
    return expression_text(value) if value else None


def _expression(element: Element, attribute: str, code: str, report: Report) -> str | None:
    """Return the FEEL text of an attribute in which plain text would not mean what it seems to."""
    value = element.get(attribute, "").strip()
    if not value:
        return None
    if not value.startswith("="):
        report(element, code, f"{attribute} is FEEL and starts with '='.", f"Write ={value[:60]}, or a text in quotes.")
    return expression_text(value)


def _variable(element: Element, attribute: str, code: str, report: Report) -> str | None:
    value: str = element.get(attribute, "").strip()
    if value and not is_variable_name(value):
        report(element, code, f"{attribute} {value[:60]!r} is not a variable name.", "Use a plain name.")
    return value or None


def _static(element: Element, attribute: str, report: Report) -> str | None:
    value: str | None = element.get(attribute)
    if value is not None and value.startswith("="):
        report(element, "EXPRESSION_UNSUPPORTED", f"{attribute} is an expression.", "Write the value itself.")
        return None
    return value


def zeebe_name(element: Element) -> str:
    """Return an extension's name without the `zeebe:` namespace; of another namespace, the whole of it."""
    name: str = element.tag
    return name.removeprefix(f"{{{ZEEBE}}}") if name.startswith(f"{{{ZEEBE}}}") else repr(name)


def expression_text(source: str) -> str:
    """Return the FEEL text of an attribute: behind `=`, or the attribute as a string literal."""
    if source.startswith("="):
        return source[1:].strip()
    escaped = source.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_READERS: dict[str, Callable[[Element, Extensions, Report], None]] = {
    "versionTag": _version_tag,
    "taskDefinition": _task_definition,
    "ioMapping": _io_mapping,
    "taskHeaders": _task_headers,
    "userTask": _user_task,
    "formDefinition": _form_definition,
    "assignmentDefinition": _assignment_definition,
    "taskSchedule": _task_schedule,
    "priorityDefinition": _priority_definition,
    "jobPriorityDefinition": _priority_definition,
    "subscription": _subscription,
    "loopCharacteristics": _loop_characteristics,
    "calledElement": _called_element,
    "calledDecision": _called_decision,
    "script": _script,
    "properties": _properties,
}
_BINDING = frozenset({"bindingType", "versionTag"})
_ATTRIBUTES: dict[str, frozenset[str]] = {
    "versionTag": frozenset({"value"}),
    "taskDefinition": frozenset({"type", "retries"}),
    "ioMapping": frozenset(),
    "mapping": frozenset({"source", "target"}),
    "taskHeaders": frozenset(),
    "header": frozenset({"id", "key", "value"}),
    "userTask": frozenset(),
    "formDefinition": frozenset({"formId"}) | _BINDING,
    "assignmentDefinition": frozenset({"assignee", "candidateGroups", "candidateUsers"}),
    "taskSchedule": frozenset({"dueDate", "followUpDate"}),
    "priorityDefinition": frozenset({"priority"}),
    "jobPriorityDefinition": frozenset({"priority"}),
    "subscription": frozenset({"correlationKey"}),
    "loopCharacteristics": frozenset({"inputCollection", "inputElement", "outputCollection", "outputElement"}),
    "calledElement": frozenset({"processId", "propagateAllParentVariables", "propagateAllChildVariables"}) | _BINDING,
    "calledDecision": frozenset({"decisionId", "resultVariable"}) | _BINDING,
    "script": frozenset({"expression", "resultVariable"}),
    "properties": frozenset(),
    "property": frozenset({"id", "name", "value"}),
}
_INSTEAD = {
    "executionListeners": "Draw what the listener does as a service task.",
    "taskListeners": "Draw what the listener does as a service task before or behind the user task.",
    "userTaskForm": "Name a form of the platform by its id in zeebe:formDefinition.",
    "linkedResources": "Give the handler what it needs as an input.",
    "formKey": "Name a form of the platform by its id, in the attribute formId.",
    "externalReference": "Name a form of the platform by its id, in the attribute formId.",
    "processIdExpression": "Write the process's id in processId; choose between processes with a gateway.",
    "businessId": "A called process has the business key of the instance that calls it.",
}
