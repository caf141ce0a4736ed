"""Reading a user's file as a table: Parquet or delimited text, told apart by content and not by name."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from domain_sdk.arrow_sources import native_file
from domain_sdk.errors import FileNotTabularError, FileUnreadableError
from domain_sdk.parquet_tables import read_parquet, read_parquet_schema
from domain_sdk.table_limits import DEFAULT_LIMITS, TableLimits

__all__ = [
    "TableLimits",
    "conversion_options",
    "delimiter_of",
    "first_line",
    "parsing_options",
    "read_head",
    "read_schema",
    "read_table",
    "refuse_binary",
    "require_table_shape",
    "require_utf8",
]

_PARQUET_MAGIC = b"PAR1"
_HEAD_BYTES = 1024 * 1024
_SCAN_BYTES = 8 * 1024 * 1024
_DELIMITERS = ",;\t|"
_MINIMUM_COLUMNS = 2


def read_table(path: Path, limits: TableLimits = DEFAULT_LIMITS) -> pa.Table:
    """Return the whole file as a table of at least one row and two columns with distinct names.

    In delimited text, empty fields and the usual spellings of "missing" (NA, null, NaN, ...) are nulls. From Parquet,
    decimals come as float64, and text as strings however it is stored.

    Raises:
        FileUnreadableError: The file is absent, a folder, or not ours to read.
        FileTooLargeError: It exceeds a limit; found before more than that is in memory.
        FileNotTabularError: The content is not a table.
    """
    head = read_head(path, limits)
    if head.startswith(_PARQUET_MAGIC):
        table = read_parquet(path, limits)
    else:
        refuse_binary(path)
        delimiter = delimiter_of(path, head)
        limits.require_columns(path, len(_text_schema(path, delimiter)))
        table = _read_text(path, delimiter)
    require_table_shape(path, table.schema)
    if table.num_rows == 0:
        raise FileNotTabularError(path=path, reason="it has no rows")
    return table


def read_schema(path: Path, limits: TableLimits = DEFAULT_LIMITS) -> pa.Schema:
    """Return the columns' names and types from the beginning (CSV) or the footer (Parquet) of the file.

    Types of a CSV file are inferred from its first MiB, so `read_table` may widen them.

    Raises:
        FileUnreadableError, FileTooLargeError, FileNotTabularError: As `read_table`, as far as the bytes looked at
            tell.
    """
    head = read_head(path, limits)
    if head.startswith(_PARQUET_MAGIC):
        schema = read_parquet_schema(path, limits)
    else:
        schema = _text_schema(path, delimiter_of(path, head))
        limits.require_columns(path, len(schema))
    require_table_shape(path, schema)
    return schema


def read_head(path: Path, limits: TableLimits) -> bytes:
    """Return the first MiB of a file that is text or Parquet.

    Raises:
        FileUnreadableError, FileTooLargeError, FileNotTabularError: As `read_table`.
    """
    try:
        with path.open("rb") as file:
            limits.require_bytes(path, os.fstat(file.fileno()).st_size)
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise FileUnreadableError(path=path, reason=error.strerror or str(error)) from error
    if not head.strip():
        raise FileNotTabularError(path=path, reason="it is empty")
    if not head.startswith(_PARQUET_MAGIC) and b"\0" in head:
        raise FileNotTabularError(path=path, reason="it holds binary data")
    return head


def refuse_binary(path: Path) -> None:
    """Return if no NUL is in the file.

    Raises:
        FileNotTabularError: One is.
    """
    with path.open("rb") as file:
        while chunk := file.read(_SCAN_BYTES):
            if b"\0" in chunk:
                raise FileNotTabularError(path=path, reason="it holds binary data")


def delimiter_of(path: Path, head: bytes) -> str:
    """Return the delimiter that the first line has most of.

    Raises:
        FileNotTabularError: The line is not UTF-8.
    """
    first_line = head.lstrip(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    try:
        counts = Counter(first_line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FileNotTabularError(path=path, reason="its first line is not UTF-8 text") from error
    return max(_DELIMITERS, key=lambda delimiter: counts[delimiter])


def _read_text(path: Path, delimiter: str) -> pa.Table:
    try:
        table = csv.read_csv(
            native_file(path), parse_options=parsing_options(delimiter), convert_options=conversion_options()
        )
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise FileNotTabularError(path=path, reason=first_line(error)) from error
    require_utf8(path, table.schema)
    return table


def _text_schema(path: Path, delimiter: str) -> pa.Schema:
    reading = csv.ReadOptions(block_size=_HEAD_BYTES)
    try:
        with csv.open_csv(native_file(path), reading, parsing_options(delimiter), conversion_options()) as reader:
            schema = reader.schema
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise FileNotTabularError(path=path, reason=first_line(error)) from error
    require_utf8(path, schema)
    return schema


def parsing_options(delimiter: str) -> csv.ParseOptions:
    """Return how delimited text is taken apart."""
    return csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)


def conversion_options() -> csv.ConvertOptions:
    """Return how its fields become values."""
    return csv.ConvertOptions(strings_can_be_null=True)


def require_utf8(path: Path, schema: pa.Schema) -> None:
    """Return if names and, as far as their types tell, texts are UTF-8.

    Raises:
        FileNotTabularError: They are not.
    """
    try:
        names = schema.names
    except UnicodeDecodeError as error:
        raise FileNotTabularError(path=path, reason="a column's name is not UTF-8 text") from error
    # Arrow takes text that is not UTF-8 for bytes.
    for name, datatype in zip(names, schema.types, strict=True):
        if pa.types.is_binary(datatype):
            raise FileNotTabularError(path=path, reason=f"column {name!r} is not UTF-8 text")


def require_table_shape(path: Path, schema: pa.Schema) -> None:
    """Return if there are at least two columns, each with a name of its own.

    Raises:
        FileNotTabularError: There are not.
    """
    names = schema.names
    if len(names) < _MINIMUM_COLUMNS:
        raise FileNotTabularError(path=path, reason="only one column was found")
    if any(not name.strip() for name in names):
        raise FileNotTabularError(path=path, reason="a column has no name")
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise FileNotTabularError(path=path, reason=f"the column name {repeated[0]!r} occurs more than once")


def first_line(error: Exception) -> str:
    """Return what a foreign error says first, at most 200 characters."""
    return str(error).split("\n", 1)[0].rstrip(".")[:200]
