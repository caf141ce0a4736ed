"""The access decision: one pure function that every door uses."""

from __future__ import annotations

from dataclasses import dataclass

from storage.errors import AccessDeniedError
from storage.models.enums import DataClassification, Permission, RoleType
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


@dataclass(frozen=True)
class Resource:
    """What is being asked for.

    Attributes:
        kind: The model's or tool's name, for the reason given.
        resource_id: `None` where the question is about the kind as a whole.
    """

    kind: str
    tenant_id: str
    data_classification: DataClassification = DataClassification.INTERNAL
    resource_id: str | None = None


@dataclass(frozen=True)
class Decision:
    """Yes or no, and why."""

    allowed: bool
    reason: str


def decide(context: SecurityContext, permission: Permission, resource: Resource) -> Decision:
    """Return whether `context` holds `permission` on `resource`.

    Tenants never see each other; RESTRICTED needs an explicit grant whatever the role; PUBLIC is readable by all of the
    tenant; the rest is decided by the roles.
    """
    if context.tenant_id != resource.tenant_id:
        return Decision(allowed=False, reason="it belongs to another tenant")
    if resource.data_classification is DataClassification.RESTRICTED and resource.resource_id not in context.granted:
        return Decision(allowed=False, reason="it is RESTRICTED and not granted to this principal")
    if resource.data_classification is DataClassification.PUBLIC and permission is Permission.READ:
        return Decision(allowed=True, reason="it is PUBLIC")
    for role in sorted(context.roles):
        if permission in _ROLE_PERMISSIONS[role]:
            return Decision(allowed=True, reason=f"role {role} carries {permission}")
    return Decision(allowed=False, reason=f"{_named(context.roles)} carries {permission}")


def _named(roles: frozenset[RoleType]) -> str:
    return f"none of the roles {', '.join(sorted(roles))}" if roles else "no role"


def require(context: SecurityContext, permission: Permission, resource: Resource) -> None:
    """Return if the decision is yes.

    Raises:
        AccessDeniedError: The decision is no; the reason is in it.
    """
    decision = decide(context, permission, resource)
    if not decision.allowed:
        name = resource.kind if resource.resource_id is None else f"{resource.kind} {resource.resource_id}"
        raise AccessDeniedError(
            user_id=context.user_id,
            permission=permission.value,
            resource=name,
            reason=decision.reason,
            context=context,
        )
