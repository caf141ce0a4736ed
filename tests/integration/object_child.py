"""A process of its own that stores an object: to be killed, or to live with little memory.

Usage: object_child.py put|cycle FILE, with the store as JSON in the environment variable STORE.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
from pathlib import Path

from storage.models import DataClassification
from storage.objects import FolderObjectStore, SealingObjectStore
from storage.objects.addressed import AddressedObjects
from storage.objects.master_keys import LocalKeys
from storage.objects.s3 import S3Location, S3ObjectStore


def main(act: str, path: Path) -> None:
    settings = json.loads(os.environ["STORE"])
    inner: AddressedObjects = (
        FolderObjectStore(Path(settings["folder"]))
        if "folder" in settings
        else S3ObjectStore(S3Location.model_validate(settings["s3"]))
    )
    objects = SealingObjectStore(inner, LocalKeys((b"k" * 32,)))
    if act == "put":
        objects.put_file(path)
        return
    _limit_memory(settings["more_bytes"])
    for classification in (DataClassification.INTERNAL, DataClassification.CONFIDENTIAL):
        stored = objects.for_classification(classification).put_file(path)
        copy = objects.fetch(stored.uri, path.with_suffix(".copy"))
        with copy.open("rb") as source:
            assert hashlib.file_digest(source, "sha256").hexdigest() == stored.sha256
        copy.unlink()
        assert sum(map(len, objects.stream(stored.uri))) == stored.size_bytes
        assert len(objects.ranges(stored.uri).read(stored.size_bytes - 5, 99)) == 5
    print("done")  # noqa: T201


def _limit_memory(more_bytes: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
