"""Errors of the runners.

RunnerError
├── SpecificationInvalidError       SPECIFICATION_INVALID
├── DatasetTooSmallError            DATASET_TOO_SMALL
├── SplitColumnUnusableError        SPLIT_COLUMN_UNUSABLE
├── SplitMismatchError              SPLIT_MISMATCH
├── DeviceUnavailableError          DEVICE_UNAVAILABLE
├── TrainingDivergedError           TRAINING_DIVERGED
├── ResourceExhaustedError          RESOURCE_EXHAUSTED
├── JobCrashedError                 JOB_CRASHED
├── JobResultMissingError           JOB_RESULT_MISSING
└── ComputeProfileUnavailableError  COMPUTE_PROFILE_UNAVAILABLE
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from domain_sdk.errors import ReportedError


class RunnerError(ReportedError):
    """Base of the runners' errors."""

    code = "RUNNER"
    hint = "Read the job's log file."


class SpecificationInvalidError(RunnerError):
    """A job was started with a document that is not its specification."""

    code = "SPECIFICATION_INVALID"
    hint = "Correct the experiment's configuration and launch it again."

    def __init__(self, *, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"The job's specification is invalid at {field}: {reason}.")


class DatasetTooSmallError(RunnerError):
    """No row could be held back for evaluation."""

    code = "DATASET_TOO_SMALL"
    hint = "Give a dataset in which at least two classes have two rows or more."

    def __init__(self, *, row_count: int) -> None:
        self.row_count = row_count
        super().__init__(f"The {row_count} rows cannot be split into a training and a held-back part.")


class SplitColumnUnusableError(RunnerError):
    """The column by which the rows were to be split cannot split them."""

    code = "SPLIT_COLUMN_UNUSABLE"
    hint = "Name a column of the dataset; a split by time needs one of dates or times."

    def __init__(self, *, column: str, reason: str) -> None:
        self.column = column
        self.reason = reason
        super().__init__(f"The rows cannot be split by column {column!r}: {reason}.")


class SplitMismatchError(RunnerError):
    """The rows to evaluate on are not those that training held back."""

    code = "SPLIT_MISMATCH"
    hint = "Train again: the dataset, or the way in which it is split, has changed since."

    def __init__(self, *, expected: str, actual: str) -> None:
        self.expected = expected
        self.actual = actual
        super().__init__(f"The split has digest {actual}, and training used {expected}.")


class DeviceUnavailableError(RunnerError):
    """The specification asks for an accelerator that this machine does not have."""

    code = "DEVICE_UNAVAILABLE"
    hint = "Launch the experiment with another compute profile, or run a worker on a machine that has the device."

    def __init__(self, *, device: str) -> None:
        self.device = device
        super().__init__(f"PyTorch finds no {device} device here.")


class TrainingDivergedError(RunnerError):
    """The loss left the finite numbers; the same specification will do so again."""

    code = "TRAINING_DIVERGED"
    hint = "Lower the learning rate, or look for extreme values in the dataset's statistics."

    def __init__(self, *, epoch: int, loss: float) -> None:
        self.epoch = epoch
        self.loss = loss
        super().__init__(f"The loss became {loss} in epoch {epoch}.")


class ResourceExhaustedError(RunnerError):
    """Memory, disk or another resource of the machine ran out."""

    code = "RESOURCE_EXHAUSTED"
    hint = "Free memory or disk space on the worker's machine, or lower the batch size; the job can be repeated."
    retryable: ClassVar[bool] = True

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The machine ran out of a resource: {reason}.")


class JobCrashedError(RunnerError):
    """The job met an error that nobody foresaw."""

    code = "JOB_CRASHED"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The job crashed: {reason}.")


class JobResultMissingError(RunnerError):
    """A job that should have finished left no readable result."""

    code = "JOB_RESULT_MISSING"
    hint = "Run the job again; what is in its output folder is not a finished result."
    retryable: ClassVar[bool] = True

    def __init__(self, *, path: Path) -> None:
        self.path = path
        super().__init__(f"There is no finished result at {path}.")


class ComputeProfileUnavailableError(RunnerError):
    """The place where jobs run cannot serve the compute profile asked for."""

    code = "COMPUTE_PROFILE_UNAVAILABLE"

    def __init__(self, *, profile: str, available: tuple[str, ...]) -> None:
        self.profile = profile
        self.available = available
        self.hint = f"Choose one of: {', '.join(available)}."
        super().__init__(f"The compute profile {profile!r} is not available here.")
