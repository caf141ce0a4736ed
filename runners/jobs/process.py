"""What every job's process does around its work: speak on stdout, obey SIGTERM, and say why it failed."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn, TextIO

import torch
from pydantic import BaseModel

from domain_sdk.errors import ReportedError
from runners.endings import ERROR_FILE, ExitCode, FailureKind, JobFailure
from runners.errors import JobCrashedError, ResourceExhaustedError, TrainingDivergedError
from runners.whole_files import write_whole

Emit = Callable[[BaseModel], None]
Work = Callable[[bytes, Emit], object]

logger = logging.getLogger(__name__)

_EXHAUSTION = {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EIO}
_ALLOCATOR_WORDS = ("can't allocate memory", "not enough memory")


def run_job(work: Work) -> NoReturn:
    """Run `work` on the specification named on the command line and end this process with an `ExitCode`.

    `work` gets the document's bytes and a function that writes one model as one JSON line on stdout. Whatever else
    the process prints goes to stderr. On failure `error.json` is written beside the specification.
    """
    exit_code = _run(work, Path(sys.argv[1]))
    logging.shutdown()
    # Taking PyTorch apart module by module would cost half a second, and everything is written.
    os._exit(exit_code)


def _run(work: Work, specification_path: Path) -> ExitCode:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    signal.signal(signal.SIGTERM, _stop)
    lines = _take_over_stdout()
    try:
        work(specification_path.read_bytes(), lambda line: print(line.model_dump_json(), file=lines, flush=True))
    except Exception as error:
        logger.exception("job failed")
        reported = _reported(error)
        write_whole(specification_path.with_name(ERROR_FILE), _failure(reported).model_dump_json().encode())
        return _exit_code(reported)
    return ExitCode.SUCCEEDED


def _stop(_signal_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(ExitCode.PREEMPTED)


def _take_over_stdout() -> TextIO:
    """Return the real stdout; from now on, prints of any library, also from C, end up in stderr."""
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return lines


def _reported(error: Exception) -> ReportedError:
    if isinstance(error, ReportedError):
        return error
    if _is_exhaustion(error):
        return ResourceExhaustedError(reason=str(error) or type(error).__name__)
    return JobCrashedError(reason=f"{type(error).__name__}: {error}")


def _is_exhaustion(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno in _EXHAUSTION
    # PyTorch's CPU allocator reports through a plain RuntimeError.
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _ALLOCATOR_WORDS)


def _failure(error: ReportedError) -> JobFailure:
    kind = FailureKind.TRANSIENT if error.retryable else FailureKind.PERMANENT
    return JobFailure(code=error.code, message=str(error), hint=error.hint, kind=kind)


def _exit_code(error: ReportedError) -> ExitCode:
    if isinstance(error, TrainingDivergedError):
        return ExitCode.DIVERGED
    return ExitCode.FAILED_TRANSIENTLY if error.retryable else ExitCode.FAILED_PERMANENTLY
