"""Errors of reading and keeping the content of datasets.

StorageError
└── DatasetContentError             DATASET_CONTENT
    ├── ColumnTypeUnsupportedError  COLUMN_TYPE_UNSUPPORTED
    ├── PickleRefusedError          PICKLE_REFUSED
    ├── FileFormatUnsupportedError  FILE_FORMAT_UNSUPPORTED
    ├── DatasetManifestInvalidError DATASET_MANIFEST_INVALID
    └── DatasetReaderFailedError    DATASET_READER_FAILED

That a file is too large, not a table or not readable is said by the errors of `domain_sdk`.
"""

from __future__ import annotations

from storage.errors import StorageError


class DatasetContentError(StorageError):
    """Base of these errors."""

    code = "DATASET_CONTENT"


class ColumnTypeUnsupportedError(DatasetContentError):
    """A dataset's column holds values of a kind that this platform does not know."""

    code = "COLUMN_TYPE_UNSUPPORTED"
    hint = "Leave the column out, or write it as numbers, text, booleans, times, or lists and records of these."

    def __init__(self, *, column: str, datatype: str) -> None:
        self.column = column
        self.datatype = datatype
        super().__init__(f"Column {column!r} is of an unsupported type: {datatype}.")


class PickleRefusedError(DatasetContentError):
    """A file that holds Python objects: loading it would run whatever program its author put into it."""

    code = "PICKLE_REFUSED"
    hint = "Give data as CSV, JSON Lines, Parquet, Arrow or NumPy, and models as safetensors, ONNX or torch.export."

    def __init__(self, *, file: str) -> None:
        self.file = file
        super().__init__(f"{file} holds pickled Python objects; it was not opened.")


class FileFormatUnsupportedError(DatasetContentError):
    """A file of a kind that no reader here knows."""

    code = "FILE_FORMAT_UNSUPPORTED"

    def __init__(self, *, file: str, found: str, hint: str) -> None:
        self.file = file
        self.found = found
        self.hint = hint
        super().__init__(f"{file} is {found}, which cannot be read here.")


class DatasetManifestInvalidError(DatasetContentError):
    """The stored description of a dataset version is none, or its pieces do not make up what it describes."""

    code = "DATASET_MANIFEST_INVALID"
    hint = "Register the dataset again from its source."

    def __init__(self, *, uri: str, reason: str) -> None:
        self.uri = uri
        self.reason = reason
        super().__init__(f"{uri} does not describe a dataset version: {reason}.")


class DatasetReaderFailedError(DatasetContentError):
    """The process that reads a file from outside died of it, or went beyond what it may use."""

    code = "DATASET_READER_FAILED"
    hint = "The file is damaged or made to do harm, or larger than this server reads; give it as CSV or Parquet."

    def __init__(self, *, file: str, reason: str) -> None:
        self.file = file
        self.reason = reason
        super().__init__(f"Reading {file} failed: {reason}.")
