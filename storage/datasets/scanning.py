"""One pass over a table: its identity and its measures, chunk by chunk, the columns of a chunk side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa

from storage.datasets.canonical import canonical_column
from storage.datasets.chunks import chunks_of
from storage.datasets.fingerprints import Fingerprints, combined
from storage.datasets.identity import chunk_digest, content_digest, leaf_digest
from storage.datasets.sketches.column import ColumnSketch, row_fingerprints, value_fingerprints
from storage.datasets.sketches.rows import RepeatedRows

_THREADS = min(os.cpu_count() or 1, 8)


@dataclass(frozen=True)
class ScannedChunk:
    """One chunk's rows and digests.

    Attributes:
        digest: SHA-256 over the digests of its columns.
    """

    rows: pa.RecordBatch
    digest: bytes
    leaves: tuple[bytes, ...]


@dataclass(frozen=True)
class ScannedTable:
    """What one pass finds.

    Attributes:
        digest: The content's identity.
        repeated_rows: How many rows are equal to an earlier one.
    """

    digest: str
    row_count: int
    columns: dict[str, ColumnSketch]
    repeated_rows: int


@dataclass(frozen=True)
class _ScannedColumn:
    leaf: bytes
    sketch: ColumnSketch
    rows: Fingerprints


def scan(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], on_chunk: Callable[[ScannedChunk], None] | None = None
) -> ScannedTable:
    """Read all batches once, in bounded memory.

    Args:
        schema: Of every batch.
        batches: However the file cut them.
        on_chunk: Called with every chunk of 65,536 rows, in order.

    Raises:
        ColumnTypeUnsupportedError: A column's type has no canonical form.
    """
    names = list(schema.names)
    sketches = dict.fromkeys(names, ColumnSketch())
    digests: list[bytes] = []
    repeated, row_count = RepeatedRows(), 0
    with ThreadPoolExecutor(_THREADS, "dataset-scan") as threads:
        for chunk in _read_ahead(chunks_of(batches), threads):
            columns = list(threads.map(_scan_column, names, chunk.columns, sketches.values()))
            sketches = {name: column.sketch for name, column in zip(names, columns, strict=True)}
            leaves = tuple(column.leaf for column in columns)
            digests.append(chunk_digest(leaves))
            repeated.add(reduce(combined, (column.rows for column in columns), np.zeros(chunk.num_rows, np.uint64)))
            row_count += chunk.num_rows
            if on_chunk is not None:
                on_chunk(ScannedChunk(rows=chunk, digest=digests[-1], leaves=leaves))
    return ScannedTable(content_digest(names, row_count, digests), row_count, sketches, repeated.count())


def _read_ahead(chunks: Iterator[pa.RecordBatch], threads: ThreadPoolExecutor) -> Iterator[pa.RecordBatch]:
    """Yield the chunks, each being read while the one before it is worked on."""
    coming = threads.submit(next, chunks, None)
    while (chunk := coming.result()) is not None:
        coming = threads.submit(next, chunks, None)
        yield chunk


def _scan_column(name: str, values: Any, sketch: ColumnSketch) -> _ScannedColumn:
    column = canonical_column(values, name=name)
    fingerprints = value_fingerprints(column)
    return _ScannedColumn(
        leaf=leaf_digest(column),
        sketch=sketch.with_chunk(column, fingerprints),
        rows=row_fingerprints(column, fingerprints),
    )
