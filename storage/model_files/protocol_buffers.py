"""Protocol buffers on the wire: the fields of a message, read where they lie, without their schema.

What the official parsers do with odd bytes is done here too, where it could hide something: a field's number and an
enumeration have 32 bits, whatever is written beyond them.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple, Protocol


class WireType(IntEnum):
    """How a field's value is written; groups are of the past, and read by nobody here."""

    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5


_KINDS = {kind.value: kind for kind in WireType}
_FIXED_BYTES = {WireType.FIXED32: 4, WireType.FIXED64: 8}
_MAXIMUM_VARINT_BYTES = 10
_32_BITS = 0xFFFF_FFFF


class Content(Protocol):
    """Bytes of which parts can be had: `bytes`, or a file in memory."""

    def __getitem__(self, place: int, /) -> int:
        """Return one byte."""


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        value: Of a varint.
        start, end: Where the bytes of another value lie.
    """

    number: int
    kind: WireType
    value: int
    start: int
    end: int

    @property
    def enumeration(self) -> int:
        """The value as parsers read that of an enumeration."""
        return self.value & _32_BITS


class NotAMessageError(Exception):
    """These bytes are no message."""


def fields_of(content: Content, start: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message that lies from `start` to `end`.

    Raises:
        NotAMessageError: It ends within a field, or holds what no message of today does.
    """
    place = start
    while place < end:
        key, place = _varint(content, place, end)
        number, kind = (key & _32_BITS) >> 3, _KINDS.get(key & 7)
        value, first = 0, place
        if kind is None or number == 0:
            raise NotAMessageError
        if kind is WireType.VARINT:
            value, place = _varint(content, place, end)
        elif kind is WireType.BYTES:
            length, first = _varint(content, place, end)
            place = first + length
        else:
            place += _FIXED_BYTES[kind]
        if place > end:
            raise NotAMessageError
        yield Field(number, kind, value, first, place)


def _varint(content: Content, place: int, end: int) -> tuple[int, int]:
    value = 0
    for index in range(_MAXIMUM_VARINT_BYTES):
        if place + index >= end:
            break
        byte = content[place + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says whether more follows
            return value, place + index + 1
    raise NotAMessageError
