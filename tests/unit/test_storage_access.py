"""The access decision is the table of docs/reference/access.md, for every combination."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from storage import Decision, Resource, SecurityContext, decide, require
from storage.errors import AccessDeniedError
from storage.models import DataClassification, Permission, RoleType

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "access.md"
BY_ROLES, EVERYBODY, WITH_GRANT = "as the roles say", "everybody of the tenant", "as the roles say, with a grant"


def documented(title: str) -> dict[str, dict[str, str]]:
    """Return a table of the page as row name to column name to cell."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return {row[0].strip("`"): dict(zip(lines[0][1:], row[1:], strict=True)) for row in lines[2:]}


ROLES, CLASSIFICATIONS = documented("Roles"), documented("Classifications")


def is_documented_as_allowed(
    role: RoleType, permission: Permission, classification: DataClassification, *, granted: bool
) -> bool:
    by_role = ROLES[permission][role] == "yes"
    rule = CLASSIFICATIONS[classification]["reading" if permission is Permission.READ else "everything else"]
    return {BY_ROLES: by_role, EVERYBODY: True, WITH_GRANT: by_role and granted}[rule]


def context(*roles: RoleType, tenant_id: str = "north", granted: frozenset[str] = frozenset()) -> SecurityContext:
    return SecurityContext(user_id="ada", tenant_id=tenant_id, roles=frozenset(roles), granted=granted)


def test_the_page_has_a_cell_for_every_role_permission_and_classification() -> None:
    assert set(ROLES) == set(Permission)
    assert {frozenset(row) for row in ROLES.values()} == {frozenset(RoleType)}
    assert set(CLASSIFICATIONS) == set(DataClassification)


@pytest.mark.parametrize("role", RoleType)
def test_every_decision_within_a_tenant_is_the_documented_one(role: RoleType) -> None:
    for permission, classification, granted in product(Permission, DataClassification, (False, True)):
        resource = Resource("Dataset", "north", classification, resource_id="7")
        asking = context(role, granted=frozenset({"7"}) if granted else frozenset())

        expected = is_documented_as_allowed(role, permission, classification, granted=granted)
        assert decide(asking, permission, resource).allowed is expected, (permission, classification, granted)


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
