"""The column to be predicted: its classes, and the way back from a class to the user's own value."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute
from pydantic import BaseModel, ConfigDict

from domain_sdk.errors import TargetColumnMissingError, TargetUnusableError
from domain_sdk.json_values import JsonScalar
from domain_sdk.tabular_classification.columns import is_text

_MINIMUM_CLASSES = 2
_MINIMUM_ROWS_PER_CLASS = 2


class LabelKind(StrEnum):
    """The JSON type of the labels."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


class TargetColumn(BaseModel):
    """Name and classes of the target.

    Attributes:
        classes: The labels as text, in the order of the labels' own type; a class is known by its index here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: LabelKind
    classes: tuple[str, ...]

    @classmethod
    def fit(cls, table: pa.Table, name: str) -> TargetColumn:
        """Return the target as the table shows it.

        Raises:
            TargetColumnMissingError: The table has no such column.
            TargetUnusableError: A row has no label, there is one class only, or hardly two rows share a class.
        """
        if name not in table.schema.names:
            raise TargetColumnMissingError(target=name, columns=tuple(table.schema.names))
        kind = _kind_of(name, table.column(name).type)
        labels = _labels(table, name, kind)
        if labels.null_count:
            raise TargetUnusableError(target=name, reason=f"{labels.null_count} rows have no label")
        distinct = _sorted_labels(labels)
        _require_classes(name, class_count=len(distinct), row_count=table.num_rows)
        return cls(name=name, kind=kind, classes=tuple(_as_text(label) for label in distinct))

    @property
    def labels(self) -> tuple[JsonScalar, ...]:
        """The classes as the user's own values."""
        return tuple(_from_text(self.kind, text) for text in self.classes)

    def encode(self, table: pa.Table) -> NDArray[np.int64]:
        """Return the class index of each row, int64 `[rows]`.

        Raises:
            TargetColumnMissingError: The table has no such column.
            TargetUnusableError: The type differs, or a row has no label or one that is no class of this target.
        """
        if self.name not in table.schema.names:
            raise TargetColumnMissingError(target=self.name, columns=tuple(table.schema.names))
        kind = _kind_of(self.name, table.column(self.name).type)
        if kind is not self.kind:
            raise TargetUnusableError(target=self.name, reason=f"its labels are {kind}, the model's are {self.kind}")
        known = pa.array(list(self.labels), type=_ARROW_TYPES[kind])
        found = compute.index_in(_labels(table, self.name, kind), value_set=known)
        if found.null_count:
            raise TargetUnusableError(target=self.name, reason=f"{found.null_count} rows have no known label")
        return np.array(found.to_numpy(), dtype=np.int64)

    def decode(self, index: int) -> JsonScalar:
        """Return the label of a class index."""
        return _from_text(self.kind, self.classes[index])


_ARROW_TYPES: dict[LabelKind, pa.DataType] = {
    LabelKind.STRING: pa.large_string(),
    LabelKind.INTEGER: pa.int64(),
    LabelKind.NUMBER: pa.float64(),
    LabelKind.BOOLEAN: pa.bool_(),
}


def _kind_of(name: str, datatype: pa.DataType) -> LabelKind:
    if is_text(datatype):
        return LabelKind.STRING
    if pa.types.is_boolean(datatype):
        return LabelKind.BOOLEAN
    if pa.types.is_integer(datatype):
        return LabelKind.INTEGER
    if pa.types.is_floating(datatype) or pa.types.is_decimal(datatype):
        return LabelKind.NUMBER
    raise TargetUnusableError(target=name, reason=f"its type is {datatype}")


def _labels(table: pa.Table, name: str, kind: LabelKind) -> pa.ChunkedArray[Any]:
    try:
        labels = table.column(name).cast(_ARROW_TYPES[kind])
    except pa.ArrowInvalid as error:
        raise TargetUnusableError(target=name, reason="a label does not fit 64 bits") from error
    if kind is not LabelKind.NUMBER:
        return labels
    finite: pa.ChunkedArray[Any] = compute.if_else(compute.is_finite(labels), labels, None)
    return finite


def _sorted_labels(labels: pa.ChunkedArray[Any]) -> list[JsonScalar]:
    distinct: list[Any] = compute.unique(labels).to_pylist()
    return sorted(distinct)


def _require_classes(name: str, *, class_count: int, row_count: int) -> None:
    if class_count < _MINIMUM_CLASSES:
        raise TargetUnusableError(target=name, reason="all rows have the same label")
    if class_count * _MINIMUM_ROWS_PER_CLASS > row_count:
        reason = f"{class_count} distinct labels in {row_count} rows leave fewer than two rows for each"
        raise TargetUnusableError(target=name, reason=reason)


def _as_text(label: JsonScalar) -> str:
    if isinstance(label, bool):
        return "true" if label else "false"
    return label if isinstance(label, str) else repr(label)


def _from_text(kind: LabelKind, text: str) -> JsonScalar:
    match kind:
        case LabelKind.STRING:
            return text
        case LabelKind.INTEGER:
            return int(text)
        case LabelKind.NUMBER:
            return float(text)
        case LabelKind.BOOLEAN:
            return text == "true"
