"""Objects: immutable bytes, addressed by their SHA-256, written once.

The port, what its implementations share, and the folder implementation; `storage.s3_objects` has the other. Names never
come from users: the key is made from the digest, so no path can be steered, two equal contents are one object, and what
is registered cannot be overwritten.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from pydantic import BaseModel, ConfigDict

from storage.errors import ObjectCorruptError, ObjectNotFoundError, ObjectStoreUnavailableError, ObjectUriError

_URI = re.compile(r"object://sha256/([0-9a-f]{64})")
_CHUNK_BYTES = 1024 * 1024


class StoredObject(BaseModel):
    """Where an object is and what it must hash to."""

    model_config = ConfigDict(frozen=True)

    uri: str
    sha256: str
    size_bytes: int


class ByteSource(Protocol):
    """Something to read bytes from: a file, a response."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""


class ObjectStore(Protocol):
    """Content-addressed, create-only storage; every read verifies the digest.

    Any call may raise `ObjectStoreUnavailableError`: the server does not answer, or the folder's disk fails or is full.
    """

    def put_file(self, path: Path) -> StoredObject:
        """Store the file's bytes; storing the same bytes again changes nothing."""

    def put_bytes(self, content: bytes) -> StoredObject:
        """Store `content`; storing the same bytes again changes nothing."""

    def read_bytes(self, uri: str) -> bytes:
        """Return the object whole.

        Raises:
            ObjectUriError, ObjectNotFoundError, ObjectCorruptError: The object cannot be trusted or found.
        """

    def fetch(self, uri: str, destination: Path) -> Path:
        """Copy the object to the file `destination`, verified, and return that path.

        Raises:
            ObjectUriError, ObjectNotFoundError, ObjectCorruptError: As `read_bytes`; then no file is left.
        """


def digest_of(uri: str) -> str:
    """Return the SHA-256 in an object URI.

    Raises:
        ObjectUriError: The text is not a URI made by an object store.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise ObjectUriError(uri=uri)
    return match.group(1)


def object_key(digest: str) -> str:
    """Return the key of an object, relative to the store's root: `sha256/aa/bb/<digest>`."""
    return f"sha256/{digest[:2]}/{digest[2:4]}/{digest}"


def stored_object(digest: str, size_bytes: int) -> StoredObject:
    """Return the description of an object that is known to be stored."""
    return StoredObject(uri=f"object://sha256/{digest}", sha256=digest, size_bytes=size_bytes)


def copy_hashed(source: ByteSource, target: IO[bytes]) -> tuple[str, int]:
    """Copy all of `source`, one chunk in memory at a time; return its SHA-256 and its size in bytes."""
    sha256, size_bytes = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK_BYTES):
        sha256.update(chunk)
        target.write(chunk)
        size_bytes += len(chunk)
    return sha256.hexdigest(), size_bytes


def copy_verified(source: ByteSource, destination: Path, uri: str) -> Path:
    """Copy the object `uri` to the file `destination`; whatever goes wrong, no file is left.

    Raises:
        ObjectCorruptError: The bytes do not have the digest in the URI.
    """
    try:
        with destination.open("wb") as target:
            actual, _ = copy_hashed(source, target)
        require_digest(uri, actual)
    except BaseException:
        destination.unlink(missing_ok=True)
        raise
    return destination


def require_digest(uri: str, actual: str) -> None:
    """Return if bytes read from `uri` have the digest that it names.

    Raises:
        ObjectCorruptError: They do not.
    """
    expected = digest_of(uri)
    if actual != expected:
        raise ObjectCorruptError(uri=uri, expected=expected, actual=actual)


class FolderObjectStore:
    """An `ObjectStore` in a local folder: `sha256/aa/bb/<digest>`, read by the files' owner only, written by nobody."""

    def __init__(self, root: Path) -> None:
        """Make the folder where there is none.

        Raises:
            ObjectStoreUnavailableError: It cannot be made.
        """
        self._root = root
        with _translated(self._root):
            root.mkdir(parents=True, exist_ok=True)

    def put_file(self, path: Path) -> StoredObject:
        """See `ObjectStore.put_file`."""
        with path.open("rb") as source:
            return self._put(source)

    def put_bytes(self, content: bytes) -> StoredObject:
        """See `ObjectStore.put_bytes`."""
        return self._put(io.BytesIO(content))

    def read_bytes(self, uri: str) -> bytes:
        """See `ObjectStore.read_bytes`."""
        with self._open(uri) as source, _translated(self._root):
            content = source.read()
        require_digest(uri, hashlib.sha256(content).hexdigest())
        return content

    def fetch(self, uri: str, destination: Path) -> Path:
        """See `ObjectStore.fetch`."""
        with self._open(uri) as source:
            return copy_verified(_TranslatedSource(self._root, source), destination, uri)

    def _open(self, uri: str) -> IO[bytes]:
        path = self._root / object_key(digest_of(uri))
        with _translated(self._root):
            # Asked first, because opening a pipe would wait for a writer.
            if not path.is_file():
                raise ObjectNotFoundError(uri=uri)
            try:
                return path.open("rb")
            except FileNotFoundError as error:
                raise ObjectNotFoundError(uri=uri) from error

    def _put(self, source: IO[bytes]) -> StoredObject:
        with _translated(self._root):
            handle, name = tempfile.mkstemp(dir=self._root, prefix=".incoming-")
            incoming = Path(name)
            try:
                with os.fdopen(handle, "wb") as target:
                    digest, size_bytes = copy_hashed(source, target)
                    target.flush()
                    os.fsync(target.fileno())
                incoming.chmod(0o400)
                self._publish(incoming, self._root / object_key(digest))
            finally:
                incoming.unlink(missing_ok=True)
        return stored_object(digest, size_bytes)

    def _publish(self, incoming: Path, final: Path) -> None:
        final.parent.mkdir(parents=True, exist_ok=True)
        # A hard link fails where the name exists: create-only, also between processes.
        try:
            os.link(incoming, final)
        except FileExistsError:
            if not final.is_file():
                raise
        # A row may name the object next: its name must outlive a loss of power, as its bytes do.
        for folder in (final.parent, final.parent.parent, self._root):
            _sync(folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _TranslatedSource:
    """A file of the store, of which a failing read is the store's fault and not the destination's."""

    def __init__(self, root: Path, file: IO[bytes]) -> None:
        self._root = root
        self._file = file

    def read(self, size: int, /) -> bytes:
        with _translated(self._root):
            return self._file.read(size)


@contextlib.contextmanager
def _translated(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ObjectStoreUnavailableError(endpoint=str(root), reason=reason) from error
