"""What a file is, by its first bytes; and what is refused whatever it calls itself."""

from __future__ import annotations

import tarfile
import zipfile
from enum import StrEnum
from pathlib import Path

from domain_sdk.errors import FileNotTabularError, FileUnreadableError
from storage.datasets.errors import FileFormatUnsupportedError, PickleRefusedError

_HEAD_BYTES = 1024 * 1024
_TAR_MAGIC = slice(257, 262)
_PICKLE_PROTOCOLS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_OLD_PICKLES = (b"c__", b"cbuiltins\n", b"cposix\n", b"cos\n", b"csubprocess\n", b"(lp", b"(dp", b"(ip", b"(cos\n")
_PICKLE_NAMES = ("data.pkl", ".pkl", ".pickle")
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


class FileKind(StrEnum):
    """Formats that can be read."""

    PARQUET = "parquet"
    ARROW = "arrow"
    NUMPY = "npy"
    NUMPY_ARCHIVE = "npz"
    IMAGES = "images"
    JSON_LINES = "jsonl"
    DELIMITED = "csv"

    @property
    def is_text(self) -> bool:
        """Whether the format has neither compression nor declared sizes that could lie."""
        return self in {FileKind.DELIMITED, FileKind.JSON_LINES}


def head_of(path: Path) -> bytes:
    """Return the first MiB.

    Raises:
        FileUnreadableError: The operating system does not give it.
        FileNotTabularError: The file is empty.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise FileUnreadableError(path=path, reason=error.strerror or str(error)) from error
    if not head.strip():
        raise FileNotTabularError(path=path, reason="it is empty")
    return head


def kind_of(path: Path, head: bytes) -> FileKind:
    """Return what the file is.

    Raises:
        PickleRefusedError: It holds pickled objects, alone or in an archive.
        FileFormatUnsupportedError: It is compressed as a whole, or one JSON document.
    """
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            return kind
    if is_pickle(head):
        raise PickleRefusedError(file=path.name)
    if head.startswith(b"PK\x03\x04"):
        return _archive_kind(path)
    if head[_TAR_MAGIC] == b"ustar":
        return _tar_kind(path)
    return _text_kind(path, head)


_SIGNATURES = {
    b"PAR1": FileKind.PARQUET,
    b"ARROW1\0\0": FileKind.ARROW,
    b"\xff\xff\xff\xff": FileKind.ARROW,
    b"\x93NUMPY": FileKind.NUMPY,
}


def is_pickle(head: bytes) -> bool:
    """Return whether bytes begin as a pickle does: of protocol 2 or later, or an earlier one of an object or a list."""
    return head.startswith(_PICKLE_PROTOCOLS) or (head.startswith(_OLD_PICKLES) and head.rstrip().endswith(b"."))


def _archive_kind(path: Path) -> FileKind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise FileNotTabularError(path=path, reason=f"the archive is damaged ({error})") from error
    _refuse_pickles(path, names)
    is_arrays = bool(names) and all(name.endswith(".npy") for name in names)
    return FileKind.NUMPY_ARCHIVE if is_arrays else FileKind.IMAGES


def _tar_kind(path: Path) -> FileKind:
    try:
        with tarfile.open(path, "r:") as archive:
            first = archive.next()
    except (tarfile.TarError, OSError) as error:
        raise FileNotTabularError(path=path, reason=f"the archive is damaged ({error})") from error
    _refuse_pickles(path, [] if first is None else [first.name])
    return FileKind.IMAGES


def _refuse_pickles(path: Path, names: list[str]) -> None:
    if any(name.endswith(_PICKLE_NAMES) for name in names):
        raise PickleRefusedError(file=path.name)


def _text_kind(path: Path, head: bytes) -> FileKind:
    for signature, name in _COMPRESSED.items():
        if head.startswith(signature):
            hint = "Unpack the file first; Parquet and Arrow are compressed within."
            raise FileFormatUnsupportedError(file=path.name, found=f"compressed with {name}", hint=hint)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"[":
        hint = "Write one JSON object on each line, without brackets and commas around them."
        raise FileFormatUnsupportedError(file=path.name, found="one JSON document", hint=hint)
    return FileKind.JSON_LINES if start == b"{" else FileKind.DELIMITED
