"""How a job can end, as its process says it: exit codes, and the error document beside its specification."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from pydantic import BaseModel, ConfigDict

SPECIFICATION_FILE = "specification.json"
ERROR_FILE = "error.json"
LOG_FILE = "job.log"


class ExitCode(IntEnum):
    """What a job's process returns; the numbers follow sysexits.h where it has a word for the case."""

    SUCCEEDED = 0
    FAILED_PERMANENTLY = 65
    DIVERGED = 66
    FAILED_TRANSIENTLY = 74
    PREEMPTED = 75


class FailureKind(StrEnum):
    """Whether the same job may end better another time."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"


class JobFailure(BaseModel):
    """The error document.

    Attributes:
        code: Of the error class that ended the job.
        hint: What a person can do next.
    """

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    hint: str
    kind: FailureKind
