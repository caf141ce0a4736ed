"""Objects: immutable bytes, addressed by their SHA-256, written once, sealed where they are confidential.

Names never come from users: the key is made from the digest, so no path can be steered, two equal contents are one
object, and what is registered cannot be overwritten. `storage.objects.s3` is imported by whoever needs it.
"""

from storage.objects.folder import FolderObjectStore
from storage.objects.keys import digest_of, mentioned_uris, object_key, record_uri, stored_digest_of
from storage.objects.port import (
    ChunkDigests,
    ListedDataKey,
    ListedObject,
    ObjectHousekeeping,
    ObjectRanges,
    ObjectReader,
    ObjectStore,
    StoredObject,
)
from storage.objects.sealing import SealingObjectStore

__all__ = [
    "ChunkDigests",
    "FolderObjectStore",
    "ListedDataKey",
    "ListedObject",
    "ObjectHousekeeping",
    "ObjectRanges",
    "ObjectReader",
    "ObjectStore",
    "SealingObjectStore",
    "StoredObject",
    "digest_of",
    "mentioned_uris",
    "object_key",
    "record_uri",
    "stored_digest_of",
]
