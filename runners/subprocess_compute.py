"""Jobs as child processes of the worker, on the worker's own machine."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

import runners
from runners import tether
from runners.compute import ComputeEnding, ComputeJob, ComputeOutcome, OnLine, ShouldStop
from runners.endings import ERROR_FILE, LOG_FILE, SPECIFICATION_FILE, ExitCode, JobFailure
from runners.errors import ComputeProfileUnavailableError
from runners.job_environment import job_environment
from runners.line_reader import LineReader
from runners.whole_files import write_whole
from storage.models.enums import ComputeProfile

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_PROBE_SECONDS = 60
_LOG_TAIL_BYTES = 4096
_SOURCE_ROOT = Path(runners.__file__).parent.parent

_ENDINGS: dict[int, ComputeEnding] = {
    ExitCode.SUCCEEDED: ComputeEnding.SUCCEEDED,
    ExitCode.FAILED_TRANSIENTLY: ComputeEnding.FAILED_TRANSIENTLY,
    ExitCode.PREEMPTED: ComputeEnding.PREEMPTED,
    -signal.SIGTERM: ComputeEnding.PREEMPTED,
}


class SubprocessCompute:
    """A `Compute` of child processes, each in a session of its own.

    A job dies with the worker, even if that is killed with SIGKILL, and on Linux also with the thread that called
    `run`. It sees no environment variable but those of `job_environment`, and has no stdin.
    """

    def __init__(self, environment: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._environment = environment
        self._clock = clock
        self._profiles: tuple[ComputeProfile, ...] | None = None

    def run(self, job: ComputeJob, on_line: OnLine, should_stop: ShouldStop) -> ComputeOutcome:
        """See `Compute.run`."""
        self._require_profile(job.profile)
        started = self._clock()
        specification_path = _prepare_work_directory(job)
        log_path = job.work_directory / LOG_FILE
        command = [sys.executable, "-X", "faulthandler", "-m", job.module, str(specification_path)]
        with self._started(command, job, log_path) as process:
            was_stopped = self._follow_to_end(process, job, on_line, should_stop)
        return ComputeOutcome(
            ending=_ending_of(process.returncode, was_stopped=was_stopped),
            exit_code=process.returncode,
            failure=_read_failure(job.work_directory / ERROR_FILE),
            log_path=log_path,
            log_tail=_tail(log_path),
            duration_seconds=self._clock() - started,
        )

    def available_profiles(self) -> tuple[ComputeProfile, ...]:
        """See `Compute.available_profiles`; the first call takes the seconds that loading PyTorch takes."""
        if self._profiles is None:
            accelerator = self._probe()
            self._profiles = (ComputeProfile.CPU,) if accelerator is None else (ComputeProfile.CPU, accelerator)
        return self._profiles

    def _require_profile(self, profile: ComputeProfile) -> None:
        if profile is not ComputeProfile.CPU and profile not in self.available_profiles():
            raise ComputeProfileUnavailableError(profile=profile, available=self.available_profiles())

    def _probe(self) -> ComputeProfile | None:
        command = [sys.executable, "-m", "runners.jobs.probe"]
        try:
            answer = subprocess.run(
                command, env=self._job_environment(1), check=True, capture_output=True, timeout=_PROBE_SECONDS
            )
            found = json.loads(answer.stdout)["profile"]
        except (subprocess.SubprocessError, OSError, ValueError, KeyError):
            logger.warning("accelerator probe failed", exc_info=True)
            return None
        return None if found is None else ComputeProfile(found)

    def _job_environment(self, threads: int) -> dict[str, str]:
        return job_environment(self._environment, import_path=str(_SOURCE_ROOT), threads=threads)

    @contextlib.contextmanager
    def _started(self, command: list[str], job: ComputeJob, log_path: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Start the job, and leave nothing of its process group alive afterwards."""
        tethered = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *command]
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                tethered,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._job_environment(job.threads),
                start_new_session=True,
            )
        # Popen's own context closes the pipe and waits, after the inner one has made sure that waiting ends.
        with process:
            try:
                yield process
            finally:
                _signal_group(process, signal.SIGKILL)

    def _follow_to_end(
        self, process: subprocess.Popen[bytes], job: ComputeJob, on_line: OnLine, should_stop: ShouldStop
    ) -> bool:
        """Pass lines on until the job ended or its grace is over; return whether it was asked to stop."""
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        with LineReader(process.stdout.fileno()) as lines:
            self._follow(process, lines, on_line, should_stop)
            if process.poll() is not None:
                return False
            logger.info("stopping job", extra={"module_name": job.module, "process_id": process.pid})
            _signal_group(process, signal.SIGTERM)
            deadline = self._clock() + job.grace_seconds
            self._follow(process, lines, on_line, lambda: self._clock() >= deadline)
        return True

    def _follow(
        self, process: subprocess.Popen[bytes], lines: LineReader, on_line: OnLine, is_over: ShouldStop
    ) -> None:
        """Pass lines on until the process ended, and then its last ones, or until `is_over`."""
        next_question = self._clock()
        while process.poll() is None:
            if self._clock() >= next_question:
                if is_over():
                    return
                next_question = self._clock() + _POLL_SECONDS
            if lines.at_end:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL_SECONDS)
            _pass_on(lines.read_lines(_POLL_SECONDS), on_line)
        # Whoever the job left behind holds the pipe open.
        _signal_group(process, signal.SIGKILL)
        _pass_on(lines.read_rest(), on_line)


def _prepare_work_directory(job: ComputeJob) -> Path:
    job.work_directory.mkdir(parents=True, exist_ok=True)
    (job.work_directory / ERROR_FILE).unlink(missing_ok=True)
    path = job.work_directory / SPECIFICATION_FILE
    write_whole(path, json.dumps(job.specification, allow_nan=False).encode())
    return path


def _pass_on(lines: list[bytes], on_line: OnLine) -> None:
    for line in lines:
        try:
            document = json.loads(line)
        except ValueError:
            document = None
        if isinstance(document, dict):
            on_line(document)
        else:
            logger.warning("job wrote a line that is no JSON object", extra={"line": line[:200]})


def _signal_group(process: subprocess.Popen[bytes], signal_number: signal.Signals) -> None:
    # The leader may be gone already while others of its group live on; and the group may be gone as well.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal_number)


def _ending_of(exit_code: int, *, was_stopped: bool) -> ComputeEnding:
    if was_stopped and exit_code != ExitCode.SUCCEEDED:
        return ComputeEnding.PREEMPTED
    unlisted = ComputeEnding.KILLED if exit_code < 0 else ComputeEnding.FAILED_PERMANENTLY
    return _ENDINGS.get(exit_code, unlisted)


def _read_failure(path: Path) -> JobFailure | None:
    try:
        return JobFailure.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LOG_TAIL_BYTES))
        return file.read().decode("utf-8", errors="replace")
