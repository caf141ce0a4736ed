"""What one may grant: nothing but what one holds oneself, no longer and no wider than one holds it; what is inherited.

Pure, as the access decision is. A permission that comes of a role or of owning the record is held from everywhere, as
long as that lasts. One that comes of a grant is held within that grant's bounds, and passed on within them alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network

from pydantic import TypeAdapter

from storage.access import Resource, counts, decide
from storage.models.access_control import ACLEntry, GrantConditions
from storage.models.enums import DataClassification, Permission, PrincipalType
from storage.models.storage_model import StorageModel
from storage.security import SecurityContext

MOST_BYTES = 64 * 1024
"""That the grants of one record may take up: some 200 of them."""

_ACL = TypeAdapter(tuple[ACLEntry, ...])
_TO_GRANT = frozenset({Permission.READ, Permission.ADMIN})


def exceeding(context: SecurityContext, resource: Resource, entry: ACLEntry, now: datetime) -> tuple[Permission, ...]:
    """Return the permissions of a new grant that the granter does not hold as widely as it would give them."""
    lasting = context.model_copy(update={"granted": frozenset()})  # what a door grants for a call is not passed on
    return tuple(
        permission for permission in entry.permissions if not _holds(lasting, permission, resource, entry, now)
    )


def names_oneself(context: SecurityContext, entry: ACLEntry) -> bool:
    """Return whether a grant is to the granter: it would outlast the standing that allows it."""
    by_name = entry.principal_type in {PrincipalType.USER, PrincipalType.SERVICE}
    return by_name and entry.principal == context.user_id


def same_grant(one: ACLEntry, other: ACLEntry) -> bool:
    """Return whether two grants give the same to the same, whoever gave them when."""
    return _given(one) == _given(other)


def stored_bytes(acl: Collection[ACLEntry]) -> int:
    """Return how much grants take up in their record, which everybody reads with it."""
    return len(_ACL.dump_json(tuple(acl)))


def without(
    acl: Collection[ACLEntry], principal: str, principal_type: PrincipalType, permissions: Collection[Permission]
) -> tuple[ACLEntry, ...]:
    """Return grants without some permissions of one principal; grants of nothing are left out."""
    kept = []
    for entry in acl:
        if (entry.principal, entry.principal_type) != (principal, principal_type):
            kept.append(entry)
        elif left := tuple(permission for permission in entry.permissions if permission not in permissions):
            kept.append(entry.model_copy(update={"permissions": left}))
    return tuple(kept)


def inherited(classification: DataClassification, sources: Sequence[StorageModel]) -> tuple[ACLEntry, ...]:
    """Return the grants that a record takes over from those that it comes of: what each of them grants.

    A RESTRICTED record takes nothing over from one that is not: what was granted there let somebody in who lacked a
    role, and did not entrust them with a secret.
    """
    is_restricted = classification is DataClassification.RESTRICTED
    alike = [
        source.acl
        for source in sources
        if not is_restricted or source.data_classification is DataClassification.RESTRICTED
    ]
    if not alike:
        return ()
    first, *others = alike
    return tuple(entry for entry in first if all(any(same_grant(entry, each) for each in acl) for acl in others))


def is_orphaned(classification: DataClassification, acl: Collection[ACLEntry]) -> bool:
    """Return whether nobody could grant a record any more, for good: grants are all that a RESTRICTED one has.

    Whoever grants a record has to know of it: that takes `read` as well as `admin`.
    """
    held: dict[tuple[PrincipalType, str], set[Permission]] = {}
    for entry in acl:
        if entry.expires_at is None and entry.conditions == GrantConditions():
            held.setdefault((entry.principal_type, entry.principal), set()).update(entry.permissions)
    is_granted = any(permissions >= _TO_GRANT for permissions in held.values())
    return classification is DataClassification.RESTRICTED and not is_granted


def _holds(
    context: SecurityContext, permission: Permission, resource: Resource, entry: ACLEntry, now: datetime
) -> bool:
    by_standing = Resource(
        kind=resource.kind,
        tenant_id=resource.tenant_id,
        data_classification=resource.data_classification,
        resource_id=resource.resource_id,
        owner=resource.owner,
    )
    if decide(context, permission, by_standing, now=now).allowed:
        return True
    if context.tenant_id != resource.tenant_id:
        return False
    held = (each for each in resource.acl if permission in each.permissions and counts(each, context, now))
    return any(_covers(each, entry) for each in held)


def _covers(held: ACLEntry, given: ACLEntry) -> bool:
    """Return whether a grant that counts now does so wherever and as long as another."""
    if held.expires_at is not None and (given.expires_at is None or given.expires_at > held.expires_at):
        return False
    claims = given.conditions.claims.items()
    return held.conditions.claims.items() <= claims and _is_within(given.conditions, held.conditions)


def _is_within(given: GrantConditions, held: GrantConditions) -> bool:
    """Return whether every address of one is an address of the other."""
    if not held.networks:
        return True
    return bool(given.networks) and all(
        any(_is_part(network, wider) for wider in held.networks) for network in given.networks
    )


def _is_part(network: IPv4Network | IPv6Network, wider: IPv4Network | IPv6Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(wider, IPv4Network) and network.subnet_of(wider)
    return isinstance(wider, IPv6Network) and network.subnet_of(wider)


def _given(entry: ACLEntry) -> dict[str, object]:
    return entry.model_dump(exclude={"granted_by", "granted_at"})
