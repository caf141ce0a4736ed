"""One table in every format is one dataset; what is damaged, oversized or made to do harm is refused by name."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, ipc, parquet

from domain_sdk.errors import FileNotTabularError, FileTooLargeError, FileUnreadableError, ReportedError
from domain_sdk.table_limits import TableLimits
from storage.datasets.confinement import ingest_confined
from storage.datasets.errors import (
    ColumnTypeUnsupportedError,
    DatasetReaderFailedError,
    FileFormatUnsupportedError,
    PickleRefusedError,
)
from storage.datasets.ingestion import ingest
from storage.datasets.limits import ReadingLimits
from storage.datasets.reading import open_table
from storage.datasets.reading.json_lines import nesting_depth

ROWS = 200
TABLE = pa.table(
    {
        "size": pa.array([None if row % 7 == 0 else row / 4 for row in range(ROWS)]),
        "count": pa.array(range(ROWS)),
        "kind": pa.array([f"kind {row % 3}" for row in range(ROWS)]),
        "is_new": pa.array([row % 2 == 0 for row in range(ROWS)]),
    }
)
PNG = b"\x89PNG\r\n\x1a\n"


def write_csv(path: Path) -> None:
    csv.write_csv(TABLE, path)


def write_semicolons(path: Path) -> None:
    csv.write_csv(TABLE, path, csv.WriteOptions(delimiter=";"))


def write_parquet(path: Path) -> None:
    parquet.write_table(TABLE, path)


def write_odd_parquet(path: Path) -> None:
    odd = TABLE.set_column(1, "count", TABLE["count"].cast(pa.int16())).set_column(
        2, "kind", TABLE["kind"].dictionary_encode()
    )
    parquet.write_table(odd, path, row_group_size=7, compression="zstd", version="1.0")


def write_arrow_file(path: Path) -> None:
    with ipc.new_file(path, TABLE.schema, options=ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(TABLE, max_chunksize=33)


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


def digest_of(path: Path, limits: ReadingLimits | None = None) -> str:
    folder = path.parent / f"{path.name}-draft"
    folder.mkdir(exist_ok=True)
    return ingest(path, folder, limits or ReadingLimits()).content.digest


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


def zip_of(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


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


class Bomb:
    """Unpickling this would write a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self._path, "run"))


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("container", ["alone", "npy", "npz", "torch", "images"])
def test_pickled_objects_are_refused_unopened_wherever_they_are(tmp_path: Path, container: str, protocol: int) -> None:
    path, bomb = tmp_path / "data.csv", Bomb(tmp_path / "ran")
    pickled = pickle.dumps(bomb, protocol)
    objects = np.array([[1, bomb], [2, bomb]], dtype=object)
    match container:
        case "alone":
            path.write_bytes(pickled)
        case "npy":
            with path.open("wb") as file:
                np.save(file, objects, allow_pickle=True)
        case "npz":
            with path.open("wb") as file:
                np.savez(file, allow_pickle=True, x=objects)
        case "torch":
            zip_of(path, {"archive/data.pkl": pickled, "archive/version": b"3"})
        case _:
            zip_of(path, {"cat/a.png": PNG + b"x", "cat/b.pkl": pickled})

    with pytest.raises(PickleRefusedError):
        ingest(path, tmp_path)
    with pytest.raises(PickleRefusedError):
        ingest_confined(path, tmp_path)

    assert not (tmp_path / "ran").exists()


def corrupt_parquet(path: Path) -> None:
    write_parquet(path)
    content = bytearray(path.read_bytes())
    content[40:120] = b"\xff" * 80
    path.write_bytes(content)


def forged_footer(path: Path) -> None:
    write_parquet(path)
    content = path.read_bytes()
    path.write_bytes(content[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1")


def truncated_arrow(path: Path) -> None:
    write_arrow_file(path)
    path.write_bytes(path.read_bytes()[:-200])


def arrow_with_wild_offsets(path: Path) -> None:
    offsets = pa.array([0, 2**30, 1], pa.int32()).buffers()[1]
    wild = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"x")])
    batch = pa.RecordBatch.from_arrays([wild, pa.array([1, 2])], names=["a", "b"])
    with ipc.new_stream(path, batch.schema) as writer:
        writer.write_batch(batch)


def numpy_of_wrong_size(path: Path) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"shape": (10**9, 10**9), "fortran_order": False, "descr": "<f8"})
        file.write(b"\0" * 64)


def numpy_of_three_dimensions(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros((2, 2, 2)))


def arrays_of_two_lengths(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, x=np.zeros(3), y=np.zeros(4))


def text_with_nul(path: Path) -> None:
    parquet.write_table(pa.table({"a": ["x\0"], "b": [1]}), path)


def deep_json(path: Path) -> None:
    path.write_text('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}\n")


def json_of_two_types(path: Path) -> None:
    path.write_text('{"a": 1, "b": 2}\n{"a": {"c": 1}, "b": 2}\n')


def half_a_json(path: Path) -> None:
    path.write_text('{"a": 1, "b": 2}\n{"a": \n')


def one_column(path: Path) -> None:
    path.write_text('{"a": 1}\n')


def ragged_csv(path: Path) -> None:
    path.write_text("a,b\n1,2\n1,2,3\n")


def members(**content: bytes) -> Callable[[Path], None]:
    return lambda path: zip_of(path, {name.replace("__", "/"): value for name, value in content.items()})


def zip_slip(name: str) -> Callable[[Path], None]:
    return lambda path: zip_of(path, {name: PNG})


def linked_image(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("cat/a.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)


def image_twice(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for _ in range(2):
            info = tarfile.TarInfo("cat/a.png")
            info.size = len(PNG)
            archive.addfile(info, io.BytesIO(PNG))


def broken_zip(path: Path) -> None:
    zip_of(path, IMAGES)
    path.write_bytes(path.read_bytes()[:-30])


def json_document(path: Path) -> None:
    path.write_text('[{"a": 1, "b": 2}]')


def gzipped(path: Path) -> None:
    path.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0a,b\n1,2\n")


def intervals(path: Path) -> None:
    odd = pa.table({"a": pa.array([(1, 2, 3)], pa.month_day_nano_interval()), "b": [1]})
    with ipc.new_stream(path, odd.schema) as writer:
        writer.write_table(odd)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: path.write_bytes(b" \n"), FileNotTabularError),
        (lambda path: path.mkdir(), FileUnreadableError),
        (corrupt_parquet, FileNotTabularError),
        (forged_footer, FileNotTabularError),
        (truncated_arrow, FileNotTabularError),
        (arrow_with_wild_offsets, FileNotTabularError),
        (numpy_of_wrong_size, FileNotTabularError),
        (numpy_of_three_dimensions, FileNotTabularError),
        (arrays_of_two_lengths, FileNotTabularError),
        (text_with_nul, FileNotTabularError),
        (deep_json, FileNotTabularError),
        (json_of_two_types, FileNotTabularError),
        (half_a_json, FileNotTabularError),
        (one_column, FileNotTabularError),
        (ragged_csv, FileNotTabularError),
        (zip_slip("../a.png"), FileNotTabularError),
        (zip_slip("/cat/a.png"), FileNotTabularError),
        (zip_slip("cat\\..\\a.png"), FileNotTabularError),
        (zip_slip("a.png"), FileNotTabularError),
        (members(cat__a=b"no image"), FileNotTabularError),
        (members(cat__a=b""), FileNotTabularError),
        (linked_image, FileNotTabularError),
        (image_twice, FileNotTabularError),
        (broken_zip, FileNotTabularError),
        (json_document, FileFormatUnsupportedError),
        (gzipped, FileFormatUnsupportedError),
        (intervals, ColumnTypeUnsupportedError),
    ],
)
def test_what_is_no_table_is_refused_with_its_code(
    tmp_path: Path, make: Callable[[Path], Any], error: type[ReportedError]
) -> None:
    make(tmp_path / "data.csv")

    with pytest.raises(error):
        digest_of(tmp_path / "data.csv")


def wide(path: Path) -> None:
    path.write_text(",".join(f"c{number}" for number in range(11)) + "\n" + ",".join("1" * 11) + "\n")


def long_text(path: Path) -> None:
    parquet.write_table(pa.table({"a": ["x" * 2_000_000], "b": [1]}), path)


def text_bomb(path: Path) -> None:
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 60_000, pa.int32()), pa.array(["x" * 10_000]))
    parquet.write_table(pa.table({"a": repeated, "b": range(60_000)}), path)


def zipped_zeros(path: Path) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, x=np.zeros(4_000_000), y=np.zeros(4_000_000))


def image_bomb(path: Path) -> None:
    zip_of(path, {"cat/a.png": PNG + b"\0" * 30_000_000})


def many_images(path: Path) -> None:
    zip_of(path, {f"cat/{number}.png": PNG for number in range(12)})


def long_line(path: Path) -> None:
    path.write_text('{"a": "' + "x" * 20_000_000 + '", "b": 1}\n')


SMALL = ReadingLimits(
    maximum_file_bytes=30_000_000,
    table=TableLimits(maximum_file_bytes=20_000_000, maximum_cells=150_000, maximum_columns=10),
    maximum_cell_bytes=1_000_000,
    maximum_chunk_bytes=10_000_000,
    maximum_members=10,
)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (wide, FileTooLargeError),
        (long_text, FileTooLargeError),
        (text_bomb, FileTooLargeError),
        (zipped_zeros, FileTooLargeError),
        (image_bomb, FileTooLargeError),
        (many_images, FileTooLargeError),
        (long_line, FileNotTabularError),
        (lambda path: path.write_bytes(b"a,b\n1,2\n" * 4_000_000), FileTooLargeError),
        (lambda path: path.write_bytes(b"a,b\n" + b"1,2\n" * 80_000), FileTooLargeError),
    ],
)
def test_what_is_larger_than_a_limit_is_refused(
    tmp_path: Path, make: Callable[[Path], Any], error: type[ReportedError]
) -> None:
    make(tmp_path / "data")

    with pytest.raises(error):
        digest_of(tmp_path / "data", SMALL)


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


@pytest.mark.parametrize(
    ("text", "depth"),
    [('{"a": 1}', 1), ('{"a": [[1], [2]]}', 3), (r'{"a": "[[\"[["}', 1), (r'{"a": "\\", "b": [[1]]}', 3), ("", 0)],
)
def test_brackets_within_texts_are_no_nesting(text: str, depth: int) -> None:
    assert nesting_depth(text.encode()) == depth
