"""Objects in a bucket of an S3-compatible server, by the `minio` client.

Keys are those of the folder store: `sha256/aa/bb/<digest>`, made here. Both requests that can bring an object into
being carry `If-None-Match: *`, so that the server itself refuses to overwrite: `PutObject` up to a part of 16 MiB, and
`CompleteMultipartUpload` above. Each part travels with its SHA-256 (plain HTTP) or MD5 (TLS) for the server to check.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any, BinaryIO, cast

from minio import Minio
from minio.error import MinioException, S3Error
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from urllib3 import BaseHTTPResponse, HTTPHeaderDict, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from storage.errors import ObjectNotFoundError, ObjectSourceChangedError, ObjectStoreUnavailableError
from storage.objects import StoredObject, copy_verified, digest_of, object_key, require_digest, stored_object

_PART_BYTES = 16 * 1024 * 1024
_PARTS_LIMIT = 10_000
_CREATED_BEFORE_US = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


class S3Location(BaseModel):
    """Which bucket, where, and with which key.

    Attributes:
        endpoint: `host:port`, without a scheme.
        secure: TLS, with the certificates that the system trusts or `SSL_CERT_FILE` names.
        region: Asked of the server where it is not given.
    """

    model_config = ConfigDict(frozen=True)

    endpoint: str
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    secure: bool = True
    region: str | None = None


class S3ObjectStore:
    """An `ObjectStore` in a bucket; holds one part (16 MiB, more above 160 GB) of a file in memory."""

    def __init__(self, location: S3Location) -> None:
        """Connect, and make the bucket where there is none.

        Raises:
            ObjectStoreUnavailableError: Nothing answers at the endpoint, or it refuses us.
        """
        self._endpoint = location.endpoint
        self._bucket = location.bucket
        self._client = Minio(
            location.endpoint,
            access_key=_plain(location.access_key),
            secret_key=_plain(location.secret_key),
            secure=location.secure,
            region=location.region,
            http_client=_create_only_pool(),
        )
        with self._translated():
            self._ensure_bucket()

    def put_file(self, path: Path) -> StoredObject:
        """See `ObjectStore.put_file`; a large file is read twice, once to name it and once to send it.

        Raises:
            ObjectSourceChangedError: Somebody wrote to the file meanwhile; nothing was stored.
        """
        if path.stat().st_size <= _PART_BYTES:
            return self.put_bytes(path.read_bytes())
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
            described = stored_object(digest, source.tell())
            source.seek(0)
            if not self._holds(described):
                self._create(described, _UnchangedSource(source, described))
        return described

    def put_bytes(self, content: bytes) -> StoredObject:
        """See `ObjectStore.put_bytes`."""
        described = stored_object(hashlib.sha256(content).hexdigest(), len(content))
        self._create(described, io.BytesIO(content))
        return described

    def read_bytes(self, uri: str) -> bytes:
        """See `ObjectStore.read_bytes`."""
        with self._reading(uri) as response:
            content = response.read()
        require_digest(uri, hashlib.sha256(content).hexdigest())
        return content

    def fetch(self, uri: str, destination: Path) -> Path:
        """See `ObjectStore.fetch`."""
        with self._reading(uri) as response:
            return copy_verified(response, destination, uri)

    def _ensure_bucket(self) -> None:
        if self._client.bucket_exists(self._bucket):
            return
        try:
            self._client.make_bucket(self._bucket)
        except S3Error as error:
            if error.code not in _CREATED_BEFORE_US:
                raise

    def _create(self, described: StoredObject, source: io.BytesIO | _UnchangedSource) -> None:
        size_bytes = described.size_bytes
        part_bytes = max(_PART_BYTES, -(-size_bytes // _PARTS_LIMIT))
        with self._translated(described.uri):
            try:
                result = self._client.put_object(
                    self._bucket,
                    object_key(described.sha256),
                    cast("BinaryIO", source),
                    size_bytes,
                    part_size=part_bytes,
                    num_parallel_uploads=1,
                )
            except (MinioException, HTTPError):
                # Refused because it exists, or the answer to a successful request was lost: both mean it is there.
                if not self._holds(described):
                    raise
                return
        # S3 may answer "complete the upload" with status 200 and then an error.
        if not result.etag and not self._holds(described):
            raise ObjectStoreUnavailableError(endpoint=self._endpoint, reason="CompleteMultipartUpload failed")

    def _holds(self, described: StoredObject) -> bool:
        with self._translated(described.uri):
            try:
                self._client.stat_object(self._bucket, object_key(described.sha256))
            except S3Error as error:
                if error.code == "NoSuchKey":
                    return False
                raise
        return True

    @contextlib.contextmanager
    def _reading(self, uri: str) -> Iterator[BaseHTTPResponse]:
        key = object_key(digest_of(uri))
        with self._translated(uri):
            response = self._client.get_object(self._bucket, key)
            try:
                yield response
            finally:
                response.close()
                response.release_conn()

    @contextlib.contextmanager
    def _translated(self, uri: str | None = None) -> Iterator[None]:
        try:
            yield
        except S3Error as error:
            if uri is not None and error.code == "NoSuchKey":
                raise ObjectNotFoundError(uri=uri) from error
            raise ObjectStoreUnavailableError(endpoint=self._endpoint, reason=str(error.code)) from error
        except (MinioException, HTTPError) as error:
            cause = getattr(error, "reason", None) or error
            raise ObjectStoreUnavailableError(endpoint=self._endpoint, reason=type(cause).__name__) from error


class _UnchangedSource:
    """A file that ends with an error, before its last part is sent, if it no longer is what was hashed."""

    def __init__(self, source: IO[bytes], described: StoredObject) -> None:
        self._source = source
        self._described = described
        self._sha256 = hashlib.sha256()
        self._seen_bytes = 0

    def read(self, size: int, /) -> bytes:
        chunk = self._source.read(size)
        self._sha256.update(chunk)
        self._seen_bytes += len(chunk)
        is_short = not chunk and self._seen_bytes < self._described.size_bytes
        is_whole = self._seen_bytes >= self._described.size_bytes
        if is_short or (is_whole and self._sha256.hexdigest() != self._described.sha256):
            raise ObjectSourceChangedError(uri=self._described.uri)
        return chunk


class _CreateOnlyPool(PoolManager):
    """Asks the server, in every request that would create an object, to refuse if there is one."""

    def urlopen(self, method: str, url: str, *args: Any, **kwargs: Any) -> BaseHTTPResponse:
        """Send a request; the client's own interface has no place for this header on uploads."""
        if _creates_an_object(method, url):
            headers = HTTPHeaderDict(kwargs.get("headers"))
            headers["If-None-Match"] = "*"
            kwargs["headers"] = headers
        return super().urlopen(method, url, *args, **kwargs)


def _creates_an_object(method: str, url: str) -> bool:
    if "/sha256/" not in url:
        return False
    is_part_of_upload = "uploadId=" in url
    return (method == "PUT" and not is_part_of_upload) or (method == "POST" and is_part_of_upload)


def _create_only_pool() -> _CreateOnlyPool:
    retries = Retry(total=3, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])
    return _CreateOnlyPool(maxsize=10, timeout=Timeout(connect=5, read=60), retries=retries)


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
