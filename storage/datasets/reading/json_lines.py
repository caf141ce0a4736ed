"""JSON Lines: one object a line.

Read twice, in blocks of whole lines: once for the types of all columns, once for the values. Brackets are counted
before a block is parsed, because Arrow's parser follows nesting by recursion and dies of too much of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import json

from domain_sdk.arrow_sources import native_buffer
from domain_sdk.errors import FileNotTabularError
from domain_sdk.tables import first_line
from storage.datasets.limits import ReadingLimits
from storage.datasets.reading.streams import TableStream

_BLOCK_BYTES = 8 * 1024 * 1024


@contextmanager
def json_lines(path: Path, limits: ReadingLimits) -> Iterator[TableStream]:
    """Open JSON Lines.

    Raises:
        FileNotTabularError: The content is not JSON, not one object a line, or nested too deep.
    """
    schema = _schema(path, limits)
    yield TableStream("jsonl", schema, _batches(path, schema, limits))


def _schema(path: Path, limits: ReadingLimits) -> pa.Schema:
    schema = pa.schema([])
    for block in _blocks(path, limits):
        found = _parsed(path, block, json.ParseOptions()).schema
        limits.table.require_columns(path, len(found))
        schema = _unified(schema, found)
    return schema


def _unified(first: pa.Schema, second: pa.Schema) -> pa.Schema:
    try:
        return pa.unify_schemas([first, second], promote_options="permissive")
    except pa.ArrowException:
        fields = {field.name: field for field in first}
        for field in second:
            fields[field.name] = _unified_field(fields.get(field.name, field), field)
        return pa.schema(list(fields.values()))


def _unified_field(first: pa.Field[Any], second: pa.Field[Any]) -> pa.Field[Any]:
    try:
        return pa.unify_schemas([pa.schema([first]), pa.schema([second])], promote_options="permissive").field(0)
    except pa.ArrowException:
        return first.with_type(pa.string())  # a text that looked like a time at first


def _batches(path: Path, schema: pa.Schema, limits: ReadingLimits) -> Iterator[pa.RecordBatch]:
    parsing = json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    for block in _blocks(path, limits):
        yield from _parsed(path, block, parsing).select(schema.names).to_batches()


def _parsed(path: Path, block: bytes, parsing: json.ParseOptions) -> pa.Table:
    try:
        return json.read_json(native_buffer(block), json.ReadOptions(block_size=len(block) + 1), parsing)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise FileNotTabularError(path=path, reason=first_line(error)) from error


def _blocks(path: Path, limits: ReadingLimits) -> Iterator[bytes]:
    """Yield whole lines, about 8 MiB of them at a time."""
    rest = b""
    with path.open("rb") as file:
        for read in iter(partial(file.read, _BLOCK_BYTES), b""):
            lines, newline, rest = (rest + read).rpartition(b"\n")
            if len(rest) > limits.maximum_cell_bytes:
                raise FileNotTabularError(path=path, reason=f"a line is longer than {limits.maximum_cell_bytes} bytes")
            if lines.strip():
                yield _shallow(path, lines + newline, limits)
    if rest.strip():
        yield _shallow(path, rest + b"\n", limits)


def _shallow(path: Path, block: bytes, limits: ReadingLimits) -> bytes:
    if nesting_depth(block) > limits.maximum_depth:
        raise FileNotTabularError(path=path, reason=f"it is nested deeper than {limits.maximum_depth} levels")
    return block


def nesting_depth(block: bytes) -> int:
    r"""Return how many lists and objects are open at once, at most; brackets within texts do not count.

    >>> nesting_depth(b'{"a": [1, {"b": "[[[["}], "c": "\\"[[[["}')
    3
    """
    plain = block.replace(b"\\\\", b"").replace(b'\\"', b"")
    symbols = np.frombuffer(plain, np.uint8)
    is_outside = np.cumsum(symbols == ord('"'), dtype=np.int64) % 2 == 0
    steps = np.isin(symbols, np.frombuffer(b"[{", np.uint8)).astype(np.int8)
    steps -= np.isin(symbols, np.frombuffer(b"]}", np.uint8))
    depths = np.cumsum(steps * is_outside, dtype=np.int64)
    return int(depths.max(initial=0))
