"""Uploads in parts that go on where an earlier attempt stopped, also one of another process.

The upload of an object is found by the object's key, which its content makes: whatever parts the server holds for it
are compared with the file, part by part, and only what differs is sent. Nothing is visible before the last request.
The client's public interface uploads in one go and throws away what a failure left, so its single requests are used.
"""

from __future__ import annotations

import hashlib
from typing import IO, Any

from minio import Minio
from minio.datatypes import Part

from storage.errors import ObjectSourceChangedError
from storage.objects.port import StoredObject
from storage.objects.verified import read_exactly

PART_BYTES = 16 * 1024 * 1024
_PARTS_LIMIT = 10_000


class UnchangedSource:
    """A file that ends with an error, before its last part is sent, if it no longer is what was hashed."""

    def __init__(self, source: IO[bytes], described: StoredObject) -> None:
        self._source = source
        self._described = described
        self._sha256 = hashlib.sha256()
        self._seen_bytes = 0

    @property
    def size_bytes(self) -> int:
        """How many bytes there were when it was hashed."""
        return self._described.size_bytes

    def read(self, size: int, /) -> bytes:
        """Return the next bytes.

        Raises:
            ObjectSourceChangedError: They, or those before them, are not what was hashed.
        """
        chunk = self._source.read(size)
        self._sha256.update(chunk)
        self._seen_bytes += len(chunk)
        is_short = not chunk and self._seen_bytes < self._described.size_bytes
        is_whole = self._seen_bytes >= self._described.size_bytes
        if is_short or (is_whole and self._sha256.hexdigest() != self._described.sha256):
            raise ObjectSourceChangedError(uri=self._described.uri)
        return chunk


def send_parts(client: Minio, bucket: str, key: str, source: UnchangedSource) -> tuple[str, list[Part]]:
    """Send what the server does not hold yet of an object; return the upload and all of its parts."""
    part_bytes = max(PART_BYTES, -(-source.size_bytes // _PARTS_LIMIT))
    upload_id, held = _upload_of(client, bucket, key)
    parts: list[Part] = []
    for number in range(1, -(-source.size_bytes // part_bytes) + 1):
        content = read_exactly(source, min(part_bytes, source.size_bytes - (number - 1) * part_bytes))
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if held.get(number) != etag:
            etag = client._upload_part(bucket, key, content, None, upload_id, number)
        parts.append(Part(number, etag))
    return upload_id, parts


def complete_upload(client: Minio, bucket: str, key: str, upload_id: str, parts: list[Part]) -> bool:
    """Make the object visible; return whether the server says that it is."""
    return bool(client._complete_multipart_upload(bucket, key, upload_id, parts).etag)


def abort_upload(client: Minio, bucket: str, upload: Any) -> None:
    """Throw away the parts of an upload."""
    client._abort_multipart_upload(bucket, upload.object_name, upload.upload_id)


def unfinished_uploads(client: Minio, bucket: str, prefix: str) -> list[Any]:
    """Return up to 1,000 uploads of keys with that prefix that were neither completed nor given up, oldest last."""
    uploads = client._list_multipart_uploads(bucket, prefix=prefix).uploads
    return sorted(uploads, key=lambda upload: upload.initiated_time, reverse=True)


def _upload_of(client: Minio, bucket: str, key: str) -> tuple[str, dict[int, str]]:
    """Return the object's upload, begun here or earlier, and the MD5 of each part that the server holds."""
    for upload in unfinished_uploads(client, bucket, key):
        if upload.object_name == key:
            return upload.upload_id, _held_parts(client, bucket, key, upload.upload_id)
    return client._create_multipart_upload(bucket, key, {}), {}


def _held_parts(client: Minio, bucket: str, key: str, upload_id: str) -> dict[int, str]:
    held: dict[int, str] = {}
    marker = None
    while True:
        page = client._list_parts(bucket, key, upload_id, part_number_marker=marker)
        held.update({part.part_number: part.etag for part in page.parts})
        marker = page.next_part_number_marker
        if not page.is_truncated or not marker:
            return held
