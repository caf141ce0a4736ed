"""The model registry: versions of models, and the endpoints where they answer."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, NewType
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from storage.models.enums import (
    ComplianceStatus,
    EndpointState,
    Framework,
    ModelFormat,
    ModelStatus,
    StorageType,
)
from storage.models.storage_model import JsonObject, StorageConfig, StorageModel, stored_in

ModelId = NewType("ModelId", UUID)
ModelArtifactId = NewType("ModelArtifactId", UUID)
EndpointId = NewType("EndpointId", UUID)


IN_PROCESS = "in-process"
"""The runtime of models that the platform answers with itself."""


class ModelOrigin(BaseModel):
    """Where a model came from that was not trained here.

    Attributes:
        source_uri: Without what may be a secret.
        sha256: Of the file.
        dataset_version_id: The data that it was trained on, as whoever registered it says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source_uri: str
    sha256: str
    size_bytes: int
    file_format: ModelFormat
    dataset_version_id: UUID | None = None


class ModelArtifact(StorageModel):
    """One registered version of a model.

    Attributes:
        model_id: The model's line; versions of one model share it.
        artifact_uri: In the object store: the package's manifest, or the file of a model from outside.
        target_runtime: `in-process`, or `external` for what the platform keeps and does not answer with.
        linked_experiment: That made it; of a model from outside, the one that it belongs to, if any.
        origin: Of a model from outside; null where it was trained here.
        compliance_docs: URIs of its model card, assessments and evidence.
    """

    model_id: UUID
    name: str
    version: int
    framework: Framework = Framework.PYTORCH
    artifact_uri: str
    signature: JsonObject
    target_runtime: str = IN_PROCESS
    status: ModelStatus = ModelStatus.REGISTERED
    metrics: JsonObject
    linked_experiment: UUID | None = None
    origin: ModelOrigin | None = None
    compliance_docs: tuple[str, ...] = ()
    compliance_status: ComplianceStatus = ComplianceStatus.PENDING
    approved_by: str | None = None
    review_comment: str | None = None

    class Meta:
        """The record, what it came of and what came of it, and its weights."""

        storage_configs: ClassVar[tuple[StorageConfig, ...]] = stored_in(
            StorageType.DOCUMENT, StorageType.GRAPH, StorageType.FILE
        )
        indexed: ClassVar[Mapping[str, str]] = MappingProxyType(
            {"name": "name", "version": "version", "model_id": "parent_id", "status": "status"}
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

    class Meta:
        """The record and what it serves."""

        storage_configs: ClassVar[tuple[StorageConfig, ...]] = stored_in(StorageType.DOCUMENT, StorageType.GRAPH)
        indexed: ClassVar[Mapping[str, str]] = MappingProxyType(
            {"name": "name", "model_id": "parent_id", "health_state": "status"}
        )
