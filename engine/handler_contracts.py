"""What the handlers, forms and decisions of a deployment take and give, as diagrams are verified against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from typing import Annotated, Any

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaMode

from engine.bpmn import (
    ANYTHING,
    Contracts,
    InputContract,
    ProcessModel,
    Signature,
    StaticType,
    called_processes,
    errors_caught_around_calls,
    type_of_schema,
)
from engine.decision_contracts import decision_contract
from engine.dmn import DecisionModel
from engine.service_tasks import AnyTask, ServiceTaskRegistry

_MOST_KEPT = 1_024  # handlers do not change while the process runs


def contracts_of(
    registry: ServiceTaskRegistry,
    forms: Mapping[str, type[BaseModel]],
    models: Iterable[ProcessModel],
    groups: frozenset[str] | None = None,
    *,
    version_tags: Mapping[str, frozenset[str]] | None = None,
    decisions: Iterable[DecisionModel] = (),
    decision_tags: Mapping[str, frozenset[str]] | None = None,
) -> Contracts:
    """Return what exists around diagrams: handlers, forms, groups, processes and decisions, deployed or offered too.

    Args:
        registry: The handlers.
        forms: By id.
        models: The newest version of each process; of those that are offered, the offered one.
        groups: In which principals can be; `None` where any name may be one.
        version_tags: The tags of the versions that are deployed; `None` where they are not known.
        decisions: The models in which decisions stand; of a decision that stands in several, the last one counts.
        decision_tags: As `version_tags`.
    """
    known, asked = tuple(models), tuple(decisions)
    tags = [(each.process_id, each.version_tag) for each in known]
    tags_of_decisions = [(each.id, each.version_tag) for model in asked for each in model.decisions.values()]
    return Contracts(
        inputs=registry.contracts(),
        form_ids=frozenset(forms),
        calls={model.process_id: called_processes(model) for model in known},
        signatures={task_type: signature_of(registry[task_type]) for task_type in registry.types},
        forms={form_id: field_types(form, "serialization") for form_id, form in forms.items()},
        groups=groups,
        errors_caught=errors_caught_around_calls(*known),
        version_tags=None if version_tags is None else _with_tags(version_tags, tags),
        decisions={each: decision_contract(model, each) for model in asked for each in model.decisions},
        decision_tags=None if decision_tags is None else _with_tags(decision_tags, tags_of_decisions),
        process_inputs={model.process_id: model.declared_inputs for model in known if model.declared_inputs},
    )


def _with_tags(
    deployed: Mapping[str, frozenset[str]], offered: Iterable[tuple[str, str | None]]
) -> Mapping[str, frozenset[str]]:
    tags = dict(deployed)
    for name, tag in offered:
        tags[name] = tags.get(name, frozenset()) | frozenset({tag} if tag else ())
    return tags


@lru_cache(maxsize=_MOST_KEPT)
def signature_of(task: AnyTask) -> Signature:
    """Return what a handler takes, gives and throws."""
    types = field_types(task.input, "validation")
    inputs = {
        name: InputContract(types[name], partial(_objection, _adapter(field)))
        for name, field in task.input.model_fields.items()
    }
    outputs = None if task.output is None else field_types(task.output, "serialization")
    return Signature(inputs, outputs, task.errors, task.inverse)


def field_types(model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, StaticType]:
    """Return what each field of a model can hold; in JSON, on its way in or out."""
    try:
        schema = model.model_json_schema(mode=mode, by_alias=False)
    except PydanticInvalidForJsonSchema:
        return dict.fromkeys(model.model_fields, ANYTHING)
    whole = type_of_schema(schema)
    return {name: whole.keys.get(name, ANYTHING) for name in model.model_fields}


def _adapter(field: FieldInfo) -> TypeAdapter[Any]:
    annotation: Any = field.annotation
    return TypeAdapter(Annotated[(annotation, *field.metadata)] if field.metadata else annotation)


def _objection(adapter: TypeAdapter[Any], value: JsonValue) -> str | None:
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        return error.errors()[0]["msg"].rstrip(".")
    return None
