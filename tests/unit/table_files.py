"""Tables in files, and the digest of what is read from them: what the tests of reading and of refusing share."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import ipc, parquet

from storage.datasets.ingestion import ingest
from storage.datasets.limits import ReadingLimits

ROWS = 200


TABLE = pa.table(
    {
        "size": pa.array([None if row % 7 == 0 else row / 4 for row in range(ROWS)]),
        "count": pa.array(range(ROWS)),
        "kind": pa.array([f"kind {row % 3}" for row in range(ROWS)]),
        "is_new": pa.array([row % 2 == 0 for row in range(ROWS)]),
    }
)


def png(width: int, height: int, shade: int = 0) -> bytes:
    """Return a grey picture that every decoder takes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + bytes([shade]) * width) * height)
    parts = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


PNG = png(2, 3)


def write_parquet(path: Path) -> None:
    parquet.write_table(TABLE, path)


def write_arrow_file(path: Path) -> None:
    with ipc.new_file(path, TABLE.schema, options=ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(TABLE, max_chunksize=33)


def digest_of(path: Path, limits: ReadingLimits | None = None) -> str:
    folder = path.parent / f"{path.name}-draft"
    folder.mkdir(exist_ok=True)
    return ingest(path, folder, limits or ReadingLimits()).content.digest


def zip_of(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def corrupt_parquet(path: Path) -> None:
    write_parquet(path)
    content = bytearray(path.read_bytes())
    content[40:120] = b"\xff" * 80
    path.write_bytes(content)


def numpy_of_wrong_size(path: Path) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"shape": (10**9, 10**9), "fortran_order": False, "descr": "<f8"})
        file.write(b"\0" * 64)


def members(**content: bytes) -> Callable[[Path], None]:
    return lambda path: zip_of(path, {name.replace("__", "/"): value for name, value in content.items()})


def intervals(path: Path) -> None:
    odd = pa.table({"a": pa.array([(1, 2, 3)], pa.month_day_nano_interval()), "b": [1]})
    with ipc.new_stream(path, odd.schema) as writer:
        writer.write_table(odd)
