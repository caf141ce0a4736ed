"""The JSON types that cross process and package borders."""

from __future__ import annotations

from pydantic import JsonValue

JsonObject = dict[str, JsonValue]
JsonScalar = str | int | float | bool
