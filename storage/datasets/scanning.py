"""One pass over a table: its identity and its measures, chunk by chunk, the columns of a chunk side by side.

While a chunk is worked on by all threads, the one before it is put together and the next one is read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from storage.datasets.canonical import canonical_column
from storage.datasets.chunks import chunks_of
from storage.datasets.column_fingerprints import row_fingerprints, value_fingerprints
from storage.datasets.fingerprints import Fingerprints, column_factors
from storage.datasets.identity import chunk_digest, content_digest, leaf_digest
from storage.datasets.sketches.column import ColumnSketch
from storage.datasets.sketches.pieces import ColumnPiece, Place, measured
from storage.datasets.sketches.rows import RepeatedRows

_THREADS = min(os.cpu_count() or 1, 8)
_GROUPS = 2 * _THREADS
_PIECES = 8


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
class _ScannedColumns:
    """Some columns of a chunk.

    Attributes:
        numbers: Which columns.
        rows: What they add to each row's fingerprint.
    """

    numbers: range
    leaves: list[bytes]
    pieces: list[ColumnPiece]
    rows: Fingerprints


_Tasks = list[Future[_ScannedColumns]]


def scan(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], on_chunk: Callable[[ScannedChunk], None] | None = None
) -> ScannedTable:
    """Read all batches once, in bounded memory: three chunks are in it at a time.

    Args:
        schema: Of every batch.
        batches: However the file cut them.
        on_chunk: Called with every chunk of 65,536 rows, in order.

    Raises:
        ColumnTypeUnsupportedError: A column's type has no canonical form.
    """
    table = _TableSoFar(schema.names, on_chunk or (lambda _chunk: None))
    with ThreadPoolExecutor(_THREADS, "dataset-scan") as threads:
        begun: tuple[pa.RecordBatch, _Tasks] | None = None
        for chunk in _read_ahead(chunks_of(batches), threads):
            tasks = _begin(chunk, table, threads)
            if begun is not None:
                table.add(*begun)
            begun = chunk, tasks
            table.begun_rows += chunk.num_rows
        if begun is not None:
            table.add(*begun)
    return table.finished()


class _TableSoFar:
    """What was found in the chunks up to now.

    Attributes:
        begun_rows: Those of chunks that are worked on included.
    """

    def __init__(self, names: list[str], on_chunk: Callable[[ScannedChunk], None]) -> None:
        self.begun_rows = 0
        self.sketches = [ColumnSketch()] * len(names)
        self.names = names
        self._on_chunk = on_chunk
        self._pieces: list[list[ColumnPiece]] = [[] for _ in names]
        self._digests: list[bytes] = []
        self._repeated = RepeatedRows()
        self._row_count = 0

    def add(self, chunk: pa.RecordBatch, tasks: _Tasks) -> None:
        """Take in what was found in a chunk, waiting for it if need be."""
        leaves, rows = [b""] * len(self.names), np.zeros(chunk.num_rows, np.uint64)
        for columns in (task.result() for task in tasks):
            rows += columns.rows
            for number, leaf, piece in zip(columns.numbers, columns.leaves, columns.pieces, strict=True):
                leaves[number] = leaf
                self._pieces[number].append(piece)
        self._repeated.add(rows)
        self._digests.append(chunk_digest(leaves))
        self._row_count += chunk.num_rows
        # The first chunk at once: it tells the others which fingerprints matter.
        if len(self._digests) % _PIECES == 1:
            self._merge_pieces()
        self._on_chunk(ScannedChunk(rows=chunk, digest=self._digests[-1], leaves=tuple(leaves)))

    def finished(self) -> ScannedTable:
        """Return all that was found."""
        self._merge_pieces()
        digest = content_digest(self.names, self._row_count, self._digests)
        sketches = dict(zip(self.names, self.sketches, strict=True))
        return ScannedTable(digest, self._row_count, sketches, self._repeated.count())

    def _merge_pieces(self) -> None:
        for number, pieces in enumerate(self._pieces):
            if pieces:
                self.sketches[number] = self.sketches[number].with_pieces(pieces)
                pieces.clear()


def _read_ahead(chunks: Iterator[pa.RecordBatch], threads: ThreadPoolExecutor) -> Iterator[pa.RecordBatch]:
    """Yield the chunks, each being read while the one before it is worked on."""
    coming = threads.submit(next, chunks, None)
    while (chunk := coming.result()) is not None:
        coming = threads.submit(next, chunks, None)
        yield chunk


def _begin(chunk: pa.RecordBatch, table: _TableSoFar, threads: ThreadPoolExecutor) -> _Tasks:
    count = chunk.num_columns
    groups = [range(first, count, _GROUPS) for first in range(min(_GROUPS, count))]
    places = [Place(table.begun_rows, sketch.distinct.ceiling) for sketch in table.sketches]
    return [threads.submit(_scan_columns, chunk, table.names, places, numbers) for numbers in groups]


def _scan_columns(chunk: pa.RecordBatch, names: list[str], places: list[Place], numbers: range) -> _ScannedColumns:
    leaves, pieces = [], []
    rows, scratch = np.zeros(chunk.num_rows, np.uint64), np.empty(chunk.num_rows, np.uint64)
    factors = column_factors(chunk.num_columns)
    for number in numbers:
        column = canonical_column(chunk.column(number), name=names[number])
        fingerprints = value_fingerprints(column)
        leaves.append(leaf_digest(column))
        pieces.append(measured(column, fingerprints, places[number]))
        rows += np.multiply(row_fingerprints(column, fingerprints), factors[number], out=scratch)
    return _ScannedColumns(numbers, leaves, pieces, rows)
