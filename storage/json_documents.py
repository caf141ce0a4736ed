"""JSON as PostgreSQL's `jsonb` can hold it: text without NUL and half characters, finite numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from storage.errors import RecordNumberError, RecordTextError

_ENCODER = json.JSONEncoder(ensure_ascii=False)
_TOO_LONG = 10**4_000
_HALF_CHARACTER = "half of a surrogate pair"


def jsonb_text(document: object, *, model: str) -> str:
    """Return `document` as JSON text that `jsonb` accepts and gives back unchanged.

    Args:
        document: Anything that pydantic can turn into JSON.
        model: The record's model, for the errors.

    Raises:
        RecordTextError: A text or a key holds NUL or half of a surrogate pair.
        RecordNumberError: A number is NaN or infinite, or has more digits than Python reads.
    """
    value = json_value(document, model=model)
    try:
        text = _ENCODER.encode(value)
    except ValueError:
        require_storable(value, model=model)
        raise
    if "e+" in text:
        text = _with_fractions(value)
    if "\\u0000" in text or "NaN" in text or "Infinity" in text or not _is_encodable(text):
        require_storable(value, model=model)
    return text


def _with_fractions(value: JsonValue) -> str:
    """Return JSON text in which a large fraction is written out, `.0` at its end.

    `jsonb` keeps 1e+23 as a whole number, which is read as another number than the fraction that is nearest to it.
    """
    match value:
        case dict():
            members = (f"{_ENCODER.encode(name)}: {_with_fractions(item)}" for name, item in value.items())
            return f"{{{', '.join(members)}}}"
        case list():
            return f"[{', '.join(map(_with_fractions, value))}]"
        case float() if math.isfinite(value) and "e+" in repr(value):
            return f"{value:.1f}"
        case _:
            return _ENCODER.encode(value)


def json_value(document: object, *, model: str) -> JsonValue:
    """Return `document` as JSON's own types; arguments as `jsonb_text`.

    Raises:
        RecordTextError: A name holds half of a surrogate pair.
    """
    try:
        value: JsonValue = to_jsonable_python(document)
    except UnicodeEncodeError as error:  # only names are encoded here
        raise RecordTextError(model=model, field="a name", reason=_HALF_CHARACTER) from error
    return value


def require_storable(value: JsonValue, *, model: str) -> None:
    """Return if `jsonb` can hold `value`; raises as `jsonb_text`."""
    for path, leaf in _leaves(value):
        if isinstance(leaf, int) and abs(leaf) >= _TOO_LONG:
            raise RecordNumberError(model=model, field=path, value="a whole number of more than 4,000 digits")
        if isinstance(leaf, float) and not math.isfinite(leaf):
            raise RecordNumberError(model=model, field=path, value=leaf)
        if isinstance(leaf, str) and ("\0" in leaf or not _is_encodable(leaf)):
            reason = "a NUL character" if "\0" in leaf else _HALF_CHARACTER
            raise RecordTextError(model=model, field=path, reason=reason)


def _leaves(value: JsonValue, path: str = "") -> Iterator[tuple[str, JsonValue]]:
    match value:
        case dict():
            for name, item in value.items():
                below = f"{path}.{name}" if path else name
                yield path or name, name
                yield from _leaves(item, below)
        case list():
            for index, item in enumerate(value):
                yield from _leaves(item, f"{path}[{index}]")
        case _:
            yield path, value


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
