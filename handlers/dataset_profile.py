"""What a dataset version is like: its measured columns, and the balance of the classes to be told apart."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from domain_sdk.errors import DomainSdkError, TargetColumnMissingError, TargetUnusableError
from domain_sdk.parquet_tables import plain_type
from domain_sdk.tabular_classification import TabularEncoding
from handlers.validation_rules import RuleResult
from storage.datasets.ingestion import ColumnDescription, ColumnSketches, ContentDescription
from storage.datasets.sketches.column import ColumnSketch, ColumnSketchDocument

QUANTILE_SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_MAXIMUM_CLASSES_COUNTED = 1_000
_ENCODED_CELLS = 20_000_000
Column: TypeAlias = Any  # pyarrow's stubs do not follow its kernels from chunked array to chunked array
ReadChunks = Callable[[Sequence[str] | None], Iterator[pa.Table]]


class ColumnProfile(BaseModel):
    """One column.

    Attributes:
        missing: Rows with null or NaN.
        distinct: Different values, missing not counted; above 2,047 an estimate, 2.2 % off in the mean.
        mean: Of finite values; `None` where the column is not numeric or the sum is too large, as the other moments.
        quantiles: Of finite values, at the shares `QUANTILE_SHARES`; the rank of each is 1 % off at most.
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
    quantiles: tuple[float, ...] = ()


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
        class_counts: Rows of each target class, as text; of no more than 1,000 classes.
        obstacle: What the task template refuses; `None` where it can be trained on.
        sketches_uri: Where the mergeable sketches of all columns are.
        rule_results: What came of the rules that were declared for the dataset.
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
    sketches_uri: str | None = None
    rule_results: tuple[RuleResult, ...] = ()


def profile_dataset(
    content: ContentDescription, sketches: ColumnSketches, read_chunks: ReadChunks, target: str
) -> DatasetProfile:
    """Return the profile of a dataset that has the column `target`; every number in it is finite.

    Args:
        content: What was found when the dataset was read.
        sketches: Its columns' sketches.
        read_chunks: Gives the rows of some columns, or of all, chunk by chunk.
        target: The column to predict.

    Raises:
        TargetColumnMissingError: There is no such column.
        TargetUnusableError: The target's values cannot be counted as classes.
    """
    names = tuple(column.name for column in content.columns)
    if target not in names:
        raise TargetColumnMissingError(target=target, columns=names)
    described = zip(content.columns, sketches.columns, strict=True)
    columns = tuple(_profile_column(column, document) for column, document in described)
    return DatasetProfile(
        row_count=content.row_count,
        duplicate_row_count=content.repeated_row_count,
        target=target,
        schema_hash=_schema_hash(content.columns),
        columns=columns,
        class_counts=_class_counts((chunk.column(target) for chunk in read_chunks([target])), target),
        missing_target_count=columns[names.index(target)].missing,
        obstacle=_obstacle(content, read_chunks, target),
    )


def _profile_column(column: ColumnDescription, document: ColumnSketchDocument) -> ColumnProfile:
    sketch = document.sketch()
    return ColumnProfile(
        name=column.name,
        type=column.type,
        missing=sketch.missing,
        distinct=sketch.distinct.estimate,
        quantiles=sketch.quantiles.quantiles(QUANTILE_SHARES) if sketch.quantiles.count else (),
        **_moments(sketch),
    )


def _moments(sketch: ColumnSketch) -> dict[str, float]:
    moments = sketch.moments
    if moments.count == 0:
        return {}
    figures = {
        "minimum": moments.minimum,
        "maximum": moments.maximum,
        "mean": moments.mean,
        "standard_deviation": moments.standard_deviation,
    }
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _obstacle(content: ContentDescription, read_chunks: ReadChunks, target: str) -> Obstacle | None:
    """Let the task template encode the table; of a large one, every so many-th row."""
    cells = content.row_count * len(content.columns)
    stride = max(-(-cells // _ENCODED_CELLS), 1)
    table = pa.concat_tables(_plain(chunk, stride) for chunk in read_chunks(None))
    try:
        TabularEncoding.fit(table, target, np.arange(table.num_rows))
    except DomainSdkError as error:
        return Obstacle(code=error.code, message=str(error), hint=error.hint)
    return None


def _plain(chunk: pa.Table, stride: int) -> pa.Table:
    rows = chunk if stride == 1 else chunk.take(pa.array(range(0, chunk.num_rows, stride)))
    return rows.cast(pa.schema([field.with_type(plain_type(field.type)) for field in chunk.schema]), safe=False)


def _class_counts(chunks: Iterable[Column], target: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for labels in chunks:
        for label, count in _counted(labels, target):
            if label in counts or len(counts) < _MAXIMUM_CLASSES_COUNTED:
                counts[label] = counts.get(label, 0) + count
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _counted(labels: Column, target: str) -> list[tuple[str, int]]:
    present: Column = labels.filter(pc.invert(pc.is_null(labels, nan_is_null=pa.types.is_floating(labels.type))))
    try:
        values: Any = pc.value_counts(present)
        entries = values.slice(0, _MAXIMUM_CLASSES_COUNTED).to_pylist()
    except (pa.ArrowNotImplementedError, ValueError, OverflowError) as error:  # nested types, dates beyond year 9999
        raise TargetUnusableError(target=target, reason=f"its values of type {labels.type} are no classes") from error
    return [(str(entry["values"]), entry["counts"]) for entry in entries]


def _schema_hash(columns: Sequence[ColumnDescription]) -> str:
    description = json.dumps([[column.name, column.type] for column in columns])
    return hashlib.sha256(description.encode()).hexdigest()
