"""Reading a Parquet file as a table of plain types, without unpacking more than the limits allow.

Sizes are checked twice: as the footer declares them, before any data is read, and as they turn out, batch by batch. For
a text of a megabyte that stands once in the file and in a million rows, the footer declares a megabyte; so text is read
as it is stored, by reference, and measured before it is written out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import compute, parquet

from domain_sdk.errors import FileNotTabularError
from domain_sdk.table_limits import TableLimits

_BATCH_ROWS = 65_536


def read_parquet(path: Path, limits: TableLimits) -> pa.Table:
    """Return the file's content, its columns' types as `plain_type` gives them.

    Raises:
        FileTooLargeError: A limit is exceeded.
        FileNotTabularError: The content is damaged.
    """
    try:
        with parquet.ParquetFile(path) as file:
            require_declared_size(path, file.metadata, limits)
            by_reference = text_columns(file.metadata)
        with parquet.ParquetFile(path, read_dictionary=by_reference) as file:
            return _read_batches(path, file, limits)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from error


def read_parquet_schema(path: Path, limits: TableLimits) -> pa.Schema:
    """Return what `read_parquet` would have as its schema, from the footer alone.

    Raises:
        FileTooLargeError: The footer declares more than a limit allows.
        FileNotTabularError: The footer is damaged.
    """
    try:
        with parquet.ParquetFile(path) as file:
            require_declared_size(path, file.metadata, limits)
            return _plain_schema(file.schema_arrow)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from error


def plain_type(datatype: pa.DataType) -> pa.DataType:
    """Return the type in which values are handed on: one for text, one for bytes, float64 for decimals, no references.

    Nested types stay as they are.
    """
    types = pa.types
    if isinstance(datatype, pa.DictionaryType):
        return plain_type(datatype.value_type)
    if types.is_large_string(datatype) or types.is_string_view(datatype):
        return pa.string()
    if types.is_large_binary(datatype) or types.is_binary_view(datatype):
        return pa.binary()
    return pa.float64() if types.is_decimal(datatype) else datatype


def require_declared_size(path: Path, metadata: parquet.FileMetaData, limits: TableLimits) -> None:
    """Return if the content is small enough, as far as the footer tells.

    Raises:
        FileTooLargeError: It is not.
    """
    limits.require_columns(path, metadata.num_columns)
    limits.require_cells(path, metadata.num_rows * metadata.num_columns)
    columns = _columns(metadata)
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    lists = [index for index, column in enumerate(columns) if column.max_repetition_level > 0]
    limits.require_cells(path, sum(group.column(index).num_values for group in groups for index in lists))
    limits.require_bytes(path, sum(group.total_byte_size for group in groups))
    # Values of a fixed width may be stored by reference too.
    limits.require_bytes(path, metadata.num_rows * sum(max(column.length or 0, 0) for column in columns))


def text_columns(metadata: parquet.FileMetaData) -> list[str]:
    """Return the paths of the columns whose values may be longer than what stands for them in the file."""
    return [column.path for column in _columns(metadata) if column.physical_type == "BYTE_ARRAY"]


def _columns(metadata: parquet.FileMetaData) -> list[parquet.ColumnSchema]:
    return [metadata.schema.column(index) for index in range(metadata.num_columns)]


def _read_batches(path: Path, file: parquet.ParquetFile, limits: TableLimits) -> pa.Table:
    schema, batches, size_bytes = _plain_schema(file.schema_arrow), list[pa.RecordBatch](), 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS):
        limits.require_bytes(path, size_bytes + sum(plain_bytes(column) for column in batch.columns))
        columns = [column.cast(kind, safe=False) for column, kind in zip(batch.columns, schema.types, strict=True)]
        batches.append(pa.RecordBatch.from_arrays(columns, schema=schema))
        size_bytes += batches[-1].nbytes
    return pa.Table.from_batches(batches, schema)


def plain_bytes(column: pa.Array[Any]) -> int:
    """Return how many bytes a column takes up once text stored by reference is written out."""
    if not isinstance(column, pa.DictionaryArray):
        return column.nbytes
    values: Any = column.dictionary
    lengths: Any = compute.binary_length(values).cast(pa.int64())
    return int(compute.sum(lengths.take(column.indices)).as_py() or 0)


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_type(plain_type(field.type)) for field in schema])


def _damaged(path: Path, error: Exception) -> FileNotTabularError:
    reason = str(error).split("\n", 1)[0].rstrip(".")[:200]
    return FileNotTabularError(path=path, reason=f"its Parquet content is damaged ({reason})")
