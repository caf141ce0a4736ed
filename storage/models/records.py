"""The records of a model's life: datasets, experiments, model versions, endpoints."""

from __future__ import annotations

from typing import ClassVar, NewType
from uuid import UUID

from pydantic import Field, JsonValue

from storage.models.enums import (
    ComputeProfile,
    EndpointState,
    ExperimentStatus,
    ModelStatus,
    RunStage,
    StorageType,
    ValidationStatus,
)
from storage.models.storage_model import StorageConfig, StorageModel

DatasetId = NewType("DatasetId", UUID)
DatasetVersionId = NewType("DatasetVersionId", UUID)
ExperimentId = NewType("ExperimentId", UUID)
ModelId = NewType("ModelId", UUID)
ModelArtifactId = NewType("ModelArtifactId", UUID)
EndpointId = NewType("EndpointId", UUID)

JsonObject = dict[str, JsonValue]


class Dataset(StorageModel):
    """A named line of dataset versions."""

    name: str
    description: str = ""
    source_uri: str
    schema_hash: str | None = None
    validation_status: ValidationStatus = ValidationStatus.PENDING
    tags: tuple[str, ...] = ()


class DatasetVersion(StorageModel):
    """One immutable snapshot of a dataset.

    Attributes:
        storage_location: The manifest of its chunks in the object store.
        checksum: SHA-256 over the canonical rows, whatever file they came in.
        feature_stats: Per column: type, missing, distinct and, where numeric, moments; what came of the rules.
        rules: What was declared of its content when it was registered.
    """

    dataset_id: UUID
    version: int
    target: str
    storage_location: str
    file_format: str
    size_bytes: int
    checksum: str
    row_count: int | None = None
    feature_stats: JsonObject = Field(default_factory=dict)
    rules: tuple[JsonObject, ...] = ()
    validation_status: ValidationStatus = ValidationStatus.PENDING
    findings: tuple[JsonObject, ...] = ()
    lineage_refs: tuple[str, ...] = ()


class Experiment(StorageModel):
    """A training and evaluation request and what came of it."""

    task_name: str
    model_name: str
    dataset_version_id: UUID
    config: JsonObject
    compute_profile: ComputeProfile
    status: ExperimentStatus = ExperimentStatus.RUNNING
    owner: str
    process_instance_id: UUID | None = None
    metrics_summary: JsonObject = Field(default_factory=dict)
    failure: str | None = None


class TrainingRun(StorageModel):
    """One stage of an experiment as it was executed.

    Attributes:
        split: How the rows were split into those for training and those held back, with a digest of who is where.
    """

    experiment_id: UUID
    stage: RunStage
    duration_seconds: float
    artifacts: tuple[str, ...] = ()
    logs_uri: str | None = None
    exit_code: int
    split: JsonObject = Field(default_factory=dict)


class ModelArtifact(StorageModel):
    """One registered version of a model.

    Attributes:
        model_id: The model's line; versions of one model share it.
        artifact_uri: The package's manifest in the object store.
    """

    model_id: UUID
    name: str
    version: int
    framework: str = "pytorch"
    artifact_uri: str
    signature: JsonObject
    target_runtime: str = "in-process"
    status: ModelStatus = ModelStatus.REGISTERED
    metrics: JsonObject
    linked_experiment: UUID
    approved_by: str | None = None
    review_comment: str | None = None

    class Meta:
        """Metadata in the document store, weights in the object store."""

        storage_configs: ClassVar[tuple[StorageConfig, ...]] = (
            StorageConfig(storage_type=StorageType.DOCUMENT),
            StorageConfig(storage_type=StorageType.FILE),
        )


class ServingEndpoint(StorageModel):
    """A place where one model version answers."""

    name: str
    model_id: UUID
    model_artifact_id: UUID
    runtime: str = "in-process"
    uri: str
    scaling_policy: JsonObject = Field(default_factory=dict)
    health_state: EndpointState = EndpointState.STARTING
    last_validation: JsonObject = Field(default_factory=dict)
