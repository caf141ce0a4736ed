"""Reading objects so that nobody believes a byte that is not what was stored."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import IO

from storage.errors import ObjectCorruptError, ObjectRangeError, ObjectStoreUnavailableError
from storage.objects.keys import stored_digest_of
from storage.objects.port import ByteSource, ChunkDigests

CHUNK_BYTES = 1024 * 1024

OpenAt = Callable[[int], AbstractContextManager[ByteSource]]
"""Opens an object's stored bytes from a position on."""


def copy_hashed(source: ByteSource, target: IO[bytes]) -> tuple[str, int]:
    """Copy all of `source`, one chunk in memory at a time; return its SHA-256 and its size in bytes."""
    sha256, size_bytes = hashlib.sha256(), 0
    while chunk := source.read(CHUNK_BYTES):
        sha256.update(chunk)
        target.write(chunk)
        size_bytes += len(chunk)
    return sha256.hexdigest(), size_bytes


def require_digest(uri: str, actual: str) -> None:
    """Return if stored bytes read from `uri` have the digest that it names.

    Raises:
        ObjectCorruptError: They do not.
    """
    expected = stored_digest_of(uri)
    if actual != expected:
        raise ObjectCorruptError(uri=uri, expected=expected, actual=actual)


def verified_chunks(uri: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks of an object, the last one only when all of them have the digest in the URI.

    Raises:
        ObjectCorruptError: They do not.
    """
    sha256, held = hashlib.sha256(), b""
    for chunk in chunks:
        if held:
            yield held
        sha256.update(chunk)
        held = chunk
    require_digest(uri, sha256.hexdigest())
    if held:
        yield held


def resuming_chunks(open_at: OpenAt, start: int = 0, attempts: int = 4) -> Iterator[bytes]:
    """Yield the bytes from `start` on; a connection that breaks on the way is replaced by one that goes on there.

    Raises:
        ObjectStoreUnavailableError: `attempts` in a row brought no byte.
    """
    position, left = start, attempts
    while True:
        try:
            with open_at(position) as source:
                while chunk := source.read(CHUNK_BYTES):
                    position, left = position + len(chunk), attempts
                    yield chunk
        except ObjectStoreUnavailableError:
            left -= 1
            if not left:
                raise
        else:
            return


def fetch_verified(open_at: OpenAt, size_of: Callable[[], int], uri: str, destination: Path) -> Path:
    """Copy the object `uri` to `destination`, which appears only whole.

    What an interruption leaves is a hidden file beside it, named by the object, and the next call goes on from there.
    Of several calls at once one does; the others write files of their own.

    Raises:
        ObjectCorruptError: The bytes do not have the digest in the URI; no file is left.
        ObjectStoreUnavailableError: Interrupted; what came so far is kept.
    """
    shared = destination.with_name(f".{destination.name[:100]}.{stored_digest_of(uri)[:16]}.partial")
    partial, target = _claimed(shared)
    start = 0
    with target:
        try:
            sha256 = _digest_so_far(target, size_of)
            start = target.tell()
            for chunk in resuming_chunks(open_at, start):
                sha256.update(chunk)
                target.write(chunk)
            require_digest(uri, sha256.hexdigest())
            target.flush()
            return partial.replace(destination)
        except BaseException as error:
            if partial != shared or not isinstance(error, ObjectStoreUnavailableError):
                partial.unlink(missing_ok=True)
            if start == 0 or not isinstance(error, ObjectCorruptError):
                raise
    return fetch_verified(open_at, size_of, uri, destination)  # perhaps only what was there was wrong


def _claimed(shared: Path) -> tuple[Path, IO[bytes]]:
    """Open what an interruption left, for nobody else to write to; a file of one's own where somebody else is there."""
    if shared.is_symlink():
        shared.unlink()
    target = os.fdopen(os.open(shared, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+b")
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(shared.stat(), os.fstat(target.fileno())):  # else it has become a destination meanwhile
            return shared, target
    target.close()
    own = shared.with_name(f"{shared.name}.{secrets.token_hex(8)}")
    return own, own.open("x+b")


def _digest_so_far(target: IO[bytes], size_of: Callable[[], int]) -> hashlib._Hash:
    """Return the digest of what is there already, behind which the file then stands."""
    sha256 = hashlib.sha256()
    if target.seek(0, os.SEEK_END):
        if target.tell() >= size_of():
            target.truncate(0)
        target.seek(0)
        while chunk := target.read(CHUNK_BYTES):
            sha256.update(chunk)
    return sha256


def digests_of_chunks(uri: str, chunks: Iterator[bytes]) -> ChunkDigests:
    """Return the digest of each chunk of an object; raises as `verified_chunks`."""
    digests, rest, size_bytes = [], b"", 0
    for piece in verified_chunks(uri, chunks):
        size_bytes += len(piece)
        rest += piece
        while len(rest) >= CHUNK_BYTES:
            digests.append(hashlib.sha256(rest[:CHUNK_BYTES]).hexdigest())
            rest = rest[CHUNK_BYTES:]
    if rest:
        digests.append(hashlib.sha256(rest).hexdigest())
    return ChunkDigests(uri=uri, size_bytes=size_bytes, chunk_bytes=CHUNK_BYTES, sha256=tuple(digests))


class PlainRanges:
    """`ObjectRanges` of a plain object: each chunk read is compared with its digest."""

    def __init__(self, open_at: OpenAt, digests: ChunkDigests) -> None:
        self._open_at = open_at
        self._digests = digests

    @property
    def size_bytes(self) -> int:
        """See `ObjectRanges.size_bytes`."""
        return self._digests.size_bytes

    @property
    def digests(self) -> ChunkDigests:
        """See `ObjectRanges.digests`."""
        return self._digests

    def read(self, start: int, size: int) -> bytes:
        """See `ObjectRanges.read`."""
        end = require_range(self._digests.uri, start, size, self.size_bytes)
        if start == end:
            return b""
        first = start // self._digests.chunk_bytes
        last = (end - 1) // self._digests.chunk_bytes
        offset = start - first * self._digests.chunk_bytes
        return b"".join(self._chunks(first, last))[offset : offset + end - start]

    def _chunks(self, first: int, last: int) -> Iterator[bytes]:
        chunk_bytes, uri = self._digests.chunk_bytes, self._digests.uri
        with self._open_at(first * chunk_bytes) as source:
            for index in range(first, last + 1):
                chunk = read_exactly(source, min(chunk_bytes, self.size_bytes - index * chunk_bytes))
                expected, actual = self._digests.sha256[index], hashlib.sha256(chunk).hexdigest()
                if actual != expected:
                    raise ObjectCorruptError(uri=uri, expected=expected, actual=actual)
                yield chunk


def require_range(uri: str, start: int, size: int, size_bytes: int) -> int:
    """Return where a part of an object ends.

    Raises:
        ObjectRangeError: It is not within the object.
    """
    if start < 0 or size < 0 or start > size_bytes:
        raise ObjectRangeError(uri=uri, start=start, size=size, size_bytes=size_bytes)
    return min(start + size, size_bytes)


def read_exactly(source: ByteSource, size: int) -> bytes:
    """Return `size` bytes of a source, fewer only where it ends."""
    parts: list[bytes] = []
    while size > 0 and (part := source.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder would outlive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
