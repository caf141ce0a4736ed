"""What the tools take, read from their input schemas, so that a new tool or argument cannot be forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Path = tuple[str, ...]
EACH, ANY = "[]", "*"
"""Steps of a path: into an element of a list, and into a member of any name."""


def paths_of_ids(schema: dict[str, Any]) -> set[Path]:
    """Return the arguments that are ids."""
    return {path for path, part in _leaves(schema, schema, ()) if part.get("format") == "uuid"}


def paths_of_texts(schema: dict[str, Any]) -> set[Path]:
    """Return the arguments that can be any text, and the places where any JSON can be."""
    return {
        path
        for path, part in _leaves(schema, schema, ())
        if path
        and (path[-1] == ANY or (part.get("type") == "string" and not {"format", "enum", "const"} & part.keys()))
    }


def _leaves(schema: dict[str, Any], part: dict[str, Any], path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    if "$ref" in part:
        part = {**schema["$defs"][part["$ref"].rpartition("/")[2]], **{k: v for k, v in part.items() if k != "$ref"}}
    yield path, part
    for choice in (*part.get("anyOf", ()), *part.get("oneOf", ()), *part.get("allOf", ())):
        yield from _leaves(schema, choice, path)
    if "items" in part:
        yield from _leaves(schema, part["items"], (*path, EACH))
    for name, inner in part.get("properties", {}).items():
        yield from _leaves(schema, inner, (*path, name))
    if part.get("type") == "object" and "properties" not in part:
        yield (*path, ANY), {}


def placed(arguments: Any, path: Path, value: Any) -> Any:
    """Return arguments with a value at a path, whatever was there."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if step == EACH:
        return [placed(arguments[0] if isinstance(arguments, list) and arguments else None, rest, value)]
    known = arguments if isinstance(arguments, dict) else {}
    name = "anything" if step == ANY else step
    return {**known, name: placed(known.get(name), rest, value)}
