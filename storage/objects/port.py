"""The port: what everybody may do with objects, whoever keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from storage.models.enums import DataClassification


class StoredObject(BaseModel):
    """Where an object is and what it holds.

    Attributes:
        sha256: Digest of the content, which for a sealed object is not the digest in its URI.
    """

    model_config = ConfigDict(frozen=True)

    uri: str
    sha256: str
    size_bytes: int


class ByteSource(Protocol):
    """Something to read bytes from: a file, a response."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""


class ObjectReader(Protocol):
    """Reading objects; every read verifies the content.

    Any call may raise `ObjectStoreUnavailableError`: the server does not answer, or the folder's disk fails or is full.
    """

    def read_bytes(self, uri: str) -> bytes:
        """Return the object whole.

        Raises:
            ObjectUriError, ObjectNotFoundError, ObjectCorruptError: The object cannot be trusted or found.
        """

    def stream(self, uri: str) -> Iterator[bytes]:
        """Yield the object in chunks of about 1 MiB; raises as `read_bytes`, always before the last chunk."""

    def fetch(self, uri: str, destination: Path) -> Path:
        """Copy the object to the file `destination`, verified, and return that path.

        After an interruption the same call goes on where it stopped: what was there is kept in a hidden file beside
        `destination`, which itself appears only whole.

        Raises:
            ObjectUriError, ObjectNotFoundError, ObjectCorruptError: As `read_bytes`; then no file is left.
        """

    def ranges(self, uri: str, digests: ChunkDigests | None = None) -> ObjectRanges:
        """Return access to any part of the object without reading the rest.

        Args:
            uri: Of a sealed object, whose chunks are verified by themselves, or of a plain one.
            digests: What `ObjectRanges.digests` returned earlier for this plain object. Without them a plain object
                is read once as a whole.

        Raises:
            ObjectUriError, ObjectNotFoundError, ObjectCorruptError: As `read_bytes`.
        """


class ObjectStore(ObjectReader, Protocol):
    """Content-addressed, create-only storage."""

    def put_file(self, path: Path) -> StoredObject:
        """Store the file's bytes; after an interruption the same call sends what was not sent."""

    def put_bytes(self, content: bytes) -> StoredObject:
        """Store `content`; storing the same bytes again changes nothing but the object's age, which begins anew."""

    def for_classification(self, classification: DataClassification) -> ObjectStore:
        """Return this store as it takes content of a classification: from CONFIDENTIAL on, sealed.

        Storing the same bytes twice makes two sealed objects: nobody can see that they are equal.

        Raises:
            MasterKeyMissingError: There is no key to seal with.
        """

    def create_record(self, name: str, content: bytes) -> str:
        """Keep a record that vouches for itself, such as a signed note; return its URI.

        A record is created once and never changed; keeping the same bytes again changes nothing.

        Args:
            name: Made by the server: up to six segments of lower-case letters, digits, `.`, `_`, `-`, with `/` between.
            content: At most a few MiB.

        Raises:
            ObjectUriError: The name is none.
            RecordExistsError: Another content is kept under that name.
        """

    def read_record(self, uri: str) -> bytes:
        """Return a record; its content is not verified here.

        Raises:
            ObjectUriError, ObjectNotFoundError: There is no such record.
        """

    def record_uris(self, prefix: str) -> list[str]:
        """Return the URIs of the records whose names begin with a prefix such as `checkpoints/`, in order."""


class ChunkDigests(BaseModel):
    """SHA-256 of each chunk of a plain object, by which a part of it is verified."""

    model_config = ConfigDict(frozen=True)

    uri: str
    size_bytes: int
    chunk_bytes: int
    sha256: tuple[str, ...]


class ObjectRanges(Protocol):
    """Any part of one object."""

    @property
    def size_bytes(self) -> int:
        """The size of the content."""

    @property
    def digests(self) -> ChunkDigests | None:
        """What a later `ranges` call can be given, so that it need not read the whole; `None` where nothing is needed.

        Trust them as the URI: keep them in a record, not beside the object.
        """

    def read(self, start: int, size: int) -> bytes:
        """Return up to `size` bytes from `start`, fewer at the end, each chunk of them verified.

        Raises:
            ObjectRangeError: Negative, or beyond the end.
            ObjectCorruptError, ObjectNotFoundError: The object is no longer what it was.
        """


class ListedObject(BaseModel):
    """An object as the store lists it.

    Attributes:
        sha256: Of the stored bytes.
        modified_at: When it was published or, in quarantine, put there; aware.
    """

    model_config = ConfigDict(frozen=True)

    sha256: str
    size_bytes: int
    modified_at: datetime


class ListedDataKey(BaseModel):
    """A wrapped data key as the store lists it.

    Attributes:
        sha256: Of the sealed object's stored bytes.
        modified_at: When it was written; aware.
    """

    model_config = ConfigDict(frozen=True)

    sha256: str
    master_key_id: str
    modified_at: datetime


class ObjectHousekeeping(Protocol):
    """What only garbage collection and key rotation do to a store."""

    def list_objects(self) -> Iterator[ListedObject]:
        """Yield the objects that are there."""

    def list_quarantined(self) -> Iterator[ListedObject]:
        """Yield the objects that wait for their removal."""

    def quarantine(self, sha256: str, seen_at: datetime) -> bool:
        """Take an object out of every reader's sight, unless it was stored again; return whether that was done.

        Args:
            sha256: Of the stored bytes.
            seen_at: Its `modified_at` when it was judged; every `put` of the same bytes since has renewed it.
        """

    def restore(self, sha256: str) -> None:
        """Bring an object back from quarantine; one that is there already stays so."""

    def purge(self, sha256: str) -> None:
        """Remove an object in quarantine for good, its wrapped keys first."""

    def remove_unfinished(self, before: datetime) -> int:
        """Remove what uploads that began before that time and never ended have left; return how many there were."""

    def read_data_key(self, sha256: str, master_key_id: str) -> bytes | None:
        """Return the data key of a sealed object as a master key wrapped it, `None` where that one never did."""

    def create_data_key(self, sha256: str, master_key_id: str, wrapped: bytes) -> None:
        """Keep a wrapped data key; one that is there under that name stays as it is."""

    def delete_data_key(self, sha256: str, master_key_id: str) -> None:
        """Remove a wrapped data key."""

    def list_data_keys(self) -> Iterator[ListedDataKey]:
        """Yield the wrapped data keys that are there."""
