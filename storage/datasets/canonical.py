"""The canonical form of a piece of a column: one form for one sequence of values, whatever format they came in.

The rules, which `docs/explanation/dataset-identity.md` gives in full:

- NaN and null are one thing, a missing value. So -0.0 and 0.0 are one number, and a number is its value: 1 as an
  integer of any width, as 1.0 and as the decimal 1.00 are the same.
- Decimals of up to 15 significant digits are the float64 that prints so; what has more digits stays a decimal.
- A text is its characters, however it is stored; an empty text is a value and not missing.
- A date is the midnight it begins with. A time with a zone is an instant, whatever the zone; one without is not.
- Lists and records are made of canonical parts. The type of a column without any value does not count.

Everything here works on whole columns at a time; nothing loops over rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from storage.datasets.decimals import plain_decimals
from storage.datasets.errors import ColumnTypeUnsupportedError

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Column: TypeAlias = Any  # pyarrow's stubs do not follow an array through its kernels

MAXIMUM_DEPTH = 8
_INT64_LIMIT = 2.0**63
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY_SECONDS = 86_400
_BEGINNING = 16  # rows for each word: among so many, all words mostly stand


class Kind(IntEnum):
    """What a value is; the numbers are part of every digest and never change."""

    NOTHING = 0
    BOOLEAN = 1
    INTEGER = 2
    NUMBER = 3
    DECIMAL = 4
    TEXT = 5
    BYTES = 6
    LOCAL_TIME = 7
    INSTANT = 8
    TIME_OF_DAY = 9
    DURATION = 10
    LIST = 11
    RECORD = 12


@dataclass(frozen=True)
class Nothing:
    """No value at all."""


@dataclass(frozen=True)
class Booleans:
    """True and false."""

    values: Bools


@dataclass(frozen=True)
class Numbers:
    """Numbers, int64 or float64; no NaN and no negative zero among them."""

    values: Integers | Floats


@dataclass(frozen=True)
class Words:
    """Texts, bytes or long decimals: the distinct ones in the order of their first appearance, and which stands where.

    Attributes:
        lengths: Bytes of each distinct word.
        data: The distinct words, one behind the other.
        codes: int64 `[values]`, indices into the distinct words.
        counts: How often each distinct word stands there.
    """

    kind: Kind
    lengths: Integers
    data: NDArray[np.uint8]
    codes: Integers
    counts: Integers

    def texts(self, places: Integers | None = None) -> list[str]:
        """Return the distinct words, or those at `places` among them, as text; what is not UTF-8 is replaced."""
        ends = np.cumsum(self.lengths)
        starts = ends - self.lengths
        wanted = range(len(ends)) if places is None else places
        return [self.data[starts[place] : ends[place]].tobytes().decode(errors="replace") for place in wanted]


@dataclass(frozen=True)
class Times:
    """Whole seconds, and the nanoseconds (0 to 999,999,999) beyond them; `None` where all are 0."""

    kind: Kind
    seconds: Integers
    nanoseconds: Integers | None


@dataclass(frozen=True)
class Lists:
    """Lists: how long each is, and their items one behind the other."""

    lengths: Integers
    items: CanonicalColumn


@dataclass(frozen=True)
class Records:
    """Records: their fields, each as a column."""

    fields: tuple[tuple[str, CanonicalColumn], ...]


Values: TypeAlias = Nothing | Booleans | Numbers | Words | Times | Lists | Records


@dataclass(frozen=True)
class CanonicalColumn:
    """A piece of a column.

    Attributes:
        length: Rows, missing ones included.
        present: Which rows have a value; `None` where all have.
        values: Of the rows that have one.
    """

    length: int
    present: Bools | None
    values: Values

    @property
    def missing(self) -> int:
        """How many rows have no value."""
        return 0 if self.present is None else self.length - int(np.count_nonzero(self.present))


def canonical_column(array: Column, *, name: str = "", depth: int = 0) -> CanonicalColumn:
    """Return the canonical form of an Arrow array.

    Raises:
        ColumnTypeUnsupportedError: A type that has none, or one nested deeper than 8 levels.
    """
    if depth > MAXIMUM_DEPTH:
        raise ColumnTypeUnsupportedError(column=name, datatype=f"more than {MAXIMUM_DEPTH} levels of nesting")
    if isinstance(array, pa.ExtensionArray):
        return canonical_column(array.storage, name=name, depth=depth + 1)
    if pa.types.is_null(array.type):
        return _column(len(array), np.zeros(len(array), np.bool_), Nothing())
    array = _plain_layout(array)
    present = None if array.null_count == 0 else np.asarray(array.is_valid().to_numpy(zero_copy_only=False))
    values = _values(array if present is None else array.drop_null(), name, depth)
    if isinstance(values, Numbers) and values.values.dtype == np.float64:
        return _without_nan(len(array), present, values.values.astype(np.float64, copy=False))
    return _column(len(array), present, values)


def _plain_layout(array: Column) -> Column:
    """Return the array as values or, for text and bytes, as values by reference to distinct ones without null."""
    kind = array.type
    if isinstance(kind, pa.DictionaryType):
        is_plain = (_is_text(kind) or _is_bytes(kind)) and not array.dictionary.null_count
        return array if is_plain else _plain_layout(array.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return _plain_layout(pc.call_function("run_end_decode", [array]))
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return array.cast(pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary())
    return array


def _column(length: int, present: Bools | None, values: Values) -> CanonicalColumn:
    if length == 0:
        return CanonicalColumn(0, None, Nothing())
    if present is not None and not present.any():
        return CanonicalColumn(length, present, Nothing())
    return CanonicalColumn(length, present, values)


def _without_nan(length: int, present: Bools | None, values: Floats) -> CanonicalColumn:
    is_nan = np.isnan(values)
    if is_nan.any():
        has_value = np.ones(length, np.bool_) if present is None else present.copy()
        has_value[np.flatnonzero(has_value)[is_nan]] = False
        present, values = has_value, values[~is_nan]
    return _column(length, present, Numbers(values + 0.0))  # -0.0 + 0.0 is 0.0


def _values(array: Column, name: str, depth: int) -> Values:
    kind = array.type
    for accepts, convert in _CONVERSIONS:
        if accepts(kind):
            return convert(array)
    if isinstance(array, pa.StructArray):
        children = zip(kind, array.flatten(), strict=True)
        return Records(tuple((f.name, canonical_column(child, name=name, depth=depth + 1)) for f, child in children))
    if _is_list(kind):
        items = canonical_column(array.flatten(), name=name, depth=depth + 1)
        return Lists(_numpy(array.value_lengths()).astype(np.int64), items)
    if pa.types.is_map(kind):
        pairs = array.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)])))
        return _values(pairs, name, depth)
    raise ColumnTypeUnsupportedError(column=name, datatype=str(kind))


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _booleans(array: Column) -> Booleans:
    return Booleans(_numpy(array))


def _integers(array: Column) -> Values:
    values = _numpy(array)
    if values.dtype == np.uint64 and len(values) and int(values.max()) >= 2**63:
        return _large_integers(values)
    return Numbers(values.astype(np.int64, copy=False))


def _large_integers(values: NDArray[np.uint64]) -> Values:
    floats = values.astype(np.float64)
    if floats.max() < 2.0 * _INT64_LIMIT and np.array_equal(floats.astype(np.uint64), values):
        return Numbers(floats)
    return _words(pa.array(values).cast(pa.string()), Kind.DECIMAL)


def _floats(array: Column) -> Numbers:
    return Numbers(_numpy(array).astype(np.float64, copy=False))


def _decimals(array: Column) -> Values:
    plain = plain_decimals(array)
    return Numbers(plain) if isinstance(plain, np.ndarray) else _words(plain, Kind.DECIMAL)


def _texts(array: Column) -> Words:
    return _words(array, Kind.TEXT)


def _bytes(array: Column) -> Words:
    return _words(array, Kind.BYTES)


def _words(array: Column, kind: Kind) -> Words:
    encoded = array if isinstance(array, pa.DictionaryArray) else array.dictionary_encode()
    wide = pa.large_string() if kind is not Kind.BYTES else pa.large_binary()
    dictionary, codes = encoded.dictionary.cast(wide), _numpy(encoded.indices).astype(np.int64)
    if encoded is array:
        dictionary, codes = _distinct(dictionary, codes)
    counts = np.bincount(codes, minlength=len(dictionary))
    if encoded is array:
        order, codes = _by_first_appearance(codes, counts)
        dictionary, counts = dictionary.take(order), counts[order]
    offsets: Any
    data: Any
    _validity, offsets, data = dictionary.buffers()
    end = dictionary.offset + len(dictionary) + 1
    bounds = np.frombuffer(offsets, np.int64)[dictionary.offset : end] if len(dictionary) else np.zeros(1, np.int64)
    content = np.frombuffer(data or b"", np.uint8)[bounds[0] : bounds[-1]]
    return Words(kind=kind, lengths=np.diff(bounds), data=content, codes=codes, counts=counts)


def _distinct(dictionary: Column, codes: Integers) -> tuple[Column, Integers]:
    """Return the dictionary with each word once, and the codes that go with it."""
    encoded = dictionary.dictionary_encode()
    if len(encoded.dictionary) == len(dictionary):
        return dictionary, codes
    return encoded.dictionary, _numpy(encoded.indices).astype(np.int64)[codes]


def _by_first_appearance(codes: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Return the codes that occur, in the order of their first appearance, and each row's place in that order."""
    used = np.flatnonzero(counts)
    first = _first_places(codes[: _BEGINNING * len(counts)], len(counts))
    if (first[used] < 0).any():
        first = _first_places(codes, len(counts))
    order = used[np.argsort(first[used])]
    place = np.zeros(len(counts), np.int64)
    place[order] = np.arange(len(order))
    return order, place[codes]


def _first_places(codes: Integers, size: int) -> Integers:
    """Return where each of `size` codes stands first, -1 for those that do not."""
    first = np.full(size, -1, np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # of several writes to one place, the last stays
    return first


def _times(array: Column) -> Times:
    kind = array.type
    if pa.types.is_date32(kind):
        return Times(Kind.LOCAL_TIME, _numpy(array.cast(pa.int32())).astype(np.int64) * _DAY_SECONDS, None)
    whole = _numpy(array.cast(pa.int32() if pa.types.is_time32(kind) else pa.int64())).astype(np.int64)
    unit = _UNITS["ms" if pa.types.is_date64(kind) else kind.unit]
    if unit == 1:
        return Times(_time_kind(kind), whole, None)
    seconds = whole // unit
    rest = (whole - seconds * unit) * (1_000_000_000 // unit)
    return Times(_time_kind(kind), seconds, rest if rest.any() else None)


def _time_kind(kind: Any) -> Kind:
    if pa.types.is_time(kind):
        return Kind.TIME_OF_DAY
    if pa.types.is_duration(kind):
        return Kind.DURATION
    return Kind.INSTANT if pa.types.is_timestamp(kind) and kind.tz is not None else Kind.LOCAL_TIME


def _is_time(kind: pa.DataType) -> bool:
    types = pa.types
    return any(fits(kind) for fits in (types.is_timestamp, types.is_date, types.is_time, types.is_duration))


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    if isinstance(kind, pa.DictionaryType):
        return _is_text(kind.value_type)
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    if isinstance(kind, pa.DictionaryType):
        return _is_bytes(kind.value_type)
    return (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


_CONVERSIONS: tuple[tuple[Callable[[Any], bool], Callable[[Column], Values]], ...] = (
    (pa.types.is_integer, _integers),
    (pa.types.is_floating, _floats),
    (_is_text, _texts),
    (pa.types.is_boolean, _booleans),
    (_is_time, _times),
    (pa.types.is_decimal, _decimals),
    (_is_bytes, _bytes),
)


def _numpy(array: Column) -> Any:
    return np.asarray(array.to_numpy(zero_copy_only=False))
