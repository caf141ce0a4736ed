"""Encryption at rest: a store over another one that seals what is CONFIDENTIAL or above, and opens what was sealed.

A sealed object is addressed by the digest of its encrypted bytes, so that nobody learns from the store which contents
are equal. Its data key lies beside it, wrapped by a master key: `keys/aa/bb/<digest>/<master key>`.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from pydantic import BaseModel, ConfigDict

from storage.errors import MasterKeyMissingError, ObjectStoreUnavailableError, ObjectUnsealableError, SealBrokenError
from storage.models.enums import DataClassification
from storage.objects.addressed import SEALED_CLASSIFICATIONS, AddressedObjects
from storage.objects.envelope import (
    CHUNK_BYTES,
    HEADER_BYTES,
    KEY_BYTES,
    NONCE_PREFIX_BYTES,
    SEALED_CHUNK_BYTES,
    TRAILER_BYTES,
    ChunkOpener,
    Sealing,
    chunk_count,
    content_bytes,
    opened,
)
from storage.objects.keys import is_sealed, sealed_digest_of, sealed_uri
from storage.objects.master_keys import KeyService
from storage.objects.port import ByteSource, ChunkDigests, ObjectRanges, StoredObject
from storage.objects.verified import read_exactly, require_range

Randomness = Callable[[int], bytes]
_READ_BYTES = 1024 * 1024
_ATTEMPTS = 3


class SealingObjectStore:
    """An `ObjectStore` that opens sealed objects and, where asked `for_classification`, seals what it stores.

    Args:
        inner: Keeps the bytes.
        keys: Wraps the data keys; without it nothing can be sealed or opened.
        seals: Whether what is put here is sealed.
    """

    def __init__(
        self,
        inner: AddressedObjects,
        keys: KeyService | None,
        *,
        seals: bool = False,
        randomness: Randomness = os.urandom,
    ) -> None:
        self.inner = inner
        self._keys = keys
        self._seals = seals
        self._randomness = randomness

    def for_classification(self, classification: DataClassification) -> SealingObjectStore:
        """See `ObjectStore.for_classification`."""
        seals = classification in SEALED_CLASSIFICATIONS
        if seals and self._keys is None:
            raise MasterKeyMissingError
        return SealingObjectStore(self.inner, self._keys, seals=seals, randomness=self._randomness)

    def put_file(self, path: Path) -> StoredObject:
        """See `ObjectStore.put_file`; sealed, the file lies encrypted in the temporary folder meanwhile."""
        if not self._seals:
            return self.inner.put_file(path)
        with path.open("rb") as source, tempfile.TemporaryDirectory(prefix="ami-sealed-") as folder:
            spool = Path(folder) / "sealed"
            with spool.open("wb") as target:
                stored = self._seal(source, target)
            self.inner.put_file(spool)
        return stored

    def put_bytes(self, content: bytes) -> StoredObject:
        """See `ObjectStore.put_bytes`."""
        if not self._seals:
            return self.inner.put_bytes(content)
        target = _Collected()
        stored = self._seal(_Pieces(content), target)
        self.inner.put_bytes(target.content)
        return stored

    def read_bytes(self, uri: str) -> bytes:
        """See `ObjectReader.read_bytes`."""
        return b"".join(self.stream(uri)) if is_sealed(uri) else self.inner.read_bytes(uri)

    def stream(self, uri: str) -> Iterator[bytes]:
        """See `ObjectReader.stream`."""
        if not is_sealed(uri):
            return self.inner.stream(uri)
        return opened(uri, self._data_key(uri), self.inner.stream(uri))

    def fetch(self, uri: str, destination: Path) -> Path:
        """See `ObjectReader.fetch`; what an interruption leaves is encrypted."""
        if not is_sealed(uri):
            return self.inner.fetch(uri, destination)
        data_key = self._data_key(uri)
        sealed = destination.with_name(f".{destination.name[:100]}.{sealed_digest_of(uri)[:16]}.sealed")
        partial = sealed.with_name(f"{sealed.name}.{secrets.token_hex(8)}")
        try:
            with self._fetched(uri, sealed) as source, partial.open("xb") as target:
                target.writelines(opened(uri, data_key, _pieces_of(source)))
            return partial.replace(destination)
        finally:
            sealed.unlink(missing_ok=True)
            partial.unlink(missing_ok=True)

    def _fetched(self, uri: str, sealed: Path) -> IO[bytes]:
        """Return the encrypted file, fetched again where somebody who fetches the same has just done away with it."""
        for _ in range(_ATTEMPTS):
            fetched = self.inner.fetch(uri, sealed)
            with suppress(FileNotFoundError):
                return fetched.open("rb")
        raise ObjectStoreUnavailableError(endpoint=str(sealed.parent), reason="the file comes and goes")

    def ranges(self, uri: str, digests: ChunkDigests | None = None) -> ObjectRanges:
        """See `ObjectReader.ranges`."""
        return self._sealed_ranges(uri) if is_sealed(uri) else self.inner.ranges(uri, digests)

    def create_record(self, name: str, content: bytes) -> str:
        """See `ObjectStore.create_record`."""
        return self.inner.create_record(name, content)

    def read_record(self, uri: str) -> bytes:
        """See `ObjectStore.read_record`."""
        return self.inner.read_record(uri)

    def record_uris(self, prefix: str) -> list[str]:
        """See `ObjectStore.record_uris`."""
        return self.inner.record_uris(prefix)

    def _seal(self, source: ByteSource, target: _Target) -> StoredObject:
        """Write the sealed content to `target`, keep its wrapped key, and describe what will be stored."""
        keys = self._require_keys()
        data_key = self._randomness(KEY_BYTES)
        sealing, stored = Sealing(data_key, self._randomness(NONCE_PREFIX_BYTES)), hashlib.sha256()
        for piece in sealing.sealed(_pieces_of(source)):
            stored.update(piece)
            target.write(piece)
        digest = stored.hexdigest()
        # Before the object: one without its key could never be opened, and a key without its object is collected.
        self.inner.create_data_key(digest, keys.key_ids[0], keys.wrap(data_key, purpose(digest)))
        trailer = sealing.trailer
        return StoredObject(uri=sealed_uri(digest), sha256=trailer.sha256, size_bytes=trailer.size_bytes)

    def _data_key(self, uri: str) -> bytes:
        keys, digest = self._require_keys(), sealed_digest_of(uri)
        was_wrapped = False
        for key_id in keys.key_ids:
            wrapped = self.inner.read_data_key(digest, key_id)
            data_key = None if wrapped is None else keys.unwrap(key_id, wrapped, purpose(digest))
            if data_key is not None:
                return data_key
            was_wrapped = was_wrapped or wrapped is not None
        self.inner.stored_size(uri)  # says that there is no such object, where there is none
        if was_wrapped:
            raise SealBrokenError(uri=uri, reason="its data key was changed")
        raise ObjectUnsealableError(uri=uri)

    def _sealed_ranges(self, uri: str) -> SealedRanges:
        return SealedRanges(self.inner, uri, self._data_key(uri))

    def _require_keys(self) -> KeyService:
        if self._keys is None:
            raise MasterKeyMissingError
        return self._keys


class SealedRanges:
    """`ObjectRanges` of a sealed object: each chunk read is authentic by itself, and so is where the object ends."""

    def __init__(self, inner: AddressedObjects, uri: str, data_key: bytes) -> None:
        self._inner = inner
        self._uri = uri
        stored_bytes = inner.stored_size(uri)
        content_bytes(uri, stored_bytes)
        header, trailer = self._read(0, HEADER_BYTES), self._read(stored_bytes - TRAILER_BYTES, TRAILER_BYTES)
        self._opener = ChunkOpener(uri, data_key, header, trailer, stored_bytes)

    @property
    def size_bytes(self) -> int:
        """See `ObjectRanges.size_bytes`."""
        return self._opener.trailer.size_bytes

    @property
    def digests(self) -> None:
        """See `ObjectRanges.digests`."""
        return

    def read(self, start: int, size: int) -> bytes:
        """See `ObjectRanges.read`."""
        end = require_range(self._uri, start, size, self.size_bytes)
        if start == end:
            return b""
        first = start // CHUNK_BYTES
        offset = start - first * CHUNK_BYTES
        return b"".join(self._chunks(first, (end - 1) // CHUNK_BYTES))[offset : offset + end - start]

    def _chunks(self, first: int, last: int) -> Iterator[bytes]:
        ending = chunk_count(self.size_bytes) - 1
        with self._inner.open_stored(self._uri, HEADER_BYTES + first * SEALED_CHUNK_BYTES) as source:
            for index in range(first, last + 1):
                rest = self.size_bytes - index * CHUNK_BYTES
                size = SEALED_CHUNK_BYTES if index < ending else rest + SEALED_CHUNK_BYTES - CHUNK_BYTES
                yield self._opener.open(index, read_exactly(source, size))

    def _read(self, start: int, size: int) -> bytes:
        with self._inner.open_stored(self._uri, start) as source:
            return read_exactly(source, size)


class Rewrapping(BaseModel):
    """What a change of the master key did.

    Attributes:
        current: Objects whose data key the newest master key had wrapped already.
        rewrapped: Objects whose data key it wraps from now on.
        removed: Wrapped keys of older master keys that are gone.
        unopened: Digests of objects whose data key none of our master keys opens.
    """

    model_config = ConfigDict(frozen=True)

    current: int
    rewrapped: int
    removed: int
    unopened: tuple[str, ...]


def rewrap(store: AddressedObjects, keys: KeyService) -> Rewrapping:
    """Let the newest master key wrap every data key, and remove what older ones wrapped; no object is rewritten.

    It may be interrupted and repeated: a key that was wrapped before goes only when the new one has been read back.
    """
    newest, current, rewrapped, removed = keys.key_ids[0], 0, 0, 0
    wrapped_by: dict[str, set[str]] = {}
    for listed in store.list_data_keys():
        wrapped_by.setdefault(listed.sha256, set()).add(listed.master_key_id)
    unopened = []
    for digest, key_ids in wrapped_by.items():
        if newest in key_ids and _unwrapped(store, keys, digest, newest) is not None:
            current += 1
        elif _wrap_again(store, keys, digest, key_ids - {newest}):
            rewrapped += 1
        else:
            unopened.append(digest)
            continue
        for old in key_ids - {newest}:
            store.delete_data_key(digest, old)
            removed += 1
    return Rewrapping(current=current, rewrapped=rewrapped, removed=removed, unopened=tuple(sorted(unopened)))


def purpose(digest: str) -> bytes:
    """Return what a wrapped data key is bound to: it opens no other object."""
    return f"ami-learning object {digest}".encode()


def _wrap_again(store: AddressedObjects, keys: KeyService, digest: str, key_ids: set[str]) -> bool:
    for key_id in sorted(key_ids):
        data_key = _unwrapped(store, keys, digest, key_id)
        if data_key is not None:
            store.create_data_key(digest, keys.key_ids[0], keys.wrap(data_key, purpose(digest)))
            return _unwrapped(store, keys, digest, keys.key_ids[0]) == data_key
    return False


def _unwrapped(store: AddressedObjects, keys: KeyService, digest: str, key_id: str) -> bytes | None:
    wrapped = store.read_data_key(digest, key_id)
    return None if wrapped is None else keys.unwrap(key_id, wrapped, purpose(digest))


def _pieces_of(source: ByteSource) -> Iterator[bytes]:
    while piece := source.read(_READ_BYTES):
        yield piece


class _Target(Protocol):
    def write(self, piece: bytes, /) -> object: ...


class _Pieces:
    def __init__(self, content: bytes) -> None:
        self._rest = memoryview(content)

    def read(self, size: int, /) -> bytes:
        piece, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return piece


class _Collected:
    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    @property
    def content(self) -> bytes:
        return b"".join(self._pieces)

    def write(self, piece: bytes, /) -> None:
        self._pieces.append(piece)
