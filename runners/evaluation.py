"""Measuring a model package on the rows that its training held back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain_sdk.model_package import WEIGHTS_FILE, read_package
from domain_sdk.tables import read_table
from domain_sdk.tabular_classification import TargetColumn
from domain_sdk.tabular_classification.classifier import TabularClassifier
from runners.classification_metrics import confusion_matrix, log_loss, macro_f1, precision_recall_f1
from runners.determinism import prepare_torch
from runners.errors import DatasetTooSmallError, SplitMismatchError
from runners.output import prepare_output, write_result
from runners.results import ClassReport, EvaluationResult, SplitRecord
from runners.specification import Device, EvaluationSpecification
from runners.split import Split, record_of, split_rows


@dataclass(frozen=True)
class _HeldBackAnswers:
    """What the model said of the held-back rows: `probabilities` is float64 `[held back, classes]`."""

    target: TargetColumn
    labels: NDArray[np.int64]
    split: Split
    record: SplitRecord
    probabilities: NDArray[np.float64]


def evaluate(specification: EvaluationSpecification, clock: Callable[[], float]) -> EvaluationResult:
    """Evaluate the package as it would be served, write `result.json`, and return it.

    Args:
        specification: Which package on which dataset; the split must be the one that training used.
        clock: Monotonic seconds.

    Raises:
        DomainSdkError: The dataset or the package cannot be used, or they do not fit each other.
        DatasetTooSmallError: No row is held back.
        SplitColumnUnusableError, SplitMismatchError: The rows cannot be split as training split them.
    """
    started = clock()
    prepare_output(specification.output_dir)
    prepare_torch(Device.CPU, specification.threads, seed=0)
    package, contents = read_package(specification.package_dir)
    answers = _answer_held_back_rows(TabularClassifier.from_package(package, contents), specification)
    weights_sha256 = package.files[WEIGHTS_FILE].sha256
    result = _measured(answers, weights_sha256=weights_sha256, duration_seconds=clock() - started)
    write_result(specification.output_dir, result)
    return result


def _answer_held_back_rows(classifier: TabularClassifier, specification: EvaluationSpecification) -> _HeldBackAnswers:
    table = read_table(specification.dataset_path)
    encoding = classifier.encoding
    labels = encoding.encode_target(table)
    plan = (specification.split, specification.split_seed, specification.held_back_fraction)
    split = split_rows(table, labels, *plan)
    if len(split.held_back) == 0:
        raise DatasetTooSmallError(row_count=len(labels))
    if specification.split_digest not in {None, split.digest}:
        raise SplitMismatchError(expected=str(specification.split_digest), actual=split.digest)
    features = encoding.encode_table(table.take(split.held_back))
    record = record_of(split, *plan)
    return _HeldBackAnswers(encoding.target, labels, split, record, classifier.probabilities(features))


def _measured(answers: _HeldBackAnswers, *, weights_sha256: str, duration_seconds: float) -> EvaluationResult:
    split, class_count = answers.split, len(answers.target.classes)
    actual = answers.labels[split.held_back]
    predicted = answers.probabilities.argmax(axis=1).astype(np.int64)
    confusion = confusion_matrix(actual, predicted, class_count)
    commonest = np.bincount(answers.labels[split.training], minlength=class_count).argmax()
    return EvaluationResult(
        accuracy=float((predicted == actual).mean()),
        macro_f1=macro_f1(confusion),
        log_loss=log_loss(actual, answers.probabilities),
        baseline_accuracy=float((actual == commonest).mean()),
        classes=_class_reports(answers.target, confusion),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        row_count=len(answers.labels),
        training_row_count=len(split.training),
        held_back_row_count=len(split.held_back),
        held_back_rows=tuple(split.held_back.tolist()),
        predictions=tuple(answers.target.labels[index] for index in predicted.tolist()),
        weights_sha256=weights_sha256,
        split=answers.record,
        duration_seconds=duration_seconds,
    )


def _class_reports(target: TargetColumn, confusion: NDArray[np.int64]) -> tuple[ClassReport, ...]:
    precision, recall, f1 = precision_recall_f1(confusion)
    return tuple(
        ClassReport(
            label=label,
            support=int(confusion[index].sum()),
            precision=float(precision[index]),
            recall=float(recall[index]),
            f1=float(f1[index]),
        )
        for index, label in enumerate(target.labels)
    )
