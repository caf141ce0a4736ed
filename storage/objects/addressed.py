"""What is the same in every store: digests, records, quarantine, on top of bytes under keys."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

from storage.errors import MasterKeyMissingError, ObjectNotFoundError, RecordExistsError
from storage.models.enums import DataClassification
from storage.objects.keys import (
    DATA_KEYS,
    OBJECTS,
    QUARANTINE,
    RECORDS,
    data_keys_prefix,
    digest_in_key,
    object_key,
    quarantine_key,
    record_key,
    record_uri,
    stored_digest_of,
)
from storage.objects.port import ByteSource, ChunkDigests, ListedDataKey, ListedObject, StoredObject
from storage.objects.verified import (
    PlainRanges,
    digests_of_chunks,
    fetch_verified,
    require_digest,
    resuming_chunks,
    verified_chunks,
)

SEALED_CLASSIFICATIONS = frozenset({DataClassification.CONFIDENTIAL, DataClassification.RESTRICTED})


class ListedKey(NamedTuple):
    """A key, and what is under it."""

    key: str
    size_bytes: int
    modified_at: datetime


class AddressedObjects(ABC):
    """An `ObjectStore` and its `ObjectHousekeeping`, of which a subclass keeps the bytes.

    It reads what is stored for sealed objects too, verified but still encrypted: `SealingObjectStore` opens them.
    """

    @abstractmethod
    def put_file(self, path: Path) -> StoredObject:
        """See `ObjectStore.put_file`."""

    @abstractmethod
    def put_bytes(self, content: bytes) -> StoredObject:
        """See `ObjectStore.put_bytes`."""

    @abstractmethod
    def remove_unfinished(self, before: datetime) -> int:
        """See `ObjectHousekeeping.remove_unfinished`."""

    @abstractmethod
    def _open(self, uri: str, key: str, start: int = 0) -> AbstractContextManager[ByteSource]:
        """Open the bytes under a key from a position within them on; every read raises storage errors only."""

    @abstractmethod
    def _size(self, uri: str, key: str) -> int:
        """Return how many bytes are under a key, or raise `ObjectNotFoundError`."""

    @abstractmethod
    def _create(self, key: str, content: bytes) -> None:
        """Write a few bytes under a key unless there are some."""

    @abstractmethod
    def _list(self, folder: str) -> Iterator[ListedKey]:
        """Yield what is under the keys that begin with `folder` and a slash, in order of the keys."""

    @abstractmethod
    def _move(self, old: str, new: str, seen_at: datetime | None = None) -> bool:
        """Put what is under one key under another; return whether that was done.

        Nothing happens where there is nothing, or where it was modified at another time than `seen_at`, if given.
        """

    @abstractmethod
    def _delete(self, key: str) -> None:
        """Remove what is under a key, if anything is."""

    def read_bytes(self, uri: str) -> bytes:
        """See `ObjectReader.read_bytes`."""
        content = b"".join(self._chunks(uri))
        require_digest(uri, hashlib.sha256(content).hexdigest())
        return content

    def stream(self, uri: str) -> Iterator[bytes]:
        """See `ObjectReader.stream`."""
        return verified_chunks(uri, self._chunks(uri))

    def fetch(self, uri: str, destination: Path) -> Path:
        """See `ObjectReader.fetch`."""
        return fetch_verified(partial(self.open_stored, uri), partial(self.stored_size, uri), uri, destination)

    def ranges(self, uri: str, digests: ChunkDigests | None = None) -> PlainRanges:
        """See `ObjectReader.ranges`."""
        known = digests_of_chunks(uri, self._chunks(uri)) if digests is None or digests.uri != uri else digests
        return PlainRanges(partial(self.open_stored, uri), known)

    def open_stored(self, uri: str, start: int = 0) -> AbstractContextManager[ByteSource]:
        """Open an object's stored bytes from a position on, not verified; raises as `read_bytes` but for corruption."""
        return self._open(uri, _key_of(uri), start)

    def stored_size(self, uri: str) -> int:
        """Return how many bytes are stored for an object; raises as `open_stored`."""
        return self._size(uri, _key_of(uri))

    def for_classification(self, classification: DataClassification) -> Self:
        """See `ObjectStore.for_classification`."""
        if classification in SEALED_CLASSIFICATIONS:
            raise MasterKeyMissingError
        return self

    def create_record(self, name: str, content: bytes) -> str:
        """See `ObjectStore.create_record`."""
        uri = record_uri(name)
        self._create(record_key(uri), content)
        if self.read_record(uri) != content:
            raise RecordExistsError(uri=uri)
        return uri

    def read_record(self, uri: str) -> bytes:
        """See `ObjectStore.read_record`."""
        return self._read(uri, record_key(uri))

    def record_uris(self, prefix: str) -> list[str]:
        """See `ObjectStore.record_uris`."""
        names = (listed.key.removeprefix(f"{RECORDS}/") for listed in self._list(RECORDS))
        return [record_uri(name) for name in names if name.startswith(prefix)]

    def list_objects(self) -> Iterator[ListedObject]:
        """See `ObjectHousekeeping.list_objects`."""
        return _objects(self._list(OBJECTS))

    def list_quarantined(self) -> Iterator[ListedObject]:
        """See `ObjectHousekeeping.list_quarantined`."""
        return _objects(self._list(QUARANTINE))

    def quarantine(self, sha256: str, seen_at: datetime) -> bool:
        """See `ObjectHousekeeping.quarantine`."""
        return self._move(object_key(sha256), quarantine_key(sha256), seen_at)

    def restore(self, sha256: str) -> None:
        """See `ObjectHousekeeping.restore`."""
        self._move(quarantine_key(sha256), object_key(sha256))

    def purge(self, sha256: str) -> None:
        """See `ObjectHousekeeping.purge`."""
        if not self._is_there(object_key(sha256)):  # stored again meanwhile, or an interrupted move left both
            for listed in self._list(data_keys_prefix(sha256).rstrip("/")):
                self._delete(listed.key)
        self._delete(quarantine_key(sha256))

    def read_data_key(self, sha256: str, master_key_id: str) -> bytes | None:
        """See `ObjectHousekeeping.read_data_key`."""
        key = data_keys_prefix(sha256) + master_key_id
        with suppress(ObjectNotFoundError):
            return self._read(key, key)
        return None

    def create_data_key(self, sha256: str, master_key_id: str, wrapped: bytes) -> None:
        """See `ObjectHousekeeping.create_data_key`."""
        self._create(data_keys_prefix(sha256) + master_key_id, wrapped)

    def delete_data_key(self, sha256: str, master_key_id: str) -> None:
        """See `ObjectHousekeeping.delete_data_key`."""
        self._delete(data_keys_prefix(sha256) + master_key_id)

    def list_data_keys(self) -> Iterator[ListedDataKey]:
        """See `ObjectHousekeeping.list_data_keys`."""
        for key, _, modified_at in self._list(DATA_KEYS):
            *_, sha256, master_key_id = key.split("/")
            yield ListedDataKey(sha256=sha256, master_key_id=master_key_id, modified_at=modified_at)

    def _is_there(self, key: str) -> bool:
        with suppress(ObjectNotFoundError):
            self._size(key, key)
            return True
        return False

    def _chunks(self, uri: str) -> Iterator[bytes]:
        return resuming_chunks(partial(self.open_stored, uri))

    def _read(self, uri: str, key: str) -> bytes:
        return b"".join(resuming_chunks(partial(self._open, uri, key)))


def _key_of(uri: str) -> str:
    return object_key(stored_digest_of(uri))


def _objects(listed: Iterator[ListedKey]) -> Iterator[ListedObject]:
    for key, size_bytes, modified_at in listed:
        digest = digest_in_key(key)
        if digest is not None:
            yield ListedObject(sha256=digest, size_bytes=size_bytes, modified_at=modified_at)
