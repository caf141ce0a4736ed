"""The formats of archives: which one it is, which members it has, and where their bytes are."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

from storage.errors import ArchiveRefusedError
from storage.objects.unpacking import ArchiveLimits, Unpacking, require_bounded

_BLOCK_BYTES = 256 * 1024
_HEADER_BYTES = 1024 * 1024
_ENTRY_BYTES = 512
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
    *(OSError, EOFError, ValueError, OverflowError, RecursionError, NotImplementedError, RuntimeError),
)
_COMPRESSIONS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}


def unpack(archive: Path, folder: Path, unpacking: Unpacking) -> None:
    """Give every member of an archive to `unpacking`; `folder` has room for what has to be decompressed first.

    Raises:
        ArchiveRefusedError: It is no archive, or damaged, or a member is no plain file.
    """
    try:
        with archive.open("rb") as file:
            _unpack(file, folder, unpacking)
    except ArchiveRefusedError:
        raise
    except _DAMAGED as error:
        raise ArchiveRefusedError(reason=f"it is damaged ({type(error).__name__})") from error


def _unpack(file: IO[bytes], folder: Path, unpacking: Unpacking) -> None:
    start = file.read(512)
    file.seek(0)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        _unpack_zip(file, unpacking)
        return
    if start[257:262] == b"ustar":
        _unpack_tar(file, unpacking)
        return
    opener = next((opener for magic, opener in _COMPRESSIONS.items() if start.startswith(magic)), None)
    if opener is None:
        raise ArchiveRefusedError(reason="it is neither zip nor tar")
    plain = folder / "decompressed"
    with opener(file) as compressed, plain.open("w+b") as target:
        _decompress(compressed, target, file.seek(0, io.SEEK_END), unpacking.limits, file)
        if target.read(512)[257:262] != b"ustar":
            raise ArchiveRefusedError(reason="what is compressed is no tar")
        target.seek(0)
        _unpack_tar(target, unpacking)
    plain.unlink()


def _decompress(
    source: IO[bytes], target: IO[bytes], archive_bytes: int, limits: ArchiveLimits, file: IO[bytes]
) -> None:
    file.seek(0)
    total_bytes = 0
    while block := source.read(_BLOCK_BYTES):
        total_bytes += len(block)
        require_bounded(total_bytes, archive_bytes, limits)
        target.write(block)
    target.seek(0)


def _unpack_zip(file: IO[bytes], unpacking: Unpacking) -> None:
    _require_small_directory(file, unpacking.limits)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        _require_apart(entries)
        for entry in entries:
            name = unpacking.count(entry.orig_filename)
            _require_plain_entry(entry)
            if not entry.is_dir():
                with archive.open(entry) as content:
                    unpacking.take(name, content)


def _require_small_directory(file: IO[bytes], limits: ArchiveLimits) -> None:
    """Look at the size of the list of members, which is read into memory whole, before it is read."""
    file.seek(0, io.SEEK_END)
    size_bytes = file.tell()
    file.seek(max(0, size_bytes - 65_557))
    tail = file.read()
    ending = tail.rfind(b"PK\x05\x06")
    if ending < 0 or len(tail) < ending + 22:
        raise ArchiveRefusedError(reason="it is damaged (no end)")
    directory_bytes = int(struct.unpack_from("<I", tail, ending + 12)[0])
    locator = ending - 20
    if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
        file.seek(struct.unpack_from("<Q", tail, locator + 8)[0])
        directory_bytes = int(struct.unpack_from("<Q", file.read(56), 40)[0])
    if directory_bytes > limits.members * _ENTRY_BYTES:
        raise ArchiveRefusedError(reason=f"it has more than {limits.members} members")
    file.seek(0)


def _require_apart(entries: list[zipfile.ZipInfo]) -> None:
    """Refuse members that share bytes: so a small archive claims to hold the same content many times."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise ArchiveRefusedError(member=entry.orig_filename, reason="it overlaps another member")
        end = entry.header_offset + 30 + entry.compress_size


def _require_plain_entry(entry: zipfile.ZipInfo) -> None:
    mode = entry.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise ArchiveRefusedError(member=entry.orig_filename, reason="it is a link or a device")
    if entry.flag_bits & 0x1:
        raise ArchiveRefusedError(member=entry.orig_filename, reason="it is encrypted")
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ArchiveRefusedError(member=entry.orig_filename, reason="its compression is not supported")


def _unpack_tar(file: IO[bytes], unpacking: Unpacking) -> None:
    size_bytes = file.seek(0, io.SEEK_END)
    file.seek(0)
    with tarfile.open(fileobj=cast("IO[bytes]", _Headers(file)), mode="r:") as archive:
        while (member := archive.next()) is not None:
            _require_plain_member(member, size_bytes)
            name = "" if member.name == "." and member.isdir() else unpacking.count(member.name)
            if member.isfile():
                file.seek(member.offset_data)
                unpacking.take(name, cast("IO[bytes]", _Part(file, member.size)))


def _require_plain_member(member: tarfile.TarInfo, size_bytes: int) -> None:
    if member.issparse() or not (member.isfile() or member.isdir()):
        raise ArchiveRefusedError(member=member.name, reason="it is a link or a device")
    if member.size < 0 or member.offset_data + member.size > size_bytes:
        raise ArchiveRefusedError(member=member.name, reason="it ends behind the archive's end")


class _Headers:
    """A tar file as its reader sees it: what it reads at once is a header, so nothing there is large."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.tell = file.tell
        self.seek = file.seek

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _HEADER_BYTES:
            raise ArchiveRefusedError(reason=f"it has a header of more than {_HEADER_BYTES} bytes")
        return self._file.read(size)


class _Part:
    """A member's bytes within a tar file."""

    def __init__(self, file: IO[bytes], size_bytes: int) -> None:
        self._file = file
        self._left_bytes = size_bytes

    def read(self, size: int, /) -> bytes:
        block = self._file.read(min(size, self._left_bytes))
        self._left_bytes -= len(block)
        return block
