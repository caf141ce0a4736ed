"""Demoting a model: a promotion undone, so that its predecessor answers again exactly as it did before."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict

from engine import TaskContext, TransactionalTask
from handlers.model_versions import model_lock
from handlers.models import Replaced
from storage.models import EndpointState, ModelArtifact, ModelStatus, ServingEndpoint
from storage.stores import AliasName, AliasStore, Cause


class DemoteInput(BaseModel):
    """Which version leaves service, and what its promotion replaced."""

    model_config = ConfigDict(protected_namespaces=())

    endpoint_id: UUID
    model_artifact_id: UUID
    replaced: Replaced


class DemoteOutput(BaseModel):
    """The version is not in service."""

    promoted: bool = False


def demote_model(context: TaskContext, request: DemoteInput) -> DemoteOutput:
    """Take a version out of service and put back what its promotion replaced, in one transaction.

    Nothing happens where the version is no longer in service: it was demoted before, or a later promotion has replaced
    it and stays as it is.
    """
    work, principal, replaced = context.work, context.principal, request.replaced
    artifacts, endpoints = work.get_crud(ModelArtifact), work.get_crud(ServingEndpoint)
    work.lock(model_lock(artifacts.read(request.model_artifact_id, context=principal).name, principal))
    artifact = artifacts.read(request.model_artifact_id, context=principal)
    endpoint = endpoints.read(request.endpoint_id, context=principal)
    if artifact.status is not ModelStatus.PRODUCTION or endpoint.health_state is not EndpointState.HEALTHY:
        return DemoteOutput()
    closed = {"health_state": replaced.health_state, "last_validation": replaced.last_validation}
    endpoints.update(endpoint, closed, context=principal)
    artifacts.update(artifact, {"status": replaced.status, "approved_by": replaced.approved_by}, context=principal)
    in_service_again = _put_back(context, replaced)
    cause = Cause(
        set_by=principal.user_id, reason="the promotion was undone", process_instance_id=context.process_instance_id
    )
    AliasStore(work.connection, principal.tenant_id).assign(AliasName(artifact.name), in_service_again, cause)
    for endpoint_id in replaced.retired_endpoint_ids:
        old = endpoints.read(endpoint_id, context=principal)
        if old.health_state is EndpointState.RETIRED:
            endpoints.update(old, {"health_state": EndpointState.HEALTHY}, context=principal)
    return DemoteOutput()


def _put_back(context: TaskContext, replaced: Replaced) -> UUID | None:
    """Put the replaced version into service again; return it, or `None` where there was none."""
    artifacts = context.work.get_crud(ModelArtifact)
    for artifact_id in replaced.archived_artifact_ids:
        predecessor = artifacts.read(artifact_id, context=context.principal)
        if predecessor.status is ModelStatus.ARCHIVED:
            artifacts.update(predecessor, {"status": ModelStatus.PRODUCTION}, context=context.principal)
            return predecessor.id
    return None


SERVICE_TASKS = (TransactionalTask("models.demote_model", DemoteInput, demote_model, DemoteOutput),)
