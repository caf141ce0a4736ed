"""Inference: asking the model behind a healthy endpoint."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from handlers.endpoints import healthy_endpoint
from handlers.lineage_edges import record_prediction
from handlers.services import Services
from storage import AuditEntry, SecurityContext
from storage.access import require, resource_of
from storage.errors import MetricMonthMissingError
from storage.models import ModelArtifact, Permission, ServingEndpoint
from storage.stores import MetricPoint, TimeseriesStore

logger = logging.getLogger(__name__)

LATENCY = "latency_milliseconds"
"""The metric of an endpoint: how long the model took for an answer, one point each."""


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
    answered = Answered(endpoint, artifact.version, len(predictions), latency_milliseconds)
    audit_ref = record_answer(services, answered, context=context)
    return InferenceAnswer(
        endpoint_id=endpoint.id,
        model_id=artifact.model_id,
        model_version=artifact.version,
        predictions=tuple(prediction.label for prediction in predictions),
        probabilities=tuple(prediction.probabilities for prediction in predictions),
        latency_milliseconds=latency_milliseconds,
        audit_ref=audit_ref,
    )


@dataclass(frozen=True)
class Answered:
    """What is recorded of an answer, whatever the door."""

    endpoint: ServingEndpoint
    model_version: int
    row_count: int
    latency_milliseconds: float


def record_answer(services: Services, answered: Answered, *, context: SecurityContext) -> UUID:
    """Record who asked which version for how many rows, in lineage too, and how long it took; return the `audit_ref`.

    The time it took is left out where no month takes points: that is no reason not to answer.
    """
    try:
        return _record(services, answered, with_latency=True, context=context)
    except MetricMonthMissingError as error:
        logger.warning("latency not recorded", extra={"code": error.code, "reason": str(error)})
        return _record(services, answered, with_latency=False, context=context)


def _record(services: Services, answered: Answered, *, with_latency: bool, context: SecurityContext) -> UUID:
    endpoint = answered.endpoint
    details: dict[str, JsonValue] = {"model_version": answered.model_version, "rows": answered.row_count}
    entry = AuditEntry(action="inference.run", subject=f"ServingEndpoint/{endpoint.id}", details=details)
    with services.storage.transaction(context.tenant_id) as work:
        audit_ref = work.audit.record(entry, context=context)
        record_prediction(work, endpoint, audit_ref, details, context=context)
        if with_latency:
            latency = MetricPoint(
                entity_id=endpoint.id,
                metric_name=LATENCY,
                at=work.now,
                value=answered.latency_milliseconds,
                source="inference",
            )
            TimeseriesStore(work.connection, context.tenant_id).record(latency)
    return audit_ref


def find_deployed(
    services: Services, criteria: dict[str, JsonValue | UUID], *, context: SecurityContext
) -> tuple[ServingEndpoint, ModelArtifact]:
    """Return the healthy endpoint that fits, and its version, if the principal may execute it.

    Raises:
        AccessDeniedError: No EXECUTE permission.
        EndpointNotFoundError: There is none.
    """
    with services.storage.transaction(context.tenant_id) as work:
        endpoint, artifact = healthy_endpoint(work, criteria, context=context)
        require(context, Permission.EXECUTE, resource_of(endpoint), now=work.clock())
    return endpoint, artifact
