"""Element templates for Camunda Modeler (Camunda 8): one for each service task, one for each form of a user task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from pydantic import BaseModel, JsonValue

from engine import ServiceTaskRegistry
from learning.service_task_catalogue import Entry, Field, catalogue, fields_of

_SCHEMA = "https://unpkg.com/@camunda/zeebe-element-templates-json-schema/resources/schema.json"
_ATTEMPTS = "3"
_NAME = {"value": "^[A-Za-z_][A-Za-z0-9_]*$", "message": "Must be the name of a variable."}
_Json: TypeAlias = dict[str, JsonValue]


def element_templates(registry: ServiceTaskRegistry, forms: Mapping[str, type[BaseModel]]) -> list[_Json]:
    """Return the templates, in the form of npm's `@camunda/zeebe-element-templates-json-schema`."""
    tasks = [_service_task(entry) for entry in catalogue(registry)]
    return tasks + [_user_task(form_id, forms[form_id]) for form_id in sorted(forms)]


def _service_task(entry: Entry) -> _Json:
    properties: list[JsonValue] = [
        {"type": "Hidden", "value": entry.task_type, "binding": _binding("taskDefinition", property="type")},
        *(_input(field) for field in entry.inputs),
        *(_output(field) for field in entry.outputs),
        {
            "label": "Attempts",
            "description": "How often the work is tried before an incident asks for help, 1 to 100.",
            "type": "String",
            "value": _ATTEMPTS,
            "group": "work",
            "constraints": {
                "notEmpty": True,
                "pattern": {"value": "^([1-9][0-9]?|100)$", "message": "Must be a whole number from 1 to 100."},
            },
            "binding": _binding("taskDefinition", property="retries"),
        },
    ]
    return {
        "$schema": _SCHEMA,
        "name": entry.label,
        "id": f"ami-learning.{entry.task_type}",
        "description": entry.summary,
        "appliesTo": ["bpmn:Task", "bpmn:ServiceTask"],
        "elementType": {"value": "bpmn:ServiceTask"},
        "groups": _groups({"inputs": "Inputs", "outputs": "Outputs", "work": "Work"}, properties),
        "properties": properties,
    }


def _user_task(form_id: str, form: type[BaseModel]) -> _Json:
    properties: list[JsonValue] = [
        {"type": "Hidden", "binding": {"type": "zeebe:userTask"}},
        {"type": "Hidden", "value": form_id, "binding": _binding("formDefinition", property="formId")},
        {
            "label": "Candidate groups",
            "description": "Who may complete the task, separated by commas.",
            "type": "String",
            "group": "people",
            "constraints": {"notEmpty": True},
            "binding": _binding("assignmentDefinition", property="candidateGroups"),
        },
        *(_output(field) for field in (*fields_of(form), Field("completed_by", "text", is_required=True))),
    ]
    return {
        "$schema": _SCHEMA,
        "name": f"Form {form_id}",
        "id": f"ami-learning.form.{form_id}",
        "description": (form.__doc__ or form_id).partition("\n")[0],
        "appliesTo": ["bpmn:Task", "bpmn:UserTask"],
        "elementType": {"value": "bpmn:UserTask"},
        "groups": _groups({"people": "People", "outputs": "Outputs"}, properties),
        "properties": properties,
    }


def _input(field: Field) -> _Json:
    shared: _Json = {
        "label": field.label,
        "description": _plain(field.kind),
        "group": "inputs",
        "binding": _binding("input", name=field.name),
    }
    if field.choices:
        choices: list[JsonValue] = [{"name": choice, "value": choice} for choice in field.choices]
        return {**shared, "type": "Dropdown", "choices": choices, "value": field.choices[0]}
    feel = "optional" if field.is_text else "required"
    if field.is_required:
        needed: _Json = {"notEmpty": True}
        return {**shared, "type": "String", "feel": feel, "value": f"={field.name}", "constraints": needed}
    return {**shared, "type": "String", "feel": feel, "optional": True}


def _output(field: Field) -> _Json:
    return {
        "label": field.label,
        "description": f"The variable that receives it ({_plain(field.kind)}); empty for none.",
        "type": "String",
        "value": field.name,
        "optional": True,
        "group": "outputs",
        "constraints": {"notEmpty": False, "pattern": dict(_NAME)},
        "binding": _binding("output", source=f"={field.name}"),
    }


def _binding(kind: str, **attributes: str) -> _Json:
    return {"type": f"zeebe:{kind}", **attributes}


def _groups(labels: Mapping[str, str], properties: list[JsonValue]) -> list[JsonValue]:
    """Return the groups of the properties panel that have something in them."""
    used = {each.get("group") for each in properties if isinstance(each, dict)}
    return [{"id": group, "label": label} for group, label in labels.items() if group in used]


def _plain(text: str) -> str:
    return text.replace("`", "")
