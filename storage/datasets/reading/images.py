"""A folder of images in a zip or tar file: one row for each, its folder being its label.

Nothing is unpacked: members are read one at a time, up to a limit, and never written under a name of their own.
"""

from __future__ import annotations

import hashlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import pyarrow as pa

from domain_sdk.errors import FileNotTabularError, FileTooLargeError
from storage.datasets.errors import PickleRefusedError
from storage.datasets.limits import ReadingLimits
from storage.datasets.reading.streams import TableStream

_TYPES: dict[str, pa.DataType] = {
    "path": pa.string(),
    "label": pa.string(),
    "size_bytes": pa.int64(),
    "sha256": pa.string(),
}
SCHEMA = pa.schema(_TYPES)
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*")
_WEBP = (b"RIFF", b"WEBP")
_COPY_BYTES = 1024 * 1024
_PARTS = 2


@dataclass(frozen=True)
class _Member:
    name: str
    open: Callable[[], IO[bytes] | None]
    is_file: bool
    is_folder: bool


@contextmanager
def image_folder(path: Path, limits: ReadingLimits) -> Iterator[TableStream]:
    """Open an archive of images: `label/name.png`, in any folder that all of them share.

    The rows are in the order of their paths, so that the same images packed in another order are the same dataset.

    Raises:
        FileNotTabularError: A member is no image, is in no folder, is a link, or has a name that leads elsewhere.
        FileTooLargeError: There are too many, or they unpack to more than the limits allow.
        PickleRefusedError: The archive is of pickled objects.
    """
    try:
        with _opened(path) as members:
            rows = sorted(_rows(path, members, limits), key=lambda row: row["path"])
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FileNotTabularError(path=path, reason=f"the archive is damaged ({error})") from error
    yield TableStream("images", SCHEMA, iter(pa.Table.from_pylist(rows, schema=SCHEMA).to_batches()))


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield (_zip_member(archive, info) for info in archive.infolist())
    else:
        with tarfile.open(path, "r:") as tar:
            yield (_tar_member(tar, info) for info in tar)


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    return _Member(info.filename, lambda: archive.open(info), not info.is_dir() and not is_link, info.is_dir())


def _tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    return _Member(info.name, lambda: tar.extractfile(info), info.isreg(), info.isdir())


def _rows(path: Path, members: Iterator[_Member], limits: ReadingLimits) -> Iterator[dict[str, str | int]]:
    left, seen = limits.table.maximum_file_bytes, set[str]()
    for count, member in enumerate(members, start=1):
        if count > limits.maximum_members:
            raise FileTooLargeError(path=path, actual=count, limit=limits.maximum_members, unit="files")
        if member.is_folder:
            continue
        name = _safe_name(path, member)
        if name in seen:
            raise FileNotTabularError(path=path, reason=f"the name {name!r} occurs more than once")
        seen.add(name)
        size, digest = _measured(path, member, left)
        left -= size
        yield {"path": name, "label": PurePosixPath(name).parts[-2], "size_bytes": size, "sha256": digest}


def _safe_name(path: Path, member: _Member) -> str:
    pure = PurePosixPath(member.name)
    if not member.is_file:
        raise FileNotTabularError(path=path, reason=f"{member.name!r} is neither a file nor a folder")
    if pure.is_absolute() or ".." in pure.parts or "\\" in member.name or "\0" in member.name:
        raise FileNotTabularError(path=path, reason=f"the name {member.name!r} leads out of the archive")
    if pure.name == "data.pkl" or pure.suffix in {".pkl", ".pickle"}:
        raise PickleRefusedError(file=path.name)
    if len(pure.parts) < _PARTS:
        raise FileNotTabularError(path=path, reason=f"{member.name!r} is in no folder that would be its label")
    return str(pure)


def _measured(path: Path, member: _Member, limit: int) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    source = member.open()
    if source is None:
        raise FileNotTabularError(path=path, reason=f"{member.name!r} cannot be read")
    with source:
        while part := source.read(_COPY_BYTES):
            if size == 0 and not _is_image(part):
                raise FileNotTabularError(path=path, reason=f"{member.name!r} is no image")
            size += len(part)
            if size > limit:
                raise FileTooLargeError(path=path, actual=size, limit=limit, unit="bytes")
            digest.update(part)
    if size == 0:
        raise FileNotTabularError(path=path, reason=f"{member.name!r} is empty")
    return size, digest.hexdigest()


def _is_image(head: bytes) -> bool:
    return head.startswith(_SIGNATURES) or (head[:4], head[8:12]) == _WEBP
