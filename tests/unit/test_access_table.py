"""`decide` says what docs/reference/access.md says, for every permission, role, classification, tenant and owner."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import Resource, SecurityContext, decide
from storage.models import (
    ACLEntry,
    DataClassification,
    GrantConditions,
    Permission,
    PrincipalType,
    RoleType,
)

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "access.md").read_text()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RECORD = "0199b5a0-0000-7000-8000-000000000001"


def table(heading: str) -> dict[str, list[str]]:
    """Return the first table below a heading: the first cell of each row, and the others."""
    below = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in below.splitlines() if line[:1] == "|"]
    return {row[0].strip("`"): row[1:] for row in rows if not set(row[0]) <= {"-", " "}}


ROLES = table("Roles")
OWNERS = table("Owners")
CLASSIFICATIONS = table("Classifications")


def as_roles_say(permission: Permission, roles: frozenset[RoleType]) -> bool:
    columns = ROLES["permission"]
    return any(ROLES[permission.value][columns.index(role.value)] == "yes" for role in roles)


def as_standing_says(permission: Permission, roles: frozenset[RoleType], *, owns: bool) -> bool:
    owner_may = owns and OWNERS[permission.value] == ["yes"] and as_roles_say(Permission.MODIFY, roles)
    return as_roles_say(permission, roles) or owner_may


def documented(
    permission: Permission,
    roles: frozenset[RoleType],
    classification: DataClassification,
    *,
    same_tenant: bool,
    owns: bool,
    acl_grants: bool,
    door_grants: bool,
) -> bool:
    reading, everything_else = CLASSIFICATIONS[classification.value]
    rule = reading if permission is Permission.READ else everything_else
    standing = as_standing_says(permission, roles, owns=owns)
    match rule:
        case _ if not same_tenant:
            return False
        case "everybody of the tenant":
            return True
        case "as roles, ownership and grants say":
            return standing or acl_grants
        case "with a grant":
            return acl_grants or (door_grants and standing)
    raise AssertionError(rule)


def grant(
    *permissions: Permission, to: str = "ada", kind: PrincipalType = PrincipalType.USER, **more: object
) -> ACLEntry:
    fields = {"principal": to, "principal_type": kind, "permissions": permissions, "granted_by": "o", "granted_at": NOW}
    return ACLEntry.model_validate({**fields, **more})


@dataclass(frozen=True)
class Case:
    """A grant, somebody who relies on it, and whether it counts."""

    granted: frozenset[Permission]
    asked: Permission
    principal: str
    kind: PrincipalType
    is_service: bool
    expires_in: timedelta | None
    begins_in: timedelta | None
    claims: dict[str, str]
    networks: frozenset[str]
    address: str | None

    @property
    def context(self) -> SecurityContext:
        return SecurityContext(
            user_id="ada",
            tenant_id="north",
            roles=frozenset({RoleType.SERVICE} if self.is_service else {RoleType.GUEST}),
            groups=frozenset({"reviewer"}),
            claims={"team": "a"},
            address=self.address,
        )

    @property
    def entry(self) -> ACLEntry:
        conditions = {
            "networks": sorted(self.networks),
            "claims": self.claims,
            "not_before": None if self.begins_in is None else NOW + self.begins_in,
        }
        return grant(
            *self.granted,
            to=self.principal,
            kind=self.kind,
            conditions=GrantConditions.model_validate(conditions),
            expires_at=None if self.expires_in is None else NOW + self.expires_in,
        )

    @property
    def counts(self) -> bool:
        means_ada = {
            PrincipalType.USER: self.principal == "ada",
            PrincipalType.GROUP: self.principal == "reviewer",
            PrincipalType.ROLE: self.principal == "guest" and not self.is_service,
            PrincipalType.SERVICE: self.principal == "ada" and self.is_service,
        }[self.kind]
        near = {("10.1.2.3", "10.0.0.0/8"), ("::1", "::1/128")}
        return (
            self.asked in self.granted
            and means_ada
            and (not self.networks or any((self.address, network) in near for network in self.networks))
            and self.claims in ({}, {"team": "a"})
            and (self.expires_in is None or self.expires_in > timedelta(0))
            and (self.begins_in is None or self.begins_in <= timedelta(0))
        )


def role_sets() -> list[frozenset[RoleType]]:
    return [frozenset(some) for number in range(len(RoleType) + 1) for some in combinations(RoleType, number)]


def test_every_combination_is_decided_as_documented() -> None:
    wrong = []
    switches = list(product([True, False], repeat=4))
    for permission, roles, classification in product(Permission, role_sets(), DataClassification):
        for same_tenant, owns, acl_grants, door_grants in switches:
            context = SecurityContext(
                user_id="ada",
                tenant_id="north",
                roles=roles,
                granted=frozenset({RECORD}) if door_grants else frozenset(),
            )
            resource = Resource(
                kind="Dataset",
                tenant_id="north" if same_tenant else "south",
                data_classification=classification,
                resource_id=RECORD,
                owner="ada" if owns else "olga",
                acl=(grant(permission),) if acl_grants else (),
            )
            expected = documented(
                permission,
                roles,
                classification,
                same_tenant=same_tenant,
                owns=owns,
                acl_grants=acl_grants,
                door_grants=door_grants,
            )
            if decide(context, permission, resource, now=NOW).allowed is not expected:
                wrong.append((permission, roles, classification, same_tenant, owns, acl_grants, door_grants))

    assert wrong == []


CASES = st.builds(
    Case,
    granted=st.frozensets(st.sampled_from(Permission), min_size=1),
    asked=st.sampled_from(Permission),
    principal=st.sampled_from(["ada", "reviewer", "guest", "sven"]),
    kind=st.sampled_from(PrincipalType),
    is_service=st.booleans(),
    expires_in=st.none() | st.sampled_from([-HOUR, timedelta(0), HOUR]),
    begins_in=st.none() | st.sampled_from([-HOUR, timedelta(0), HOUR]),
    claims=st.dictionaries(st.sampled_from(["team", "site"]), st.sampled_from(["a", "b"])),
    networks=st.frozensets(st.sampled_from(["10.0.0.0/8", "192.168.1.0/24", "::1/128"])),
    address=st.none() | st.sampled_from(["10.1.2.3", "192.168.2.1", "::1", "unix"]),
)


@given(case=CASES)
def test_a_grant_counts_for_whom_and_while_it_says_and_for_nobody_else(case: Case) -> None:
    resource = Resource("Dataset", "north", DataClassification.RESTRICTED, RECORD, acl=(case.entry,))

    assert decide(case.context, case.asked, resource, now=NOW).allowed is case.counts


IN_FORCE = Case(
    granted=frozenset({Permission.READ}),
    asked=Permission.READ,
    principal="ada",
    kind=PrincipalType.USER,
    is_service=False,
    expires_in=HOUR,
    begins_in=-HOUR,
    claims={"team": "a"},
    networks=frozenset({"10.0.0.0/8", "192.168.1.0/24"}),
    address="10.1.2.3",
)


@pytest.mark.parametrize(
    ("changes", "is_in_force"),
    [
        ({}, True),
        ({"asked": Permission.WRITE}, False),
        ({"principal": "sven"}, False),
        ({"kind": PrincipalType.GROUP}, False),
        ({"kind": PrincipalType.GROUP, "principal": "reviewer"}, True),
        ({"kind": PrincipalType.ROLE}, False),
        ({"kind": PrincipalType.ROLE, "principal": "guest"}, True),
        ({"kind": PrincipalType.ROLE, "principal": "guest", "is_service": True}, False),
        ({"kind": PrincipalType.SERVICE}, False),
        ({"kind": PrincipalType.SERVICE, "is_service": True}, True),
        ({"kind": PrincipalType.SERVICE, "is_service": True, "principal": "sven"}, False),
        ({"expires_in": None}, True),
        ({"expires_in": timedelta(0)}, False),
        ({"expires_in": -HOUR}, False),
        ({"begins_in": None}, True),
        ({"begins_in": timedelta(0)}, True),
        ({"begins_in": HOUR}, False),
        ({"claims": {}}, True),
        ({"claims": {"team": "b"}}, False),
        ({"claims": {"team": "a", "site": "a"}}, False),
        ({"networks": frozenset()}, True),
        ({"networks": frozenset({"192.168.1.0/24"})}, False),
        ({"networks": frozenset(), "address": None}, True),
        ({"address": None}, False),
        ({"address": "unix"}, False),
        ({"address": "::1"}, False),
    ],
    ids=str,
)
def test_a_grant_in_force_stops_counting_with_the_first_of_its_bounds_that_is_crossed(
    changes: dict[str, object], *, is_in_force: bool
) -> None:
    case = replace(IN_FORCE, **changes)
    resource = Resource("Dataset", "north", DataClassification.RESTRICTED, RECORD, acl=(case.entry,))

    assert (case.counts, decide(case.context, case.asked, resource, now=NOW).allowed) == (is_in_force, is_in_force)


@pytest.mark.parametrize("bounds", [{"expires_at": NOW + HOUR}, {"conditions": {"not_before": NOW - HOUR}}])
def test_a_grant_that_is_bound_in_time_does_not_count_where_nobody_says_what_time_it_is(
    bounds: dict[str, object],
) -> None:
    resource = Resource("Dataset", "north", resource_id=RECORD, acl=(grant(Permission.READ, **bounds),))
    context = SecurityContext(user_id="ada", tenant_id="north")

    assert decide(context, Permission.READ, resource, now=NOW).allowed
    assert not decide(context, Permission.READ, resource).allowed


def test_every_decision_gives_its_reason() -> None:
    resource = Resource("Dataset", "north", DataClassification.RESTRICTED, RECORD, acl=(grant(Permission.READ),))
    ada = SecurityContext(user_id="ada", tenant_id="north", roles=frozenset({RoleType.OWNER}))

    reasons = {permission: decide(ada, permission, resource, now=NOW).reason for permission in Permission}

    assert reasons.pop(Permission.READ) == "o granted read to user ada"
    assert set(reasons.values()) == {"it is RESTRICTED and not granted to this principal"}


def test_the_page_speaks_of_every_permission_role_and_classification() -> None:
    assert set(ROLES["permission"]) == {role.value for role in RoleType}
    assert ROLES.keys() == OWNERS.keys() == {"permission", *(permission.value for permission in Permission)}
    assert CLASSIFICATIONS.keys() == {"classification", *(each.value for each in DataClassification)}
    assert re.search(r"`access\.denied`", PAGE)
