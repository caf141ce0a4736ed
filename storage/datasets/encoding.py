"""The bytes of the canonical form, which digests are made of. They never change; a change would be another format."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from storage.datasets.canonical import (
    Booleans,
    CanonicalColumn,
    Floats,
    Integers,
    Kind,
    Lists,
    Nothing,
    Numbers,
    Records,
    Times,
    Values,
    Words,
)

Part: TypeAlias = Any  # bytes or an array of numbers: what hashlib takes and mypy has no word for

_WHOLE_SAMPLE = 64
_INT64_LIMIT = 2.0**63


def encoded(column: CanonicalColumn) -> Iterator[Part]:
    """Yield the bytes of the canonical form; different columns never give the same bytes, however they are cut."""
    yield _header(column)
    if column.present is not None and not isinstance(column.values, Nothing):
        yield np.packbits(column.present, bitorder="little")
    yield from _encoded_values(column.values)


def _header(column: CanonicalColumn) -> bytes:
    has_gaps = column.present is not None
    return column.length.to_bytes(8, "little") + bytes([has_gaps])


def _encoded_values(values: Values) -> Iterator[Part]:
    match values:
        case Nothing():
            yield bytes([Kind.NOTHING])
        case Booleans():
            yield bytes([Kind.BOOLEAN])
            yield np.packbits(values.values, bitorder="little")
        case Numbers():
            yield from _encoded_numbers(values.values)
        case Words():
            yield bytes([values.kind]) + len(values.lengths).to_bytes(8, "little")
            yield from itertools.chain(_narrow(values.lengths), (values.data,), _narrow(values.codes))
        case Times():
            yield bytes([values.kind, values.nanoseconds is not None])
            yield from _narrow(values.seconds)
            yield from () if values.nanoseconds is None else _narrow(values.nanoseconds)
        case Lists():
            yield bytes([Kind.LIST])
            yield from itertools.chain(_narrow(values.lengths), encoded(values.items))
        case Records():
            yield bytes([Kind.RECORD]) + len(values.fields).to_bytes(4, "little")
            for name, field in values.fields:
                yield len(name.encode()).to_bytes(4, "little") + name.encode()
                yield from encoded(field)


def _encoded_numbers(values: Integers | Floats) -> Iterator[Part]:
    whole = values.astype(np.int64, copy=False) if values.dtype == np.int64 else _as_whole(values)
    if whole is None:
        yield bytes([Kind.NUMBER])
        yield np.ascontiguousarray(values, "<f8")
        return
    yield bytes([Kind.INTEGER])
    yield from _narrow(whole)


def _as_whole(values: NDArray[Any]) -> Integers | None:
    """Return floats as int64 where every one of them is whole and fits."""
    for part in (values[:_WHOLE_SAMPLE], values):
        with np.errstate(invalid="ignore"):
            is_whole = (np.abs(part) < _INT64_LIMIT) & (np.floor(part) == part)
        if not is_whole.all():
            return None
    return values.astype(np.int64)


def _narrow(values: NDArray[np.int64]) -> Iterator[Part]:
    """Yield the width and then the values, in the fewest of 1, 2, 4 and 8 bytes that hold them all."""
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    width = next(width for width in (1, 2, 4, 8) if -(2 ** (8 * width - 1)) <= low and high < 2 ** (8 * width - 1))
    yield bytes([width])
    yield values.astype(f"<i{width}")
