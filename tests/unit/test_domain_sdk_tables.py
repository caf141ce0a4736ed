from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from domain_sdk.errors import FileNotTabularError, FileUnreadableError
from domain_sdk.tables import read_schema, read_table


def test_a_csv_file_is_read_with_types_and_nulls(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("age,name,score\n31,Ada,1.5\n,,NA\n")

    assert read_table(path).to_pylist() == [
        {"age": 31, "name": "Ada", "score": 1.5},
        {"age": None, "name": None, "score": None},
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_taken_from_the_first_line(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "table.txt"
    path.write_text(f"a{delimiter}b\n1{delimiter}x\n")

    assert read_table(path).to_pylist() == [{"a": 1, "b": "x"}]


def test_a_byte_order_mark_and_quoted_line_breaks_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b'\xef\xbb\xbfa,b\n1,"two\nlines"\n')

    assert read_table(path).to_pylist() == [{"a": 1, "b": "two\nlines"}]


def test_parquet_is_known_by_its_content_whatever_its_name(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    path = tmp_path / "table.csv"
    parquet.write_table(table, path)

    assert read_table(path).equals(table)
    assert read_schema(path).equals(table.schema)


def test_the_schema_of_a_csv_file_is_that_of_its_table(visits_path: Path) -> None:
    assert read_schema(visits_path).equals(read_table(visits_path).schema)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b" \n\n", "it is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "it holds binary data"),
        (b"a,b\n1,2\n" * 200_000 + b"\0", "it holds binary data"),
        (b"\x1f\x8b\x08compressed,looking\n1,2\n", "its first line is not UTF-8 text"),
        (b"a\n1\n2\n", "only one column was found"),
        (b"a,b\n", "it has no rows"),
        (b"a,b,a\n1,2,3\n", "the column name 'a' occurs more than once"),
        (b",a,b\n0,1,2\n", "a column has no name"),
        (b"a,b\n1,2,3\n", "CSV parse error: Expected 2 columns, got 3: 1,2,3"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)

    with pytest.raises(FileNotTabularError) as caught:
        read_table(path)

    assert (caught.value.code, caught.value.path, caught.value.reason) == ("FILE_NOT_TABULAR", path, reason)


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    parquet.write_table(pa.table({"a": [1], "b": [2]}), path)
    path.write_bytes(path.read_bytes()[:-20])

    for read in (read_table, read_schema):
        with pytest.raises(FileNotTabularError):
            read(path)


@pytest.mark.parametrize("name", ["missing.csv", "folder"])
def test_a_path_that_names_no_file_is_unreadable(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()

    with pytest.raises(FileUnreadableError) as caught:
        read_schema(tmp_path / name)

    assert (caught.value.code, caught.value.path) == ("FILE_UNREADABLE", tmp_path / name)
