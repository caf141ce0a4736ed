"""Downloads: a link to an object of a record that one may read, good for one download."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from handlers.grants import grants_lock
from handlers.services import Services
from storage import AuditEntry, SecurityContext, UnitOfWork
from storage.audit import denial_entry
from storage.errors import LinkRefusedError
from storage.models import DatasetVersion, ModelArtifact, Permission, StorageModel, TrainingRun
from storage.objects import mentioned_uris
from storage.objects.links import LinkedObject, Links, SpentLink

_MODELS: dict[str, type[StorageModel]] = {
    model.__name__: model for model in (DatasetVersion, ModelArtifact, TrainingRun)
}


class LinkRequest(BaseModel):
    """Which object of which record.

    Attributes:
        uri: One that the record names.
        seconds: How long the link is good.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Literal["DatasetVersion", "ModelArtifact", "TrainingRun"]
    record_id: UUID
    uri: Annotated[str, Field(max_length=200)]
    seconds: Annotated[int, Field(ge=1, le=3_600)] = 300


class IssuedLink(BaseModel):
    """A link; its secret is shown this once."""

    model_config = ConfigDict(frozen=True)

    secret: str
    expires_at: datetime
    audit_ref: UUID


def issue_link(services: Services, request: LinkRequest, secret: str, *, context: SecurityContext) -> IssuedLink:
    """Let whoever has the secret read an object once; a revocation under way is waited for, and counts.

    Raises:
        RecordNotFoundError: There is no such record, or none that the caller may read.
        LinkRefusedError: The record does not name that object.
    """
    with services.storage.transaction(context.tenant_id) as work:
        work.lock(grants_lock(request.record_id))
        record = work.get_crud(_MODELS[request.model]).read(request.record_id, context=context)
        if request.uri not in mentioned_uris(record.model_dump_json()):
            raise LinkRefusedError(reason="the record does not name that object")
        linked = LinkedObject(tenant_id=context.tenant_id, uri=request.uri, issued_to=context.user_id)
        expires_at = Links(work.connection).add(secret, linked, request.seconds)
        entry = AuditEntry(
            action="artifacts.linked",
            subject=f"{request.model}/{request.record_id}",
            details={"uri": request.uri, "seconds": request.seconds},
        )
        audit_ref = work.audit.record(entry, context=context)
    return IssuedLink(secret=secret, expires_at=expires_at, audit_ref=audit_ref)


def use_link(services: Services, secret: str, address: str | None) -> str:
    """Return the URI of the object that a link leads to; the link is used up.

    Raises:
        LinkRefusedError: It is not a link, was used, or has expired. What was a link once goes on the record.
    """
    with services.storage.transaction() as work:
        links = Links(work.connection)
        linked = links.use(secret)
        if linked is None:
            raise _refusal(work, links.spent(secret), address)
        work.audit.record(AuditEntry("artifacts.downloaded", linked.uri), context=_bearer(linked, address))
    return linked.uri


def _refusal(work: UnitOfWork, spent: SpentLink | None, address: str | None) -> LinkRefusedError:
    if spent is None:
        return LinkRefusedError(reason="there is no such link")
    denied = denial_entry(Permission.READ.value, spent.linked.uri, spent.reason)
    work.audit.deny(denied, context=_bearer(spent.linked, address))
    return LinkRefusedError(reason=spent.reason)


def _bearer(linked: LinkedObject, address: str | None) -> SecurityContext:
    return SecurityContext(user_id=linked.issued_to, tenant_id=linked.tenant_id, address=address)
