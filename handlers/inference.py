"""Inference: asking the model behind a healthy endpoint."""

from __future__ import annotations

import time
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from handlers.endpoints import healthy_endpoint
from handlers.lineage_edges import record_prediction
from handlers.services import Services
from storage import AuditEntry, SecurityContext
from storage.access import Resource, require
from storage.models import ModelArtifact, Permission, ServingEndpoint


class InferencePayload(BaseModel):
    """Rows to predict, by endpoint or by model.

    Attributes:
        instances: Column to value, one object a row.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    endpoint_id: UUID | None = None
    model_id: UUID | None = None
    instances: Annotated[tuple[dict[str, JsonValue], ...], Field(min_length=1, max_length=10_000)]

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.endpoint_id is None) == (self.model_id is None):
            raise ValueError("give either endpoint_id or model_id")
        return self


class InferenceAnswer(BaseModel):
    """Predictions in the order of the rows, and which version gave them."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    endpoint_id: UUID
    model_id: UUID
    model_version: int
    predictions: tuple[Any, ...]
    probabilities: tuple[dict[str, float], ...]
    latency_milliseconds: float
    audit_ref: UUID


def run_inference(services: Services, payload: InferencePayload, *, context: SecurityContext) -> InferenceAnswer:
    """Answer from the model in memory, and record who asked which version for how many rows.

    Raises:
        AccessDeniedError: No EXECUTE permission.
        EndpointNotFoundError: No healthy endpoint fits.
        InputSchemaMismatchError: A row does not fit the model's signature.
    """
    criteria: dict[str, JsonValue | UUID] = (
        {"model_id": payload.model_id} if payload.endpoint_id is None else {"id": payload.endpoint_id}
    )
    endpoint, artifact = find_deployed(services, criteria, context=context)
    model = services.models.get(artifact.artifact_uri)
    started = time.perf_counter()
    predictions = model.predict(payload.instances)
    latency_milliseconds = (time.perf_counter() - started) * 1_000
    details: dict[str, JsonValue] = {"model_version": artifact.version, "rows": len(predictions)}
    entry = AuditEntry(action="inference.run", subject=f"ServingEndpoint/{endpoint.id}", details=details)
    with services.storage.transaction() as work:
        audit_ref = work.audit.record(entry, context=context)
        record_prediction(work, endpoint, audit_ref, details, context=context)
    return InferenceAnswer(
        endpoint_id=endpoint.id,
        model_id=artifact.model_id,
        model_version=artifact.version,
        predictions=tuple(prediction.label for prediction in predictions),
        probabilities=tuple(prediction.probabilities for prediction in predictions),
        latency_milliseconds=latency_milliseconds,
        audit_ref=audit_ref,
    )


def find_deployed(
    services: Services, criteria: dict[str, JsonValue | UUID], *, context: SecurityContext
) -> tuple[ServingEndpoint, ModelArtifact]:
    """Return the healthy endpoint that fits, and its version, if the principal may execute it.

    Raises:
        AccessDeniedError: No EXECUTE permission.
        EndpointNotFoundError: There is none.
    """
    with services.storage.transaction() as work:
        endpoint, artifact = healthy_endpoint(work, criteria, context=context)
    resource = Resource(
        kind="ServingEndpoint",
        tenant_id=endpoint.tenant_id,
        data_classification=endpoint.data_classification,
        resource_id=str(endpoint.id),
    )
    require(context, Permission.EXECUTE, resource)
    return endpoint, artifact
