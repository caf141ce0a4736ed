"""How much of a file from outside is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from domain_sdk.errors import FileTooLargeError
from domain_sdk.parquet_tables import plain_bytes
from domain_sdk.table_limits import DEFAULT_LIMITS, TableLimits

_MIB = 1024 * 1024


@dataclass(frozen=True)
class ReadingLimits:
    """The largest dataset that is registered.

    Attributes:
        maximum_file_bytes: Of the file as it comes; text takes up more than what it says.
        table: Of the content, as everybody else reads it later.
        maximum_cell_bytes: Of one text or one run of bytes.
        maximum_chunk_bytes: Of 65,536 rows, which are in memory together.
        maximum_depth: Of lists and objects within each other, in JSON.
        maximum_members: Files in an archive.
        maximum_image_bytes: Of one image's file.
        maximum_image_pixels: Of one image, as it says itself; decoding takes some bytes for each.
    """

    maximum_file_bytes: int = 8 * 1024 * _MIB
    table: TableLimits = field(default=DEFAULT_LIMITS)
    maximum_cell_bytes: int = 16 * _MIB
    maximum_chunk_bytes: int = 512 * _MIB
    maximum_depth: int = 32
    maximum_members: int = 1_000_000
    maximum_image_bytes: int = 64 * _MIB
    maximum_image_pixels: int = 100_000_000

    def require_file(self, path: Path, actual: int) -> None:
        """Return if the file is small enough.

        Raises:
            FileTooLargeError: It is not; this holds for the other methods also.
        """
        if actual > self.maximum_file_bytes:
            raise FileTooLargeError(path=path, actual=actual, limit=self.maximum_file_bytes, unit="bytes")

    def require_batch(self, path: Path, batch: pa.RecordBatch) -> int:
        """Return how many bytes the batch takes up, if that and each text are small enough."""
        size = sum(plain_bytes(column) for column in batch.columns)
        if size > self.maximum_chunk_bytes:
            raise FileTooLargeError(path=path, actual=size, limit=self.maximum_chunk_bytes, unit="bytes in 65,536 rows")
        longest = max((_longest(column) for column in batch.columns), default=0)
        if longest > self.maximum_cell_bytes:
            raise FileTooLargeError(path=path, actual=longest, limit=self.maximum_cell_bytes, unit="bytes in one cell")
        return size


def _longest(column: Any) -> int:
    values: Any = column.dictionary if isinstance(column, pa.DictionaryArray) else column
    kind = values.type
    sized = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    if not any(fits(kind) for fits in sized) or values.nbytes < _MIB:
        return 0
    lengths: Any = pc.binary_length(values)
    longest: Any = pc.max(lengths)
    return int(longest.as_py() or 0)


DEFAULT_READING_LIMITS = ReadingLimits()
