"""Cutting a stream of record batches into chunks of a fixed number of rows, however the file cut it.

Identity, measures and stored chunks all go by these, so none of them depends on row groups, blocks or batch sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

CHUNK_ROWS = 65_536


def chunks_of(batches: Iterable[pa.RecordBatch], rows: int = CHUNK_ROWS) -> Iterator[pa.RecordBatch]:
    """Yield batches of exactly `rows` rows, the last one excepted; at most two of them are in memory."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        rest = batch
        while count + rest.num_rows >= rows:
            needed = rows - count
            yield _joined([*waiting, rest.slice(0, needed)])
            rest, waiting, count = rest.slice(needed), [], 0
        if rest.num_rows:
            waiting.append(rest)
            count += rest.num_rows
    if count:
        yield _joined(waiting)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    columns: list[Any] = [
        _one_array([batch.column(index) for batch in batches]) for index in range(batches[0].num_columns)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batches[0].schema)


def _one_array(parts: list[Any]) -> Any:
    joined = pa.chunked_array(parts)
    if isinstance(parts[0], pa.DictionaryArray):
        joined = joined.unify_dictionaries()
    combined = joined.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined
