"""NumPy arrays, alone (`.npy`) or several by name (`.npz`), mapped and never unpickled."""

from __future__ import annotations

import errno
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from domain_sdk.errors import FileNotTabularError, FileTooLargeError
from storage.datasets.chunks import CHUNK_ROWS
from storage.datasets.errors import PickleRefusedError
from storage.datasets.limits import ReadingLimits
from storage.datasets.reading.streams import TableStream

_COPY_BYTES = 1024 * 1024
_TABLE_DIMENSIONS = 2
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
_Columns = dict[str, NDArray[Any]]


@contextmanager
def numpy_file(path: Path) -> Iterator[TableStream]:
    """Open a `.npy` file: rows of a matrix (columns `column_0`, ...) or of records with named fields.

    Raises:
        PickleRefusedError: It holds Python objects.
        FileNotTabularError: It is damaged or no table.
    """
    yield _stream(path, "npy", _columns_of(path, "column", _mapped(path, path)))


@contextmanager
def numpy_archive(path: Path, limits: ReadingLimits) -> Iterator[TableStream]:
    """Open a `.npz` file: each array is a column by its name, or several (`x_0`, `x_1`, ...) where it is a matrix.

    Raises:
        PickleRefusedError: It holds Python objects.
        FileTooLargeError: It unpacks to more than the limits allow.
        FileNotTabularError: It is damaged, or its arrays are not of equal length.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="unpacked-") as folder:
        columns: _Columns = {}
        for name, unpacked in _unpacked(path, Path(folder), limits):
            columns.update(_columns_of(path, name, _mapped(path, unpacked)))
        yield _stream(path, "npz", columns)


def _unpacked(path: Path, folder: Path, limits: ReadingLimits) -> Iterator[tuple[str, Path]]:
    left = limits.table.maximum_file_bytes
    try:
        with zipfile.ZipFile(path) as archive:
            limits.table.require_columns(path, len(archive.infolist()))
            for number, member in enumerate(archive.infolist()):
                # The name that a member gives itself is never a path here.
                target = folder / f"{number}.npy"
                with archive.open(member) as source:
                    left -= _copy(path, source, target, left)
                yield member.filename.removesuffix(".npy"), target
    except (*_DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # as of a place before the file's beginning
            raise
        raise FileNotTabularError(path=path, reason=f"the archive is damaged ({error})") from error


def _copy(path: Path, source: IO[bytes], target: Path, limit: int) -> int:
    size = 0
    with target.open("wb") as file:
        while part := source.read(_COPY_BYTES):
            size += len(part)
            if size > limit:
                raise FileTooLargeError(path=path, actual=size, limit=limit, unit="bytes")
            file.write(part)
    return size


def _mapped(path: Path, file: Path) -> NDArray[Any]:
    try:
        return np.lib.format.open_memmap(file, mode="r")
    except ValueError as error:
        if "object" in str(error).lower():  # NumPy has no type of its own for it
            raise PickleRefusedError(file=path.name) from error
        raise FileNotTabularError(path=path, reason=f"it is no NumPy array ({str(error)[:200]})") from error
    except (OSError, OverflowError, SyntaxError, TokenError, TypeError, MemoryError, RecursionError) as error:
        raise FileNotTabularError(path=path, reason=f"it is no NumPy array ({str(error)[:200]})") from error


def _columns_of(path: Path, name: str, array: NDArray[Any]) -> _Columns:
    if array.dtype.names:
        return {field: array[field] for field in array.dtype.names}
    if array.ndim == 1:
        return {name: array}
    if array.ndim == _TABLE_DIMENSIONS:
        return {f"{name}_{index}": array[:, index] for index in range(array.shape[1])}
    raise FileNotTabularError(path=path, reason=f"its array {name!r} has {array.ndim} dimensions instead of 1 or 2")


def _stream(path: Path, file_format: str, columns: _Columns) -> TableStream:
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        raise FileNotTabularError(path=path, reason="its arrays are not of one length")
    try:
        schema = pa.schema([(name, _arrow(column[:1]).type) for name, column in columns.items()])
    except (pa.ArrowException, ValueError, UnicodeDecodeError) as error:
        raise FileNotTabularError(path=path, reason=f"an array's type is not known ({str(error)[:200]})") from error
    return TableStream(file_format, schema, _batches(schema, columns, lengths.pop()))


def _batches(schema: pa.Schema, columns: _Columns, rows: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, rows, CHUNK_ROWS):
        arrays = [_arrow(column[start : start + CHUNK_ROWS]) for column in columns.values()]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _arrow(values: NDArray[Any]) -> Any:
    native = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))
    return pa.array(native)
