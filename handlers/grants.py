"""Grants on single records: giving them, taking them back, and seeing whose they are.

Who may change a record's grants is the access decision's to say (`admin`); what they may give, `storage/grants.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from engine import require_reason
from handlers.errors import (
    GrantExceedsOwnError,
    GrantOverError,
    GrantsFullError,
    GrantToOneselfError,
    LastAdministratorError,
)
from handlers.services import Services
from storage import AuditEntry, SecurityContext, UnitOfWork, require
from storage.access import principals, resource_of
from storage.errors import RecordConflictError
from storage.grants import MOST_BYTES, exceeding, is_orphaned, names_oneself, same_grant, stored_bytes, without
from storage.models import (
    MODELS,
    ACLEntry,
    DataClassification,
    GrantConditions,
    Permission,
    PrincipalType,
    StorageModel,
)
from storage.objects import mentioned_uris
from storage.objects.links import Links

RecordModel: TypeAlias = Literal[
    "Dataset",
    "DatasetVersion",
    "Experiment",
    "TrainingRun",
    "ModelArtifact",
    "ServingEndpoint",
    "DriftReport",
    "SOMNeuron",
    "ActivationModelState",
]
Principal: TypeAlias = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Permissions: TypeAlias = Annotated[tuple[Permission, ...], Field(min_length=1, max_length=6)]
_MODELS = {model.__name__: model for model in MODELS}
_Acl: TypeAlias = tuple[ACLEntry, ...]
RecordT = TypeVar("RecordT", bound=StorageModel)


class _GrantsRequest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    model: RecordModel
    record_id: UUID
    principal: Principal
    principal_type: PrincipalType = PrincipalType.USER
    reason: str
    revision: int | None = None


class GrantRequest(_GrantsRequest):
    """Permissions on a record for somebody.

    Attributes:
        principal: A user's or service's id, a role's or group's name.
        expires_at: The grant does not count from then on.
        reason: For the audit trail.
        revision: Of the record, as it was looked at; whatever it is now, unless given.
    """

    permissions: Permissions
    expires_at: AwareDatetime | None = None
    conditions: GrantConditions = GrantConditions()


class RevocationRequest(_GrantsRequest):
    """Permissions on a record that somebody is to have by no grant any more; all, unless given."""

    permissions: Permissions = tuple(Permission)


class RecordGrants(BaseModel):
    """Who may do what with a record, beyond what roles say.

    Attributes:
        your_permissions: What the caller may do with it.
        grants: All of them for whoever may change them, else those that are to the caller.
    """

    model_config = ConfigDict(frozen=True)

    record_id: UUID
    revision: int
    data_classification: DataClassification
    owner: str
    your_permissions: tuple[Permission, ...]
    grants: _Acl


class ChangedGrants(BaseModel):
    """What came of a change of grants.

    Attributes:
        is_changed: Whether it was not so before already.
        withdrawn_links: Links to objects of the record that lead nowhere any more.
    """

    model_config = ConfigDict(frozen=True)

    record_id: UUID
    revision: int
    grants: _Acl
    is_changed: bool
    withdrawn_links: int = 0
    audit_ref: UUID


def grants_lock(record_id: UUID) -> str:
    """Return the name of the lock under which a record's grants change, and links to its objects are given."""
    return f"grants:{record_id}"


def grant_access(services: Services, request: GrantRequest, *, context: SecurityContext) -> ChangedGrants:
    """Grant permissions on a record; one that is there already, with the same bounds, stays as it is.

    Raises:
        RecordNotFoundError: There is no such record, or none that the caller may know of.
        AccessDeniedError: The caller may not change the record's grants.
        GrantExceedsOwnError, GrantToOneselfError, GrantOverError: This is not the caller's to grant.
        GrantsFullError: The record has as many grants as it can have.
        RecordConflictError: The record has changed since `revision`.
        ReasonInvalidError: The reason says nothing, or too much.
    """
    require_reason(request.reason)

    def granted(record: StorageModel, now: datetime) -> _Acl:
        entry = ACLEntry(
            principal=request.principal,
            principal_type=request.principal_type,
            permissions=request.permissions,
            conditions=request.conditions,
            expires_at=request.expires_at,
            granted_by=context.user_id,
            granted_at=now,
        )
        _require_grantable(record, entry, now, context)
        if any(same_grant(entry, known) for known in record.acl):
            return record.acl
        _require_room(record, entry)
        return (*record.acl, entry)

    return _change(services, request, "access.granted", granted, context)


def revoke_access(services: Services, request: RevocationRequest, *, context: SecurityContext) -> ChangedGrants:
    """Take permissions on a record back from a principal, whoever granted them; it counts from the commit on.

    Links to the record's objects that nobody has used yet are withdrawn: whoever may still read asks for another.

    Raises:
        RecordNotFoundError, AccessDeniedError, RecordConflictError, ReasonInvalidError: As `grant_access`.
        LastAdministratorError: Nobody could grant a RESTRICTED record any more.
    """
    require_reason(request.reason)

    def revoked(record: StorageModel, _now: datetime) -> _Acl:
        left = without(record.acl, request.principal, request.principal_type, request.permissions)
        is_last = not is_orphaned(record.data_classification, record.acl)
        if is_last and is_orphaned(record.data_classification, left):
            raise LastAdministratorError(record=resource_of(record).name)
        return left

    return _change(services, request, "access.revoked", revoked, context)


def list_grants(services: Services, model: RecordModel, record_id: UUID, *, context: SecurityContext) -> RecordGrants:
    """Return a record's grants, and what the caller may do with it.

    Raises:
        RecordNotFoundError: There is no such record, or none that the caller may read.
    """
    with services.storage.transaction(context.tenant_id) as work:
        record = work.get_crud(_MODELS[model]).read(record_id, context=context)
        resource = resource_of(record)
        yours = tuple(each for each in Permission if work.decide(each, resource, context=context).allowed)
        grants = as_told(work, record, context).acl
    return RecordGrants(
        record_id=record_id,
        revision=record.revision,
        data_classification=record.data_classification,
        owner=record.owner,
        your_permissions=yours,
        grants=grants,
    )


def as_told(work: UnitOfWork, record: RecordT, context: SecurityContext) -> RecordT:
    """Return a record as an answer shows it: with all grants for whoever may change them, else with their own."""
    if work.decide(Permission.ADMIN, resource_of(record), context=context).allowed:
        return record
    names = set(principals(context))
    own = tuple(entry for entry in record.acl if (entry.principal_type, entry.principal) in names)
    return record.model_copy(update={"acl": own})


def _require_grantable(record: StorageModel, entry: ACLEntry, now: datetime, context: SecurityContext) -> None:
    begins = max(entry.conditions.not_before or now, now)
    if entry.expires_at is not None and entry.expires_at <= begins:
        raise GrantOverError(expires_at=entry.expires_at.isoformat())
    if names_oneself(context, entry):
        raise GrantToOneselfError(user_id=context.user_id)
    beyond = exceeding(context, resource_of(record), entry, now)
    if beyond:
        permissions = tuple(permission.value for permission in beyond)
        raise GrantExceedsOwnError(user_id=context.user_id, permissions=permissions)


def _require_room(record: StorageModel, entry: ACLEntry) -> None:
    if stored_bytes((*record.acl, entry)) > MOST_BYTES:
        raise GrantsFullError(record=resource_of(record).name, grants=len(record.acl), limit_bytes=MOST_BYTES)


def _change(
    services: Services,
    request: GrantRequest | RevocationRequest,
    action: str,
    change: Callable[[StorageModel, datetime], _Acl],
    context: SecurityContext,
) -> ChangedGrants:
    """Let a record have other grants, those that `change` makes of it; one change of its grants at a time."""
    context = context.model_copy(update={"granted": frozenset()})  # what a door grants for a call changes nothing
    with services.storage.transaction(context.tenant_id) as work:
        work.lock(grants_lock(request.record_id))
        records = work.get_crud(_MODELS[request.model])
        record = records.read(request.record_id, context=context)
        now = work.clock()
        require(context, Permission.ADMIN, resource_of(record), now=now)
        _require_revision(record, request.revision)
        acl = change(record, now)
        is_changed = acl != record.acl
        after = records.update(record, {"acl": acl}, context=context) if is_changed else record
        withdrawn = _withdraw_links(work, record, context) if is_changed and action == "access.revoked" else 0
        entry = _audit_entry(action, request, record, after)
        audit_ref = work.audit.record(entry, context=context)
    return ChangedGrants(
        record_id=record.id,
        revision=after.revision,
        grants=after.acl,
        is_changed=is_changed,
        withdrawn_links=withdrawn,
        audit_ref=audit_ref,
    )


def _require_revision(record: StorageModel, revision: int | None) -> None:
    if revision is not None and revision != record.revision:
        raise RecordConflictError(model=type(record).__name__, record_id=record.id, expected_revision=revision)


def _withdraw_links(work: UnitOfWork, record: StorageModel, context: SecurityContext) -> int:
    return Links(work.connection).withdraw(context.tenant_id, mentioned_uris(record.model_dump_json()))


def _audit_entry(
    action: str, request: GrantRequest | RevocationRequest, before: StorageModel, after: StorageModel
) -> AuditEntry:
    asked = request.model_dump(mode="json", exclude={"model", "record_id", "reason", "revision"})
    details: dict[str, JsonValue] = {**asked, "is_changed": before.acl != after.acl}
    return AuditEntry(
        action=action,
        subject=f"{request.model}/{request.record_id}",
        details=details,
        before=_grants_of(before),
        after=_grants_of(after),
        personal={"reason": request.reason},
    )


def _grants_of(record: StorageModel) -> dict[str, JsonValue]:
    dumped: dict[str, Any] = record.model_dump(mode="json", include={"acl"})
    return {"grants": dumped["acl"]}
