"""Uploads in parts that go on where an earlier attempt stopped, also one of another process.

The upload of an object is found by the object's key, which its content makes: whatever parts the server holds for it
are compared with the file, part by part, and only what differs is sent. Nothing is visible before the last request.
"""

from __future__ import annotations

import hashlib
from typing import IO

from minio.datatypes import Part

from storage.errors import ObjectSourceChangedError
from storage.objects.port import StoredObject
from storage.objects.s3_multipart import MultipartRequests
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


def send_parts(requests: MultipartRequests, key: str, source: UnchangedSource) -> tuple[str, list[Part]]:
    """Send what the server does not hold yet of an object; return the upload and all of its parts."""
    part_bytes = max(PART_BYTES, -(-source.size_bytes // _PARTS_LIMIT))
    upload_id, held = _upload_of(requests, key)
    parts: list[Part] = []
    for number in range(1, -(-source.size_bytes // part_bytes) + 1):
        content = read_exactly(source, min(part_bytes, source.size_bytes - (number - 1) * part_bytes))
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if held.get(number) != etag:
            etag = requests.send(key, upload_id, number, content)
        parts.append(Part(number, etag))
    return upload_id, parts


def _upload_of(requests: MultipartRequests, key: str) -> tuple[str, dict[int, str]]:
    """Return the object's upload, begun here or earlier, and the MD5 of each part that the server holds."""
    for upload in requests.unfinished(key):
        if upload.key == key:
            return upload.upload_id, requests.held(key, upload.upload_id)
    return requests.begin(key), {}
