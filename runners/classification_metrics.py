"""Measures of a classifier, from counts and probabilities alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


def confusion_matrix(actual: NDArray[np.int64], predicted: NDArray[np.int64], class_count: int) -> NDArray[np.int64]:
    """Return int64 `[classes, classes]`; row is the actual class, column the predicted one."""
    cells = np.bincount(actual * class_count + predicted, minlength=class_count * class_count)
    return cells.reshape(class_count, class_count).astype(np.int64)


def precision_recall_f1(
    confusion: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return three float64 `[classes]` arrays; a ratio with nothing below its line is 0."""
    hits = np.diag(confusion).astype(np.float64)
    predicted, actual = confusion.sum(axis=0), confusion.sum(axis=1)
    return _ratio(hits, predicted), _ratio(hits, actual), _ratio(2 * hits, predicted + actual)


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Return the mean F1 over the classes that occur as actual or as predicted."""
    occurs = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    return float(precision_recall_f1(confusion)[2][occurs].mean())


def log_loss(actual: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Return the mean cross-entropy in nats; a probability of 0 counts as 2.2e-16."""
    assigned = probabilities[np.arange(len(actual)), actual]
    return float(-np.log(np.maximum(assigned, _SMALLEST_PROBABILITY)).mean())


def _ratio(above: NDArray[np.float64], below: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
