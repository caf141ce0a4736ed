"""Nobody comes by a permission by granting: not alone, and not together with those whom they grant something to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import Resource, SecurityContext, decide
from storage.grants import exceeding, inherited, is_orphaned, names_oneself, same_grant, without
from storage.models import ACLEntry, DataClassification, Dataset, GrantConditions, Permission, PrincipalType, RoleType

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOMENTS = tuple(NOW + number * HOUR for number in range(3))
ADDRESSES = ("10.1.2.3", "10.9.9.9", "::1", None)
NETWORKS = ((), (), ("10.0.0.0/8",), ("10.1.0.0/16",), ("10.1.0.0/16", "::1/128"))
CLAIMS: tuple[dict[str, str], ...] = ({}, {}, {"team": "a"}, {"team": "a", "site": "x"})
PERMISSIONS = ((Permission.READ,), (Permission.ADMIN,), (Permission.ADMIN, Permission.READ))
"""Few of everything, so that what is granted and what is held often have to do with each other."""

bounds = st.builds(
    GrantConditions,
    networks=st.sampled_from(NETWORKS),
    claims=st.sampled_from(CLAIMS),
    not_before=st.sampled_from([None, None, *MOMENTS]),
)
entries = st.builds(
    ACLEntry,
    principal=st.sampled_from(["ada", "bob", "crew"]),
    principal_type=st.sampled_from([PrincipalType.USER, PrincipalType.USER, PrincipalType.GROUP]),
    permissions=st.sampled_from(PERMISSIONS),
    conditions=bounds,
    expires_at=st.sampled_from([None, None, *MOMENTS]),
    granted_by=st.just("olga"),
    granted_at=st.just(NOW - HOUR),
)


def unbounded(entry: ACLEntry) -> ACLEntry:
    """The same as a grant of admin, without bounds: who holds it may grant."""
    changes = {"permissions": (Permission.ADMIN,), "conditions": GrantConditions(), "expires_at": None}
    return entry.model_copy(update=changes)


resources = st.builds(
    Resource,
    kind=st.just("Dataset"),
    tenant_id=st.just("north"),
    data_classification=st.sampled_from([DataClassification.RESTRICTED, DataClassification.INTERNAL]),
    resource_id=st.just("7"),
    owner=st.sampled_from(["ada", "bob", "olga"]),
    acl=st.lists(entries, min_size=1, max_size=3).map(lambda acl: (*acl, unbounded(acl[0]))),
)
role_sets = st.sampled_from([frozenset(), frozenset(), frozenset({RoleType.MEMBER}), frozenset({RoleType.ADMIN})])


@st.composite
def gangs(draw: st.DrawFn) -> list[SecurityContext]:
    """Two people who do as they please, with roles and a group; a door may have opened the record for one call."""
    return [
        SecurityContext(
            user_id=name,
            tenant_id="north",
            roles=draw(role_sets),
            groups=draw(st.sampled_from([frozenset(), frozenset({"crew"})])),
            granted=draw(st.sampled_from([frozenset(), frozenset({"7"})])),
        )
        for name in ("ada", "bob")
    ]


def as_they_come(person: SecurityContext) -> list[SecurityContext]:
    """The person from every address, with every token."""
    return [
        person.model_copy(update={"address": address, "claims": claims})
        for address, claims in product(ADDRESSES, CLAIMS[1:])
    ]


Held = set[tuple[Permission, datetime, str | None, str]]


def held(gang: list[SecurityContext], resource: Resource) -> Held:
    """What at least one of them may do, when, from where and with which token; not by the favour of a door."""
    return {
        (permission, moment, caller.address, str(caller.claims))
        for person in gang
        for caller in as_they_come(person.model_copy(update={"granted": frozenset()}))
        for moment, permission in product(MOMENTS, (Permission.READ, Permission.ADMIN))
        if decide(caller, permission, resource, now=moment).allowed
    }


def granting(resource: Resource, granter: SecurityContext, entry: ACLEntry) -> Resource:
    """The record after somebody has tried to grant something."""
    lasting = granter.model_copy(update={"granted": frozenset()})
    refused = (
        not decide(lasting, Permission.ADMIN, resource, now=NOW).allowed
        or names_oneself(granter, entry)
        or exceeding(granter, resource, entry, NOW)
    )
    return resource if refused else replace(resource, acl=(*resource.acl, entry))


@dataclass(frozen=True)
class Try:
    """Somebody tries to pass on what somebody holds, with other bounds.

    Attributes:
        index: Of the grant on the record that is passed on.
        to: Whom it is passed on to; `None` for the other one of the two.
    """

    granter: int
    address: str | None
    claims: dict[str, str]
    index: int
    to: tuple[PrincipalType, str] | None
    changes: dict[str, object]

    def entry(self, resource: Resource, granter: SecurityContext) -> ACLEntry:
        other = "bob" if granter.user_id == "ada" else "ada"
        kind, principal = self.to or (PrincipalType.USER, other)
        passed_on = resource.acl[self.index % len(resource.acl)]
        return passed_on.model_copy(update={"principal": principal, "principal_type": kind, **self.changes})


tries = st.builds(
    Try,
    granter=st.integers(0, 1),
    address=st.sampled_from(["10.1.2.3", "10.1.2.3", *ADDRESSES]),
    claims=st.sampled_from([CLAIMS[-1], CLAIMS[-1], *CLAIMS]),
    index=st.integers(0, 8),
    to=st.sampled_from([None, None, (PrincipalType.GROUP, "crew")]),
    changes=st.fixed_dictionaries(
        {},
        optional={
            "conditions": bounds,
            "expires_at": st.sampled_from([None, *MOMENTS]),
            "permissions": st.sampled_from(PERMISSIONS),
        },
    ),
)


@settings(max_examples=300)
@given(gang=gangs(), resource=resources, tried=st.lists(tries, min_size=1, max_size=4))
def test_no_row_of_grants_gives_people_together_what_none_of_them_had(
    gang: list[SecurityContext], resource: Resource, tried: list[Try]
) -> None:
    before = held(gang, resource)

    for each in tried:
        granter = gang[each.granter].model_copy(update={"address": each.address, "claims": each.claims})
        resource = granting(resource, granter, each.entry(resource, granter))

    assert held(gang, resource) <= before


def grant(*permissions: Permission, **bounds: object) -> ACLEntry:
    fields = {"principal": "ada", "principal_type": PrincipalType.USER, "granted_by": "o", "granted_at": NOW - HOUR}
    return ACLEntry.model_validate({**fields, "permissions": permissions, **bounds})


ADA = SecurityContext(user_id="ada", tenant_id="north", roles=frozenset({RoleType.MEMBER}), address="10.1.2.3")
TO_BOB = grant(Permission.READ, principal="bob")


@pytest.mark.parametrize(
    ("held_by_ada", "passed_on", "is_refused"),
    [
        ({}, {}, False),
        ({"expires_at": NOW + HOUR}, {}, True),
        ({"expires_at": NOW + HOUR}, {"expires_at": NOW + 2 * HOUR}, True),
        ({"expires_at": NOW + HOUR}, {"expires_at": NOW + HOUR}, False),
        ({"expires_at": NOW}, {"expires_at": NOW}, True),
        ({"conditions": {"networks": ["10.0.0.0/8"]}}, {}, True),
        ({"conditions": {"networks": ["10.0.0.0/8"]}}, {"conditions": {"networks": ["10.1.0.0/16"]}}, False),
        ({"conditions": {"networks": ["10.1.0.0/16"]}}, {"conditions": {"networks": ["10.0.0.0/8"]}}, True),
        ({"conditions": {"networks": ["10.0.0.0/8"]}}, {"conditions": {"networks": ["10.1.0.0/16", "::1/128"]}}, True),
        ({"conditions": {"networks": ["::1/128"]}}, {"conditions": {"networks": ["::1/128"]}}, True),
        ({"conditions": {"claims": {"team": "a"}}}, {"conditions": {"claims": {"team": "a"}}}, True),
        ({"conditions": {"not_before": NOW - HOUR}}, {}, False),
        ({"conditions": {"not_before": NOW + HOUR}}, {"conditions": {"not_before": NOW + HOUR}}, True),
        ({"permissions": [Permission.ADMIN]}, {}, True),
    ],
)
def test_a_permission_is_passed_on_within_the_bounds_in_which_one_holds_it(
    held_by_ada: dict[str, object], passed_on: dict[str, object], *, is_refused: bool
) -> None:
    own = grant(Permission.READ).model_dump() | held_by_ada
    resource = Resource("Dataset", "north", DataClassification.RESTRICTED, "7", acl=(ACLEntry.model_validate(own),))
    given_to_bob = ACLEntry.model_validate(TO_BOB.model_dump() | passed_on)

    assert exceeding(ADA, resource, given_to_bob, NOW) == ((Permission.READ,) if is_refused else ())


def test_what_a_role_or_ownership_gives_is_passed_on_without_bounds() -> None:
    resource = Resource("Dataset", "north", owner="ada", resource_id="7")

    assert exceeding(ADA, resource, grant(*Permission, principal="bob"), NOW) == ()


def test_a_role_passes_on_nothing_of_a_restricted_record_nor_does_what_a_door_grants() -> None:
    resource = Resource("Dataset", "north", DataClassification.RESTRICTED, "7", owner="ada")
    olga = SecurityContext(user_id="olga", tenant_id="north", roles=frozenset(RoleType), granted=frozenset({"7"}))

    assert exceeding(olga, resource, grant(*Permission, principal="bob"), NOW) == tuple(sorted(Permission))


def test_nothing_of_another_tenants_record_is_passed_on() -> None:
    resource = Resource("Dataset", "south", resource_id="7", acl=(grant(Permission.READ),))

    assert exceeding(ADA, resource, TO_BOB, NOW) == (Permission.READ,)


@pytest.mark.parametrize(
    ("principal_type", "principal", "is_oneself"),
    [("user", "ada", True), ("service", "ada", True), ("group", "ada", False), ("user", "bob", False)],
)
def test_a_grant_by_name_to_the_granter_is_one_to_oneself(
    principal_type: str, principal: str, *, is_oneself: bool
) -> None:
    assert names_oneself(ADA, grant(Permission.READ, principal_type=principal_type, principal=principal)) is is_oneself


def test_grants_are_the_same_whoever_gave_them_when() -> None:
    again = TO_BOB.model_copy(update={"granted_by": "cyd", "granted_at": NOW})

    assert same_grant(TO_BOB, again)
    assert not same_grant(TO_BOB, again.model_copy(update={"expires_at": NOW + HOUR}))


def test_what_is_taken_from_one_principal_is_left_to_all_others() -> None:
    everything, of_a_role = grant(*Permission), grant(*Permission, principal_type=PrincipalType.ROLE)
    acl = (everything, TO_BOB, of_a_role)

    assert without(acl, "ada", PrincipalType.USER, [Permission.READ]) == (
        everything.model_copy(update={"permissions": tuple(p for p in sorted(Permission) if p is not Permission.READ)}),
        TO_BOB,
        of_a_role,
    )
    assert without(acl, "ada", PrincipalType.USER, Permission) == (TO_BOB, of_a_role)


def source(classification: DataClassification, *acl: ACLEntry) -> Dataset:
    return Dataset(tenant_id="north", name="d", source_uri="file:///d", data_classification=classification, acl=acl)


SECRET, PLAIN = DataClassification.RESTRICTED, DataClassification.INTERNAL
AGAIN = TO_BOB.model_copy(update={"granted_by": "cyd"})
TO_ADA = grant(Permission.READ)


@pytest.mark.parametrize(
    ("classification", "sources", "taken_over"),
    [
        (SECRET, (), ()),
        (SECRET, (source(SECRET, TO_ADA, TO_BOB),), (TO_ADA, TO_BOB)),
        (SECRET, (source(PLAIN, TO_BOB),), ()),
        (SECRET, (source(PLAIN, TO_BOB), source(SECRET, TO_ADA)), (TO_ADA,)),
        (SECRET, (source(SECRET, TO_ADA, TO_BOB), source(SECRET, AGAIN)), (TO_BOB,)),
        (PLAIN, (source(PLAIN, TO_ADA, TO_BOB), source(PLAIN, AGAIN)), (TO_BOB,)),
    ],
)
def test_a_record_takes_over_what_all_grant_of_which_it_comes_and_no_secret_is_granted_by_what_is_none(
    classification: DataClassification, sources: tuple[Dataset, ...], taken_over: tuple[ACLEntry, ...]
) -> None:
    assert inherited(classification, sources) == taken_over


@pytest.mark.parametrize(
    ("classification", "acl", "is_left_to_nobody"),
    [
        ("restricted", (grant(Permission.ADMIN, Permission.READ),), False),
        ("restricted", (grant(Permission.ADMIN), grant(Permission.READ)), False),
        ("restricted", (grant(Permission.ADMIN),), True),
        ("restricted", (grant(Permission.ADMIN), grant(Permission.READ, principal="bob")), True),
        ("restricted", (grant(Permission.READ),), True),
        ("restricted", (grant(Permission.ADMIN, Permission.READ, expires_at=NOW + HOUR),), True),
        ("restricted", (grant(Permission.ADMIN, Permission.READ, conditions={"networks": ["10.0.0.0/8"]}),), True),
        ("confidential", (), False),
    ],
)
def test_a_restricted_record_without_a_lasting_administrator_is_left_to_nobody(
    classification: str, acl: tuple[ACLEntry, ...], *, is_left_to_nobody: bool
) -> None:
    assert is_orphaned(DataClassification(classification), acl) is is_left_to_nobody
