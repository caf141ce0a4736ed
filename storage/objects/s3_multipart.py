"""The single requests of an upload in parts, which the `minio` client has and does not show.

Its public interface uploads in one go and throws away what a failure left. Here alone its inner methods are used, and
what is needed of them is written down: a version of the client that has it otherwise is refused when the store is
opened, not when the first large file is stored.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

import minio
from minio import Minio
from minio.datatypes import Part

from storage.errors import ObjectClientUnsupportedError

_NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "_create_multipart_upload": ("bucket_name", "object_name", "headers"),
        "_upload_part": ("bucket_name", "object_name", "data", "headers", "upload_id", "part_number"),
        "_list_parts": ("bucket_name", "object_name", "upload_id", "part_number_marker"),
        "_complete_multipart_upload": ("bucket_name", "object_name", "upload_id", "parts"),
        "_abort_multipart_upload": ("bucket_name", "object_name", "upload_id"),
        "_list_multipart_uploads": ("bucket_name", "prefix"),
    }
)


class UnfinishedUpload(NamedTuple):
    """An upload that was neither completed nor given up."""

    key: str
    upload_id: str
    begun_at: datetime


def require_known_client(client: type = Minio, version: str = minio.__version__) -> None:
    """Return if the client has what is needed here.

    Raises:
        ObjectClientUnsupportedError: It has not, or it is called otherwise.
    """
    differing = tuple(name for name, parameters in _NEEDED.items() if not _takes(client, name, parameters))
    if differing:
        raise ObjectClientUnsupportedError(client=f"minio {version}", methods=differing)


def _takes(client: type, name: str, parameters: tuple[str, ...]) -> bool:
    method = getattr(client, name, None)
    return callable(method) and set(parameters) <= inspect.signature(method).parameters.keys()


class MultipartRequests:
    """Uploads in parts to one bucket; each method is one request, or one for each page of an answer."""

    def __init__(self, client: Minio, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def begin(self, key: str) -> str:
        """Begin an upload; return its id."""
        upload_id: str = self._client._create_multipart_upload(bucket_name=self._bucket, object_name=key, headers={})
        return upload_id

    def send(self, key: str, upload_id: str, number: int, content: bytes) -> str:
        """Send a part; return its ETag, which is its MD5."""
        etag: str = self._client._upload_part(
            bucket_name=self._bucket,
            object_name=key,
            data=content,
            headers=None,
            upload_id=upload_id,
            part_number=number,
        )
        return etag

    def held(self, key: str, upload_id: str) -> dict[int, str]:
        """Return the MD5 of each part that the server holds."""
        return dict(self._held_parts(key, upload_id))

    def complete(self, key: str, upload_id: str, parts: list[Part]) -> bool:
        """Make the object visible; return whether the server says that it is."""
        done = self._client._complete_multipart_upload(
            bucket_name=self._bucket, object_name=key, upload_id=upload_id, parts=parts
        )
        return bool(done.etag)

    def abort(self, upload: UnfinishedUpload) -> None:
        """Throw away the parts of an upload."""
        self._client._abort_multipart_upload(
            bucket_name=self._bucket, object_name=upload.key, upload_id=upload.upload_id
        )

    def unfinished(self, prefix: str) -> list[UnfinishedUpload]:
        """Return up to 1,000 unfinished uploads of keys with that prefix, the newest first."""
        found = self._client._list_multipart_uploads(bucket_name=self._bucket, prefix=prefix).uploads
        uploads = [
            UnfinishedUpload(each.object_name, each.upload_id, each.initiated_time)
            for each in found
            if each.upload_id is not None and each.initiated_time is not None
        ]
        return sorted(uploads, key=lambda upload: upload.begun_at, reverse=True)

    def _held_parts(self, key: str, upload_id: str) -> Iterator[tuple[int, str]]:
        marker = None
        while True:
            page = self._client._list_parts(
                bucket_name=self._bucket, object_name=key, upload_id=upload_id, part_number_marker=marker
            )
            yield from ((part.part_number, part.etag) for part in page.parts)
            marker = page.next_part_number_marker
            if not page.is_truncated or not marker:
                return
