"""The one door to files from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import assert_never

import pyarrow as pa

from storage.datasets.limits import DEFAULT_READING_LIMITS, ReadingLimits
from storage.datasets.packs import PackWriter
from storage.datasets.reading.arrays import numpy_archive, numpy_file
from storage.datasets.reading.columnar import arrow_file, parquet_file
from storage.datasets.reading.delimited import delimited
from storage.datasets.reading.images import image_folder
from storage.datasets.reading.json_lines import json_lines
from storage.datasets.reading.sniffing import FileKind, head_of, kind_of
from storage.datasets.reading.streams import TableStream, checked, require_names


@contextmanager
def open_table(
    path: Path,
    limits: ReadingLimits = DEFAULT_READING_LIMITS,
    types: Mapping[str, pa.DataType] | None = None,
    packs: PackWriter | None = None,
) -> Iterator[TableStream]:
    """Open a file as a table of at least one row and two columns with distinct names.

    Args:
        path: CSV, JSON Lines, Parquet, Arrow IPC, NumPy, or a zip or tar file of images.
        limits: Held while reading, so that not much more than that is ever in memory.
        types: Of CSV columns, where `WiderTypeNeededError` asked for them.
        packs: Where images go as their rows are taken; nowhere if `None`.

    Raises:
        FileUnreadableError, FileTooLargeError, FileNotTabularError, FileFormatUnsupportedError, PickleRefusedError:
            Here or while the batches are taken.
        WiderTypeNeededError: While the batches are taken, from CSV only.
    """
    head = head_of(path)
    limits.require_file(path, path.stat().st_size)
    with _reader(path, head, limits, types or {}, packs) as stream:
        require_names(path, stream.schema)
        yield replace(stream, batches=checked(path, stream, limits))


@contextmanager
def _reader(
    path: Path, head: bytes, limits: ReadingLimits, types: Mapping[str, pa.DataType], packs: PackWriter | None
) -> Iterator[TableStream]:
    match kind_of(path, head):
        case FileKind.PARQUET:
            opened = parquet_file(path, limits)
        case FileKind.ARROW:
            opened = arrow_file(path)
        case FileKind.NUMPY:
            opened = numpy_file(path)
        case FileKind.NUMPY_ARCHIVE:
            opened = numpy_archive(path, limits)
        case FileKind.IMAGES:
            opened = image_folder(path, limits, packs)
        case FileKind.JSON_LINES:
            opened = json_lines(path, limits)
        case FileKind.DELIMITED:
            opened = delimited(path, head, types)
        case kind:
            assert_never(kind)
    with opened as stream:
        yield stream
