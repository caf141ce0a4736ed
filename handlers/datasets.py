"""Datasets: registering versions, and the service tasks of the dataset-validation process."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from domain_sdk.errors import DomainSdkError
from engine import BpmnError, ExternalTask, InstanceStatus, JobContext, TaskContext, TransactionalTask
from handlers.dataset_content import StoredContent, profile_stored, store_content
from handlers.dataset_profile import DatasetProfile
from handlers.dataset_rules import RuleFinding, Severity, check_profile
from handlers.dataset_sources import source_copy
from handlers.dataset_updates import announce_version
from handlers.errors import ClassificationConflictError
from handlers.lineage_edges import LineageScope, came_of, record_lineage
from handlers.remote_sources import without_secrets
from handlers.services import Services
from handlers.validation_rules import ValidationRule, as_documents
from storage import AuditEntry, Resource, SecurityContext, UnitOfWork, require
from storage.datasets.errors import DatasetContentError
from storage.datasets.ingestion import file_digest
from storage.errors import (
    ObjectCorruptError,
    ObjectNotFoundError,
    RecordNotFoundError,
)
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
    """A registered version and the process instance that validates it, or did so when it was registered first."""

    model_config = ConfigDict(frozen=True)

    dataset: Dataset
    version: DatasetVersion
    process_instance_id: UUID
    audit_ref: UUID


def register_dataset(services: Services, payload: DatasetPayload, *, context: SecurityContext) -> Registration:
    """Store a file as the next version of a dataset, start its validation, and tell who waits for news of it.

    The same content under the same name, target and rules is the same version: it is returned, and nothing happens.

    Raises:
        AccessDeniedError: No WRITE permission.
        SourceNotAllowedError, SourceAddressRefusedError, SourceUnreachableError, FileUnreadableError,
            FileTooLargeError, FileNotTabularError, DatasetContentError, TargetColumnMissingError,
            ClassificationConflictError: Nothing was registered.
    """
    require(context, Permission.WRITE, Resource(kind=f"dataset {payload.name}", tenant_id=context.tenant_id))
    with source_copy(payload.source_uri, services.limits) as path:
        with services.storage.transaction(context.tenant_id) as work:
            known = _registered_from(services, work, payload, file_digest(path), context)
        if known is not None:
            return known
        objects = services.storage.objects.for_classification(payload.data_classification)
        stored = store_content(objects, path, payload.target, as_bag=not payload.row_order_matters)
    with services.storage.transaction(context.tenant_id) as work:
        return _register(services, work, payload, stored, context=context)


def _registered_from(
    services: Services, work: UnitOfWork, payload: DatasetPayload, source_sha256: str, context: SecurityContext
) -> Registration | None:
    """Return the version that was registered from the very same file, which then need not be read again."""
    _lock_dataset(work, payload.name, context)
    dataset = _dataset_of_that_name(work, payload, context)
    if dataset is None:
        return None
    criteria: JsonObject = {"dataset_id": str(dataset.id)}
    versions = work.get_crud(DatasetVersion).query(criteria, limit=_ALL_VERSIONS, context=context)
    usable = (version for version in versions if _is_usable(version, payload))
    known = next((version for version in usable if _source_ref(source_sha256) in version.lineage_refs), None)
    return None if known is None else _registered_again(services, work, payload, dataset, known, context=context)


def _registered_again(
    services: Services,
    work: UnitOfWork,
    payload: DatasetPayload,
    dataset: Dataset,
    known: DatasetVersion,
    *,
    context: SecurityContext,
) -> Registration:
    _require_same_classification(known, payload)
    instance_id = _validation_of(services, work, known, context)
    audit_ref = _audit(work, "dataset.registered_again", known, context)
    return Registration(dataset=dataset, version=known, process_instance_id=instance_id, audit_ref=audit_ref)


def _source_ref(sha256: str) -> str:
    return f"sha256:{sha256}"


def _register(
    services: Services,
    work: UnitOfWork,
    payload: DatasetPayload,
    stored: StoredContent,
    *,
    context: SecurityContext,
) -> Registration:
    content = stored.manifest.content
    _lock_dataset(work, payload.name, context)
    dataset = _dataset(work, payload, context)
    versions = work.get_crud(DatasetVersion).query({"dataset_id": dataset.id}, limit=_ALL_VERSIONS, context=context)
    known = _same_content(versions, content.identity, payload)
    if known is not None:
        return _registered_again(services, work, payload, dataset, known, context=context)
    version = DatasetVersion(
        tenant_id=context.tenant_id,
        data_classification=payload.data_classification,
        acl=dataset.acl,
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
    audit_ref = _audit(work, "dataset.registered", version, context)
    return Registration(dataset=dataset, version=version, process_instance_id=instance_id, audit_ref=audit_ref)


def _start_validation(
    services: Services, work: UnitOfWork, version: DatasetVersion, context: SecurityContext, attempt: int = 1
) -> UUID:
    variables: JsonObject = {"dataset_version_id": str(version.id)}
    message_id = f"{version.id}:{attempt}"
    published = services.engine.publish_message(
        work, MESSAGE, str(version.id), variables, context=context, message_id=message_id
    )
    return published.started[0]


def _validation_of(services: Services, work: UnitOfWork, version: DatasetVersion, context: SecurityContext) -> UUID:
    """Return the process instance that validates a version; where the last one stopped at an incident, a new one."""
    instances = services.engine.instances_of(work, str(version.id), context=context)
    last = services.engine.describe(work, instances[-1], context=context)
    if version.validation_status is ValidationStatus.PENDING and last.status is InstanceStatus.INCIDENT:
        return _start_validation(services, work, version, context, attempt=len(instances) + 1)
    return last.process_instance_id


def _require_same_classification(version: DatasetVersion, payload: DatasetPayload) -> None:
    if version.data_classification is not payload.data_classification:
        raise ClassificationConflictError(
            dataset=payload.name,
            version=version.version,
            registered=version.data_classification.value,
            asked_for=payload.data_classification.value,
        )


def _lock_dataset(work: UnitOfWork, name: str, context: SecurityContext) -> None:
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


def _audit(work: UnitOfWork, action: str, version: DatasetVersion, context: SecurityContext) -> UUID:
    details: dict[str, JsonValue] = {"checksum": version.checksum, "version": version.version}
    entry = AuditEntry(action=action, subject=f"DatasetVersion/{version.id}", details=details)
    return work.audit.record(entry, context=context)


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


class VersionInput(BaseModel):
    """Which version."""

    dataset_version_id: UUID


class ProfileOutput(BaseModel):
    """What profiling found."""

    profile: DatasetProfile


class ProfiledVersionInput(VersionInput):
    """A version and its profile."""

    profile: DatasetProfile


class MarkOutput(BaseModel):
    """Whether this made the version usable; otherwise it was so before."""

    newly_validated: bool


class WithdrawInput(VersionInput):
    """A version and why it goes.

    Attributes:
        applies: False leaves the version as it is: it was validated by somebody else.
    """

    findings: tuple[RuleFinding, ...] | None = None
    applies: bool = True


class ValidationOutput(BaseModel):
    """The rules' verdict."""

    validation_passed: bool
    findings: tuple[RuleFinding, ...] = ()


class Nothing(BaseModel):
    """No result."""


def profile_version(context: JobContext, request: VersionInput) -> ProfileOutput:
    """Describe a version from its sketches and its chunks, each checked against its digest.

    Raises:
        BpmnError: DATASET_UNREADABLE, with the reason as a finding.
    """
    with context.storage.transaction() as work:
        version = work.get_crud(DatasetVersion).read(request.dataset_version_id, context=context.principal)
    try:
        return ProfileOutput(profile=profile_stored(context, version))
    except (DomainSdkError, DatasetContentError, ObjectCorruptError, ObjectNotFoundError) as error:
        finding = RuleFinding(code=error.code, severity=Severity.ERROR, message=str(error), hint=error.hint)
        findings: JsonObject = {"findings": [finding.model_dump(mode="json")]}
        raise BpmnError("DATASET_UNREADABLE", str(error), variables=findings) from error


def check_rules(_context: TaskContext, request: ProfiledVersionInput) -> ValidationOutput:
    """Apply the validation rules to the profile."""
    findings = check_profile(request.profile)
    passed = all(finding.severity is not Severity.ERROR for finding in findings)
    return ValidationOutput(validation_passed=passed, findings=findings)


def mark_validated(context: TaskContext, request: ProfiledVersionInput) -> MarkOutput:
    """Store the profile with the version and open it for training; a version that has it already stays as it is."""
    dataset, version = _locked(context, request.dataset_version_id)
    patch: dict[str, object] = {
        "validation_status": ValidationStatus.VALIDATED,
        "row_count": request.profile.row_count,
        "feature_stats": request.profile.model_dump(mode="json"),
        "findings": tuple(finding.model_dump(mode="json") for finding in check_profile(request.profile)),
    }
    if any(getattr(version, name) != value for name, value in patch.items()):
        context.work.get_crud(DatasetVersion).update(version, patch, context=context.principal)
    status: dict[str, object] = {
        "validation_status": ValidationStatus.VALIDATED,
        "schema_hash": request.profile.schema_hash,
    }
    if any(getattr(dataset, name) != value for name, value in status.items()):
        context.work.get_crud(Dataset).update(dataset, status, context=context.principal)
    return MarkOutput(newly_validated=version.validation_status is not ValidationStatus.VALIDATED)


def withdraw_version(context: TaskContext, request: WithdrawInput) -> ValidationOutput:
    """Take a version back: one never validated leaves the registry, one in use is marked rejected."""
    findings = request.findings or ()
    if not request.applies:
        return ValidationOutput(validation_passed=True, findings=findings)
    versions, datasets = context.work.get_crud(DatasetVersion), context.work.get_crud(Dataset)
    dataset, version = _locked(context, request.dataset_version_id)
    if version.validation_status is ValidationStatus.PENDING:
        versions.delete(version, context=context.principal)
        is_ours = dataset.owner == version.owner
        if is_ours and not versions.query({"dataset_id": dataset.id}, limit=1, context=context.principal):
            datasets.delete(dataset, context=context.principal)
    else:
        reasons = tuple(finding.model_dump(mode="json") for finding in findings)
        patch = {"validation_status": ValidationStatus.REJECTED, "findings": reasons}
        versions.update(version, patch, context=context.principal)
    return ValidationOutput(validation_passed=False, findings=findings)


def _locked(context: TaskContext, dataset_version_id: UUID) -> tuple[Dataset, DatasetVersion]:
    """Return a version and its dataset as they are once nobody else registers, validates or withdraws beside us."""
    versions, datasets = context.work.get_crud(DatasetVersion), context.work.get_crud(Dataset)
    dataset_id = versions.read(dataset_version_id, context=context.principal).dataset_id
    name = datasets.read(dataset_id, context=context.principal).name
    _lock_dataset(context.work, name, context.principal)
    version = versions.read(dataset_version_id, context=context.principal)
    return datasets.read(dataset_id, context=context.principal), version


SERVICE_TASKS = (
    ExternalTask(
        "datasets.profile_version", VersionInput, profile_version, ProfileOutput, errors=("DATASET_UNREADABLE",)
    ),
    TransactionalTask("datasets.check_rules", ProfiledVersionInput, check_rules, ValidationOutput),
    TransactionalTask(
        "datasets.mark_validated", ProfiledVersionInput, mark_validated, MarkOutput, inverse="datasets.withdraw_version"
    ),
    TransactionalTask("datasets.withdraw_version", WithdrawInput, withdraw_version, ValidationOutput),
)
