"""`bpmn:extensionElements` of the `zeebe:` dialect, as far as elements may carry them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.bpmn.model import Mapping
from engine.bpmn.xml import ZEEBE, Element

Report = Callable[[Element, str, str, str], None]

_ONE_TO_A_HUNDRED = re.compile(r"[1-9][0-9]?|100")
_NOUGHT_TO_A_HUNDRED = re.compile(r"[0-9][0-9]?|100")


@dataclass
class Loop:
    """What `zeebe:loopCharacteristics` says; expressions are FEEL text."""

    input_collection: str | None = None
    input_element: str | None = None
    output_collection: str | None = None
    output_element: str | None = None


@dataclass
class Extensions:
    """What one element's extensions say."""

    version_tag: str | None = None
    task_type: str | None = None
    retries: int = 3
    inputs: list[Mapping] = field(default_factory=list)
    outputs: list[Mapping] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    form_id: str | None = None
    candidate_groups: tuple[str, ...] = ()
    candidate_users: tuple[str, ...] = ()
    assignee: str | None = None
    due_date: str | None = None
    follow_up_date: str | None = None
    priority: str | None = None
    correlation_key: str | None = None
    loop: Loop = field(default_factory=Loop)
    is_zeebe_user_task: bool = False
    called_process: str | None = None
    propagates_parent_variables: bool = True
    propagates_child_variables: bool = True


def read_extensions(containers: Sequence[Element], allowed: frozenset[str], report: Report) -> Extensions:
    """Return the extensions in the containers; every unknown, misplaced or repeated one is reported."""
    extensions, seen = Extensions(), set[str]()
    for child in (child for container in containers for child in container):
        name = zeebe_name(child)
        read = _READERS.get(name)
        if name not in allowed or read is None:
            listed = ", ".join(sorted(allowed)) or "none"
            report(child, "EXTENSION_UNSUPPORTED", f"Extension {name} has no meaning here.", f"Allowed: {listed}.")
        elif name in seen:
            report(child, "EXTENSION_REPEATED", f"Extension {name} stands here twice.", "Keep one of them.")
        else:
            seen.add(name)
            read(child, extensions, report)
    return extensions


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
        elif not target.isidentifier():
            report(child, "MAPPING_INVALID", f"Target {target!r} is not a variable name.", "Use a plain name.")
        elif source is None:
            report(child, "MAPPING_INVALID", f"Nothing is mapped to {target!r}.", "Give the mapping a source.")
        else:
            mappings.append(Mapping(source=expression_text(source), target=target))


def _task_headers(element: Element, extensions: Extensions, _report: Report) -> None:
    extensions.headers.update({child.get("key", ""): child.get("value", "") for child in element})


def _user_task(_element: Element, extensions: Extensions, _report: Report) -> None:
    extensions.is_zeebe_user_task = True


def _form_definition(element: Element, extensions: Extensions, report: Report) -> None:
    extensions.form_id = _static(element, "formId", report)


def _assignment_definition(element: Element, extensions: Extensions, report: Report) -> None:
    for attribute in sorted(set(element.attrib) - {"candidateGroups", "candidateUsers", "assignee"}):
        message, hint = f"{attribute} is not supported.", "Assign by candidate groups, candidate users or an assignee."
        report(element, "ASSIGNMENT_UNSUPPORTED", message, hint)
    extensions.candidate_groups = _names(_static(element, "candidateGroups", report))
    extensions.candidate_users = _names(_static(element, "candidateUsers", report))
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
    extensions.propagates_parent_variables = element.get("propagateAllParentVariables", "true") == "true"
    extensions.propagates_child_variables = element.get("propagateAllChildVariables", "true") == "true"


def _properties(_element: Element, _extensions: Extensions, _report: Report) -> None:
    """Properties are notes of the modeler; they have no effect."""


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


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
    if value and not value.isidentifier():
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
    "subscription": _subscription,
    "loopCharacteristics": _loop_characteristics,
    "calledElement": _called_element,
    "properties": _properties,
}
