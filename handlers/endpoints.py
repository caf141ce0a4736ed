"""Endpoints: provisioning, finding and taking down the places where models answer."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine import TaskContext, TransactionalTask
from handlers.errors import EndpointNotFoundError, ModelNotServableError
from handlers.lineage_edges import came_of, record_lineage
from storage import SecurityContext, UnitOfWork
from storage.models import IN_PROCESS, EndpointState, ModelArtifact, ServingEndpoint
from storage.stores import EdgeKind


class DeployInput(BaseModel):
    """Which version to provision an endpoint for."""

    model_config = ConfigDict(protected_namespaces=())

    model_artifact_id: UUID


class DeployOutput(BaseModel):
    """The endpoint, not yet open to anybody."""

    endpoint_id: UUID


class EndpointInput(DeployInput):
    """An endpoint and the version behind it."""

    endpoint_id: UUID


class TearDownOutput(BaseModel):
    """The version is not in service."""

    promoted: bool = False


def deploy_endpoint(context: TaskContext, request: DeployInput) -> DeployOutput:
    """Provision an endpoint that answers nobody until its version is promoted.

    Raises:
        ModelNotServableError: It is a model from outside.
    """
    artifact = context.work.get_crud(ModelArtifact).read(request.model_artifact_id, context=context.principal)
    experiment_behind(artifact)
    endpoint = ServingEndpoint(
        tenant_id=artifact.tenant_id,
        data_classification=artifact.data_classification,
        acl=artifact.acl,
        name=artifact.name,
        model_id=artifact.model_id,
        model_artifact_id=artifact.id,
        uri=f"/v2/models/{artifact.name}",
    )
    context.work.get_crud(ServingEndpoint).create(endpoint, context=context.principal)
    record_lineage(context, endpoint, came_of(artifact, EdgeKind.SERVED_BY, endpoint))
    return DeployOutput(endpoint_id=endpoint.id)


def experiment_behind(artifact: ModelArtifact) -> UUID:
    """Return the experiment that trained and measured a version.

    Raises:
        ModelNotServableError: It is a model from outside: nobody here has measured it.
    """
    if artifact.target_runtime != IN_PROCESS or artifact.linked_experiment is None:
        runtime = artifact.target_runtime
        raise ModelNotServableError(model=artifact.name, version=artifact.version, target_runtime=runtime)
    return artifact.linked_experiment


def tear_down_endpoint(context: TaskContext, request: EndpointInput) -> TearDownOutput:
    """Close an endpoint that is not fit for service; whatever served before goes on serving."""
    endpoints = context.work.get_crud(ServingEndpoint)
    endpoint = endpoints.read(request.endpoint_id, context=context.principal)
    endpoints.update(endpoint, {"health_state": EndpointState.FAILED}, context=context.principal)
    return TearDownOutput()


def healthy_endpoint(
    work: UnitOfWork, criteria: dict[str, JsonValue | UUID], *, context: SecurityContext
) -> tuple[ServingEndpoint, ModelArtifact]:
    """Return the healthy endpoint that fits `criteria`, and its version.

    Raises:
        EndpointNotFoundError: There is none that the principal may use.
    """
    wanted = {**criteria, "health_state": EndpointState.HEALTHY.value}
    found = work.get_crud(ServingEndpoint).query(wanted, limit=1, context=context)
    if not found:
        asked_for = ", ".join(f"{name} {value}" for name, value in criteria.items())
        raise EndpointNotFoundError(asked_for=asked_for)
    artifact = work.get_crud(ModelArtifact).read(found[0].model_artifact_id, context=context)
    return found[0], artifact


SERVICE_TASKS = (
    TransactionalTask(
        "endpoints.deploy_endpoint",
        DeployInput,
        deploy_endpoint,
        DeployOutput,
        inverse="endpoints.tear_down_endpoint",
    ),
    TransactionalTask("endpoints.tear_down_endpoint", EndpointInput, tear_down_endpoint, TearDownOutput),
)
