"""Object stores that tests put things into, and how these look to them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from minio import Minio
from seaweedfs import ACCESS_KEY, SECRET_KEY

from storage.objects import StoredObject
from storage.objects.addressed import AddressedObjects
from storage.objects.s3 import S3ObjectStore

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class StoreUnderTest:
    """A store, and a way to damage it behind its back."""

    store: AddressedObjects
    replace: Callable[[StoredObject, bytes], None]


def replace_file(root: Path, stored: StoredObject, content: bytes) -> None:
    path = root / key(stored)
    path.unlink()
    path.write_bytes(content)


def replace_in_bucket(store: S3ObjectStore, stored: StoredObject, content: bytes) -> None:
    location = store._endpoint
    plain_client = Minio(location, access_key=ACCESS_KEY, secret_key=SECRET_KEY, secure=False)
    plain_client.put_object(store._bucket, key(stored), io.BytesIO(content), len(content))


def key(stored: StoredObject) -> str:
    return f"sha256/{stored.sha256[:2]}/{stored.sha256[2:4]}/{stored.sha256}"


def described(content: bytes) -> StoredObject:
    digest = hashlib.sha256(content).hexdigest()
    return StoredObject(uri=f"object://sha256/{digest}", sha256=digest, size_bytes=len(content))


def large_file(folder: Path, content_of: str, size_bytes: int) -> Path:
    path = folder / "large.bin"
    block = hashlib.sha256(content_of.encode()).digest() * (MEBIBYTE // 32)
    with path.open("wb") as target:
        for index in range(size_bytes // MEBIBYTE):
            target.write(index.to_bytes(4, "big") + block[4:])
        target.write(b"end"[: size_bytes % MEBIBYTE])
    return path


def modified_at(store: AddressedObjects, stored: StoredObject) -> datetime:
    (modified_at,) = (listed.modified_at for listed in store.list_objects() if listed.sha256 == stored.sha256)
    return modified_at
