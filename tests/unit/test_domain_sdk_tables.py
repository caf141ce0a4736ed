from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from domain_sdk.errors import FileNotTabularError, FileTooLargeError, FileUnreadableError
from domain_sdk.tables import TableLimits, read_schema, read_table


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
        (b"city,b\nZ\xfcrich,2\n", "column 'city' is not UTF-8 text"),
        (b"city,b\n" + b"Bern,2\n" * 200_000 + b"Z\xfcrich,2\n", "column 'city' is not UTF-8 text"),
        (b'a,"b\n\xfc"\n1,2\n', "a column's name is not UTF-8 text"),
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


def test_parquet_columns_come_in_plain_types(tmp_path: Path) -> None:
    texts, numbers = ["x", None, "y"], [Decimal("1.50"), None, Decimal(-2)]
    table = pa.table(
        {
            "dictionary": pa.array(texts).dictionary_encode(),
            "view": pa.array(texts, pa.string_view()),
            "large": pa.array(texts, pa.large_string()),
            "decimal": pa.array(numbers, pa.decimal128(5, 2)),
            "wide_decimal": pa.array(numbers, pa.decimal256(50, 2)),
            "bytes": pa.array([b"x", None, b"y"], pa.large_binary()),
            "whole": pa.array([1, None, 2], pa.int8()),
        }
    )
    path = tmp_path / "table.parquet"
    parquet.write_table(table, path)

    plain = pa.table(
        {
            "dictionary": pa.array(texts, pa.string()),
            "view": pa.array(texts, pa.string()),
            "large": pa.array(texts, pa.string()),
            "decimal": pa.array([1.5, None, -2.0]),
            "wide_decimal": pa.array([1.5, None, -2.0]),
            "bytes": pa.array([b"x", None, b"y"], pa.binary()),
            "whole": pa.array([1, None, 2], pa.int8()),
        }
    )
    assert read_table(path).equals(plain)
    assert read_schema(path).equals(plain.schema)


def test_a_parquet_file_of_many_batches_and_row_groups_comes_whole(tmp_path: Path) -> None:
    table = pa.table({"a": range(200_000), "b": [f"text {row % 70_000}" for row in range(200_000)]})
    path = tmp_path / "table.parquet"
    parquet.write_table(table, path, row_group_size=150_000)

    assert read_table(path).equals(table)


def test_nested_columns_are_kept(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2], "words": [["x", "y"], None], "pair": [{"left": "x"}, {"left": None}]})
    path = tmp_path / "table.parquet"
    parquet.write_table(table, path)

    assert read_table(path).to_pylist() == table.to_pylist()


_SMALL = TableLimits(maximum_file_bytes=1_000_000, maximum_cells=100_000, maximum_columns=20)
_WIDE = {f"c{index}": [1] for index in range(21)}


@pytest.mark.parametrize(
    ("table", "actual", "limit", "unit"),
    [
        pytest.param(pa.table(_WIDE), 21, 20, "columns", id="columns"),
        pytest.param(pa.table({"a": [0] * 60_000, "b": [0] * 60_000}), 120_000, 100_000, "cells", id="equal values"),
        pytest.param(pa.table({"a": [[0] * 120_000], "b": [0]}), 120_000, 100_000, "cells", id="one long list"),
        pytest.param(
            pa.table({"a": pa.array([b"0" * 1_000] * 2_000, pa.binary(1_000)), "b": range(2_000)}),
            2_000_000,
            1_000_000,
            "bytes",
            id="a wide value stored once",
        ),
    ],
)
def test_a_small_parquet_file_of_a_large_table_is_refused_by_its_footer(
    tmp_path: Path, table: pa.Table, actual: int, limit: int, unit: str
) -> None:
    path = tmp_path / "bomb.parquet"
    parquet.write_table(table, path)

    assert path.stat().st_size < 20_000
    for read in (read_schema, read_table):
        with pytest.raises(FileTooLargeError) as caught:
            read(path, _SMALL)
        facts = (caught.value.code, caught.value.path, caught.value.actual, caught.value.limit, caught.value.unit)
        assert facts == ("FILE_TOO_LARGE", path, actual, limit, unit)
        assert str(limit) in caught.value.hint


def test_a_compressed_parquet_file_is_refused_by_its_unpacked_size(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    table = pa.table({"a": ["0" * 2_000_000], "b": [1]})
    parquet.write_table(table, path, compression="zstd", use_dictionary=False, write_statistics=False)

    assert path.stat().st_size < 20_000
    for read in (read_schema, read_table):
        with pytest.raises(FileTooLargeError) as caught:
            read(path, _SMALL)
        assert (caught.value.limit, caught.value.unit) == (1_000_000, "bytes")
        assert caught.value.actual >= 2_000_000


def test_a_long_text_that_many_rows_share_is_refused_before_it_is_repeated(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    rows, limit = 2_000, 20_000_000
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["0" * 100_000]))
    parquet.write_table(pa.table({"a": shared, "b": [0] * rows}), path)

    peak_before = _peak_bytes()
    with pytest.raises(FileTooLargeError) as caught:
        read_table(path, TableLimits(maximum_file_bytes=limit))

    assert path.stat().st_size < 20_000
    assert caught.value.actual >= rows * 100_000
    assert _peak_bytes() - peak_before < limit


def _peak_bytes() -> int:
    """The most memory that Arrow had in use at once, since the process began."""
    peak_bytes = pa.default_memory_pool().max_memory()
    assert peak_bytes is not None
    return peak_bytes


@pytest.mark.parametrize(
    ("content", "actual", "limit", "unit"),
    [
        pytest.param(b"a,b\n" + b"1,2\n" * 250_000, 1_000_004, 1_000_000, "bytes", id="bytes"),
        pytest.param(b",".join(f"c{index}".encode() for index in range(21)) + b"\n", 21, 20, "columns", id="columns"),
    ],
)
def test_a_csv_file_that_is_too_large_is_refused(
    tmp_path: Path, content: bytes, actual: int, limit: int, unit: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)

    for read in (read_schema, read_table):
        with pytest.raises(FileTooLargeError) as caught:
            read(path, _SMALL)
        assert (caught.value.actual, caught.value.limit, caught.value.unit) == (actual, limit, unit)


def test_a_table_exactly_at_the_limits_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    table = pa.table({"a": [1, 2], "b": [3, 4]})
    parquet.write_table(table, path)

    assert read_table(path, TableLimits(maximum_cells=4, maximum_columns=2)).equals(table)
