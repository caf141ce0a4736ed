"""The doorkeeper of one model's records: asks for the access decision, and keeps every refusal on the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address
from uuid import UUID

from storage.access import Decision, Resource, decide, principals, resource_of
from storage.audit import AuditTrail, denial_entry
from storage.documents import Readable
from storage.errors import AccessDeniedError, RecordNotFoundError
from storage.models import DataClassification, Permission, StorageModel
from storage.security import SecurityContext


@dataclass(frozen=True)
class RecordAccess:
    """What one principal may do with the records of one model."""

    model: str
    context: SecurityContext
    audit: AuditTrail
    clock: Callable[[], datetime]

    def require(self, permission: Permission, record: StorageModel) -> None:
        """Return if the principal holds the permission on the record.

        Raises:
            RecordNotFoundError: It does not, and may not know of it.
            AccessDeniedError: It does not.
        """
        resource = resource_of(record)
        is_known = permission is not Permission.READ and self._decide(Permission.READ, resource).allowed
        self._refuse_unless(permission, resource, is_known=is_known)

    def require_creation(self, tenant_id: str) -> None:
        """Return if the principal may create records: asked as for one that nobody owns or was granted yet.

        Raises:
            AccessDeniedError: It may not.
        """
        self._refuse_unless(Permission.WRITE, Resource(self.model, tenant_id), is_known=True)

    def readable(self) -> Readable:
        """Return the same decision, for a query to make of each of its rows."""
        by_role = {kind: self._can_read_all(kind) for kind in DataClassification}
        with_grant = by_role[DataClassification.INTERNAL]
        return Readable(
            classifications=tuple(kind.value for kind, can_read in by_role.items() if can_read),
            granted=tuple(sorted(filter(_is_uuid, self.context.granted))) if with_grant else (),
            principals=tuple(f"{kind.value}:{name}" for kind, name in principals(self.context)),
            claims=self.context.claims,
            address=_plain_address(self.context.address),
            now=self.clock(),
        )

    def everything(self) -> Readable:
        """Return what lets a query see all records of the tenant, for answers that tell nothing else of them."""
        return replace(self.readable(), classifications=tuple(kind.value for kind in DataClassification))

    def _decide(self, permission: Permission, resource: Resource) -> Decision:
        return decide(self.context, permission, resource, now=self.clock())

    def _refuse_unless(self, permission: Permission, resource: Resource, *, is_known: bool) -> None:
        decision = self._decide(permission, resource)
        if decision.allowed:
            return
        self.audit.deny(denial_entry(permission.value, resource.name, decision.reason), context=self.context)
        if not is_known:
            raise RecordNotFoundError(model=resource.kind, record_id=resource.resource_id)
        raise AccessDeniedError(
            user_id=self.context.user_id, permission=permission.value, resource=resource.name, reason=decision.reason
        )

    def _can_read_all(self, classification: DataClassification) -> bool:
        resource = Resource(self.model, self.context.tenant_id, classification)
        return decide(self.context, Permission.READ, resource).allowed


def _plain_address(address: str | None) -> str | None:
    """Return an address as the database takes it, `None` for what is none."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return None
    return str(type(parsed)(int(parsed)))


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
