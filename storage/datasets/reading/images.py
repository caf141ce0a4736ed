"""A folder of images in a zip or tar file: one row for each, its folder being its label.

Nothing is unpacked under a name of its own: members are read one at a time, up to a limit, and go into packs. Nothing
is decoded either; what a picture says of its size is read from its header and held against a limit, because whoever
decodes it later has to have that much memory.
"""

from __future__ import annotations

import hashlib
import itertools
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import pyarrow as pa

from domain_sdk.errors import FileNotTabularError, FileTooLargeError
from storage.datasets.errors import PickleRefusedError
from storage.datasets.limits import ReadingLimits
from storage.datasets.packs import PackWriter
from storage.datasets.reading.image_headers import ImageHeader, image_header
from storage.datasets.reading.streams import TableStream

_TYPES: dict[str, pa.DataType] = {
    "path": pa.string(),
    "label": pa.string(),
    "size_bytes": pa.int64(),
    "sha256": pa.string(),
    "width": pa.int64(),
    "height": pa.int64(),
    "mode": pa.string(),
}
SCHEMA = pa.schema(_TYPES)
_BATCH_ROWS = 4_096
_PARTS = 2
_LONGEST_NAME_BYTES, _LONGEST_PART_BYTES = 1_024, 255
_DAMAGES = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
)
_Row = dict[str, str | int]


@dataclass(frozen=True)
class _Member:
    name: str
    open: Callable[[], IO[bytes] | None]
    is_file: bool
    is_folder: bool


@contextmanager
def image_folder(path: Path, limits: ReadingLimits, packs: PackWriter | None) -> Iterator[TableStream]:
    """Open an archive of images: `label/name.png`, in any folder that all of them share.

    The rows are in the order of their paths, so that the same images packed in another order are the same dataset.

    Args:
        path: The archive.
        limits: Of what is read.
        packs: Where the images themselves go as the rows are taken, if anywhere.

    Raises:
        FileNotTabularError: A member is no image, is in no folder, is a link, or has a name that leads elsewhere.
        FileTooLargeError: There are too many, one is too large, or they unpack to more than the limits allow.
        PickleRefusedError: The archive is of pickled objects.
    """
    with ExitStack() as archive:
        try:
            images = _listed(path, archive.enter_context(_opened(path)), limits)
        except _DAMAGES as error:
            raise _damaged(path, error) from error
        yield TableStream("images", SCHEMA, _batches(path, images, limits, packs))


def _damaged(path: Path, error: Exception) -> FileNotTabularError:
    return FileNotTabularError(path=path, reason=f"the archive is damaged ({str(error)[:200]})")


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield (_zip_member(archive, info) for info in archive.infolist())
    else:
        with tarfile.open(path, "r:") as tar:
            yield (_tar_member(tar, info) for info in tar)


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(info.external_attr >> 16)
    is_folder = info.filename.endswith("/")
    is_file = kind in {0, stat.S_IFREG} and not is_folder  # 0: written where files have no kinds
    return _Member(info.filename, lambda: archive.open(info), is_file, is_folder)


def _tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    return _Member(info.name, lambda: tar.extractfile(info), info.isreg(), info.isdir())


def _listed(path: Path, members: Iterator[_Member], limits: ReadingLimits) -> list[tuple[str, _Member]]:
    """Return the images in the order of their names, none of them opened yet."""
    images: dict[str, _Member] = {}
    for count, member in enumerate(members, start=1):
        if count > limits.maximum_members:
            raise FileTooLargeError(path=path, actual=count, limit=limits.maximum_members, unit="files")
        if member.is_folder:
            continue
        name = _safe_name(path, member)
        if name in images:
            raise FileNotTabularError(path=path, reason=f"the name {name!r} occurs more than once")
        images[name] = member
    for name in images:
        folder = next((str(parent) for parent in PurePosixPath(name).parents if str(parent) in images), None)
        if folder is not None:
            raise FileNotTabularError(path=path, reason=f"the name {folder!r} is that of a file and of a folder")
    return sorted(images.items())


def _safe_name(path: Path, member: _Member) -> str:
    pure = PurePosixPath(member.name)
    if not member.is_file:
        raise FileNotTabularError(path=path, reason=f"{member.name!r} is neither a file nor a folder")
    if not is_safe_name(member.name):
        raise FileNotTabularError(path=path, reason=f"the name {member.name!r} leads out of the archive or is no name")
    if pure.name == "data.pkl" or pure.suffix in {".pkl", ".pickle"}:
        raise PickleRefusedError(file=path.name)
    if len(pure.parts) < _PARTS:
        raise FileNotTabularError(path=path, reason=f"{member.name!r} is in no folder that would be its label")
    return str(pure)


def is_safe_name(name: str) -> bool:
    r"""Return whether a path within a folder stays in it, and can be written in every file system of ours.

    >>> [is_safe_name(name) for name in ("cat/a.png", "cat/../../a.png", "/cat/a.png", "cat\\a.png", "cat/\udcff.png")]
    [True, False, False, False, False]
    """
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or not name.isprintable() or "\\" in name:
        return False
    longest = max((len(part.encode()) for part in pure.parts), default=0)
    return 0 < longest <= _LONGEST_PART_BYTES and len(name.encode()) <= _LONGEST_NAME_BYTES


def _batches(
    path: Path, images: list[tuple[str, _Member]], limits: ReadingLimits, packs: PackWriter | None
) -> Iterator[pa.RecordBatch]:
    rows = _rows(path, images, limits, packs)
    while batch := list(itertools.islice(rows, _BATCH_ROWS)):
        yield pa.RecordBatch.from_pylist(batch, schema=SCHEMA)


def _rows(
    path: Path, images: list[tuple[str, _Member]], limits: ReadingLimits, packs: PackWriter | None
) -> Iterator[_Row]:
    total = 0
    for name, member in images:
        content = _content(path, member, limits)
        total += len(content)
        limits.require_file(path, total)
        header = _header(path, name, content, limits)
        digest = hashlib.sha256(content)
        if packs is not None:
            packs.add(content, digest.digest())
        yield {
            "path": name,
            "label": PurePosixPath(name).parts[-2],
            "size_bytes": len(content),
            "sha256": digest.hexdigest(),
            "width": header.width,
            "height": header.height,
            "mode": header.mode,
        }


def _content(path: Path, member: _Member, limits: ReadingLimits) -> bytes:
    try:
        source = member.open()
        if source is None:
            raise FileNotTabularError(path=path, reason=f"{member.name!r} cannot be read")
        with source:
            content = source.read(limits.maximum_image_bytes + 1)
    except _DAMAGES as error:
        raise _damaged(path, error) from error
    if len(content) > limits.maximum_image_bytes:
        limit = limits.maximum_image_bytes
        raise FileTooLargeError(path=path, actual=len(content), limit=limit, unit=f"bytes in {member.name!r}")
    return content


def _header(path: Path, name: str, content: bytes, limits: ReadingLimits) -> ImageHeader:
    header = image_header(content)
    if header is None:
        raise FileNotTabularError(path=path, reason=f"{name!r} is no PNG, JPEG, GIF, BMP or WebP image, or is damaged")
    pixels = header.width * header.height
    if pixels > limits.maximum_image_pixels:
        raise FileTooLargeError(path=path, actual=pixels, limit=limits.maximum_image_pixels, unit=f"pixels in {name!r}")
    return header
