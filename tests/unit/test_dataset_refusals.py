"""Files that are no table, that are made to do harm, or that are larger than a limit."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet
from table_files import (
    PNG,
    corrupt_parquet,
    digest_of,
    intervals,
    members,
    numpy_of_wrong_size,
    write_arrow_file,
    write_parquet,
    zip_of,
)

from domain_sdk.errors import FileNotTabularError, FileTooLargeError, FileUnreadableError, ReportedError
from domain_sdk.table_limits import TableLimits
from storage.datasets.confinement import ingest_confined
from storage.datasets.errors import (
    ColumnTypeUnsupportedError,
    FileFormatUnsupportedError,
    PickleRefusedError,
)
from storage.datasets.ingestion import ingest
from storage.datasets.limits import ReadingLimits
from storage.datasets.reading.json_lines import nesting_depth

IMAGES = {
    f"pets/{kind}/{number}.png": PNG + f"{kind}{number}".encode() for kind in ("cat", "dog") for number in range(3)
}


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


def arrays_before_the_beginning(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, x=np.zeros(3), y=np.zeros(3))
    content = bytearray(path.read_bytes())
    (start,) = struct.unpack_from("<I", content, len(content) - 6)
    struct.pack_into("<I", content, len(content) - 6, start + 5)
    path.write_bytes(content)


def arrays_of_another_century(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, x=np.zeros(3), y=np.zeros(3))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 200
    path.write_bytes(content)


def numpy_with_an_open_bracket(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros((3, 2)))
    path.write_bytes(path.read_bytes().replace(b"}", b"("))


def image_without_a_name(path: Path) -> None:
    zip_of(path, {"a": PNG})
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 46] = 0  # a name ends where NUL stands
    path.write_bytes(content)


def json_document(path: Path) -> None:
    path.write_text('[{"a": 1, "b": 2}]')


def gzipped(path: Path) -> None:
    path.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0a,b\n1,2\n")


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
        (image_without_a_name, FileNotTabularError),
        (arrays_before_the_beginning, FileNotTabularError),
        (arrays_of_another_century, FileNotTabularError),
        (numpy_with_an_open_bracket, FileNotTabularError),
        (lambda path: path.write_bytes(b'{"\xff": 1, "b": 2}\n'), FileNotTabularError),
        (lambda path: path.write_bytes(b'{"a": {"\xff": 1}, "b": 2}\n'), FileNotTabularError),
        (lambda path: path.write_bytes(b'{"a": [{"\xff": 1}], "b": 2}\n'), FileNotTabularError),
        (lambda path: path.write_bytes(b'{"a": {"\\u0000": 1}, "b": 2}\n'), FileNotTabularError),
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


@pytest.mark.parametrize(
    ("text", "depth"),
    [('{"a": 1}', 1), ('{"a": [[1], [2]]}', 3), (r'{"a": "[[\"[["}', 1), (r'{"a": "\\", "b": [[1]]}', 3), ("", 0)],
)
def test_brackets_within_texts_are_no_nesting(text: str, depth: int) -> None:
    assert nesting_depth(text.encode()) == depth
