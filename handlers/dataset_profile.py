"""What a table is like: one pass over its columns, pure functions of the table."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from domain_sdk.errors import DomainSdkError, TargetUnusableError
from domain_sdk.tabular_classification import TabularEncoding

_MAXIMUM_CLASSES_COUNTED = 1_000
Column: TypeAlias = Any  # pyarrow's stubs do not follow its kernels from chunked array to chunked array


class ColumnProfile(BaseModel):
    """One column.

    Attributes:
        missing: Rows with null or NaN.
        distinct: Different values, missing not counted.
        mean: Of finite values; `None` where the column is not numeric or the sum is too large, as the other moments.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    type: str
    missing: int
    distinct: int
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    standard_deviation: float | None = None


class Obstacle(BaseModel):
    """Why a training could not learn from the table at all, in the words of the task template."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    hint: str


class DatasetProfile(BaseModel):
    """A table's schema and statistics.

    Attributes:
        schema_hash: SHA-256 over the names and types of the columns, in order.
        class_counts: Rows of each target class, as text; cut off after 1,000 classes.
        obstacle: What the task template refuses; `None` where it can be trained on.
    """

    model_config = ConfigDict(frozen=True)

    row_count: int
    duplicate_row_count: int
    target: str
    schema_hash: str
    columns: tuple[ColumnProfile, ...]
    class_counts: dict[str, int]
    missing_target_count: int
    obstacle: Obstacle | None = None


def profile_table(table: pa.Table, target: str) -> DatasetProfile:
    """Return the profile of a table that has the column `target`; every number in it is finite.

    Raises:
        TargetUnusableError: The target's values cannot be counted as classes.
        ArrowException: The table has a type of column that cannot be measured.
    """
    columns = tuple(_profile_column(name, table.column(name)) for name in table.schema.names)
    labels: Column = table.column(target)
    present: Column = labels.filter(pc.invert(_is_missing(labels)))
    return DatasetProfile(
        row_count=table.num_rows,
        duplicate_row_count=_duplicate_rows(table),
        target=target,
        schema_hash=_schema_hash(table.schema),
        columns=columns,
        class_counts=_class_counts(present, target),
        missing_target_count=table.num_rows - len(present),
        obstacle=_obstacle(table, target),
    )


def _obstacle(table: pa.Table, target: str) -> Obstacle | None:
    try:
        TabularEncoding.fit(table, target, np.arange(table.num_rows))
    except DomainSdkError as error:
        return Obstacle(code=error.code, message=str(error), hint=error.hint)
    return None


def first_column_with_nul(table: pa.Table) -> str | None:
    """Return the name of the first column that has NUL in its name or its text, or `None`."""
    for field in table.schema:
        if "\0" in field.name or (_is_text(field.type) and _holds_nul(table.column(field.name))):
            return field.name
    return None


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _holds_nul(column: Column) -> bool:
    found: Any = pc.any(pc.match_substring(column, "\0"))
    return bool(found.as_py())


def _profile_column(name: str, column: Column) -> ColumnProfile:
    present: Column = column.filter(pc.invert(_is_missing(column)))
    moments: dict[str, float] = {}
    if (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)) and len(present) > 0:
        finite: Column = present.cast(pa.float64(), safe=False)  # whole numbers beyond 53 bits are rounded
        is_finite: Any = pc.is_finite(finite)
        finite = finite.filter(is_finite)
        if len(finite) > 0:
            moments = {
                "minimum": pc.min(finite).as_py(),
                "maximum": pc.max(finite).as_py(),
                "mean": pc.mean(finite).as_py(),
                "standard_deviation": pc.stddev(finite).as_py(),
            }
    return ColumnProfile(
        name=name,
        type=str(column.type),
        missing=len(column) - len(present),
        distinct=_distinct(present),
        **{name: value for name, value in moments.items() if math.isfinite(value)},
    )


def _is_missing(column: Column) -> Column:
    return pc.is_null(column, nan_is_null=pa.types.is_floating(column.type))


def _distinct(column: Column) -> int:
    try:
        count: int = pc.count_distinct(column).as_py()
    except pa.ArrowNotImplementedError:  # nested types are compared by their text
        return len({str(value) for value in column.to_pylist()})
    return count


def _class_counts(labels: Column, target: str) -> dict[str, int]:
    try:
        values: Any = pc.value_counts(labels)
        counted = values.slice(0, _MAXIMUM_CLASSES_COUNTED).to_pylist()
    except (pa.ArrowNotImplementedError, ValueError, OverflowError) as error:  # nested types, dates beyond year 9999
        raise TargetUnusableError(target=target, reason=f"its values of type {labels.type} are no classes") from error
    return {str(entry["values"]): entry["counts"] for entry in sorted(counted, key=lambda entry: -entry["counts"])}


def _duplicate_rows(table: pa.Table) -> int:
    try:
        return table.num_rows - table.group_by(table.schema.names).aggregate([]).num_rows
    except pa.ArrowNotImplementedError:
        return table.num_rows - len({str(row) for row in table.to_pylist()})


def _schema_hash(schema: pa.Schema) -> str:
    description = json.dumps([[field.name, str(field.type)] for field in schema])
    return hashlib.sha256(description.encode()).hexdigest()
