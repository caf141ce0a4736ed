"""How large a user's table may be: a small file can unpack to more than a machine has, so its size is asked first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from domain_sdk.errors import FileTooLargeError


@dataclass(frozen=True)
class TableLimits:
    """The largest table that is read.

    Attributes:
        maximum_file_bytes: Of the file as it lies there, and of a Parquet file's content once unpacked.
        maximum_cells: Rows times columns of a Parquet file, or the values in its lists where those are more.
    """

    maximum_file_bytes: int = 2 * 1024**3
    maximum_cells: int = 200_000_000
    maximum_columns: int = 10_000

    def require_bytes(self, path: Path, actual: int) -> None:
        """Return if the file, or its content, is small enough.

        Raises:
            FileTooLargeError: It is not; this holds for the other two methods also.
        """
        self._require(path, actual, self.maximum_file_bytes, "bytes")

    def require_cells(self, path: Path, actual: int) -> None:
        """Return if the number of cells is small enough."""
        self._require(path, actual, self.maximum_cells, "cells")

    def require_columns(self, path: Path, actual: int) -> None:
        """Return if the number of columns is small enough."""
        self._require(path, actual, self.maximum_columns, "columns")

    def _require(self, path: Path, actual: int, limit: int, unit: str) -> None:
        if actual > limit:
            raise FileTooLargeError(path=path, actual=actual, limit=limit, unit=unit)


DEFAULT_LIMITS = TableLimits()
