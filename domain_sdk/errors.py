"""Errors of the domain SDK.

DomainSdkError
├── FileUnreadableError         FILE_UNREADABLE
├── FileNotTabularError         FILE_NOT_TABULAR
├── FileTooLargeError           FILE_TOO_LARGE
├── TargetColumnMissingError    TARGET_COLUMN_MISSING
├── TargetUnusableError         TARGET_UNUSABLE
├── NoUsableFeatureError        NO_USABLE_FEATURE
├── InputSchemaMismatchError    INPUT_SCHEMA_MISMATCH
└── ModelPackageInvalidError    MODEL_PACKAGE_INVALID

`ReportedError` is the root of every floor's errors that a person or an agent may read; it stands on the lowest floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

_LISTED_COLUMNS = 20


class ReportedError(Exception):
    """An error whose `code`, message and `hint` may leave the process.

    Attributes:
        code: Stable identifier, never reused for another meaning.
        hint: What the caller can do next.
        retryable: Whether the same call may succeed later without a change.
    """

    code: str = "INTERNAL"
    hint: str = "Read the server's log for the audit reference of this answer."
    retryable: ClassVar[bool] = False


class DomainSdkError(ReportedError):
    """Base of the domain SDK's errors."""

    code = "DOMAIN_SDK"


class FileUnreadableError(DomainSdkError):
    """The operating system does not give us the file."""

    code = "FILE_UNREADABLE"
    hint = "Check that the path names a file and that this process may read it."

    def __init__(self, *, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path} cannot be read: {reason}.")


class FileNotTabularError(DomainSdkError):
    """The file's content is not a table."""

    code = "FILE_NOT_TABULAR"
    hint = (
        "Give a table of two columns or more, each with its own name, as CSV, JSON Lines, Parquet, Arrow or NumPy,"
        " or an archive of images alone."
    )

    def __init__(self, *, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path.name} is not a table: {reason}.")


class FileTooLargeError(DomainSdkError):
    """The table in the file is larger than what this platform reads.

    Attributes:
        unit: What was counted: `bytes`, `cells` or `columns`.
    """

    code = "FILE_TOO_LARGE"

    def __init__(self, *, path: Path, actual: int, limit: int, unit: str) -> None:
        self.path = path
        self.actual = actual
        self.limit = limit
        self.unit = unit
        self.hint = f"Give a file of at most {limit} {unit}: leave out rows or columns that are not needed."
        super().__init__(f"{path.name} is too large: it holds {actual} {unit}.")


class TargetColumnMissingError(DomainSdkError):
    """The table does not have the column that is to be predicted."""

    code = "TARGET_COLUMN_MISSING"

    def __init__(self, *, target: str, columns: tuple[str, ...]) -> None:
        self.target = target
        self.columns = columns
        self.hint = f"Name one of: {_listed(columns)}."
        super().__init__(f"There is no column {target!r}.")


class TargetUnusableError(DomainSdkError):
    """The target column exists but cannot be learned as a set of classes."""

    code = "TARGET_UNUSABLE"
    hint = "Choose a column of whole numbers, text or booleans with a known class in every row."

    def __init__(self, *, target: str, reason: str) -> None:
        self.target = target
        self.reason = reason
        super().__init__(f"Column {target!r} cannot be the target: {reason}.")


class NoUsableFeatureError(DomainSdkError):
    """Every column was dropped; nothing is left to learn from."""

    code = "NO_USABLE_FEATURE"
    hint = "Add numeric columns, or text columns with few distinct values."

    def __init__(self, *, dropped: Mapping[str, str]) -> None:
        self.dropped = dict(dropped)
        super().__init__("No column can be learned from: " + _described(self.dropped) + ".")


class InputSchemaMismatchError(DomainSdkError):
    """Rows offered for prediction do not fit the model's signature.

    Attributes:
        problems: Field name to what is wrong with it.
    """

    code = "INPUT_SCHEMA_MISMATCH"

    def __init__(self, *, problems: Mapping[str, str], expected: tuple[str, ...]) -> None:
        self.problems = dict(problems)
        self.expected = expected
        self.hint = (
            f"The model's inputs are: {_listed(expected)}. Null is for columns in which the dataset had missing values."
        )
        super().__init__("The input does not fit the model: " + _described(self.problems) + ".")


class ModelPackageInvalidError(DomainSdkError):
    """A model package that is incomplete, altered, or not in a format that is safe to load."""

    code = "MODEL_PACKAGE_INVALID"
    hint = "Do not use it. Train the model again, or restore the package from its registered objects."

    def __init__(self, *, file: str, reason: str) -> None:
        self.file = file
        self.reason = reason
        super().__init__(f"The model package is invalid at {file}: {reason}.")


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_LISTED_COLUMNS])
    return shown if len(names) <= _LISTED_COLUMNS else f"{shown} and {len(names) - _LISTED_COLUMNS} more"


def _described(problems: Mapping[str, str]) -> str:
    shown = "; ".join(f"{name!r} {problem}" for name, problem in list(problems.items())[:_LISTED_COLUMNS])
    return shown if len(problems) <= _LISTED_COLUMNS else f"{shown}; and {len(problems) - _LISTED_COLUMNS} more"
