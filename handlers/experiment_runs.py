"""The long service tasks of an experiment: training and evaluating, each as a job on the compute.

Both read records and objects, and write objects only; the rows follow in the transactional task that registers the
model. Running one again gives the same objects, so a crash between costs time and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict, TypeAdapter

from engine import BpmnError, ExternalTask, JobContext
from handlers.dataset_rules import RuleFinding, Severity
from handlers.dataset_validation import VersionInput
from handlers.errors import JobFailedError
from handlers.workplaces import workplace
from runners.compute import Compute, ComputeEnding, ComputeJob, ComputeOutcome, evaluation_job, training_job
from runners.results import EpochProgress, EvaluationResult, SplitRecord, TrainingResult, read_result
from runners.specification import EvaluationSpecification, TrainingSpecification
from serving.packages import fetch_package, publish_package
from storage import ObjectStore
from storage.datasets.versions import fetch_dataset
from storage.models import DatasetVersion, Experiment, JsonObject, UtcDatetime

Clock = Callable[[], datetime]
"""Returns the time, aware."""

PROGRESS_EVENT = "training.progress"
_SAMPLE_ROWS = 5
_HISTORY = TypeAdapter(tuple[EpochProgress, ...])


class RunInput(VersionInput):
    """Which experiment, on which version."""

    experiment_id: UUID


class TrainingSummary(BaseModel):
    """What training left behind.

    Attributes:
        package_uri: The published model package's manifest.
        split: Which rows were held back; `None` where an older release trained.
        history_uri: What each epoch measured; `None` where an older release trained.
        log_uri: The job's log.
        started_at: On the clock of the machine that ran the job; `None` where an older release trained.
    """

    model_config = ConfigDict(frozen=True)

    package_uri: str
    weights_sha256: str
    loss: float
    validation_accuracy: float | None
    fitted_row_count: int
    held_back_row_count: int
    split: SplitRecord | None = None
    history_uri: str | None = None
    log_uri: str
    exit_code: int
    duration_seconds: float
    started_at: UtcDatetime | None = None
    ended_at: UtcDatetime | None = None


class EvaluationSummary(BaseModel):
    """What the reviewer decides on; the whole report is an object.

    Attributes:
        held_back_sample: A few rows, by index into the dataset, that training never saw.
    """

    model_config = ConfigDict(frozen=True)

    accuracy: float
    baseline_accuracy: float
    macro_f1: float
    log_loss: float
    held_back_row_count: int
    held_back_sample: tuple[int, ...]
    report_uri: str
    log_uri: str
    exit_code: int
    duration_seconds: float
    started_at: UtcDatetime | None = None
    ended_at: UtcDatetime | None = None


class TrainOutput(BaseModel):
    """The trained model."""

    training: TrainingSummary


class EvaluateInput(RunInput):
    """The trained model to evaluate."""

    training: TrainingSummary


class EvaluateOutput(BaseModel):
    """Its quality on held-back rows."""

    evaluation: EvaluationSummary


def train_model(context: JobContext, request: RunInput, *, compute: Compute, clock: Clock) -> TrainOutput:
    """Train on the version; report each epoch as an event.

    Raises:
        BpmnError: TRAINING_FAILED, where another attempt would fail the same way.
        JobFailedError: Where it might not.
    """
    experiment, version = _records(context, request)
    with _workplace(context, version) as folder:
        specification = TrainingSpecification.model_validate(
            {
                **experiment.config,
                "dataset_path": folder / "dataset",
                "target": version.target,
                "output_dir": folder / "output",
            }
        )
        job = training_job(specification, folder / "job", experiment.compute_profile)
        lines: list[JsonObject] = []
        started_at = clock()
        outcome = _run(compute, job, context, lines.append)
        ended_at = clock()
        result = read_result(TrainingResult, specification.output_dir)
        objects = context.storage.objects.for_classification(experiment.data_classification)
        package = publish_package(objects, specification.output_dir / result.package_dir)
        history = objects.put_bytes(_HISTORY.dump_json(tuple(map(EpochProgress.model_validate, lines))))
        log = objects.put_file(outcome.log_path)
    return TrainOutput(
        training=TrainingSummary(
            package_uri=package.uri,
            weights_sha256=result.weights_sha256,
            loss=result.last_epoch.loss,
            validation_accuracy=result.last_epoch.accuracy,
            fitted_row_count=result.fitted_row_count,
            held_back_row_count=result.held_back_row_count,
            split=result.split,
            history_uri=history.uri,
            log_uri=log.uri,
            exit_code=outcome.exit_code,
            duration_seconds=outcome.duration_seconds,
            started_at=started_at,
            ended_at=ended_at,
        )
    )


def evaluate_model(context: JobContext, request: EvaluateInput, *, compute: Compute, clock: Clock) -> EvaluateOutput:
    """Measure the model on the rows that its training held back.

    Raises:
        BpmnError: TRAINING_FAILED, where another attempt would fail the same way; no boundary event need catch it.
        JobFailedError: Where it might not.
    """
    experiment, version = _records(context, request)
    with _workplace(context, version) as folder:
        specification = EvaluationSpecification.model_validate(
            {
                "dataset_path": folder / "dataset",
                "package_dir": fetch_package(context.storage.objects, request.training.package_uri, folder / "package"),
                "output_dir": folder / "output",
                "held_back_fraction": experiment.config["held_back_fraction"],
                "split": experiment.config.get("split", {}),
                "split_digest": None if request.training.split is None else request.training.split.digest,
                "threads": experiment.config["threads"],
            }
        )
        started_at = clock()
        outcome = _run(compute, evaluation_job(specification, folder / "job"), context)
        ended_at = clock()
        result = read_result(EvaluationResult, specification.output_dir)
        objects = context.storage.objects.for_classification(experiment.data_classification)
        report = objects.put_bytes(result.model_dump_json().encode())
        log = objects.put_file(outcome.log_path)
    return EvaluateOutput(
        evaluation=EvaluationSummary(
            accuracy=result.accuracy,
            baseline_accuracy=result.baseline_accuracy,
            macro_f1=result.macro_f1,
            log_loss=result.log_loss,
            held_back_row_count=result.held_back_row_count,
            held_back_sample=result.held_back_rows[:_SAMPLE_ROWS],
            report_uri=report.uri,
            log_uri=log.uri,
            exit_code=outcome.exit_code,
            duration_seconds=outcome.duration_seconds,
            started_at=started_at,
            ended_at=ended_at,
        )
    )


def _records(context: JobContext, request: RunInput) -> tuple[Experiment, DatasetVersion]:
    with context.storage.transaction() as work:
        experiment = work.get_crud(Experiment).read(request.experiment_id, context=context.principal)
        version = work.get_crud(DatasetVersion).read(request.dataset_version_id, context=context.principal)
    return experiment, version


@contextmanager
def _workplace(context: JobContext, version: DatasetVersion) -> Iterator[Path]:
    """Yield a folder of this attempt alone that holds the dataset; remove it afterwards."""
    with workplace() as folder:
        fetch_dataset(context.storage.objects, version.storage_location, folder / "dataset")
        yield folder


def read_history(objects: ObjectStore, training: TrainingSummary) -> tuple[EpochProgress, ...]:
    """Return what each epoch of a training measured, as far as it is known."""
    return () if training.history_uri is None else _HISTORY.validate_json(objects.read_bytes(training.history_uri))


def _run(
    compute: Compute, job: ComputeJob, context: JobContext, keep: Callable[[JsonObject], None] = lambda _line: None
) -> ComputeOutcome:
    def report(line: JsonObject) -> None:
        context.report(PROGRESS_EVENT, line)
        keep(line)

    outcome = compute.run(job, report, context.should_stop)
    match outcome.ending:
        case ComputeEnding.SUCCEEDED:
            return outcome
        case ComputeEnding.FAILED_PERMANENTLY:
            raise _training_failed(outcome)
        case _:
            raise JobFailedError(
                module=job.module,
                ending=outcome.ending.value,
                exit_code=outcome.exit_code,
                log_tail=outcome.log_tail,
            )


def _training_failed(outcome: ComputeOutcome) -> BpmnError:
    failure = outcome.failure
    finding = RuleFinding(
        code="JOB_CRASHED" if failure is None else failure.code,
        severity=Severity.ERROR,
        message=outcome.log_tail if failure is None else failure.message,
        hint="Read the job's log." if failure is None else failure.hint,
    )
    findings: JsonObject = {"findings": [finding.model_dump(mode="json")]}
    return BpmnError("TRAINING_FAILED", finding.message, variables=findings)


def run_tasks(
    compute: Compute, clock: Clock
) -> tuple[ExternalTask[RunInput, TrainOutput], ExternalTask[EvaluateInput, EvaluateOutput]]:
    """Return the service tasks that need a compute and, for when their jobs began and ended, a clock."""
    return (
        ExternalTask(
            "experiments.train_model",
            RunInput,
            partial(train_model, compute=compute, clock=clock),
            TrainOutput,
            errors=("TRAINING_FAILED",),
        ),
        ExternalTask(
            "experiments.evaluate_model",
            EvaluateInput,
            partial(evaluate_model, compute=compute, clock=clock),
            EvaluateOutput,
        ),
    )
