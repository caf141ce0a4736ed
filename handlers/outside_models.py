"""Models from outside: a trained model's file, looked through and registered as a version that nobody trained here.

It is kept, told of and downloaded like any other version. The platform does not answer with it: what it was measured
on, and whether it says what its reviewer was shown, nobody here can repeat (docs/decisions/0025).
"""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from engine import Request, fulfil_once
from handlers.dataset_sources import source_copy
from handlers.errors import ModelClassificationError, ModelRegisteredOtherwiseError
from handlers.lineage_edges import came_of, record_statements
from handlers.model_versions import next_version_of, require_line, versions_of
from handlers.outside_model_facts import Check, ModelPayload, checks_of
from handlers.remote_sources import without_secrets
from handlers.services import Services
from storage import AuditEntry, Resource, SecurityContext, StoredObject, UnitOfWork
from storage.datasets.ingestion import file_digest
from storage.grants import inherited
from storage.json_documents import require_storable
from storage.model_files import look_through
from storage.models import (
    DataClassification,
    DatasetVersion,
    Experiment,
    JsonObject,
    ModelArtifact,
    ModelOrigin,
    Permission,
    StorageModel,
)
from storage.stores import EdgeKind

EXTERNAL = "external"
_ORDER = tuple(DataClassification)
_STATED = ("framework", "signature", "linked_experiment", "data_classification")


class ModelRegistration(BaseModel):
    """A registered version; `replayed` where it was there before."""

    model_config = ConfigDict(frozen=True)

    artifact: ModelArtifact
    checklist: tuple[Check, ...]
    replayed: bool
    audit_ref: UUID


class _Registered(BaseModel):
    """What is kept under an idempotency key.

    Attributes:
        replayed: Not kept, for what is read back was there before.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model_artifact_id: UUID
    replayed: bool = Field(default=True, exclude=True)


class _NotYetRegisteredError(Exception):
    """The request was not made before; ends the transaction that looked."""


class _Outside(BaseModel):
    """A file that was looked through, and what is said of it."""

    model_config = ConfigDict(frozen=True)

    payload: ModelPayload
    data_classification: DataClassification
    origin: ModelOrigin
    idempotency_key: str | None


def register_outside_model(
    services: Services, payload: ModelPayload, idempotency_key: str | None, *, context: SecurityContext
) -> ModelRegistration:
    """Look through a model's file and store it as the next version of a model, with where it came from.

    The same file under the same name, said to be the same, is the same version: it is returned, and nothing happens.

    Raises:
        AccessDeniedError: No WRITE permission.
        RecordNotFoundError: There is no such experiment or dataset version, or none that the caller may read.
        SourceNotAllowedError, SourceAddressRefusedError, SourceUnreachableError, FileUnreadableError,
            FileTooLargeError: There is no such file, or none that may be read.
        PickleRefusedError, ModelFileRefusedError: It is none that may come in.
        ModelClassificationError: It would be less protected than the data that it knows.
        ModelRegisteredOtherwiseError: It is registered already, and something else is said of it.
        ModelNameTakenError: There is a version of that name that the caller may not know of.
        ModelLineMixedError: It is RESTRICTED and other versions of that name are not, or the other way round.
        IdempotencyConflictError: The key was used for another file, or for something else.
        RecordTextError: The signature has a text that the database cannot hold.
    """
    resource = Resource(kind=f"model {payload.name}", tenant_id=context.tenant_id)
    services.storage.require(Permission.WRITE, resource, context=context)
    require_storable(payload.model_dump(mode="json"), model="ModelArtifact")
    with services.storage.transaction(context.tenant_id) as work:
        classification = _classification(payload, _linked(work, payload, context))
    with source_copy(payload.artifact_uri, services.limits) as path:
        outside = _Outside(
            payload=payload,
            data_classification=classification,
            origin=_origin(payload, path),
            idempotency_key=idempotency_key,
        )
        known = _registered_before(services, outside, context)
        if known is not None:
            return known
        stored = services.storage.objects.for_classification(classification).put_file(path)
    with services.storage.transaction(context.tenant_id) as work:
        request = _request(outside, context)
        found = fulfil_once(work, request, _Registered, lambda: _register(work, outside, stored, context))
        return _registration(work, found, context)


def _origin(payload: ModelPayload, path: Path) -> ModelOrigin:
    return ModelOrigin(
        source_uri=without_secrets(payload.artifact_uri),
        file_format=look_through(path),
        sha256=file_digest(path),
        size_bytes=path.stat().st_size,
        dataset_version_id=payload.dataset_version_id,
    )


def _linked(work: UnitOfWork, payload: ModelPayload, context: SecurityContext) -> list[StorageModel]:
    """Return the records that a model is said to come of, the experiment first."""
    linked: list[StorageModel] = []
    if payload.experiment_id is not None:
        linked.append(work.get_crud(Experiment).read(payload.experiment_id, context=context))
    if payload.dataset_version_id is not None:
        linked.append(work.get_crud(DatasetVersion).read(payload.dataset_version_id, context=context))
    return linked


def _classification(payload: ModelPayload, linked: list[StorageModel]) -> DataClassification:
    least = max((record.data_classification for record in linked), key=_ORDER.index, default=DataClassification.PUBLIC)
    if payload.data_classification is None:
        return max(least, DataClassification.INTERNAL, key=_ORDER.index)
    if _ORDER.index(payload.data_classification) < _ORDER.index(least):
        asked_for = payload.data_classification.value
        raise ModelClassificationError(model=payload.name, asked_for=asked_for, least=least.value)
    return payload.data_classification


def _registered_before(services: Services, outside: _Outside, context: SecurityContext) -> ModelRegistration | None:
    """Return the version of an earlier request, before anything is stored for this one."""
    try:
        with services.storage.transaction(context.tenant_id) as work:
            request = _request(outside, context)
            found = fulfil_once(work, request, _Registered, lambda: _same_content(work, outside, context))
            return _registration(work, found, context)
    except _NotYetRegisteredError:
        return None


def _request(outside: _Outside, context: SecurityContext) -> Request:
    arguments: JsonObject = {
        **outside.payload.model_dump(mode="json", exclude={"artifact_uri"}),
        "sha256": outside.origin.sha256,
        "registered_by": context.user_id,
    }
    return Request("model.registered", outside.payload.name, arguments, context, outside.idempotency_key)


def _same_content(work: UnitOfWork, outside: _Outside, context: SecurityContext) -> _Registered:
    known = _version_with(work, outside, context)
    if known is None:
        require_line(work, outside.payload.name, outside.data_classification, context)
        raise _NotYetRegisteredError
    return _Registered(model_artifact_id=known.id)


def _version_with(work: UnitOfWork, outside: _Outside, context: SecurityContext) -> ModelArtifact | None:
    """Return the version that was registered from the same file.

    Raises:
        ModelRegisteredOtherwiseError: Something else was said of it.
    """
    versions = versions_of(work, outside.payload.name, context)
    same = (known for known in versions if known.origin is not None and known.origin.sha256 == outside.origin.sha256)
    known = next(same, None)
    if known is None:
        return None
    asked = _record(outside, known, artifact_uri=known.artifact_uri)
    differing = [name for name in _STATED if getattr(asked, name) != getattr(known, name)]
    if asked.origin is not None and known.origin is not None:
        is_of_same_data = asked.origin.dataset_version_id == known.origin.dataset_version_id
        differing += [] if is_of_same_data else ["dataset_version_id"]
    if differing:
        raise ModelRegisteredOtherwiseError(model=known.name, version=known.version, fields=tuple(differing))
    return known


def _register(work: UnitOfWork, outside: _Outside, stored: StoredObject, context: SecurityContext) -> _Registered:
    payload = outside.payload
    line = next_version_of(work, payload.name, outside.data_classification, context)
    known = _version_with(work, outside, context)
    if known is not None:
        return _Registered(model_artifact_id=known.id)
    linked = _linked(work, payload, context)
    blank = ModelArtifact(
        tenant_id=context.tenant_id,
        acl=inherited(outside.data_classification, linked),
        model_id=line.model_id,
        name=payload.name,
        version=line.version,
        artifact_uri=stored.uri,
        signature={},
        metrics={},
    )
    artifact = _record(outside, blank, artifact_uri=stored.uri)
    work.get_crud(ModelArtifact).create(artifact, context=context)
    record_statements(work, context, *(came_of(record, _EDGES[type(record)], artifact) for record in linked))
    return _Registered(model_artifact_id=artifact.id, replayed=False)


_EDGES: dict[type[StorageModel], EdgeKind] = {Experiment: EdgeKind.PRODUCED, DatasetVersion: EdgeKind.USED_BY}


def _record(outside: _Outside, base: ModelArtifact, *, artifact_uri: str) -> ModelArtifact:
    """Return the version with what is said of it now."""
    payload = outside.payload
    return base.model_copy(
        update={
            "artifact_uri": artifact_uri,
            "framework": payload.framework,
            "target_runtime": EXTERNAL,
            "signature": {} if payload.signature is None else payload.signature.model_dump(mode="json"),
            "linked_experiment": payload.experiment_id,
            "data_classification": outside.data_classification,
            "origin": outside.origin,
        }
    )


def _registration(work: UnitOfWork, found: _Registered, context: SecurityContext) -> ModelRegistration:
    artifact = work.get_crud(ModelArtifact).read(found.model_artifact_id, context=context)
    origin = artifact.origin
    sha256 = None if origin is None else origin.sha256
    entry = AuditEntry(
        action="model.registered_again" if found.replayed else "model.registered",
        subject=f"ModelArtifact/{artifact.id}",
        details={"version": artifact.version, "sha256": sha256},
    )
    audit_ref = work.audit.record(entry, context=context)
    checklist = checks_of(artifact)
    return ModelRegistration(artifact=artifact, checklist=checklist, replayed=found.replayed, audit_ref=audit_ref)
