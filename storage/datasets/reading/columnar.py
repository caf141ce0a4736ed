"""Parquet and Arrow IPC, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc, parquet

from domain_sdk.errors import FileNotTabularError
from domain_sdk.parquet_tables import require_declared_size, text_columns
from domain_sdk.tables import first_line
from storage.datasets.chunks import CHUNK_ROWS
from storage.datasets.limits import ReadingLimits
from storage.datasets.reading.streams import TableStream


@contextmanager
def parquet_file(path: Path, limits: ReadingLimits) -> Iterator[TableStream]:
    """Open a Parquet file; text comes by reference, so that a small file cannot unpack to a large one unmeasured.

    Raises:
        FileTooLargeError: The footer declares more than the limits allow.
        FileNotTabularError: The content is damaged.
    """
    try:
        with parquet.ParquetFile(path) as file:
            require_declared_size(path, file.metadata, limits.table)
            by_reference = text_columns(file.metadata)
        with parquet.ParquetFile(path, read_dictionary=by_reference) as file:
            yield TableStream("parquet", file.schema_arrow, file.iter_batches(batch_size=CHUNK_ROWS))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = f"its Parquet content is damaged ({first_line(error)})"
        raise FileNotTabularError(path=path, reason=reason) from error


@contextmanager
def arrow_file(path: Path) -> Iterator[TableStream]:
    """Open Arrow IPC data, as a file or as a stream.

    Raises:
        FileNotTabularError: The content is damaged.
    """
    try:
        with pa.memory_map(str(path)) as source:
            if source.read(6) == b"ARROW1":
                reader = ipc.open_file(source)
                batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
                yield TableStream("arrow", reader.schema, batches)
            else:
                source.seek(0)
                with ipc.open_stream(source) as stream:
                    yield TableStream("arrow", stream.schema, iter(stream))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = f"its Arrow content is damaged ({first_line(error)})"
        raise FileNotTabularError(path=path, reason=reason) from error
