"""The names of types, for `instance of` and for what a decision table says about its columns (DMN 1.3, 10.3.2.3.9)."""

from __future__ import annotations

from engine.feel.values import Value, kind

TYPES = {
    "Any": "any",
    "boolean": "boolean",
    "context": "context",
    "date": "date",
    "date and time": "date and time",
    "days and time duration": "days and time duration",
    "list": "list",
    "number": "number",
    "range": "range",
    "string": "string",
    "time": "time",
    "years and months duration": "years and months duration",
}


def is_instance(value: Value, type_name: str) -> bool:
    """Return whether a value is of a type; null is of none."""
    return value is not None and TYPES[type_name] in {"any", kind(value)}
