"""From the dataset's file to the arrays that training needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain_sdk.tables import read_table
from domain_sdk.tabular_classification import TabularEncoding, TargetColumn
from runners.errors import DatasetTooSmallError
from runners.results import SplitRecord
from runners.specification import TrainingSpecification
from runners.split import record_of, split_rows, stratified_split


@dataclass(frozen=True)
class EncodedRows:
    """Features float32 `[rows, width]` and class indices int64 `[rows]` of the same rows."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)


@dataclass(frozen=True)
class TrainingData:
    """The training split in its two parts; nothing of the held-back rows but their record."""

    encoding: TabularEncoding
    fitted: EncodedRows
    validation: EncodedRows
    split: SplitRecord


def prepare_training_data(specification: TrainingSpecification) -> TrainingData:
    """Read, split and encode the dataset; the encoding is learned from the training split alone.

    Raises:
        DomainSdkError: The file, the target or the features cannot be used; see `domain_sdk.errors`.
        DatasetTooSmallError: No row would be held back.
        SplitColumnUnusableError: There is nothing to split by.
    """
    table = read_table(specification.dataset_path)
    labels = TargetColumn.fit(table, specification.target).encode(table)
    plan = (specification.split, specification.split_seed, specification.held_back_fraction)
    split = split_rows(table, labels, *plan)
    if len(split.held_back) == 0:
        raise DatasetTooSmallError(row_count=len(labels))
    encoding = TabularEncoding.fit(table, specification.target, split.training)
    features = encoding.encode_table(table)[split.training]
    rows = EncodedRows(features=features, labels=labels[split.training])
    inner = stratified_split(rows.labels, specification.seed, specification.validation_fraction)
    return TrainingData(
        encoding=encoding,
        fitted=_selected(rows, inner.training),
        validation=_selected(rows, inner.held_back),
        split=record_of(split, *plan),
    )


def _selected(rows: EncodedRows, indices: NDArray[np.int64]) -> EncodedRows:
    return EncodedRows(features=rows.features[indices], labels=rows.labels[indices])
