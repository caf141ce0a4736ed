"""The probe of an endpoint: the model as it will be served must say what the reviewer was shown."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import BaseModel, JsonValue

from domain_sdk.errors import ModelPackageInvalidError
from domain_sdk.tables import read_table
from engine import BpmnError, ExternalTask, JobContext
from handlers.endpoints import EndpointInput, experiment_behind
from handlers.workplaces import workplace
from runners.results import EvaluationResult
from storage import ObjectStore
from storage.datasets.versions import fetch_dataset
from storage.errors import ObjectCorruptError, ObjectNotFoundError
from storage.models import DatasetVersion, Experiment, ModelArtifact, RunStage, TrainingRun

_ROWS = 32


class ProbeOutput(BaseModel):
    """Whether the model, loaded from its registered objects, answers as it did in its evaluation."""

    healthy: bool


def probe_endpoint(context: JobContext, request: EndpointInput) -> ProbeOutput:
    """Load the model from its registered objects and repeat a part of its evaluation.

    Raises:
        BpmnError: ARTIFACT_CORRUPT, where the objects are not what was registered.
    """
    from serving.loading import load_model

    artifact, version, report_uri = _records(context, request)
    objects = context.storage.objects
    try:
        report = EvaluationResult.model_validate_json(objects.read_bytes(report_uri))
        model = load_model(objects, artifact.artifact_uri)
        inputs = [field.name for field in model.signature.inputs]
        rows = _held_back_rows(objects, version, report.held_back_rows[:_ROWS], inputs)
    except (ObjectCorruptError, ObjectNotFoundError, ModelPackageInvalidError) as error:
        raise BpmnError("ARTIFACT_CORRUPT", str(error)) from error
    predictions = model.predict(rows)
    answers = tuple(prediction.label for prediction in predictions)
    return ProbeOutput(healthy=answers == report.predictions[: len(answers)])


def _records(context: JobContext, request: EndpointInput) -> tuple[ModelArtifact, DatasetVersion, str]:
    with context.storage.transaction() as work:
        artifact = work.get_crud(ModelArtifact).read(request.model_artifact_id, context=context.principal)
        experiment = work.get_crud(Experiment).read(experiment_behind(artifact), context=context.principal)
        version = work.get_crud(DatasetVersion).read(experiment.dataset_version_id, context=context.principal)
        criteria: dict[str, JsonValue | UUID] = {"experiment_id": experiment.id, "stage": RunStage.EVAL.value}
        (evaluation,) = work.get_crud(TrainingRun).query(criteria, limit=1, context=context.principal)
    return artifact, version, evaluation.artifacts[0]


def _held_back_rows(
    objects: ObjectStore, version: DatasetVersion, indices: tuple[int, ...], columns: list[str]
) -> list[dict[str, Any]]:
    with workplace() as folder:
        table = read_table(fetch_dataset(objects, version.storage_location, folder / "dataset"))
    rows: list[dict[str, Any]] = table.select(columns).take(list(indices)).to_pylist()
    return rows


SERVICE_TASKS = (
    ExternalTask("endpoints.probe_endpoint", EndpointInput, probe_endpoint, ProbeOutput, errors=("ARTIFACT_CORRUPT",)),
)
