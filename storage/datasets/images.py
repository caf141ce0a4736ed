"""Reading the images of a dataset version back, one at a time or as a folder."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from storage.datasets.errors import DatasetManifestInvalidError
from storage.datasets.reading.images import is_safe_name
from storage.datasets.versions import DatasetManifest, read_chunks, read_manifest
from storage.objects import ObjectStore


class StoredImage(BaseModel):
    """An image, and its row in the dataset.

    Attributes:
        path: Within the folder that was registered.
        mode: In Pillow's words, such as `RGB`.
        content: Its file's bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    label: str
    size_bytes: int
    sha256: str
    width: int
    height: int
    mode: str
    content: bytes


def read_images(objects: ObjectStore, manifest: DatasetManifest) -> Iterator[StoredImage]:
    """Yield the images in the order of the dataset's rows; one pack, about 32 MiB, is in memory at a time.

    Raises:
        ObjectNotFoundError, ObjectCorruptError: A chunk or a pack cannot be trusted or found.
        DatasetManifestInvalidError: A pack does not hold the images of its rows.
    """
    rows = _rows(objects, manifest)
    for pack in manifest.packs:
        content = memoryview(objects.read_bytes(pack.uri))
        for row in islice(rows, pack.image_count):
            image = bytes(content[: row["size_bytes"]])
            content = content[row["size_bytes"] :]
            if hashlib.sha256(image).hexdigest() != row["sha256"]:
                raise DatasetManifestInvalidError(uri=pack.uri, reason=f"it does not hold {row['path']!r}")
            yield StoredImage(**row, content=image)


def fetch_images(objects: ObjectStore, uri: str, destination: Path) -> Path:
    """Write a version's images below `destination`, a new folder, each under its path, and return that folder.

    Raises:
        ObjectUriError, ObjectNotFoundError, ObjectCorruptError, DatasetManifestInvalidError: As `read_manifest` and
            `read_images`; then no folder is left.
    """
    manifest = read_manifest(objects, uri)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix="fetching-") as name:
        folder = Path(name) / "images"
        folder.mkdir()
        for image in read_images(objects, manifest):
            if not is_safe_name(image.path):
                raise DatasetManifestInvalidError(uri=uri, reason=f"the path {image.path!r} leads out of the folder")
            target = folder / image.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(image.content)
        folder.replace(destination)
    return destination


def _rows(objects: ObjectStore, manifest: DatasetManifest) -> Iterator[dict[str, Any]]:
    for chunk in read_chunks(objects, manifest):
        for batch in chunk.to_batches(max_chunksize=1_024):
            yield from batch.to_pylist()
