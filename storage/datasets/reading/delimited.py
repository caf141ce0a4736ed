"""Delimited text, block by block.

Types come from the first 8 MiB. Where a later value does not fit, the reading is begun again with the next type that
Arrow would try; so the types are those that reading the whole file at once would find.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, dataset, fs

from domain_sdk.arrow_sources import native_file
from domain_sdk.errors import FileNotTabularError
from domain_sdk.tables import (
    conversion_options,
    delimiter_of,
    first_line,
    parsing_options,
    refuse_binary,
    require_utf8,
)
from storage.datasets.reading.streams import TableStream, WiderTypeNeededError

_BLOCK_BYTES = 8 * 1024 * 1024
_BLOCKS_AHEAD = 4
_MISFIT = re.compile(r"In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error")
_WIDER: tuple[pa.DataType, ...] = (
    pa.null(),
    pa.int64(),
    pa.bool_(),
    pa.float64(),
    pa.date32(),
    pa.time32("s"),
    pa.timestamp("s"),
    pa.timestamp("s", "UTC"),
    pa.timestamp("ns"),
    pa.timestamp("ns", "UTC"),
    pa.string(),
)


@contextmanager
def delimited(path: Path, head: bytes, types: Mapping[str, pa.DataType]) -> Iterator[TableStream]:
    """Open delimited text.

    Args:
        path: The file.
        head: Its beginning.
        types: Of columns whose first values mislead.

    Raises:
        FileNotTabularError: The content is no table.
    """
    refuse_binary(path)
    conversion = conversion_options()
    conversion.column_types = dict(types)
    reading, parsing = csv.ReadOptions(block_size=_BLOCK_BYTES), parsing_options(delimiter_of(path, head))
    try:
        schema = csv.open_csv(native_file(path), reading, parsing, conversion).schema
    except (pa.ArrowException, UnicodeDecodeError) as error:  # of the first block, which fits no type but its own
        raise _refusal(path, error, _first_schema(path, reading, parsing, types)) from error
    require_utf8(path, schema)
    yield TableStream("csv", schema, _blocks(path, schema, reading, parsing))


def _first_schema(
    path: Path, reading: csv.ReadOptions, parsing: csv.ParseOptions, types: Mapping[str, pa.DataType]
) -> pa.Schema:
    """Return the columns as the first block shows them, those whose types are known apart."""
    if not types:
        return pa.schema([])
    found = csv.open_csv(native_file(path), reading, parsing, conversion_options()).schema
    return pa.schema([field.with_type(types.get(field.name, field.type)) for field in found])


def _blocks(
    path: Path, schema: pa.Schema, reading: csv.ReadOptions, parsing: csv.ParseOptions
) -> Iterator[pa.RecordBatch]:
    """Yield the rows in their order; several blocks are parsed at a time, which `csv.open_csv` never does."""
    conversion = conversion_options()
    conversion.column_types = schema
    file_format = dataset.CsvFileFormat(
        parsing, default_fragment_scan_options=dataset.CsvFragmentScanOptions(conversion, reading)
    )
    fragment = file_format.make_fragment(str(path), fs.LocalFileSystem())
    try:
        yield from fragment.to_batches(schema, batch_readahead=_BLOCKS_AHEAD, cache_metadata=False)
    except pa.ArrowInvalid as error:
        raise _refusal(path, error, schema) from error


def _refusal(path: Path, error: Exception, schema: pa.Schema) -> FileNotTabularError | WiderTypeNeededError:
    """Return what to say of a block that could not be read with this schema."""
    misfit = _MISFIT.search(str(error))
    if misfit is None or len(schema) == 0:
        return FileNotTabularError(path=path, reason=first_line(error))
    field = schema.field(int(misfit[1]))
    if field.type not in _WIDER[:-1]:
        return FileNotTabularError(path=path, reason=f"column {field.name!r} is not UTF-8 text")
    return WiderTypeNeededError(column=field.name, datatype=_WIDER[_WIDER.index(field.type) + 1])
