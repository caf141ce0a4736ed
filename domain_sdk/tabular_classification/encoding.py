"""From a user's rows to the network's numbers, the same way in training, evaluation and serving."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from domain_sdk.errors import InputSchemaMismatchError, NoUsableFeatureError
from domain_sdk.json_values import JsonScalar
from domain_sdk.tabular_classification.columns import CategoricalColumn, InputColumn, NumericColumn
from domain_sdk.tabular_classification.fitting import DroppedColumn, fit_column
from domain_sdk.tabular_classification.target import TargetColumn

_Encode = Callable[[NumericColumn | CategoricalColumn], NDArray[np.float32]]


class TabularEncoding(BaseModel):
    """How a table's rows become float32 vectors and its labels class indices.

    Attributes:
        columns: The inputs, in the order of their blocks in the vector.
        dropped: Columns of the dataset that are ignored wherever they appear, with the reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: Annotated[tuple[InputColumn, ...], Field(min_length=1)]
    dropped: tuple[DroppedColumn, ...]
    target: TargetColumn

    @classmethod
    def fit(cls, table: pa.Table, target: str, rows: NDArray[np.int64]) -> TabularEncoding:
        """Return the encoding learned from the training split.

        Args:
            table: The whole dataset; its classes and nullability are taken from all rows.
            target: Name of the column to predict.
            rows: Indices of the training split; means, scales and categories come from these alone.

        Raises:
            TargetColumnMissingError, TargetUnusableError: See `TargetColumn.fit`.
            NoUsableFeatureError: Every column had to be dropped.
        """
        target_column = TargetColumn.fit(table, target)
        names = [name for name in table.schema.names if name != target]
        fitted = [fit_column(name, table.column(name), rows) for name in names]
        columns = tuple(column for column in fitted if not isinstance(column, DroppedColumn))
        dropped = tuple(column for column in fitted if isinstance(column, DroppedColumn))
        if not columns:
            raise NoUsableFeatureError(dropped={column.name: f"was dropped ({column.reason})" for column in dropped})
        return cls(columns=columns, dropped=dropped, target=target_column)

    @property
    def width(self) -> int:
        """Length of an encoded row."""
        return sum(column.width for column in self.columns)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in signature order."""
        return tuple(column.name for column in self.columns)

    def encode(self, rows: Sequence[Mapping[str, JsonValue]]) -> NDArray[np.float32]:
        """Return float32 `[batch, width]` of JSON rows.

        A row names every input; null stands for missing where the dataset had missing values. Dropped columns and the
        target may be present and are ignored, so that a row of the dataset can be sent as it is.

        Raises:
            InputSchemaMismatchError: A field is unknown, absent or of the wrong type; all such fields are named.
        """
        problems = self._field_problems(rows)
        if problems:
            raise InputSchemaMismatchError(problems=problems, expected=self.input_names)
        return self._encode_columns(lambda column: column.encode_json([row[column.name] for row in rows]))

    def encode_table(self, table: pa.Table) -> NDArray[np.float32]:
        """Return float32 `[rows, width]` of a table that has the inputs among its columns.

        Raises:
            InputSchemaMismatchError: A column is absent or of another kind.
        """
        absent = [name for name in self.input_names if name not in table.schema.names]
        if absent:
            raise InputSchemaMismatchError(problems=dict.fromkeys(absent, "is absent"), expected=self.input_names)
        return self._encode_columns(lambda column: column.encode_arrow(table.column(column.name)))

    def encode_target(self, table: pa.Table) -> NDArray[np.int64]:
        """Return the class index of each row, int64 `[rows]`; raises as `TargetColumn.encode`."""
        return self.target.encode(table)

    def decode(self, index: int) -> JsonScalar:
        """Return the label of a class index in the user's own type."""
        return self.target.decode(index)

    def _field_problems(self, rows: Sequence[Mapping[str, JsonValue]]) -> dict[str, str]:
        inputs = set(self.input_names)
        known = inputs | {column.name for column in self.dropped} | {self.target.name}
        problems: dict[str, str] = {}
        for number, row in enumerate(rows):
            for name in inputs - row.keys():
                problems.setdefault(name, f"is absent in row {number}")
            for name in row.keys() - known:
                problems.setdefault(name, f"is not a column of the dataset, but in row {number}")
        return dict(sorted(problems.items()))

    def _encode_columns(self, encode: _Encode) -> NDArray[np.float32]:
        blocks: list[NDArray[np.float32]] = []
        problems: dict[str, str] = {}
        for column in self.columns:
            try:
                blocks.append(encode(column))
            except ValueError as error:
                problems[column.name] = str(error)
        if problems:
            raise InputSchemaMismatchError(problems=problems, expected=self.input_names)
        return np.concatenate(blocks, axis=1)
