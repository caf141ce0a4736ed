"""What no role opens, what several roles add up to, and what a refusal says."""

from __future__ import annotations

from itertools import product

import pytest

from storage import Decision, Resource, SecurityContext, decide, require
from storage.errors import AccessDeniedError
from storage.models import DataClassification, Permission, RoleType


def context(*roles: RoleType, tenant_id: str = "north", granted: frozenset[str] = frozenset()) -> SecurityContext:
    return SecurityContext(user_id="ada", tenant_id=tenant_id, roles=frozenset(roles), granted=granted)


@pytest.mark.parametrize("role", RoleType)
def test_no_role_and_no_grant_opens_another_tenant(role: RoleType) -> None:
    for permission, classification in product(Permission, DataClassification):
        resource = Resource("Dataset", "south", classification, resource_id="7")

        decision = decide(context(role, granted=frozenset({"7"})), permission, resource)
        assert decision == Decision(allowed=False, reason="it belongs to another tenant")


def test_a_principal_without_roles_may_read_what_is_public_and_nothing_else() -> None:
    allowed = {
        (permission, classification)
        for permission, classification in product(Permission, DataClassification)
        if decide(context(), permission, Resource("Dataset", "north", classification)).allowed
    }

    assert allowed == {(Permission.READ, DataClassification.PUBLIC)}
    refused = decide(context(), Permission.WRITE, Resource("Dataset", "north"))
    assert refused == Decision(allowed=False, reason="no role carries write")


def test_several_roles_add_up() -> None:
    asking = context(RoleType.GUEST, RoleType.VIEWER, RoleType.MEMBER)

    assert decide(asking, Permission.WRITE, Resource("Dataset", "north")).allowed


def test_a_grant_of_one_resource_does_not_open_another() -> None:
    asking = context(RoleType.OWNER, granted=frozenset({"7"}))

    assert not decide(
        asking, Permission.READ, Resource("Dataset", "north", DataClassification.RESTRICTED, resource_id="8")
    ).allowed


def test_a_refusal_says_who_wanted_what_and_why_not() -> None:
    with pytest.raises(AccessDeniedError) as refusal:
        require(context(RoleType.VIEWER), Permission.WRITE, Resource("Dataset", "north", resource_id="7"))

    assert vars(refusal.value) == {
        "context": context(RoleType.VIEWER),
        "user_id": "ada",
        "permission": "write",
        "resource": "Dataset 7",
        "reason": "none of the roles viewer carries write",
    }
