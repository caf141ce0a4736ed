"""Objects in a bucket of an S3-compatible server, by the `minio` client.

Keys are those of the folder store, made here. Both requests that can bring an object into being carry
`If-None-Match: *`, so that the server itself refuses to overwrite: `PutObject` up to a part of 16 MiB, and
`CompleteMultipartUpload` above. Each part travels with its SHA-256 (plain HTTP) or MD5 (TLS) for the server to check.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import IO

from minio import Minio
from minio.commonconfig import REPLACE, CopySource
from minio.error import MinioException, S3Error
from pydantic import SecretStr
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from storage.errors import ObjectNotFoundError, ObjectStoreUnavailableError
from storage.objects.addressed import AddressedObjects, ListedKey
from storage.objects.keys import OBJECTS, object_key, plain_uri
from storage.objects.port import ByteSource, StoredObject
from storage.objects.s3_multipart import MultipartRequests, require_known_client
from storage.objects.s3_requests import S3Location, copying_onto_itself, create_only_pool
from storage.objects.s3_uploads import PART_BYTES, UnchangedSource, send_parts

__all__ = ["S3Location", "S3ObjectStore"]

_CREATED_BEFORE_US = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})
_ABSENT = frozenset({"NoSuchKey", "NoSuchUpload"})
_ATTEMPTS = 3


class S3ObjectStore(AddressedObjects):
    """An `ObjectStore` in a bucket; holds one part (16 MiB, more above 160 GB) of a file in memory."""

    def __init__(self, location: S3Location) -> None:
        """Connect, and make the bucket where there is none.

        Raises:
            ObjectClientUnsupportedError: The installed client is not one that this module knows.
            ObjectStoreUnavailableError: Nothing answers at the endpoint, or it refuses us.
        """
        require_known_client()
        self._endpoint = location.endpoint
        self._bucket = location.bucket
        self._client = Minio(
            location.endpoint,
            access_key=_plain(location.access_key),
            secret_key=_plain(location.secret_key),
            secure=location.secure,
            region=location.region,
            http_client=create_only_pool(location.read_seconds),
        )
        self._uploads = MultipartRequests(self._client, self._bucket)
        with self._translated():
            self._ensure_bucket()

    def put_file(self, path: Path) -> StoredObject:
        """See `ObjectStore.put_file`; a large file is read twice, once to name it and once to send it.

        Raises:
            ObjectSourceChangedError: Somebody wrote to the file meanwhile; nothing was stored.
        """
        if path.stat().st_size <= PART_BYTES:
            return self.put_bytes(path.read_bytes())
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
            described = StoredObject(uri=plain_uri(digest), sha256=digest, size_bytes=source.tell())
            self._put(object_key(digest), lambda key: not self._is_there(key) and self._upload(described, source))
        return described

    def put_bytes(self, content: bytes) -> StoredObject:
        """See `ObjectStore.put_bytes`."""
        digest = hashlib.sha256(content).hexdigest()
        self._put(object_key(digest), lambda key: self._created(key, content))
        return StoredObject(uri=plain_uri(digest), sha256=digest, size_bytes=len(content))

    def remove_unfinished(self, before: datetime) -> int:
        """See `ObjectHousekeeping.remove_unfinished`."""
        removed = 0
        with self._translated():
            for upload in self._uploads.unfinished(f"{OBJECTS}/"):
                if upload.begun_at < before:
                    with contextlib.suppress(S3Error):  # completed meanwhile
                        self._uploads.abort(upload)
                        removed += 1
        return removed

    def _ensure_bucket(self) -> None:
        if self._client.bucket_exists(self._bucket):
            return
        try:
            self._client.make_bucket(self._bucket)
        except S3Error as error:
            if error.code not in _CREATED_BEFORE_US:
                raise

    def _put(self, key: str, create: Callable[[str], bool]) -> None:
        for _ in range(_ATTEMPTS):
            if create(key) or self._renewed(key):
                return
        raise ObjectStoreUnavailableError(endpoint=self._endpoint, reason="the object comes and goes")

    def _create(self, key: str, content: bytes) -> None:
        self._created(key, content)

    def _created(self, key: str, content: bytes) -> bool:
        with self._translated(), self._unless_it_exists(key):
            self._client.put_object(self._bucket, key, io.BytesIO(content), len(content), part_size=PART_BYTES)
            return True
        return False

    def _upload(self, described: StoredObject, file: IO[bytes]) -> bool:
        key = object_key(described.sha256)
        file.seek(0)
        with self._translated(), self._unless_it_exists(key):
            upload_id, parts = send_parts(self._uploads, key, UnchangedSource(file, described))
            # S3 may answer "complete the upload" with status 200 and then an error.
            if not self._uploads.complete(key, upload_id, parts) and not self._is_there(key):
                raise ObjectStoreUnavailableError(endpoint=self._endpoint, reason="CompleteMultipartUpload failed")
            return True
        return False

    def _renewed(self, key: str) -> bool:
        """Let an object be as young as if it had just been stored; return whether it is there."""
        itself = CopySource(self._bucket, key)
        try:
            with self._translated(key), copying_onto_itself():
                # Onto itself S3 copies only what it is told to describe anew.
                self._client.copy_object(self._bucket, key, itself, metadata_directive=REPLACE)
        except ObjectNotFoundError:
            return False
        return True

    @contextlib.contextmanager
    def _unless_it_exists(self, key: str) -> Iterator[None]:
        try:
            yield
        except (MinioException, HTTPError):
            # Refused because it exists, or the answer to a successful request was lost: both mean it is there.
            if not self._is_there(key):
                raise

    def _size(self, uri: str, key: str) -> int:
        with self._translated(uri):
            return self._client.stat_object(self._bucket, key).size or 0

    @contextlib.contextmanager
    def _open(self, uri: str, key: str, start: int = 0) -> Iterator[ByteSource]:
        with self._translated(uri):
            response = self._client.get_object(self._bucket, key, offset=start)
        try:
            yield _TranslatedResponse(self._endpoint, uri, response)
        finally:
            response.close()
            response.release_conn()

    def _list(self, folder: str) -> Iterator[ListedKey]:
        with self._translated():
            for listed in self._client.list_objects(self._bucket, prefix=f"{folder}/", recursive=True):
                yield ListedKey(listed.object_name, listed.size, listed.last_modified)

    def _move(self, old: str, new: str, seen_at: datetime | None = None) -> bool:
        if seen_at is not None and self._modified_at(old) != seen_at:
            return False
        try:
            with self._translated(old), self._unless_it_exists(new):
                self._client.copy_object(self._bucket, new, CopySource(self._bucket, old))
        except ObjectNotFoundError:
            return False
        if seen_at is not None and self._modified_at(old) != seen_at:
            self._delete(new)  # a large one takes a while to copy
            return False
        self._delete(old)
        return True

    def _modified_at(self, key: str) -> datetime | None:
        """Return the time as `_list` does, which other requests tell less exactly."""
        with self._translated():
            listed = self._client.list_objects(self._bucket, prefix=key, recursive=True)
            return next((each.last_modified for each in listed if each.object_name == key), None)

    def _delete(self, key: str) -> None:
        with self._translated():
            self._client.remove_object(self._bucket, key)

    def _translated(self, uri: str | None = None) -> AbstractContextManager[None]:
        return _translated(self._endpoint, uri)


class _TranslatedResponse:
    """An answer of the server, of which a broken connection is the store's fault."""

    def __init__(self, endpoint: str, uri: str, response: BaseHTTPResponse) -> None:
        self._endpoint = endpoint
        self._uri = uri
        self._response = response

    def read(self, size: int, /) -> bytes:
        with _translated(self._endpoint, self._uri):
            return self._response.read(size)


@contextlib.contextmanager
def _translated(endpoint: str, uri: str | None) -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        if uri is not None and error.code in _ABSENT:
            raise ObjectNotFoundError(uri=uri) from error
        raise ObjectStoreUnavailableError(endpoint=endpoint, reason=str(error.code)) from error
    except (MinioException, HTTPError) as error:
        cause = getattr(error, "reason", None) or error
        raise ObjectStoreUnavailableError(endpoint=endpoint, reason=type(cause).__name__) from error


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
