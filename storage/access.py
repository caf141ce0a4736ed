"""The access decision: one pure function that every door uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import assert_never

from storage.errors import AccessDeniedError
from storage.models.access_control import ACLEntry, GrantConditions
from storage.models.enums import DataClassification, Permission, PrincipalType, RoleType
from storage.models.storage_model import StorageModel
from storage.security import SecurityContext

_EVERYTHING = frozenset(Permission)
_ROLE_PERMISSIONS: dict[RoleType, frozenset[Permission]] = {
    RoleType.OWNER: _EVERYTHING,
    RoleType.ADMIN: _EVERYTHING,
    RoleType.MEMBER: frozenset({Permission.READ, Permission.WRITE, Permission.MODIFY, Permission.EXECUTE}),
    RoleType.SERVICE: frozenset({Permission.READ, Permission.WRITE, Permission.MODIFY, Permission.EXECUTE}),
    RoleType.VIEWER: frozenset({Permission.READ}),
    RoleType.GUEST: frozenset(),
}
_OWNERS_PERMISSIONS = frozenset({Permission.DELETE, Permission.ADMIN})
"""What the owner of a record may do with it beyond its role, as long as its role lets it modify records at all."""


@dataclass(frozen=True)
class Resource:
    """What is being asked for.

    Attributes:
        kind: The model's or tool's name, for the reason given.
        resource_id: `None` where the question is about the kind as a whole.
        owner: The user who answers for it, if anybody does.
        acl: Grants on it.
    """

    kind: str
    tenant_id: str
    data_classification: DataClassification = DataClassification.INTERNAL
    resource_id: str | None = None
    owner: str | None = None
    acl: tuple[ACLEntry, ...] = ()

    @property
    def name(self) -> str:
        """How messages call it."""
        return self.kind if self.resource_id is None else f"{self.kind} {self.resource_id}"


def resource_of(record: StorageModel) -> Resource:
    """Return a record as the access decision sees it."""
    return Resource(
        kind=type(record).__name__,
        tenant_id=record.tenant_id,
        data_classification=record.data_classification,
        resource_id=str(record.id),
        owner=record.owner,
        acl=record.acl,
    )


@dataclass(frozen=True)
class Decision:
    """Yes or no, and why."""

    allowed: bool
    reason: str


def decide(
    context: SecurityContext, permission: Permission, resource: Resource, *, now: datetime | None = None
) -> Decision:
    """Return whether `context` holds `permission` on `resource`.

    Tenants never see each other; RESTRICTED needs an explicit grant whatever the role; PUBLIC is readable by all of the
    tenant; the rest is decided by roles, ownership and grants.

    Args:
        context: Who asks.
        permission: For what.
        resource: On what.
        now: The moment that grants are measured against; without one, a grant that has a beginning or an end does not
            count.
    """
    if context.tenant_id != resource.tenant_id:
        return Decision(allowed=False, reason="it belongs to another tenant")
    granted = _grant(context, permission, resource, now)
    if granted is not None:
        return Decision(allowed=True, reason=granted)
    if resource.data_classification is DataClassification.RESTRICTED and resource.resource_id not in context.granted:
        return Decision(allowed=False, reason="it is RESTRICTED and not granted to this principal")
    if resource.data_classification is DataClassification.PUBLIC and permission is Permission.READ:
        return Decision(allowed=True, reason="it is PUBLIC")
    return _by_standing(context, permission, resource)


def _by_standing(context: SecurityContext, permission: Permission, resource: Resource) -> Decision:
    for role in sorted(context.roles):
        if permission in _ROLE_PERMISSIONS[role]:
            return Decision(allowed=True, reason=f"role {role} carries {permission}")
        if (
            resource.owner == context.user_id
            and permission in _OWNERS_PERMISSIONS
            and Permission.MODIFY in _ROLE_PERMISSIONS[role]
        ):
            return Decision(allowed=True, reason=f"the owner may {permission} it")
    return Decision(allowed=False, reason=f"{_named(context.roles)} carries {permission}")


def _grant(context: SecurityContext, permission: Permission, resource: Resource, now: datetime | None) -> str | None:
    """Return the reason that a grant gives, `None` where none counts."""
    for entry in resource.acl:
        if permission in entry.permissions and counts(entry, context, now):
            return f"{entry.granted_by} granted {permission} to {entry.principal_type} {entry.principal}"
    return None


def counts(entry: ACLEntry, context: SecurityContext, now: datetime | None) -> bool:
    """Return whether a grant is to the principal, and all that it is bound to holds at that moment."""
    return _names(entry, context) and _holds(entry, context, now)


def _names(entry: ACLEntry, context: SecurityContext) -> bool:
    return (entry.principal_type, entry.principal) in set(principals(context))


def principals(context: SecurityContext) -> Iterator[tuple[PrincipalType, str]]:
    """Yield the names under which entries of access control lists can mean a principal."""
    for principal_type in PrincipalType:
        match principal_type:
            case PrincipalType.USER:
                yield principal_type, context.user_id
            case PrincipalType.ROLE:
                yield from ((principal_type, role.value) for role in context.roles)
            case PrincipalType.GROUP:
                yield from ((principal_type, group) for group in context.groups)
            case PrincipalType.SERVICE:
                if RoleType.SERVICE in context.roles:
                    yield principal_type, context.user_id
            case _:
                assert_never(principal_type)


def _holds(entry: ACLEntry, context: SecurityContext, now: datetime | None) -> bool:
    conditions = entry.conditions
    if (entry.expires_at or conditions.not_before) and now is None:
        return False
    if entry.expires_at is not None and now is not None and now >= entry.expires_at:
        return False
    if conditions.not_before is not None and now is not None and now < conditions.not_before:
        return False
    return _is_from(conditions, context) and all(context.claims.get(k) == v for k, v in conditions.claims.items())


def _is_from(conditions: GrantConditions, context: SecurityContext) -> bool:
    if not conditions.networks:
        return True
    try:
        address = ip_address(context.address or "")
    except ValueError:
        return False
    return any(address in network for network in conditions.networks)


def _named(roles: frozenset[RoleType]) -> str:
    return f"none of the roles {', '.join(sorted(roles))}" if roles else "no role"


def require(
    context: SecurityContext, permission: Permission, resource: Resource, *, now: datetime | None = None
) -> None:
    """Return if the decision is yes.

    Raises:
        AccessDeniedError: The decision is no; the reason is in it.
    """
    decision = decide(context, permission, resource, now=now)
    if not decision.allowed:
        raise AccessDeniedError(
            user_id=context.user_id,
            permission=permission.value,
            resource=resource.name,
            reason=decision.reason,
            context=context,
        )
