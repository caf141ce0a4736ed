"""Where jobs run: the port, and what goes in and comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Protocol, assert_never

from pydantic import BaseModel, ConfigDict, Field

from domain_sdk.json_values import JsonObject
from runners.endings import JobFailure
from runners.specification import Device, EvaluationSpecification, TrainingSpecification
from storage.models.enums import ComputeProfile

OnLine = Callable[[JsonObject], None]
ShouldStop = Callable[[], bool]


class ComputeJob(BaseModel):
    """One job to run.

    Attributes:
        module: The program, as `python -m MODULE` knows it.
        specification: Written to `specification.json` in the work folder and named to the program.
        work_directory: Of this job alone; receives specification, log and error document.
        grace_seconds: What the job gets between being asked to stop and being killed.
    """

    model_config = ConfigDict(frozen=True)

    module: str
    specification: JsonObject
    work_directory: Path
    profile: ComputeProfile = ComputeProfile.CPU
    threads: Annotated[int, Field(ge=1)] = 1
    grace_seconds: Annotated[float, Field(ge=0)] = 10.0


class ComputeEnding(StrEnum):
    """How a job ended, as far as what to do next depends on it."""

    SUCCEEDED = "succeeded"
    FAILED_PERMANENTLY = "failed_permanently"
    FAILED_TRANSIENTLY = "failed_transiently"
    PREEMPTED = "preempted"
    KILLED = "killed"


class ComputeOutcome(BaseModel):
    """How a job ended, and what it left.

    Attributes:
        exit_code: Of the process; -N where signal N ended it.
        failure: The error document, where the job could still write one.
        log_tail: The last lines of what the job wrote to stderr.
    """

    model_config = ConfigDict(frozen=True)

    ending: ComputeEnding
    exit_code: int
    failure: JobFailure | None
    log_path: Path
    log_tail: str
    duration_seconds: float


class Compute(Protocol):
    """A place where jobs run."""

    def run(self, job: ComputeJob, on_line: OnLine, should_stop: ShouldStop) -> ComputeOutcome:
        """Run the job to its end and say how it ended.

        Args:
            job: What to run. Running it again in the same work folder is safe.
            on_line: Called, in this thread, with each progress line; what it raises stops the job and passes through.
            should_stop: Asked several times a second; on True the job is asked to stop, and killed after its grace.

        Raises:
            ComputeProfileUnavailableError: This place does not have the job's profile.
        """

    def available_profiles(self) -> tuple[ComputeProfile, ...]:
        """Return the profiles that jobs can ask for here; `cpu` is always among them."""


def training_job(
    specification: TrainingSpecification, work_directory: Path, profile: ComputeProfile = ComputeProfile.CPU
) -> ComputeJob:
    """Return the job that trains, on the device of the profile whatever the specification says."""
    placed = specification.model_copy(update={"device": device_of(profile)})
    return ComputeJob(
        module="runners.jobs.train",
        specification=placed.model_dump(mode="json"),
        work_directory=work_directory,
        profile=profile,
        threads=specification.threads,
    )


def evaluation_job(specification: EvaluationSpecification, work_directory: Path) -> ComputeJob:
    """Return the job that evaluates; it runs on the CPU, where the model will be served."""
    return ComputeJob(
        module="runners.jobs.evaluate",
        specification=specification.model_dump(mode="json"),
        work_directory=work_directory,
        threads=specification.threads,
    )


def device_of(profile: ComputeProfile) -> Device:
    """Return the device on which jobs of a compute profile train."""
    match profile:
        case ComputeProfile.CPU:
            return Device.CPU
        # ROCm builds of PyTorch answer to the name cuda.
        case ComputeProfile.NVIDIA | ComputeProfile.AMD:
            return Device.CUDA
        case ComputeProfile.INTEL:
            return Device.XPU
        case _:
            assert_never(profile)
