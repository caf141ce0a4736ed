"""What every reader gives: the columns, and the rows in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import compute

from domain_sdk.errors import FileNotTabularError
from domain_sdk.tables import first_line, require_table_shape
from storage.datasets.chunks import CHUNK_ROWS
from storage.datasets.limits import ReadingLimits


@dataclass(frozen=True)
class TableStream:
    """A table that is read once.

    Attributes:
        file_format: `csv`, `parquet`, `arrow`, `jsonl`, `npy`, `npz` or `images`.
        batches: The rows; reading goes on as they are taken.
    """

    file_format: str
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


class WiderTypeNeededError(Exception):
    """A column's later values do not fit the type that its first ones suggested; read again, with this type."""

    def __init__(self, *, column: str, datatype: pa.DataType) -> None:
        self.column = column
        self.datatype = datatype
        super().__init__(column)


def checked(path: Path, stream: TableStream, limits: ReadingLimits) -> Iterator[pa.RecordBatch]:
    """Yield the batches, each within the limits and with nothing in it that cannot be kept.

    Raises:
        FileTooLargeError: Too many bytes, cells or columns.
        FileNotTabularError: The content is damaged, has no rows, or holds text that is not UTF-8 or has NUL in it.
    """
    limits.table.require_columns(path, len(stream.schema))
    require_table_shape(path, stream.schema)
    rows = size_bytes = 0
    for batch in _sliced(_translated(path, stream.batches)):
        size_bytes += limits.require_batch(path, batch)
        rows += batch.num_rows
        limits.table.require_cells(path, rows * batch.num_columns)
        limits.table.require_bytes(path, size_bytes)
        _require_sound(path, batch)
        yield batch
    if rows == 0:
        raise FileNotTabularError(path=path, reason="it has no rows")


def require_names(path: Path, schema: pa.Schema) -> None:
    """Return if every field, within others too, has a name that can be kept.

    Raises:
        FileNotTabularError: One is not UTF-8, or has NUL in it.
    """
    try:
        for field in schema:
            for name in _names_within(field):
                _require_storable(path, field.name, "\0" in name)
    except UnicodeDecodeError as error:
        raise FileNotTabularError(path=path, reason="a field's name is not UTF-8 text") from error


def _names_within(field: pa.Field[Any]) -> Iterator[str]:
    yield field.name
    for part in _parts(field.type):
        yield from _names_within(part)


def _parts(kind: Any) -> list[pa.Field[Any]]:
    if pa.types.is_struct(kind):
        return [kind.field(index) for index in range(kind.num_fields)]
    if pa.types.is_map(kind):
        return [kind.key_field, kind.item_field]
    return [kind.value_field] if hasattr(kind, "value_field") else []


def _translated(path: Path, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        raise FileNotTabularError(path=path, reason=first_line(error)) from error


def _sliced(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in batches of at most 65,536; an Arrow file may have all of its rows in one."""
    for batch in batches:
        for start in range(0, batch.num_rows, CHUNK_ROWS):
            yield batch.slice(start, CHUNK_ROWS)


def _require_sound(path: Path, batch: pa.RecordBatch) -> None:
    try:
        batch.validate(full=True)  # text that is not UTF-8, above all, and offsets that point elsewhere
    except pa.ArrowException as error:
        raise FileNotTabularError(path=path, reason=first_line(error)) from error
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        values = column.dictionary if isinstance(column, pa.DictionaryArray) else column
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            found = compute.any(compute.match_substring(values, "\0")).as_py()
            _require_storable(path, name, bool(found))


def _require_storable(path: Path, name: str, has_nul: bool) -> None:  # noqa: FBT001 - the one thing that is asked
    if has_nul:
        raise FileNotTabularError(path=path, reason=f"column {name!r} holds NUL characters")
