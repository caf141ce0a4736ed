"""Models: registering, promoting and rejecting versions."""

from __future__ import annotations

import json
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from domain_sdk.model_package import SIGNATURE_FILE, parse_manifest
from engine import TaskContext, TransactionalTask
from handlers.datasets import Nothing
from handlers.experiment_runs import EvaluationSummary, TrainingSummary
from storage import SecurityContext, UnitOfWork
from storage.identifiers import new_id
from storage.models import (
    EndpointState,
    Experiment,
    ExperimentStatus,
    JsonObject,
    ModelArtifact,
    ModelStatus,
    RunStage,
    ServingEndpoint,
    TrainingRun,
)

_ALL_VERSIONS = 10_000


class RegisterInput(BaseModel):
    """An experiment and what its stages left."""

    experiment_id: UUID
    training: TrainingSummary
    evaluation: EvaluationSummary


class RegisterOutput(BaseModel):
    """The registered version."""

    model_config = ConfigDict(protected_namespaces=())

    model_id: UUID
    model_version: int
    model_artifact_id: UUID


class PromoteInput(BaseModel):
    """Which version takes over which endpoint's name, and who approved it."""

    model_config = ConfigDict(protected_namespaces=())

    endpoint_id: UUID
    model_artifact_id: UUID
    approved_by: Annotated[str, Field(min_length=1)]


class PromoteOutput(BaseModel):
    """Whether the version is in service."""

    promoted: bool


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
    _record_runs(context, experiment, request)
    metrics = _metrics(request.evaluation)
    artifact = _next_version(context.work, experiment, context.principal).model_copy(
        update={
            "artifact_uri": request.training.package_uri,
            "signature": _signature(context.work, request.training.package_uri),
            "metrics": metrics,
        }
    )
    context.work.get_crud(ModelArtifact).create(artifact, context=context.principal)
    patch = {"status": ExperimentStatus.AWAITING_REVIEW, "metrics_summary": metrics}
    experiments.update(experiment, patch, context=context.principal)
    return RegisterOutput(model_id=artifact.model_id, model_version=artifact.version, model_artifact_id=artifact.id)


def promote_model(context: TaskContext, request: PromoteInput) -> PromoteOutput:
    """Put a version into service and its predecessor out of it, in one transaction: there is always one or none."""
    work, principal = context.work, context.principal
    artifacts, endpoints = work.get_crud(ModelArtifact), work.get_crud(ServingEndpoint)
    artifact = artifacts.read(request.model_artifact_id, context=principal)
    endpoint = endpoints.read(request.endpoint_id, context=principal)
    work.lock(_model_lock(artifact.name, principal))
    of_this_model: JsonObject = {"model_id": str(artifact.model_id)}
    for old in endpoints.query({**of_this_model, "health_state": EndpointState.HEALTHY.value}, context=principal):
        endpoints.update(old, {"health_state": EndpointState.RETIRED}, context=principal)
    for predecessor in artifacts.query({**of_this_model, "status": ModelStatus.PRODUCTION.value}, context=principal):
        artifacts.update(predecessor, {"status": ModelStatus.ARCHIVED}, context=principal)
    validation: JsonObject = {"validated_at": context.now.isoformat(), "approved_by": request.approved_by}
    opened = {"health_state": EndpointState.HEALTHY, "last_validation": validation}
    endpoints.update(endpoint, opened, context=principal)
    patch = {"status": ModelStatus.PRODUCTION, "approved_by": request.approved_by}
    artifacts.update(artifact, patch, context=principal)
    return PromoteOutput(promoted=True)


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
    work.lock(_model_lock(experiment.model_name, context))
    crud = work.get_crud(ModelArtifact)
    # Ids come from the clocks of several machines; only the number tells which version is the newest.
    versions = crud.query({"name": experiment.model_name}, limit=_ALL_VERSIONS, context=context)
    newest = max(versions, key=lambda found: found.version, default=None)
    return ModelArtifact(
        tenant_id=experiment.tenant_id,
        data_classification=experiment.data_classification,
        acl=experiment.acl,
        model_id=new_id() if newest is None else newest.model_id,
        name=experiment.model_name,
        version=1 if newest is None else newest.version + 1,
        artifact_uri="",
        signature={},
        metrics={},
        linked_experiment=experiment.id,
    )


def _model_lock(name: str, context: SecurityContext) -> str:
    return f"model:{context.tenant_id}:{name}"


def _record_runs(context: TaskContext, experiment: Experiment, request: RegisterInput) -> None:
    runs = (
        (RunStage.TRAIN, request.training, request.training.package_uri),
        (RunStage.EVAL, request.evaluation, request.evaluation.report_uri),
    )
    for stage, summary, artifact in runs:
        run = TrainingRun(
            tenant_id=experiment.tenant_id,
            data_classification=experiment.data_classification,
            acl=experiment.acl,
            experiment_id=experiment.id,
            stage=stage,
            duration_seconds=summary.duration_seconds,
            artifacts=(artifact,),
            logs_uri=summary.log_uri,
            exit_code=summary.exit_code,
        )
        context.work.get_crud(TrainingRun).create(run, context=context.principal)


def _metrics(evaluation: EvaluationSummary) -> dict[str, JsonValue]:
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
    TransactionalTask("models.register_model", RegisterInput, register_model, RegisterOutput),
    TransactionalTask("models.promote_model", PromoteInput, promote_model, PromoteOutput),
    TransactionalTask("models.reject_model", RejectInput, reject_model, Nothing),
)
