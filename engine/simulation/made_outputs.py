"""Outputs made from contracts: what a handler could have brought, for tasks that nobody has answered.

A field gets its default, else its first example or choice, else a plain value of its type: the smallest number that is
allowed, `true`, the name of the field as text, the start of the simulation as a time, an empty list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import BaseModel, JsonValue

_FORMATS: dict[str, JsonValue] = {
    "uuid": str(UUID(int=0)),
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "uri": "https://example.org/",
}


def made_output(output: type[BaseModel] | None) -> dict[str, JsonValue]:
    """Return values of all fields that a handler always brings; none where its output is not known."""
    if output is None:
        return {}
    schema = output.model_json_schema(mode="serialization", by_alias=False)
    value = _made(schema, schema.get("$defs", {}), "")
    return value if isinstance(value, dict) else {}


def _made(schema: Mapping[str, Any], definitions: Mapping[str, Any], name: str) -> JsonValue:
    reference = str(schema.get("$ref", "")).rpartition("/")[2]
    if "default" not in schema and reference:
        return _made(definitions[reference], definitions, name)
    for given in ("default", "const"):
        if given in schema:
            value: JsonValue = schema[given]
            return value
    for choices in ("examples", "enum"):
        if schema.get(choices):
            first: JsonValue = schema[choices][0]
            return first
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        return _made(choice, definitions, name)
    return _of_type(schema, definitions, name)


def _of_type(schema: Mapping[str, Any], definitions: Mapping[str, Any], name: str) -> JsonValue:
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {key: _made(field, definitions, key) for key, field in fields.items()}
        case "array":
            number = schema.get("minItems", 0)
            return [_made(schema.get("items", {}), definitions, name) for _ in range(number)]
        case "boolean":
            return True
        case "integer" | "number":
            return _smallest(schema)
        case "string":
            return _FORMATS.get(str(schema.get("format")), name or "text")
        case _:
            return None


def _smallest(schema: Mapping[str, Any]) -> JsonValue:
    if "minimum" in schema:
        smallest: JsonValue = schema["minimum"]
        return smallest
    if "exclusiveMinimum" in schema:
        return int(schema["exclusiveMinimum"]) + 1 if schema.get("type") == "integer" else _above(schema)
    return 0


def _above(schema: Mapping[str, Any]) -> float:
    low, high = float(schema["exclusiveMinimum"]), schema.get("exclusiveMaximum", schema.get("maximum"))
    return low + 1.0 if high is None else (low + float(high)) / 2
