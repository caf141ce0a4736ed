"""Pydantic models of everything the platform keeps."""

from storage.models.access_control import ACLEntry, GrantConditions
from storage.models.activation_map import ActivationId, ActivationModelState, NeuronId, SOMNeuron
from storage.models.datasets import Dataset, DatasetId, DatasetVersion, DatasetVersionId
from storage.models.enums import (
    BreachState,
    ComplianceStatus,
    ComputeProfile,
    DataClassification,
    EndpointState,
    ExperimentStatus,
    Framework,
    ModelStatus,
    Mutation,
    NeuronStatus,
    Permission,
    PrincipalType,
    RecommendedAction,
    RiskSeverity,
    RoleType,
    RunStage,
    StorageType,
    ValidationStatus,
)
from storage.models.experiments import Experiment, ExperimentId, TrainingRun
from storage.models.monitoring import DriftReport, DriftReportId, MetricSnapshot
from storage.models.observations import ObservationId, ObservedPrincipal, ProcessObservation
from storage.models.registry import EndpointId, ModelArtifact, ModelArtifactId, ModelId, ServingEndpoint
from storage.models.storage_model import STORED, JsonObject, RecordId, StorageConfig, StorageModel, UtcDatetime
from storage.models.transitions import TRANSITIONS, may_follow

MODELS: tuple[type[StorageModel], ...] = (
    Dataset,
    DatasetVersion,
    Experiment,
    TrainingRun,
    ModelArtifact,
    ServingEndpoint,
    MetricSnapshot,
    DriftReport,
    ProcessObservation,
    SOMNeuron,
    ActivationModelState,
)
"""All of them."""

__all__ = [
    "MODELS",
    "STORED",
    "TRANSITIONS",
    "ACLEntry",
    "ActivationId",
    "ActivationModelState",
    "BreachState",
    "ComplianceStatus",
    "ComputeProfile",
    "DataClassification",
    "Dataset",
    "DatasetId",
    "DatasetVersion",
    "DatasetVersionId",
    "DriftReport",
    "DriftReportId",
    "EndpointId",
    "EndpointState",
    "Experiment",
    "ExperimentId",
    "ExperimentStatus",
    "Framework",
    "GrantConditions",
    "JsonObject",
    "MetricSnapshot",
    "ModelArtifact",
    "ModelArtifactId",
    "ModelId",
    "ModelStatus",
    "Mutation",
    "NeuronId",
    "NeuronStatus",
    "ObservationId",
    "ObservedPrincipal",
    "Permission",
    "PrincipalType",
    "ProcessObservation",
    "RecommendedAction",
    "RecordId",
    "RiskSeverity",
    "RoleType",
    "RunStage",
    "SOMNeuron",
    "ServingEndpoint",
    "StorageConfig",
    "StorageModel",
    "StorageType",
    "TrainingRun",
    "UtcDatetime",
    "ValidationStatus",
    "may_follow",
]
