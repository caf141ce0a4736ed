"""Models: registering, promoting and rejecting versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from domain_sdk.model_package import SIGNATURE_FILE, parse_manifest
from engine import TaskContext, TransactionalTask
from handlers.dataset_validation import Nothing
from handlers.experiment_runs import EvaluationSummary, TrainingSummary, read_history
from handlers.lineage_edges import came_of, decisions_in, record_lineage
from handlers.model_versions import all_that_fit, model_lock, next_version_of
from runners.results import EpochProgress
from storage import SecurityContext, UnitOfWork
from storage.models import (
    DataClassification,
    EndpointState,
    Experiment,
    ExperimentStatus,
    JsonObject,
    MetricSnapshot,
    ModelArtifact,
    ModelStatus,
    RunStage,
    ServingEndpoint,
    TrainingRun,
)
from storage.stores import AliasName, AliasStore, Cause, EdgeKind


class RegisterInput(BaseModel):
    """An experiment and what its stages left."""

    experiment_id: UUID
    training: TrainingSummary
    evaluation: EvaluationSummary


class RegisterOutput(BaseModel):
    """The registered version, and what the promotion policy compares it with.

    Attributes:
        current_accuracy: Of the version in service, as its own evaluation measured it; null where there is none.
    """

    model_config = ConfigDict(protected_namespaces=())

    data_classification: DataClassification
    current_accuracy: float | None

    model_id: UUID
    model_version: int
    model_artifact_id: UUID


class PromoteInput(BaseModel):
    """Which version takes over which endpoint's name, and who approved it."""

    model_config = ConfigDict(protected_namespaces=())

    endpoint_id: UUID
    model_artifact_id: UUID
    approved_by: Annotated[str, Field(min_length=1)]


class Replaced(BaseModel):
    """What a promotion changed, as it was before.

    Attributes:
        retired_endpoint_ids: The endpoints that it closed.
        archived_artifact_ids: The versions that it took out of service.
        status: Of the promoted version, as `approved_by`.
        health_state: Of its endpoint, as `last_validation`.
    """

    model_config = ConfigDict(frozen=True)

    retired_endpoint_ids: tuple[UUID, ...]
    archived_artifact_ids: tuple[UUID, ...]
    status: ModelStatus
    approved_by: str | None
    health_state: EndpointState
    last_validation: JsonObject


class PromoteOutput(BaseModel):
    """Whether the version is in service, and what it replaced."""

    promoted: bool
    replaced: Replaced


class RejectInput(BaseModel):
    """Which version was rejected, and the reviewer's words."""

    model_config = ConfigDict(protected_namespaces=())

    experiment_id: UUID
    model_artifact_id: UUID
    comment: str | None = None


def register_model(context: TaskContext, request: RegisterInput) -> RegisterOutput:
    """Record the runs and the next version of the experiment's model."""
    experiments = context.work.get_crud(Experiment)
    experiment = experiments.read(request.experiment_id, context=context.principal)
    training, evaluation = _record_runs(context, experiment, request)
    metrics = _metrics(request.evaluation)
    epochs = read_history(context.work.objects, request.training)
    points = [point for epoch in epochs for point in _points(context, training, _measured(epoch), epoch.epoch)]
    points += _points(context, evaluation, metrics)
    context.work.get_crud(MetricSnapshot).bulk_create(points, context=context.principal)
    artifact = _next_version(context.work, experiment, context.principal).model_copy(
        update={
            "artifact_uri": request.training.package_uri,
            "signature": _signature(context.work, request.training.package_uri),
            "metrics": metrics,
        }
    )
    context.work.get_crud(ModelArtifact).create(artifact, context=context.principal)
    record_lineage(
        context,
        artifact,
        came_of(training, EdgeKind.PRODUCED, artifact),
        came_of(evaluation, EdgeKind.EVALUATED, artifact),
        *(came_of(experiment, EdgeKind.RAN, run) for run in (training, evaluation)),
    )
    patch = {"status": ExperimentStatus.AWAITING_REVIEW, "metrics_summary": metrics}
    experiments.update(experiment, patch, context=context.principal)
    return RegisterOutput(
        model_id=artifact.model_id,
        model_version=artifact.version,
        model_artifact_id=artifact.id,
        data_classification=artifact.data_classification,
        current_accuracy=_accuracy_in_service(context, artifact),
    )


def promote_model(context: TaskContext, request: PromoteInput) -> PromoteOutput:
    """Put a version into service and its predecessor out of it, in one transaction: there is always one or none.

    Raises:
        ModelNameTakenError: There may be a predecessor that the principal may not know of.
    """
    work, principal = context.work, context.principal
    artifacts, endpoints = work.get_crud(ModelArtifact), work.get_crud(ServingEndpoint)
    artifact = artifacts.read(request.model_artifact_id, context=principal)
    endpoint = endpoints.read(request.endpoint_id, context=principal)
    work.lock(model_lock(artifact.name, principal))
    of_this_model: JsonObject = {"model_id": str(artifact.model_id)}
    healthy = {**of_this_model, "health_state": EndpointState.HEALTHY.value}
    retired = all_that_fit(work, ServingEndpoint, healthy, artifact.name, principal)
    for old in retired:
        endpoints.update(old, {"health_state": EndpointState.RETIRED}, context=principal)
    in_service = {**of_this_model, "status": ModelStatus.PRODUCTION.value}
    archived = all_that_fit(work, ModelArtifact, in_service, artifact.name, principal)
    for predecessor in archived:
        artifacts.update(predecessor, {"status": ModelStatus.ARCHIVED}, context=principal)
    replaced = Replaced(
        retired_endpoint_ids=tuple(old.id for old in retired),
        archived_artifact_ids=tuple(predecessor.id for predecessor in archived),
        status=artifact.status,
        approved_by=artifact.approved_by,
        health_state=endpoint.health_state,
        last_validation=endpoint.last_validation,
    )
    validation: JsonObject = {"validated_at": context.now.isoformat(), "approved_by": request.approved_by}
    opened = {"health_state": EndpointState.HEALTHY, "last_validation": validation}
    endpoints.update(endpoint, opened, context=principal)
    patch = {"status": ModelStatus.PRODUCTION, "approved_by": request.approved_by}
    artifacts.update(artifact, patch, context=principal)
    record_lineage(context, artifact, *decisions_in(context, artifact))
    cause = Cause(set_by=request.approved_by, process_instance_id=context.process_instance_id)
    AliasStore(work.connection, principal.tenant_id).assign(AliasName(artifact.name), artifact.id, cause)
    return PromoteOutput(promoted=True, replaced=replaced)


def reject_model(context: TaskContext, request: RejectInput) -> Nothing:
    """Close a version and its experiment as rejected, with the reviewer's words."""
    artifacts, experiments = context.work.get_crud(ModelArtifact), context.work.get_crud(Experiment)
    artifact = artifacts.read(request.model_artifact_id, context=context.principal)
    patch = {"status": ModelStatus.REJECTED, "review_comment": request.comment}
    artifacts.update(artifact, patch, context=context.principal)
    experiment = experiments.read(request.experiment_id, context=context.principal)
    experiments.update(experiment, {"status": ExperimentStatus.REJECTED}, context=context.principal)
    return Nothing()


def _next_version(work: UnitOfWork, experiment: Experiment, context: SecurityContext) -> ModelArtifact:
    following = next_version_of(work, experiment.model_name, experiment.data_classification, context)
    return ModelArtifact(
        tenant_id=experiment.tenant_id,
        data_classification=experiment.data_classification,
        acl=experiment.acl,
        model_id=following.model_id,
        name=experiment.model_name,
        version=following.version,
        artifact_uri="",
        signature={},
        metrics={},
        linked_experiment=experiment.id,
    )


def _accuracy_in_service(context: TaskContext, artifact: ModelArtifact) -> float | None:
    in_service: JsonObject = {"model_id": str(artifact.model_id), "status": ModelStatus.PRODUCTION.value}
    found = context.work.get_crud(ModelArtifact).query(in_service, limit=1, context=context.principal)
    accuracy = found[0].metrics.get("accuracy") if found else None
    return float(accuracy) if isinstance(accuracy, int | float) else None


def _record_runs(
    context: TaskContext, experiment: Experiment, request: RegisterInput
) -> tuple[TrainingRun, TrainingRun]:
    training, evaluation = request.training, request.evaluation
    split = {} if training.split is None else training.split.model_dump(mode="json")
    history = () if training.history_uri is None else (training.history_uri,)
    trained, evaluated = (training.package_uri, *history), (evaluation.report_uri,)
    return (
        _record_run(context, experiment, RunStage.TRAIN, training, artifacts=trained, split=split),
        _record_run(context, experiment, RunStage.EVAL, evaluation, artifacts=evaluated, split=split),
    )


def _record_run(
    context: TaskContext,
    experiment: Experiment,
    stage: RunStage,
    summary: TrainingSummary | EvaluationSummary,
    **facts: object,
) -> TrainingRun:
    run = TrainingRun.model_validate(
        {
            "tenant_id": experiment.tenant_id,
            "data_classification": experiment.data_classification,
            "acl": experiment.acl,
            "experiment_id": experiment.id,
            "stage": stage,
            "start_time": summary.started_at,
            "end_time": summary.ended_at,
            "duration_seconds": summary.duration_seconds,
            "logs_uri": summary.log_uri,
            "exit_code": summary.exit_code,
            **facts,
        }
    )
    return context.work.get_crud(TrainingRun).create(run, context=context.principal)


def _points(
    context: TaskContext, run: TrainingRun, metrics: Mapping[str, float], step: int | None = None
) -> list[MetricSnapshot]:
    """Return what a run measured as points in time, at the time of its record."""
    return [
        MetricSnapshot(
            tenant_id=run.tenant_id,
            data_classification=run.data_classification,
            entity_id=run.id,
            timestamp=run.created_at,
            metric_name=name,
            value=value,
            source=context.element_id,
            step=step,
        )
        for name, value in metrics.items()
    ]


def _measured(epoch: EpochProgress) -> dict[str, float]:
    measured = {"loss": epoch.loss, "validation_loss": epoch.validation_loss, "validation_accuracy": epoch.accuracy}
    return {name: value for name, value in measured.items() if value is not None}


def _metrics(evaluation: EvaluationSummary) -> dict[str, float]:
    return {
        "accuracy": evaluation.accuracy,
        "baseline_accuracy": evaluation.baseline_accuracy,
        "macro_f1": evaluation.macro_f1,
        "log_loss": evaluation.log_loss,
    }


def _signature(work: UnitOfWork, package_uri: str) -> JsonObject:
    package = parse_manifest(work.objects.read_bytes(package_uri))
    uri = package.files[SIGNATURE_FILE].uri
    signature: JsonObject = {} if uri is None else json.loads(work.objects.read_bytes(uri))
    return signature


SERVICE_TASKS = (
    TransactionalTask(
        "models.register_model", RegisterInput, register_model, RegisterOutput, inverse="models.reject_model"
    ),
    TransactionalTask(
        "models.promote_model", PromoteInput, promote_model, PromoteOutput, inverse="models.demote_model"
    ),
    TransactionalTask("models.reject_model", RejectInput, reject_model, Nothing),
)
