"""Canonical JSON: RFC 8785, the same bytes for the same values, whoever writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.encoder import encode_basestring

import rfc8785
from pydantic import JsonValue

from storage.json_documents import json_value, require_storable

_LEAF = "AuditLeaf"
_LARGEST_EXACT_INTEGER = 2**53 - 1
_SMALLEST_PLAIN_FLOAT = 1e-4
_SMALLEST_LARGE_FLOAT = 1e16
_SAME_EVERYWHERE = frozenset({str, bool, type(None)})
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))

canonical_text = encode_basestring
"""Writes a text as RFC 8785 does; whoever encodes it finds half of a surrogate pair."""


def canonical_bytes(document: Mapping[str, object]) -> bytes:
    """Return the RFC 8785 bytes; integers beyond 53 bits appear as decimal text (RFC 8785, appendix D).

    Raises:
        RecordTextError, RecordNumberError: A value that is no JSON text or number.
    """
    try:
        if _is_plain(document):
            return _ENCODER.encode(document).encode()
        value = _exact(json_value(document, model=_LEAF))
        return _ENCODER.encode(value).encode() if _is_plain(value) else rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        require_storable(json_value(document, model=_LEAF), model=_LEAF)
        raise


def _is_plain(value: object) -> bool:
    """Return whether sorted JSON without spaces is what RFC 8785 says: ASCII names, numbers that all write alike.

    Floats that are whole, tiny or huge are written otherwise in JavaScript. Loops and exact types, because every step
    asks this of all its leaves: it takes a third of what a `match` takes.
    """
    if type(value) in _SAME_EVERYWHERE:
        return True
    if type(value) is dict:
        for name, item in value.items():
            if type(name) is not str or not name.isascii():
                return False
            if type(item) not in _SAME_EVERYWHERE and not _is_plain(item):
                return False
        return True
    if type(value) is list:
        return all(map(_is_plain, value))
    return _is_plain_number(value)


def _is_plain_number(value: object) -> bool:
    if type(value) is int:
        return -_LARGEST_EXACT_INTEGER <= value <= _LARGEST_EXACT_INTEGER
    if type(value) is float:
        return _SMALLEST_PLAIN_FLOAT <= abs(value) < _SMALLEST_LARGE_FLOAT and not value.is_integer()
    return False


def _exact(value: JsonValue) -> JsonValue:
    """Return the value with large integers as text, and whole floats as integers: so are both written."""
    match value:
        case dict():
            return {name: _exact(item) for name, item in value.items()}
        case list():
            return [_exact(item) for item in value]
        case float() if value.is_integer() and abs(value) <= _LARGEST_EXACT_INTEGER:
            return int(value)
        case int() if abs(value) > _LARGEST_EXACT_INTEGER:
            return str(value)
        case _:
            return value
