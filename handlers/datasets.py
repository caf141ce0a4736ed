"""Datasets: registering versions, and finding them."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from engine import InstanceStatus, Request, fulfil_once
from handlers.dataset_content import StoredContent, store_content
from handlers.dataset_sources import source_copy
from handlers.dataset_updates import announce_version
from handlers.errors import ClassificationConflictError, rejection
from handlers.lineage_edges import LineageScope, came_of, record_lineage
from handlers.remote_sources import without_secrets
from handlers.services import Services
from handlers.validation_rules import ValidationRule, as_documents
from storage import AuditEntry, Resource, SecurityContext, UnitOfWork
from storage.datasets.ingestion import file_digest
from storage.errors import RecordNotFoundError, RecordNotGrantedError
from storage.grants import inherited
from storage.models import (
    DataClassification,
    Dataset,
    DatasetVersion,
    JsonObject,
    Permission,
    ValidationStatus,
)
from storage.stores import EdgeKind

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$")]
MESSAGE = "dataset-version-registered"
_ALL_VERSIONS = 10_000


class DatasetPayload(BaseModel):
    """A dataset version to register.

    Attributes:
        source_uri: `file:///...` below one of the server's import folders, or `https://...` on one of the web servers
            that it may ask; CSV, JSON Lines, Parquet, Arrow, NumPy arrays, or a zip or tar file of images.
        target: The column to predict.
        row_order_matters: Whether the same rows in another order are another version.
        rules: What must be true of the rows, besides what training needs; see docs/reference/dataset-rules.md.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    source_uri: Annotated[str, Field(min_length=1, max_length=4_096)]
    target: Annotated[str, Field(min_length=1, max_length=500)]
    description: Annotated[str, Field(max_length=10_000)] = ""
    tags: Annotated[tuple[str, ...], Field(max_length=50)] = ()
    data_classification: DataClassification = DataClassification.INTERNAL
    row_order_matters: bool = True
    rules: Annotated[tuple[ValidationRule, ...], Field(max_length=100)] = ()


class Registration(BaseModel):
    """A registered version and the process instance that validates it, or did so when it was registered first.

    Attributes:
        replayed: Whether it was there before.
    """

    model_config = ConfigDict(frozen=True)

    dataset: Dataset
    version: DatasetVersion
    process_instance_id: UUID
    replayed: bool
    audit_ref: UUID


class _Registered(BaseModel):
    """What is kept under an idempotency key.

    Attributes:
        replayed: Not kept, for what is read back was there before.
    """

    model_config = ConfigDict(frozen=True)

    dataset_id: UUID
    dataset_version_id: UUID
    replayed: bool = Field(default=True, exclude=True)


class _NotYetRegisteredError(Exception):
    """Neither the request was made before nor the file registered; ends the transaction that looked."""


def register_dataset(
    services: Services, payload: DatasetPayload, idempotency_key: str | None = None, *, context: SecurityContext
) -> Registration:
    """Store a file as the next version of a dataset, start its validation, and tell who waits for news of it.

    The same content under the same name, target and rules is the same version: it is returned, and nothing happens.
    With a key, so is whatever was registered under it, as it stands now.

    Raises:
        AccessDeniedError: No WRITE permission.
        SourceNotAllowedError, SourceAddressRefusedError, SourceUnreachableError, FileUnreadableError,
            FileTooLargeError, FileNotTabularError, DatasetContentError, TargetColumnMissingError,
            ClassificationConflictError: Nothing was registered.
        IdempotencyConflictError: The key was used for another file, or for something else.
        DatasetRejectedError: What was registered under the key has been rejected meanwhile, and is gone.
    """
    resource = Resource(kind=f"dataset {payload.name}", tenant_id=context.tenant_id)
    services.storage.require(Permission.WRITE, resource, context=context)
    with source_copy(payload.source_uri, services.limits) as path:
        source_sha256 = file_digest(path)
        request = _request(payload, source_sha256, idempotency_key, context)
        known = _registered_before(services, request, payload, source_sha256)
        if known is not None:
            return known
        objects = services.storage.objects.for_classification(payload.data_classification)
        stored = store_content(objects, path, payload.target, as_bag=not payload.row_order_matters)
    with services.storage.transaction(context.tenant_id) as work:
        act = partial(_register, services, work, payload, stored, context=context)
        return _registration(services, work, fulfil_once(work, request, _Registered, act), context)


def _request(
    payload: DatasetPayload, source_sha256: str, idempotency_key: str | None, context: SecurityContext
) -> Request:
    arguments: JsonObject = {
        **payload.model_dump(mode="json", exclude={"source_uri"}),
        "sha256": source_sha256,
        "registered_by": context.user_id,
    }
    return Request("dataset.registered", payload.name, arguments, context, idempotency_key)


def _registered_before(
    services: Services, request: Request, payload: DatasetPayload, source_sha256: str
) -> Registration | None:
    """Return what came of the same request or of the very same file, before anything is stored for this one."""
    context = request.context
    try:
        with services.storage.transaction(context.tenant_id) as work:
            act = partial(_registered_from, services, work, payload, source_sha256, context)
            return _registration(services, work, fulfil_once(work, request, _Registered, act), context)
    except _NotYetRegisteredError:
        return None


def _registered_from(
    services: Services, work: UnitOfWork, payload: DatasetPayload, source_sha256: str, context: SecurityContext
) -> _Registered:
    """Return the version that was registered from the very same file, which then need not be read again."""
    lock_dataset(work, payload.name, context)
    dataset = _dataset_of_that_name(work, payload, context)
    if dataset is None:
        raise _NotYetRegisteredError
    criteria: JsonObject = {"dataset_id": str(dataset.id)}
    versions = work.get_crud(DatasetVersion).query(criteria, limit=_ALL_VERSIONS, context=context)
    usable = (version for version in versions if _is_usable(version, payload))
    known = next((version for version in usable if _source_ref(source_sha256) in version.lineage_refs), None)
    if known is None:
        raise _NotYetRegisteredError
    return _registered_again(services, work, payload, known, context)


def _registered_again(
    services: Services, work: UnitOfWork, payload: DatasetPayload, known: DatasetVersion, context: SecurityContext
) -> _Registered:
    _require_same_classification(known, payload)
    _ensure_validation(services, work, known, context)
    return _Registered(dataset_id=known.dataset_id, dataset_version_id=known.id)


def _source_ref(sha256: str) -> str:
    return f"sha256:{sha256}"


def _register(
    services: Services,
    work: UnitOfWork,
    payload: DatasetPayload,
    stored: StoredContent,
    *,
    context: SecurityContext,
) -> _Registered:
    content = stored.manifest.content
    lock_dataset(work, payload.name, context)
    dataset = _dataset(work, payload, context)
    versions = work.get_crud(DatasetVersion).query({"dataset_id": dataset.id}, limit=_ALL_VERSIONS, context=context)
    known = _same_content(versions, content.identity, payload)
    if known is not None:
        return _registered_again(services, work, payload, known, context)
    version = DatasetVersion(
        tenant_id=context.tenant_id,
        data_classification=payload.data_classification,
        acl=inherited(payload.data_classification, [dataset]),
        dataset_id=dataset.id,
        version=work.get_crud(DatasetVersion).highest("version", {"dataset_id": dataset.id}, context=context) + 1,
        target=payload.target,
        storage_location=stored.uri,
        file_format=content.file_format,
        size_bytes=stored.manifest.size_bytes,
        checksum=content.identity,
        rules=as_documents(payload.rules),
        lineage_refs=(without_secrets(payload.source_uri), _source_ref(content.source_sha256)),
    )
    version = work.get_crud(DatasetVersion).create(version, context=context)
    instance_id = _start_validation(services, work, version, context)
    scope = LineageScope(work=work, principal=context, process_instance_id=instance_id)
    record_lineage(scope, version, came_of(dataset, EdgeKind.HAS_VERSION, version))
    announce_version(services.events, work, version, versions, context=context)
    return _Registered(dataset_id=dataset.id, dataset_version_id=version.id, replayed=False)


def _registration(services: Services, work: UnitOfWork, found: _Registered, context: SecurityContext) -> Registration:
    """Return what was registered as it stands now.

    Raises:
        DatasetRejectedError: It was rejected, and is gone.
        RecordNotFoundError: It is gone otherwise, or no longer granted to the principal.
    """
    instance_id = services.engine.instances_of(work, str(found.dataset_version_id), context=context)[-1]
    try:
        version = work.get_crud(DatasetVersion).read(found.dataset_version_id, context=context)
        dataset = work.get_crud(Dataset).read(found.dataset_id, context=context)
    except RecordNotFoundError:
        with suppress(RecordNotGrantedError):
            require_not_rejected(services, work, instance_id, context=context)
        raise
    details: JsonObject = {"checksum": version.checksum, "version": version.version}
    action = "dataset.registered_again" if found.replayed else "dataset.registered"
    entry = AuditEntry(action=action, subject=f"DatasetVersion/{version.id}", details=details)
    return Registration(
        dataset=dataset,
        version=version,
        process_instance_id=instance_id,
        replayed=found.replayed,
        audit_ref=work.audit.record(entry, context=context),
    )


def require_not_rejected(
    services: Services, work: UnitOfWork, process_instance_id: UUID, *, context: SecurityContext
) -> None:
    """Return if a validation came to no verdict against its version.

    Raises:
        DatasetRejectedError: It did; the findings are in it.
        RecordNotGrantedError: The principal may not know of the version.
    """
    variables = services.engine.variables(work, process_instance_id, context=context)
    findings = variables.get("findings")
    if variables.get("validation_passed") is not True and isinstance(findings, list):
        raise rejection(tuple(finding for finding in findings if isinstance(finding, dict)))


def _start_validation(
    services: Services, work: UnitOfWork, version: DatasetVersion, context: SecurityContext, attempt: int = 1
) -> UUID:
    variables: JsonObject = {"dataset_version_id": str(version.id)}
    message_id = f"{version.id}:{attempt}"
    published = services.engine.publish_message(
        work, MESSAGE, str(version.id), variables, context=context, message_id=message_id
    )
    return published.started[0]


def _ensure_validation(services: Services, work: UnitOfWork, version: DatasetVersion, context: SecurityContext) -> None:
    """Start the validation of a version once more where the last one stopped at an incident."""
    instances = services.engine.instances_of(work, str(version.id), context=context)
    last = services.engine.describe(work, instances[-1], context=context)
    if version.validation_status is ValidationStatus.PENDING and last.status is InstanceStatus.INCIDENT:
        _start_validation(services, work, version, context, attempt=len(instances) + 1)


def _require_same_classification(version: DatasetVersion, payload: DatasetPayload) -> None:
    if version.data_classification is not payload.data_classification:
        raise ClassificationConflictError(
            dataset=payload.name,
            version=version.version,
            registered=version.data_classification.value,
            asked_for=payload.data_classification.value,
        )


def lock_dataset(work: UnitOfWork, name: str, context: SecurityContext) -> None:
    """Hold off, until the transaction ends, who registers, validates or withdraws versions of that dataset."""
    work.lock(f"dataset:{context.tenant_id}:{name}")


def _dataset(work: UnitOfWork, payload: DatasetPayload, context: SecurityContext) -> Dataset:
    found = _dataset_of_that_name(work, payload, context)
    if found is not None:
        return found
    dataset = Dataset(
        tenant_id=context.tenant_id,
        data_classification=payload.data_classification,
        name=payload.name,
        description=payload.description,
        source_uri=without_secrets(payload.source_uri),
        tags=payload.tags,
    )
    return work.get_crud(Dataset).create(dataset, context=context)


def _dataset_of_that_name(work: UnitOfWork, payload: DatasetPayload, context: SecurityContext) -> Dataset | None:
    """Return the dataset; of several, since who may not know of one makes another, that of the classification."""
    found = work.get_crud(Dataset).query({"name": payload.name}, context=context)
    alike = (dataset for dataset in found if dataset.data_classification is payload.data_classification)
    return next(alike, found[0] if found else None)


def _same_content(versions: list[DatasetVersion], digest: str, payload: DatasetPayload) -> DatasetVersion | None:
    usable = (version for version in versions if _is_usable(version, payload))
    return next((version for version in usable if version.checksum == digest), None)


def _is_usable(version: DatasetVersion, payload: DatasetPayload) -> bool:
    is_as_asked = (version.target, version.rules) == (payload.target, as_documents(payload.rules))
    return is_as_asked and version.validation_status is not ValidationStatus.REJECTED


def find_version(
    services: Services, dataset_id: UUID, version: int | None, *, context: SecurityContext
) -> tuple[Dataset, DatasetVersion]:
    """Return a dataset and one of its versions, the newest where none is named.

    Raises:
        RecordNotFoundError: There is no such dataset or version.
    """
    with services.storage.transaction(context.tenant_id) as work:
        dataset = work.get_crud(Dataset).read(dataset_id, context=context)
        criteria: dict[str, JsonValue | UUID] = {"dataset_id": dataset_id}
        if version is not None:
            criteria["version"] = version
        versions = work.get_crud(DatasetVersion).query(criteria, limit=_ALL_VERSIONS, context=context)
        if not versions:
            raise RecordNotFoundError(model="DatasetVersion", record_id=f"{dataset.name}@{version or 'newest'}")
        # Ids come from the clocks of several machines; only the number tells which version is the newest.
        return dataset, max(versions, key=lambda found: found.version)
