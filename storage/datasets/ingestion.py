"""From a file to a draft of a dataset version: identity, measures, and the rows in chunks, all in one pass.

Everything is written to a folder of the caller's; only `storage.datasets.versions.publish` brings it into the object
store. So a file that is refused half way leaves nothing behind.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet
from pydantic import BaseModel, ConfigDict

from domain_sdk.errors import FileNotTabularError
from domain_sdk.parquet_tables import plain_type
from storage.datasets.limits import DEFAULT_READING_LIMITS, ReadingLimits
from storage.datasets.packs import PackDescription, PackWriter
from storage.datasets.reading import WiderTypeNeededError, open_table
from storage.datasets.scanning import ScannedChunk, ScannedTable, scan
from storage.datasets.sketches.column import ColumnSketchDocument
from storage.datasets.unordered import BagHash

DRAFT_FILE = "draft.json"
SKETCHES_FILE = "sketches.json"
_MAXIMUM_ATTEMPTS = 64


class ColumnDescription(BaseModel):
    """A column's name, and its type in the words of Arrow."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: str


class ChunkDescription(BaseModel):
    """Up to 65,536 rows.

    Attributes:
        digest: SHA-256 over the canonical values, whatever the bytes of the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    row_count: int
    digest: str


class ContentDescription(BaseModel):
    """What the content of a version is, wherever it is kept.

    Attributes:
        digest: Over canonical rows, in their order.
        bag_digest: Over canonical rows whatever their order; only where it was asked for.
        source_sha256: Of the file that it was first read from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    bag_digest: str | None = None
    row_count: int
    repeated_row_count: int
    columns: tuple[ColumnDescription, ...]
    file_format: str
    source_sha256: str
    source_size_bytes: int

    @property
    def identity(self) -> str:
        """By what the content is known: 64 hexadecimal digits."""
        return self.bag_digest or self.digest


class DatasetDraft(BaseModel):
    """A version in a folder: `chunks`, `packs` of images and the sketches as files in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: ContentDescription
    chunks: tuple[ChunkDescription, ...]
    packs: tuple[PackDescription, ...] = ()


class ColumnSketches(BaseModel):
    """The sketches of all columns, as they are stored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[ColumnSketchDocument, ...]


def ingest(
    path: Path, folder: Path, limits: ReadingLimits = DEFAULT_READING_LIMITS, *, as_bag: bool = False
) -> DatasetDraft:
    """Read a file once, write its chunks and sketches into `folder`, and return what it holds.

    Args:
        path: The file.
        folder: An empty one.
        limits: Of what is read.
        as_bag: Whether the rows are known without their order; this takes much longer.

    Raises:
        FileUnreadableError, FileTooLargeError, FileNotTabularError, FileFormatUnsupportedError, PickleRefusedError,
            ColumnTypeUnsupportedError: The file cannot become a dataset.
    """
    types: dict[str, pa.DataType] = {}
    for _attempt in range(_MAXIMUM_ATTEMPTS):
        try:
            return _ingest_once(path, folder, limits, types, as_bag=as_bag)
        except WiderTypeNeededError as error:
            types[error.column] = error.datatype
    raise FileNotTabularError(path=path, reason="too many columns have values that do not fit their first ones")


def _ingest_once(
    path: Path, folder: Path, limits: ReadingLimits, types: dict[str, pa.DataType], *, as_bag: bool
) -> DatasetDraft:
    chunks: list[ChunkDescription] = []
    with closing(PackWriter(folder)) as packs, open_table(path, limits, types, packs) as stream:
        bag = BagHash(stream.schema.names) if as_bag else None

        def keep(chunk: ScannedChunk) -> None:
            chunks.append(_written(chunk, folder, len(chunks)))
            if bag is not None:
                bag.add(chunk.rows)

        scanned = scan(stream.schema, stream.batches, keep)
        content = _content(path, stream.file_format, stream.schema, scanned)
        written = packs.finished()
    if bag is not None:
        content = content.model_copy(update={"bag_digest": bag.hexdigest()})
    documents = tuple(ColumnSketchDocument.of(name, sketch) for name, sketch in scanned.columns.items())
    (folder / SKETCHES_FILE).write_text(ColumnSketches(columns=documents).model_dump_json(), encoding="utf-8")
    draft = DatasetDraft(content=content, chunks=tuple(chunks), packs=written)
    (folder / DRAFT_FILE).write_text(draft.model_dump_json(), encoding="utf-8")
    return draft


def _content(path: Path, file_format: str, schema: pa.Schema, scanned: ScannedTable) -> ContentDescription:
    return ContentDescription(
        digest=scanned.digest,
        row_count=scanned.row_count,
        repeated_row_count=scanned.repeated_rows,
        columns=tuple(ColumnDescription(name=field.name, type=str(_kept_type(field.type))) for field in schema),
        file_format=file_format,
        source_sha256=file_digest(path),
        source_size_bytes=path.stat().st_size,
    )


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _written(chunk: ScannedChunk, folder: Path, number: int) -> ChunkDescription:
    name = f"chunk-{number:06}.parquet"
    columns: list[Any] = [_kept(column) for column in chunk.rows.columns]
    table = pa.Table.from_arrays(columns, names=chunk.rows.schema.names)
    kinds = (pa.types.is_string, pa.types.is_binary)
    texts: Any = [field.name for field in table.schema if any(fits(field.type) for fits in kinds)]
    parquet.write_table(
        table,
        folder / name,
        compression="zstd",
        compression_level=1,
        use_dictionary=texts or False,
        write_statistics=False,  # a chunk is read whole
    )
    return ChunkDescription(file=name, row_count=table.num_rows, digest=chunk.digest.hex())


def _kept(column: Any) -> Any:
    """Return the column as it is kept: text written out, whatever the file kept it as; decimals as they are."""
    return column if column.type == _kept_type(column.type) else column.cast(_kept_type(column.type))


def _kept_type(datatype: pa.DataType) -> pa.DataType:
    return datatype if pa.types.is_decimal(datatype) else plain_type(datatype)
