"""The service tasks of the dataset-validation process."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel

from domain_sdk.errors import DomainSdkError
from engine import BpmnError, ExternalTask, JobContext, TaskContext, TransactionalTask
from handlers.dataset_content import profile_stored
from handlers.dataset_profile import DatasetProfile
from handlers.dataset_rules import RuleFinding, Severity, check_profile
from handlers.datasets import lock_dataset
from storage.datasets.errors import DatasetContentError
from storage.errors import ObjectCorruptError, ObjectNotFoundError
from storage.models import Dataset, DatasetVersion, JsonObject, ValidationStatus


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
    lock_dataset(context.work, name, context.principal)
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
