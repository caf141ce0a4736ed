"""What every service task takes, gives and throws, from its handler's models: the source of templates and catalogue."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from engine import ExternalTask, ServiceTaskRegistry

_WORDS = {
    "array": "list",
    "object": "context",
    "string": "text",
    "integer": "whole number",
    "uuid": "id",
    "date-time": "time",
}
_INTRODUCTION = """\
# Service tasks

What a service task of each type takes, gives and throws. This page is made from the handlers' models by
`ami-learning diagram catalogue`; the element templates for Camunda Modeler, in
`.camunda/element-templates/ami-learning.json`, are made from the same by `ami-learning diagram templates`.

*In the step* means that the work commits together with the process's step, exactly once. A *job* is run by a worker
outside any transaction; after a crash it runs again. The errors listed are those that a diagram has to catch with a
boundary event."""


@dataclass(frozen=True)
class Field:
    """One input or output.

    Attributes:
        kind: What it holds, in words.
        choices: The only texts that are accepted, where they are few.
        is_text: Whether a plain text is a value of it.
    """

    name: str
    kind: str
    is_required: bool
    choices: tuple[str, ...] = ()
    is_text: bool = False

    @property
    def label(self) -> str:
        """The name as people read it."""
        return self.name.replace("_", " ").capitalize()


@dataclass(frozen=True)
class Entry:
    """One service task."""

    task_type: str
    summary: str
    is_job: bool
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    errors: tuple[str, ...]

    @property
    def label(self) -> str:
        """The task's name as people read it."""
        return self.task_type.rpartition(".")[2].replace("_", " ").capitalize()


def catalogue(registry: ServiceTaskRegistry) -> tuple[Entry, ...]:
    """Return every service task, by type."""
    return tuple(_entry(registry, task_type) for task_type in registry.types)


def fields_of(model: type[BaseModel], mode: JsonSchemaMode = "validation") -> tuple[Field, ...]:
    """Return the fields of a model, as JSON brings them in or takes them out."""
    schema = model.model_json_schema(mode=mode)
    definitions = schema.get("$defs", {})
    needed = schema.get("required", [])
    return tuple(
        Field(
            name=name,
            kind=_kind(field, definitions),
            is_required=name in needed,
            choices=_choices(field, definitions),
            is_text=field.get("type") == "string" and "format" not in field,
        )
        for name, field in schema.get("properties", {}).items()
    )


def catalogue_page(registry: ServiceTaskRegistry) -> str:
    """Return the catalogue as a page of the documentation."""
    return "\n".join(_page(catalogue(registry)))


def _entry(registry: ServiceTaskRegistry, task_type: str) -> Entry:
    task = registry[task_type]
    run = task.run.func if isinstance(task.run, partial) else task.run
    return Entry(
        task_type=task_type,
        summary=(inspect.getdoc(run) or "").partition("\n")[0],
        is_job=isinstance(task, ExternalTask),
        inputs=fields_of(task.input),
        outputs=() if task.output is None else fields_of(task.output, "serialization"),
        errors=task.errors,
    )


def _kind(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return in words what a JSON Schema admits."""
    reference = str(schema.get("$ref", "")).rpartition("/")[2]
    if reference:
        return _kind(definitions[reference], definitions)
    if "anyOf" in schema:
        return " or ".join(_kind(choice, definitions) for choice in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "items" in schema:
        return f"list of {_kind(schema['items'], definitions)}"
    if "properties" in schema:
        return f"context with {', '.join(f'`{name}`' for name in schema['properties'])}"
    named = schema.get("format", schema.get("type", "anything"))
    return _WORDS.get(named, str(named))


def _choices(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[str, ...]:
    reference = str(schema.get("$ref", "")).rpartition("/")[2]
    values = definitions.get(reference, schema).get("enum", ())
    return tuple(values) if all(isinstance(value, str) for value in values) else ()


def _page(entries: tuple[Entry, ...]) -> Iterator[str]:
    yield _INTRODUCTION
    for entry in entries:
        yield from ("", f"## {entry.task_type}", "", entry.summary, "")
        yield f"Runs {'as a job' if entry.is_job else 'in the step'}."
        yield from _table("input", entry.inputs)
        yield from _table("output", entry.outputs)
        if entry.errors:
            yield from ("", f"Errors: {', '.join(f'`{code}`' for code in entry.errors)}.")
    yield ""


def _table(kind: str, fields: tuple[Field, ...]) -> Iterator[str]:
    if not fields:
        return
    if kind == "input":
        yield from ("", "| input | holds | needed |", "| --- | --- | --- |")
        yield from (f"| `{field.name}` | {field.kind} | {'yes' if field.is_required else 'no'} |" for field in fields)
    else:
        yield from ("", "| output | holds |", "| --- | --- |")
        yield from (f"| `{field.name}` | {field.kind} |" for field in fields)
