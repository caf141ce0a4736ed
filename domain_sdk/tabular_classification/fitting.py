"""Deciding how each column of a table is encoded, from the training rows alone."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from domain_sdk.tabular_classification.columns import (
    CategoricalColumn,
    NumericColumn,
    is_numeric,
    is_text,
    numeric_values,
    text_values,
)

MAXIMUM_CATEGORIES = 32


class DropReason(StrEnum):
    """Why a column is not learned from."""

    ALL_MISSING = "no value in the training rows"
    CONSTANT = "one value in all training rows"
    TOO_MANY_CATEGORIES = "text with too many distinct values"
    DATE_OR_TIME = "dates or times"
    UNSUPPORTED_TYPE = "unsupported type"


class DroppedColumn(BaseModel):
    """A column of the dataset that the model ignores."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    reason: DropReason


def fit_column(
    name: str, values: pa.ChunkedArray[Any], rows: NDArray[np.int64]
) -> NumericColumn | CategoricalColumn | DroppedColumn:
    """Return the encoding of one column.

    Statistics come from `rows` alone; only whether the column may be missing is asked of all values.
    """
    if is_numeric(values.type):
        return _fit_numeric(name, values, rows)
    if is_text(values.type):
        return _fit_categorical(name, text_values(values), rows)
    if pa.types.is_null(values.type):
        return DroppedColumn(name=name, reason=DropReason.ALL_MISSING)
    if pa.types.is_temporal(values.type):
        return DroppedColumn(name=name, reason=DropReason.DATE_OR_TIME)
    return DroppedColumn(name=name, reason=DropReason.UNSUPPORTED_TYPE)


def _fit_numeric(name: str, values: pa.ChunkedArray[Any], rows: NDArray[np.int64]) -> NumericColumn | DroppedColumn:
    numbers = numeric_values(values)
    known = numbers[rows]
    known = known[~np.isnan(known)]
    if known.size == 0:
        return DroppedColumn(name=name, reason=DropReason.ALL_MISSING)
    if known.min() == known.max():
        return DroppedColumn(name=name, reason=DropReason.CONSTANT)
    mean, scale = _moments(known)
    return NumericColumn(
        name=name,
        datatype="BOOL" if pa.types.is_boolean(values.type) else _number_datatype(values.type),
        mean=mean,
        scale=scale,
        fill=mean,
        nullable=bool(np.isnan(numbers).any()),
    )


def _number_datatype(datatype: pa.DataType) -> Any:
    return "INT64" if pa.types.is_integer(datatype) else "FP64"


def _moments(known: NDArray[np.float64]) -> tuple[float, float]:
    # Scaled to [-1, 1] first: squares of very large or very small numbers leave the range of float64.
    magnitude = float(np.abs(known).max())
    unit = known / magnitude
    deviation = float(unit.std()) * magnitude
    return float(unit.mean()) * magnitude, deviation or magnitude


def _fit_categorical(name: str, texts: list[str | None], rows: NDArray[np.int64]) -> CategoricalColumn | DroppedColumn:
    training = [texts[row] for row in rows]
    categories = {text for text in training if text is not None}
    if not categories:
        return DroppedColumn(name=name, reason=DropReason.ALL_MISSING)
    if len(set(training)) == 1:
        return DroppedColumn(name=name, reason=DropReason.CONSTANT)
    if len(categories) > MAXIMUM_CATEGORIES:
        return DroppedColumn(name=name, reason=DropReason.TOO_MANY_CATEGORIES)
    return CategoricalColumn(name=name, categories=tuple(sorted(categories)), nullable=None in texts)
