"""The demo's data: scikit-learn's handwritten digits, or the user's own file, put into the inbox."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from domain_sdk.errors import TargetColumnMissingError
from domain_sdk.tables import read_table
from learning.errors import DemoError

_DIGITS, _DIGITS_TARGET = "digits", "digit"


class DemoData:
    """A file in the inbox and what to predict from it."""

    def __init__(self, name: str, path: Path, target: str, table: pa.Table) -> None:
        self.name = name
        self.path = path
        self.target = target
        self.last_rows: list[dict[str, Any]] = []
        self._table = table

    def rows(self, indices: Sequence[int]) -> tuple[list[dict[str, Any]], list[Any]]:
        """Return the rows of these indices without the target, and their targets."""
        taken = self._table.take(list(indices)).to_pylist()
        labels = [row.pop(self.target) for row in taken]
        self.last_rows = taken
        return taken, labels


def prepare_data(inbox: Path, data: Path | None, target: str | None) -> DemoData:
    """Put the file into the inbox and return it.

    Raises:
        DemoError: DATA without TARGET or the other way round, or scikit-learn is not installed.
        FileUnreadableError, FileNotTabularError, TargetColumnMissingError: The user's file cannot be used.
    """
    inbox.mkdir(parents=True, exist_ok=True)
    if data is None and target:
        raise DemoError("TARGET is given without DATA.", "Name the file, too: DATA=my.csv TARGET=column.")
    if data is None:
        return _digits(inbox)
    if not target:
        raise DemoError("DATA is given without TARGET.", "Name the column to predict: DATA=my.csv TARGET=column.")
    table = read_table(data)
    if target not in table.schema.names:
        raise TargetColumnMissingError(target=target, columns=tuple(table.schema.names))
    path = inbox / data.name
    shutil.copyfile(data, path)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", data.stem).strip("-._") or "dataset"
    return DemoData(name, path, target, table)


def _digits(inbox: Path) -> DemoData:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        hint = "Install it with: pip install 'ami-learning[demo]'."
        raise DemoError("scikit-learn, which carries the digits, is not installed.", hint) from error
    bunch = load_digits()
    columns = {f"pixel_{row}_{column}": bunch.images[:, row, column] for row in range(8) for column in range(8)}
    table = pa.table({**columns, _DIGITS_TARGET: bunch.target})
    path = inbox / f"{_DIGITS}.parquet"
    parquet.write_table(table, path)
    return DemoData(_DIGITS, path, _DIGITS_TARGET, table)
