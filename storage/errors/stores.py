"""Errors of metric points and vectors."""

from __future__ import annotations

from datetime import date, datetime

from storage.errors.base import StorageError


class MetricMonthMissingError(StorageError):
    """No month that takes metric points has room for the time of a point; none was written."""

    code = "METRIC_MONTH_MISSING"
    hint = "Let an operator run 'ami-learning metrics maintain', with --from where the month lies in the past."

    def __init__(self, *, begin: datetime, end: datetime) -> None:
        self.begin = begin
        self.end = end
        super().__init__(f"Points from {begin.isoformat()} to {end.isoformat()} lie in a month that takes none.")


class MetricMonthClosedError(StorageError):
    """The points of a month were dropped, and its roll-ups are kept: no more points can come."""

    code = "METRIC_MONTH_CLOSED"
    hint = "Begin with a later month; what is known of this one stays in its roll-ups."

    def __init__(self, *, month: date) -> None:
        self.month = month
        super().__init__(f"The points of {month:%Y-%m} were dropped when they had had their time.")


class VectorDimensionError(StorageError):
    """A vector that is not as long as the others of its collection."""

    code = "VECTOR_DIMENSION_MISMATCH"

    def __init__(self, *, collection: str, expected: int, actual: int) -> None:
        self.collection = collection
        self.expected = expected
        self.actual = actual
        self.hint = f"Give vectors of {expected} numbers, or use another collection."
        super().__init__(f"Collection {collection} holds vectors of dimension {expected}, not {actual}.")


class VectorUnusableError(StorageError):
    """A vector that has no distance from others."""

    code = "VECTOR_UNUSABLE"
    hint = "Give 1 to 16000 finite numbers of single precision, not all zero where the metric is cosine."

    def __init__(self, *, collection: str, reason: str) -> None:
        self.collection = collection
        self.reason = reason
        super().__init__(f"The vector for collection {collection} cannot be used: {reason}.")
