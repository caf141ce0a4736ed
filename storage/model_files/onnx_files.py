"""ONNX: one protocol buffer. No tensor may lie in another file, no operator come from a library that is loaded for it.

Each message is read by its schema. An operator has to be one that runtimes bring along, or a function that the model
itself defines: operators of other domains are loaded from shared libraries, and some run Python that a model names.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from storage.model_files.errors import ModelFileRefusedError
from storage.model_files.onnx_schema import (
    DATA_OUTSIDE,
    FUNCTION_DOMAIN,
    FUNCTION_NAME,
    MODEL_FUNCTIONS,
    MODEL_GRAPH,
    MODEL_OPERATORS,
    MODEL_VERSION,
    NODE_DOMAIN,
    NODE_OPERATOR,
    OPERATOR_SET_DOMAIN,
    SHAPES,
    STANDARD_DOMAINS,
    TENSOR_DATA_LOCATION,
    TENSOR_EXTERNAL_DATA,
    Message,
)
from storage.model_files.protocol_buffers import Field, NotAMessageError, WireType, fields_of

_MAXIMUM_BYTES = 2 * 1024**3  # of a protocol buffer
_MAXIMUM_FIELDS = 5_000_000
_MAXIMUM_DEPTH = 64
_LONGEST_NAME = 1_000
_UNKNOWN_FORMAT = "it is of no format that is known here"


class _Part(NamedTuple):
    """A message within the model."""

    message: Message
    fields: tuple[Field, ...]


def require_onnx(path: Path, size: int) -> None:
    """Return if the file is an ONNX model that brings all it needs, and names nothing that would be loaded for it.

    Raises:
        ModelFileRefusedError: It is not.
    """
    if not 0 < size <= _MAXIMUM_BYTES:
        raise ModelFileRefusedError(file=path.name, reason="it is empty, or larger than a protocol buffer may be")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        model = _Model(path, content)
        try:
            model.require(size)
        except NotAMessageError as error:
            raise ModelFileRefusedError(file=path.name, reason=_UNKNOWN_FORMAT) from error


class _Model:
    """One file while it is looked through."""

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self._path = path
        self._content = content

    def require(self, size: int) -> None:
        top = tuple(fields_of(self._content, 0, size))
        kinds = {(field.number, field.kind) for field in top}
        wanted = {(MODEL_VERSION, WireType.VARINT), (MODEL_GRAPH, WireType.BYTES), (MODEL_OPERATORS, WireType.BYTES)}
        if not wanted <= kinds:
            raise NotAMessageError
        defined = frozenset(self._functions(top))
        domains = STANDARD_DOMAINS | {domain for domain, _name in defined}
        for part in self._parts(top):
            self._require_part(part, defined, domains)

    def _functions(self, top: tuple[Field, ...]) -> Iterator[tuple[str, str]]:
        """Yield domain and name of the functions that the model defines."""
        for function in top:
            if function.number == MODEL_FUNCTIONS:
                inner = tuple(fields_of(self._content, function.start, function.end))
                yield self._text(inner, FUNCTION_DOMAIN), self._text(inner, FUNCTION_NAME)

    def _parts(self, top: tuple[Field, ...]) -> Iterator[_Part]:
        """Yield every message, whatever path leads to it."""
        waiting = [(_Part(Message.MODEL, top), 1)]
        seen = 0
        while waiting:
            part, depth = waiting.pop()
            yield part
            shape = SHAPES[part.message]
            seen += len(part.fields)
            if seen > _MAXIMUM_FIELDS or depth > _MAXIMUM_DEPTH:
                raise self._refused("it is too large or too deep to be looked through")
            for field in part.fields:
                message = shape.messages.get(field.number)
                if message is not None and field.kind is WireType.BYTES:
                    inner = tuple(fields_of(self._content, field.start, field.end))
                    waiting.append((_Part(message, inner), depth + 1))
                elif message is not None or field.number not in shape.values:
                    raise self._refused(f"field {field.number} of a {part.message.name.lower()} is unknown here")

    def _require_part(self, part: _Part, defined: frozenset[tuple[str, str]], domains: frozenset[str]) -> None:
        match part.message:
            case Message.TENSOR if any(map(_is_outside, part.fields)):
                raise self._refused("a tensor's data lies in another file")
            case Message.OPERATOR_SET:
                self._require_domain(self._text(part.fields, OPERATOR_SET_DOMAIN), domains)
            case Message.NODE:
                domain = self._text(part.fields, NODE_DOMAIN)
                if domain not in STANDARD_DOMAINS and (domain, self._text(part.fields, NODE_OPERATOR)) not in defined:
                    raise self._foreign(domain)
            case _:
                pass

    def _require_domain(self, domain: str, domains: frozenset[str]) -> None:
        if domain not in domains:
            raise self._foreign(domain)

    def _text(self, fields: tuple[Field, ...], number: int) -> str:
        """Return a text; of several the last counts, as in every parser."""
        found = [field for field in fields if field.number == number]
        if any(field.kind is not WireType.BYTES or field.end - field.start > _LONGEST_NAME for field in found):
            raise self._refused("a name in it is no text, or too long")
        content = self._content[found[-1].start : found[-1].end] if found else b""
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise self._refused("a name in it is no text, or too long") from error

    def _foreign(self, domain: str) -> ModelFileRefusedError:
        return self._refused(f"it needs operators of {domain[:100]!r}, which are loaded from libraries")

    def _refused(self, reason: str) -> ModelFileRefusedError:
        return ModelFileRefusedError(file=self._path.name, reason=reason)


def _is_outside(field: Field) -> bool:
    if field.number == TENSOR_DATA_LOCATION:
        return field.kind is not WireType.VARINT or field.enumeration == DATA_OUTSIDE
    return field.number == TENSOR_EXTERNAL_DATA
