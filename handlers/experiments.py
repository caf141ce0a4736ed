"""Experiments: launching them, telling how they stand, and the records that their process keeps."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from engine import IdempotencyConflictError, InstanceDescription, InstanceStatus, TaskContext, TransactionalTask
from handlers.dataset_rules import RuleFinding
from handlers.dataset_validation import Nothing
from handlers.datasets import Name, find_version
from handlers.errors import DatasetNotTrainableError, DatasetNotValidatedError, ProfileNotAllowedError
from handlers.experiment_runs import EvaluationSummary
from handlers.grants import as_told
from handlers.lineage_edges import LineageScope, node_of, record_lineage
from handlers.model_versions import require_line
from handlers.services import Limits, Services
from runners.errors import ComputeProfileUnavailableError
from runners.specification import SplitSpecification
from storage import AuditEntry, Resource, SecurityContext, UnitOfWork
from storage.datasets.reading.sniffing import FileKind
from storage.models import (
    ComputeProfile,
    DatasetVersion,
    Experiment,
    ExperimentStatus,
    JsonObject,
    Permission,
    TrainingRun,
    ValidationStatus,
)
from storage.stores import Edge, EdgeKind, Node

PROCESS_ID = "supervised-training"
_WHAT_WAS_ASKED_FOR = ("task_name", "model_name", "dataset_version_id", "config", "compute_profile")


class ExperimentConfig(BaseModel):
    """How to train; everything has a default.

    Attributes:
        held_back_fraction: Share of each class that training never sees.
        split: By classes, unless rows that belong together have to stay together, or the latest have to be held back.
        threads: Of PyTorch; with one, equal experiments give equal weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden_sizes: Annotated[tuple[Annotated[int, Field(ge=1, le=4_096)], ...], Field(max_length=8)] = (64,)
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 20
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-4
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    held_back_fraction: Annotated[float, Field(ge=0.05, le=0.5)] = 0.2
    split: SplitSpecification = SplitSpecification()
    threads: Annotated[int, Field(ge=1, le=64)] = 1


class ExperimentPayload(BaseModel):
    """An experiment to launch.

    Attributes:
        dataset_version: The newest version where none is given.
        model_name: The model that this experiment makes a version of; the dataset's name unless given.
        compute_profile: The server's default unless given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    task_name: Literal["tabular-classification"] = "tabular-classification"
    dataset_id: UUID
    dataset_version: Annotated[int, Field(ge=1)] | None = None
    model_name: Name | None = None
    config: ExperimentConfig = ExperimentConfig()
    compute_profile: ComputeProfile | None = None


class Launch(BaseModel):
    """A launched experiment; `replayed` where the idempotency key had launched it before."""

    model_config = ConfigDict(frozen=True)

    experiment: Experiment
    process_instance_id: UUID
    replayed: bool
    audit_ref: UUID


class ExperimentReport(BaseModel):
    """How an experiment stands."""

    model_config = ConfigDict(frozen=True)

    experiment: Experiment
    instance: InstanceDescription
    runs: tuple[TrainingRun, ...]


def launch_experiment(
    services: Services, payload: ExperimentPayload, idempotency_key: str | None, *, context: SecurityContext
) -> Launch:
    """Record an experiment and start its process, in one transaction.

    Raises:
        AccessDeniedError: No WRITE or EXECUTE permission.
        RecordNotFoundError, DatasetNotValidatedError: There is nothing to train on.
        DatasetNotTrainableError: It is a folder of images, of which a table classifier would learn the names of files.
        ProfileNotAllowedError, ComputeProfileUnavailableError: There is nowhere to train.
        ModelNameTakenError: There is a version of the model that the principal may not know of.
        ModelLineMixedError: The data are RESTRICTED and versions of the model are not, or the other way round.
        IdempotencyConflictError: The key was used for another request.
    """
    resource = Resource(kind="experiments", tenant_id=context.tenant_id)
    services.storage.require(Permission.WRITE, resource, context=context)
    profile = _require_profile(services, payload.compute_profile)
    dataset, version = find_version(services, payload.dataset_id, payload.dataset_version, context=context)
    _require_trainable(dataset.name, version, payload.task_name)
    experiment = Experiment(
        tenant_id=context.tenant_id,
        data_classification=version.data_classification,
        acl=version.acl,
        task_name=payload.task_name,
        model_name=payload.model_name or dataset.name,
        dataset_version_id=version.id,
        config=payload.config.model_dump(mode="json"),
        compute_profile=profile,
        owner=context.user_id,
    )
    with services.storage.transaction(context.tenant_id) as work:
        return _launch(services, work, experiment, idempotency_key, context)


def _require_trainable(dataset: str, version: DatasetVersion, task_name: str) -> None:
    if version.validation_status is not ValidationStatus.VALIDATED:
        status = version.validation_status.value
        raise DatasetNotValidatedError(dataset=dataset, version=version.version, status=status)
    if version.file_format == FileKind.IMAGES:
        raise DatasetNotTrainableError(
            dataset=dataset, version=version.version, file_format=version.file_format, task_name=task_name
        )


def _require_profile(services: Services, wanted: ComputeProfile | None) -> ComputeProfile:
    limits: Limits = services.limits
    profile = wanted or limits.default_profile
    if profile not in limits.allowed_profiles:
        allowed = tuple(allowed.value for allowed in limits.allowed_profiles)
        raise ProfileNotAllowedError(profile=profile.value, allowed=allowed)
    if profile is not ComputeProfile.CPU:
        available = services.compute.available_profiles()
        if profile not in available:
            names = tuple(name.value for name in available)
            raise ComputeProfileUnavailableError(profile=profile.value, available=names)
    return profile


def _launch(
    services: Services,
    work: UnitOfWork,
    experiment: Experiment,
    idempotency_key: str | None,
    context: SecurityContext,
) -> Launch:
    variables: JsonObject = {
        "experiment_id": str(experiment.id),
        "dataset_version_id": str(experiment.dataset_version_id),
        "model_name": experiment.model_name,
        "requested_by": experiment.owner,
    }
    instance_id = services.engine.start(
        work,
        PROCESS_ID,
        variables,
        context=context,
        business_key=str(experiment.id),
        idempotency_key=None if idempotency_key is None else f"launch:{context.user_id}:{idempotency_key}",
    )
    started = services.engine.describe(work, instance_id, context=context)
    replayed = started.business_key != str(experiment.id)
    if replayed:
        if started.business_key is None:  # it is about what is no longer granted to the principal
            raise IdempotencyConflictError(idempotency_key=str(idempotency_key))
        asked_for, experiment = (
            experiment,
            work.get_crud(Experiment).read(UUID(started.business_key), context=context),
        )
        if any(getattr(asked_for, field) != getattr(experiment, field) for field in _WHAT_WAS_ASKED_FOR):
            raise IdempotencyConflictError(idempotency_key=str(idempotency_key))
    else:
        require_line(work, experiment.model_name, experiment.data_classification, context)
        experiment = experiment.model_copy(update={"process_instance_id": instance_id})
        experiment = work.get_crud(Experiment).create(experiment, context=context)
        _record_lineage(work, experiment, instance_id, context)
    details: dict[str, JsonValue] = {"process_instance_id": str(instance_id), "replayed": replayed}
    entry = AuditEntry(action="experiment.launched", subject=f"Experiment/{experiment.id}", details=details)
    audit_ref = work.audit.record(entry, context=context)
    return Launch(experiment=experiment, process_instance_id=instance_id, replayed=replayed, audit_ref=audit_ref)


def _record_lineage(work: UnitOfWork, experiment: Experiment, instance_id: UUID, context: SecurityContext) -> None:
    scope = LineageScope(work=work, principal=context, process_instance_id=instance_id)
    version = Node("DatasetVersion", experiment.dataset_version_id)
    record_lineage(scope, experiment, Edge(kind=EdgeKind.USED_BY, source=version, target=node_of(experiment)))


def get_experiment_status(services: Services, experiment_id: UUID, *, context: SecurityContext) -> ExperimentReport:
    """Return an experiment with its process instance and its runs; one whose process was cancelled is cancelled.

    Raises:
        RecordNotFoundError: There is no such experiment.
    """
    with services.storage.transaction(context.tenant_id) as work:
        experiment = work.get_crud(Experiment).read(experiment_id, context=context)
        (instance_id, *_) = services.engine.instances_of(work, str(experiment_id), context=context)
        found = work.get_crud(TrainingRun).query({"experiment_id": experiment_id}, context=context)
        runs = tuple(as_told(work, run, context) for run in reversed(found))
        experiment = as_told(work, experiment, context)
        instance = services.engine.describe(work, instance_id, context=context)
    if instance.status is InstanceStatus.CANCELLED:  # nothing of the process is left that could have recorded it
        experiment = experiment.model_copy(update={"status": ExperimentStatus.CANCELLED})
    return ExperimentReport(experiment=experiment, instance=instance, runs=runs)


class CompleteInput(BaseModel):
    """What a completed experiment led to."""

    experiment_id: UUID
    endpoint_id: UUID
    evaluation: EvaluationSummary


class FailureInput(BaseModel):
    """Which experiment failed, and why as far as the process knows."""

    experiment_id: UUID
    findings: tuple[RuleFinding, ...] | None = None


def complete_experiment(context: TaskContext, request: CompleteInput) -> Nothing:
    """Close the experiment as completed."""
    _update(context, request.experiment_id, {"status": ExperimentStatus.COMPLETED})
    return Nothing()


def record_failure(context: TaskContext, request: FailureInput) -> Nothing:
    """Close the experiment as failed, with the reason."""
    reasons = [finding.message for finding in request.findings or () if finding.severity == "error"]
    failure = " ".join(reasons) or "The model could not be put into service; its endpoint was taken down again."
    _update(context, request.experiment_id, {"status": ExperimentStatus.FAILED, "failure": failure})
    return Nothing()


def _update(context: TaskContext, experiment_id: UUID, patch: dict[str, object]) -> None:
    experiments = context.work.get_crud(Experiment)
    experiment = experiments.read(experiment_id, context=context.principal)
    experiments.update(experiment, patch, context=context.principal)


SERVICE_TASKS = (
    TransactionalTask("experiments.complete_experiment", CompleteInput, complete_experiment, Nothing),
    TransactionalTask("experiments.record_failure", FailureInput, record_failure, Nothing),
)
