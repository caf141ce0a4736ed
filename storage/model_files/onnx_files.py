"""ONNX: one protocol buffer; none of its tensors may lie in a file outside, whose name could be any.

The fields are those of onnx.proto3: a model has its graph in field 7 and functions in 25; a graph has nodes in 1,
initial values in 5 and sparse ones in 15; a tensor has `external_data` in 13 and `data_location` in 14. Instead of
following every path by which a tensor can be reached (attributes, subgraphs, functions, training), every field of every
message is looked at as if it were a message, and anything that reads as a tensor with data outside is refused.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from storage.model_files.errors import ModelFileRefusedError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MODEL_VERSION, _MODEL_GRAPH, _MODEL_OPERATORS = 1, 7, 8
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION, _OUTSIDE = 13, 14, 1
_MAXIMUM_BYTES = 2 * 1024**3  # of a protocol buffer
_MAXIMUM_FIELDS = 5_000_000
_MAXIMUM_DEPTH = 64
_LARGEST_MESSAGE_NAME = b"location"
_MAXIMUM_VARINT_BYTES = 10


class _Field(NamedTuple):
    number: int
    kind: int
    value: int
    start: int
    end: int


class _NoMessageError(Exception):
    """These bytes are no protocol buffer."""


def require_onnx(path: Path, size: int) -> None:
    """Return if the file is an ONNX model that has all its tensors within.

    Raises:
        ModelFileRefusedError: It is not.
    """
    if not 0 < size <= _MAXIMUM_BYTES:
        raise ModelFileRefusedError(file=path.name, reason="it is empty, or larger than a protocol buffer may be")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            top = list(_fields(content, 0, size))
        except _NoMessageError as error:
            raise ModelFileRefusedError(file=path.name, reason="it is of no format that is known here") from error
        kinds = {(field.number, field.kind) for field in top}
        if not {(_MODEL_VERSION, _VARINT), (_MODEL_GRAPH, _BYTES), (_MODEL_OPERATORS, _BYTES)} <= kinds:
            raise ModelFileRefusedError(file=path.name, reason="it is of no format that is known here")
        _require_inside(path, content, top)


def _require_inside(path: Path, content: mmap.mmap, top: list[_Field]) -> None:
    waiting = [(field, 1) for field in top]
    seen = 0
    while waiting:
        field, depth = waiting.pop()
        seen += 1
        if seen > _MAXIMUM_FIELDS or depth > _MAXIMUM_DEPTH:
            raise ModelFileRefusedError(file=path.name, reason="it is too large or too deep to be looked through")
        if field.kind != _BYTES:
            continue
        try:
            inner = list(_fields(content, field.start, field.end))
        except _NoMessageError:
            continue
        if any(_is_outside(content, part) for part in inner):
            raise ModelFileRefusedError(file=path.name, reason="a tensor's data lies in another file")
        waiting.extend((part, depth + 1) for part in inner)


def _is_outside(content: mmap.mmap, field: _Field) -> bool:
    if field.number == _TENSOR_DATA_LOCATION and field.kind == _VARINT:
        return field.value == _OUTSIDE
    if field.number == _TENSOR_EXTERNAL_DATA and field.kind == _BYTES:
        return _LARGEST_MESSAGE_NAME in content[field.start : min(field.end, field.start + 64)]
    return False


def _fields(content: mmap.mmap, start: int, end: int) -> Iterator[_Field]:
    place = start
    while place < end:
        key, place = _varint(content, place, end)
        number, kind = key >> 3, key & 7
        value, first = 0, place
        if kind == _VARINT:
            value, place = _varint(content, place, end)
        elif kind == _BYTES:
            length, first = _varint(content, place, end)
            place = first + length
        elif kind in {_FIXED32, _FIXED64}:
            place += 4 if kind == _FIXED32 else 8
        else:
            raise _NoMessageError
        if number == 0 or place > end:
            raise _NoMessageError
        yield _Field(number, kind, value, first, place)


def _varint(content: mmap.mmap, place: int, end: int) -> tuple[int, int]:
    value = 0
    for index in range(_MAXIMUM_VARINT_BYTES):
        if place + index >= end:
            break
        byte = content[place + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says whether more follows
            return value, place + index + 1
    raise _NoMessageError
