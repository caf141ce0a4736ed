"""One table in every format is one dataset; what is damaged, oversized or made to do harm is refused by name."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, ipc, parquet
from table_files import (
    PNG,
    ROWS,
    TABLE,
    corrupt_parquet,
    digest_of,
    intervals,
    numpy_of_wrong_size,
    write_arrow_file,
    write_parquet,
    zip_of,
)

from domain_sdk.errors import FileNotTabularError, FileTooLargeError, ReportedError
from domain_sdk.tables import read_schema, read_table
from storage.datasets.chunks import CHUNK_ROWS
from storage.datasets.confinement import ingest_confined
from storage.datasets.errors import (
    ColumnTypeUnsupportedError,
    DatasetReaderFailedError,
)
from storage.datasets.ingestion import ingest
from storage.datasets.limits import ReadingLimits
from storage.datasets.reading import open_table


def write_csv(path: Path) -> None:
    csv.write_csv(TABLE, path)


def write_semicolons(path: Path) -> None:
    csv.write_csv(TABLE, path, csv.WriteOptions(delimiter=";"))


def write_odd_parquet(path: Path) -> None:
    odd = TABLE.set_column(1, "count", TABLE["count"].cast(pa.int16())).set_column(
        2, "kind", TABLE["kind"].dictionary_encode()
    )
    parquet.write_table(odd, path, row_group_size=7, compression="zstd", version="1.0")


def write_arrow_stream(path: Path) -> None:
    with ipc.new_stream(path, TABLE.schema) as writer:
        writer.write_table(TABLE)


def write_json_lines(path: Path) -> None:
    lines = ({name: value for name, value in row.items() if value is not None} for row in TABLE.to_pylist())
    path.write_text("\n".join(json.dumps(line) for line in [dict.fromkeys(TABLE.schema.names), *lines][1:]) + "\n")


def write_records(path: Path) -> None:
    fields = [("size", "f8"), ("count", "i4"), ("kind", "U8"), ("is_new", "?")]
    rows = [tuple(np.nan if value is None else value for value in row.values()) for row in TABLE.to_pylist()]
    with path.open("wb") as file:
        np.save(file, np.array(rows, fields))


def write_named_arrays(path: Path) -> None:
    with path.open("wb") as file:
        arrays = {name: TABLE[name].to_numpy() for name in ("size", "count", "is_new")}
        np.savez_compressed(
            file,
            size=arrays["size"],
            count=arrays["count"],
            kind=np.array(TABLE["kind"].to_pylist()),
            is_new=arrays["is_new"],
        )


WRITERS = [
    write_csv,
    write_semicolons,
    write_parquet,
    write_odd_parquet,
    write_arrow_file,
    write_arrow_stream,
    write_json_lines,
    write_records,
    write_named_arrays,
]


@pytest.mark.parametrize("write", WRITERS)
def test_a_table_is_the_same_dataset_in_every_format_and_under_every_name(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(tmp_path / "data.bin")
    write_parquet(tmp_path / "reference")

    if write is write_json_lines:  # objects have no order of their own: the first line's is taken
        fields = ["count", "kind", "is_new", "size"]
        parquet.write_table(TABLE.select(fields), tmp_path / "reference")

    assert digest_of(tmp_path / "data.bin") == digest_of(tmp_path / "reference")


@pytest.mark.parametrize("column", TABLE.schema.names)
@pytest.mark.parametrize("row", [0, ROWS - 1])
def test_one_changed_cell_anywhere_is_another_dataset(tmp_path: Path, column: str, row: int) -> None:
    rows = TABLE.to_pylist()
    rows[row][column] = {"size": 0.125, "count": -1, "kind": "kind", "is_new": None}[column]
    parquet.write_table(TABLE, tmp_path / "a.parquet")
    parquet.write_table(pa.Table.from_pylist(rows, TABLE.schema), tmp_path / "b.parquet")

    assert digest_of(tmp_path / "a.parquet") != digest_of(tmp_path / "b.parquet")


def test_names_and_their_order_are_part_of_the_content(tmp_path: Path) -> None:
    tables = [
        TABLE,
        TABLE.rename_columns(["size", "number", "kind", "is_new"]),
        TABLE.select(["count", "size", "kind", "is_new"]),
    ]
    digests = set()
    for number, table in enumerate(tables):
        parquet.write_table(table, tmp_path / str(number))
        digests.add(digest_of(tmp_path / str(number)))

    assert len(digests) == 3


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("1", "2.5", "double"),
        ("1", "x", "string"),
        ("", "7", "int64"),
        ("2026-01-01", "2026-01-01 10:00:00", "timestamp[s]"),
        ("2026-01-01 10:00:00", "2026-01-01 10:00:00.5", "timestamp[ns]"),
        ("true", "maybe", "string"),
    ],
)
def test_a_csv_column_whose_type_shows_late_is_read_as_if_read_at_once(
    tmp_path: Path, first: str, last: str, expected: str
) -> None:
    path = tmp_path / "late.csv"
    path.write_text("a,b\n" + f"{first},{'filler ' * 12}\n" * 120_000 + f"{last},x\n")

    draft = ingest(path, tmp_path)

    at_once = csv.read_csv(path, convert_options=csv.ConvertOptions(strings_can_be_null=True))
    assert [column.type for column in draft.content.columns] == [expected, "string"]
    assert str(at_once.schema.field(0).type) == expected


def test_a_json_column_whose_type_shows_late_is_widened(tmp_path: Path) -> None:
    path = tmp_path / "late.jsonl"
    filler = "x" * 100
    lines = [f'{{"a": 1, "b": "2026-01-01 10:00:00", "c": "{filler}"}}'] * 80_000
    path.write_text("\n".join([*lines, '{"a": 1.5, "b": "soon", "c": "", "d": true}']))

    draft = ingest(path, tmp_path)

    assert [(column.name, column.type) for column in draft.content.columns] == [
        ("a", "double"),
        ("b", "string"),
        ("c", "string"),
        ("d", "bool"),
    ]
    assert draft.content.row_count == 80_001


def tar_of(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


IMAGES = {
    f"pets/{kind}/{number}.png": PNG + f"{kind}{number}".encode() for kind in ("cat", "dog") for number in range(3)
}


def test_a_folder_of_images_is_a_table_of_labels_in_whatever_order_it_was_packed(tmp_path: Path) -> None:
    zip_of(tmp_path / "images.zip", IMAGES)
    tar_of(tmp_path / "images.tar", dict(reversed(IMAGES.items())))

    with open_table(tmp_path / "images.zip") as stream:
        rows = [row for batch in stream.batches for row in batch.to_pylist()]

    assert [(row["path"], row["label"]) for row in rows] == [(name, name.split("/")[1]) for name in sorted(IMAGES)]
    assert digest_of(tmp_path / "images.zip") == digest_of(tmp_path / "images.tar")


def test_an_arrow_file_with_all_rows_in_one_batch_is_read_piece_by_piece(tmp_path: Path) -> None:
    table = pa.table({"a": np.arange(3 * CHUNK_ROWS + 5), "b": np.arange(3 * CHUNK_ROWS + 5)})
    with ipc.new_file(tmp_path / "data", table.schema) as writer:
        writer.write_table(table)
    limits = ReadingLimits(maximum_chunk_bytes=2 * 8 * CHUNK_ROWS)

    with open_table(tmp_path / "data", limits) as stream:
        batches = list(stream.batches)

    assert pa.Table.from_batches(batches).equals(table)
    assert [batch.num_rows for batch in batches] == [CHUNK_ROWS] * 3 + [5]


def text_bomb(path: Path) -> None:
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 60_000, pa.int32()), pa.array(["x" * 10_000]))
    parquet.write_table(pa.table({"a": repeated, "b": range(60_000)}), path)


def test_the_confined_reader_finds_what_the_plain_one_finds(tmp_path: Path) -> None:
    write_parquet(tmp_path / "data")

    assert ingest_confined(tmp_path / "data", tmp_path).content.digest == digest_of(tmp_path / "data")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (corrupt_parquet, FileNotTabularError),
        (intervals, ColumnTypeUnsupportedError),
        (numpy_of_wrong_size, FileNotTabularError),
    ],
)
def test_the_confined_reader_says_what_is_wrong_as_the_plain_one_does(
    tmp_path: Path, make: Callable[[Path], Any], error: type[ReportedError]
) -> None:
    make(tmp_path / "data")

    with pytest.raises(error) as confined:
        ingest_confined(tmp_path / "data", tmp_path)
    with pytest.raises(error) as plain:
        ingest(tmp_path / "data", tmp_path)

    assert vars(confined.value) == vars(plain.value)


def test_a_reader_that_wants_more_memory_than_it_may_have_ends_alone(tmp_path: Path) -> None:
    text_bomb(tmp_path / "data")

    with pytest.raises((DatasetReaderFailedError, FileNotTabularError, FileTooLargeError)):
        ingest_confined(tmp_path / "data", tmp_path, memory_bytes=400 * 1024**2)


class WatchedFile(io.BufferedReader):
    """A file that knows the threads on which it was read."""

    readers: ClassVar[set[int]] = set()

    def read(self, size: int | None = -1) -> bytes:
        self.readers.add(threading.get_ident())
        return super().read(size)


class WatchedBytes(io.BytesIO):
    """The same in memory."""

    def read(self, size: int | None = -1) -> bytes:
        WatchedFile.readers.add(threading.get_ident())
        return super().read(size)


def open_watched(path: Path, mode: str = "r", *options: Any, **named: Any) -> Any:
    return WatchedFile(io.FileIO(path)) if mode == "rb" else open(path, mode, *options, **named)  # noqa: PTH123


def read_batches(path: Path) -> None:
    with open_table(path) as stream:
        assert sum(batch.num_rows for batch in stream.batches) == ROWS


@pytest.mark.parametrize(
    ("write", "read"),
    [(write_csv, read_schema), (write_csv, read_table), *((write, read_batches) for write in WRITERS)],
)
def test_no_thread_of_the_reader_enters_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None], read: Callable[[Path], Any]
) -> None:
    """One that did when the process ends would make it abort or hang."""
    write(tmp_path / "table")
    monkeypatch.setattr(WatchedFile, "readers", set())
    monkeypatch.setattr(io, "open", open_watched)
    monkeypatch.setattr(io, "BytesIO", WatchedBytes)

    read(tmp_path / "table")

    assert WatchedFile.readers == {threading.get_ident()}
