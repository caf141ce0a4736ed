"""Dataset versions in the object store: a manifest that names chunks, each kept once however many versions share it.

Chunks are cut every 65,536 rows. A version that changes some rows, or adds rows at the end, shares the chunks before
and between; one that puts a row at the beginning shares none.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet
from pydantic import BaseModel, ConfigDict, ValidationError

from domain_sdk.arrow_sources import native_buffer
from storage.datasets.errors import DatasetManifestInvalidError
from storage.datasets.identity import content_digest
from storage.datasets.ingestion import SKETCHES_FILE, ChunkDescription, ColumnSketches, ContentDescription, DatasetDraft
from storage.datasets.packs import PackDescription
from storage.objects import ObjectStore, StoredObject


class StoredChunk(BaseModel):
    """One chunk of rows: a Parquet object, and the digest of the values in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    size_bytes: int
    row_count: int
    digest: str


class StoredPack(BaseModel):
    """Images one behind the other, in the order of their rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    size_bytes: int
    image_count: int


class DatasetManifest(BaseModel):
    """What a version is made of.

    Attributes:
        sketches_uri: `ColumnSketches` as JSON.
        packs: The images, where each row describes one (`storage.datasets.images` reads them); else none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: ContentDescription
    chunks: tuple[StoredChunk, ...]
    sketches_uri: str
    packs: tuple[StoredPack, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Of all chunks and packs as they are stored."""
        return sum(chunk.size_bytes for chunk in self.chunks) + sum(pack.size_bytes for pack in self.packs)

    @property
    def object_uris(self) -> tuple[str, ...]:
        """Every object that the version needs, the manifest itself not counted."""
        return (*(chunk.uri for chunk in self.chunks), *(pack.uri for pack in self.packs), self.sketches_uri)


def publish(objects: ObjectStore, draft: DatasetDraft, folder: Path) -> tuple[DatasetManifest, StoredObject]:
    """Bring a draft into the object store; what is there already is not stored again.

    Args:
        objects: Where to.
        draft: What `ingest` returned.
        folder: What it wrote.
    """
    manifest = DatasetManifest(
        content=draft.content,
        chunks=tuple(_stored_chunk(objects, chunk, folder) for chunk in draft.chunks),
        packs=tuple(_stored_pack(objects, pack, folder) for pack in draft.packs),
        sketches_uri=objects.put_file(folder / SKETCHES_FILE).uri,
    )
    return manifest, objects.put_bytes(manifest.model_dump_json().encode())


def _stored_chunk(objects: ObjectStore, chunk: ChunkDescription, folder: Path) -> StoredChunk:
    stored = objects.put_file(folder / chunk.file)
    return StoredChunk(uri=stored.uri, size_bytes=stored.size_bytes, row_count=chunk.row_count, digest=chunk.digest)


def _stored_pack(objects: ObjectStore, pack: PackDescription, folder: Path) -> StoredPack:
    stored = objects.put_file(folder / pack.file)
    return StoredPack(uri=stored.uri, size_bytes=stored.size_bytes, image_count=pack.image_count)


def read_manifest(objects: ObjectStore, uri: str) -> DatasetManifest:
    """Return the manifest of a version.

    Raises:
        ObjectUriError, ObjectNotFoundError, ObjectCorruptError: The object cannot be trusted or found.
        DatasetManifestInvalidError: It is no manifest, or its chunks are not those of its content.
    """
    try:
        manifest = DatasetManifest.model_validate_json(objects.read_bytes(uri))
    except ValidationError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise DatasetManifestInvalidError(uri=uri, reason=reason) from error
    content = manifest.content
    names, digests = [column.name for column in content.columns], [bytes.fromhex(c.digest) for c in manifest.chunks]
    if content_digest(names, content.row_count, digests) != content.digest:
        raise DatasetManifestInvalidError(uri=uri, reason="its chunks do not make up its content")
    if manifest.packs and sum(pack.image_count for pack in manifest.packs) != content.row_count:
        raise DatasetManifestInvalidError(uri=uri, reason="its packs do not hold one image for each row")
    return manifest


def read_sketches(objects: ObjectStore, manifest: DatasetManifest) -> ColumnSketches:
    """Return the sketches of a version.

    Raises:
        ObjectNotFoundError, ObjectCorruptError: As `read_manifest`.
    """
    return ColumnSketches.model_validate_json(objects.read_bytes(manifest.sketches_uri))


def read_chunks(
    objects: ObjectStore, manifest: DatasetManifest, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Yield the rows of a version, chunk by chunk, one in memory at a time.

    Args:
        objects: Where they are.
        manifest: The version.
        columns: Those that are needed, all where it is `None`.

    Raises:
        ObjectNotFoundError, ObjectCorruptError: A chunk cannot be trusted or found.
    """
    wanted = None if columns is None else list(columns)
    for chunk in manifest.chunks:
        yield parquet.read_table(native_buffer(objects.read_bytes(chunk.uri)), columns=wanted)


def fetch_dataset(objects: ObjectStore, uri: str, destination: Path) -> Path:
    """Write a version's rows to one Parquet file at `destination`, chunk by chunk, and return that path.

    Raises:
        ObjectUriError, ObjectNotFoundError, ObjectCorruptError, DatasetManifestInvalidError: As `read_manifest`; then
            no file is left.
    """
    manifest = read_manifest(objects, uri)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix="fetching-") as folder:
        whole = Path(folder) / "whole.parquet"
        rows = _write(objects, manifest, whole)
        if rows != manifest.content.row_count:
            raise DatasetManifestInvalidError(uri=uri, reason=f"its chunks have {rows} rows")
        whole.replace(destination)
    return destination


def _write(objects: ObjectStore, manifest: DatasetManifest, whole: Path) -> int:
    writer: parquet.ParquetWriter | None = None
    rows = 0
    try:
        for chunk in read_chunks(objects, manifest):
            writer = writer or parquet.ParquetWriter(whole, chunk.schema, compression="none")
            writer.write_table(chunk)
            rows += chunk.num_rows
    finally:
        if writer is not None:
            writer.close()
    return rows
