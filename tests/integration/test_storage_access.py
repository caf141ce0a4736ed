"""Access to records on a real database: owners, grants, restricted records, refusals on the record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from database_owner import as_owner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded_datasets import (
    ADA,
    BOB,
    NOW,
    OLGA,
    VERA,
    create,
    dataset,
    delete,
    grant,
    leaves,
    principal,
    seen_by,
    update,
)
from sqlalchemy import text

from storage import FolderObjectStore, SecurityContext, Storage, decide
from storage.access import Resource, resource_of
from storage.database import connect
from storage.errors import (
    AccessDeniedError,
    RecordConflictError,
    RecordNotFoundError,
)
from storage.identifiers import new_id
from storage.models import (
    ACLEntry,
    DataClassification,
    Dataset,
    Permission,
    PrincipalType,
    RoleType,
)

HOUR = timedelta(hours=1)


def test_a_record_belongs_to_its_creator_who_may_delete_and_share_it(storage: Storage) -> None:
    record = create(storage, dataset())
    with pytest.raises(AccessDeniedError):
        delete(storage, record, BOB)
    with pytest.raises(AccessDeniedError):
        update(storage, record, BOB, owner="bob")

    shared = update(storage, record, ADA, owner="bob")
    delete(storage, shared, BOB)

    assert (record.owner, shared.owner) == ("ada", "bob")
    assert seen_by(storage, OLGA) == []


def test_whoever_creates_a_restricted_record_alone_knows_of_it_and_can_share_it(storage: Storage) -> None:
    record = create(storage, dataset(data_classification=DataClassification.RESTRICTED))
    assert [seen_by(storage, each) for each in (ADA, BOB, OLGA)] == [[record], [], []]

    shared = update(storage, record, ADA, acl=(*record.acl, grant(Permission.READ, to="bob")))

    assert [seen_by(storage, each) for each in (ADA, BOB, OLGA)] == [[shared], [shared], []]
    with pytest.raises(AccessDeniedError):
        update(storage, shared, BOB, description="mine")
    with pytest.raises(RecordNotFoundError):
        update(storage, shared, OLGA, description="mine")


def test_the_first_question_of_a_transaction_finds_the_restricted_records_of_its_own_tenant_alone(
    storage: Storage,
) -> None:
    south = ADA.model_copy(update={"tenant_id": "south"})
    hidden = create(storage, dataset(data_classification=DataClassification.RESTRICTED))
    known = create(storage, dataset(name="wine"))
    ids = {hidden.id, known.id}

    told = []
    for context in (ADA, south):
        with storage.transaction() as work:
            has_any = work.has_restricted_records(context=context)
        with storage.transaction() as work:
            told.append((has_any, work.restricted_records(ids, context=context)))

    assert told == [(True, {hidden.id: resource_of(hidden)}), (False, {})]


def test_restricted_records_are_told_of_after_their_deletion_too(storage: Storage) -> None:
    hidden = create(storage, dataset(data_classification=DataClassification.RESTRICTED))
    delete(storage, hidden, ADA)

    with storage.transaction() as work:
        has_any = work.has_restricted_records(context=BOB)
        told = work.restricted_records([hidden.id], context=BOB)

    assert (has_any, told) == (True, {hidden.id: resource_of(hidden)})


@pytest.mark.parametrize("is_deletion", [False, True])
@pytest.mark.parametrize(
    "forged",
    [
        {"owner": "bob", "acl": ()},
        {"acl": (grant(*Permission, to="bob"),)},
        {"data_classification": DataClassification.INTERNAL, "owner": "bob"},
        {"acl": (grant(*Permission, to="bob"),), "data_classification": DataClassification.INTERNAL, "owner": "bob"},
    ],
)
def test_what_a_copy_of_a_record_says_of_its_owner_and_grants_opens_nothing(
    storage: Storage, forged: dict[str, Any], *, is_deletion: bool
) -> None:
    record = create(storage, dataset(data_classification=DataClassification.RESTRICTED))
    copy = record.model_copy(update=forged)

    with pytest.raises(RecordNotFoundError):
        delete(storage, copy, BOB) if is_deletion else update(storage, copy, BOB, description="mine")

    assert seen_by(storage, ADA) == [record]
    assert {leaf["actor"] for leaf in leaves(storage, "access.denied")} == {"bob"}


def test_who_may_change_a_record_does_not_change_its_grants_by_a_copy_of_it(storage: Storage) -> None:
    record = create(storage, dataset())

    with pytest.raises(RecordConflictError) as raised:
        update(storage, record.model_copy(update={"owner": "bob"}), BOB, description="mine")

    assert (raised.value.record_id, raised.value.expected_revision) == (str(record.id), record.revision)
    assert seen_by(storage, ADA) == [record]


def test_a_record_whose_grants_were_written_down_in_another_form_is_changed_all_the_same(storage: Storage) -> None:
    record = create(storage, dataset(data_classification=DataClassification.RESTRICTED))
    with as_owner(storage) as connection:
        has_it, without = "body #> '{acl,0}' ? 'expires_at'", "body #- '{acl,0,expires_at}'"
        dropping = text(f"update document set body = {without} where id = :id and {has_it}")
        assert connection.execute(dropping, {"id": record.id}).rowcount == 1

    changed = update(storage, record, ADA, description="mine")

    assert seen_by(storage, ADA) == [changed]
    delete(storage, changed, ADA)
    assert seen_by(storage, ADA) == []


def test_a_grant_ends_when_it_says(database_url: str, tmp_path: Path) -> None:
    moments = [NOW]
    engine = connect(database_url, pool_size=1)
    storage = Storage(engine, FolderObjectStore(tmp_path), clock=lambda: moments[0])
    guest = principal("gus", RoleType.GUEST)
    record = create(storage, dataset(acl=(grant(Permission.READ, to="gus", expires_at=NOW + HOUR),)))

    assert seen_by(storage, guest) == [record]
    moments[0] = NOW + HOUR
    assert seen_by(storage, guest) == []
    with storage.transaction() as work, pytest.raises(RecordNotFoundError):
        work.get_crud(Dataset).read(record.id, context=guest)
    engine.dispose()


GRANTS = st.lists(
    st.builds(
        lambda permissions, to, kind, claims, networks, expires, begins: grant(
            *permissions,
            to=to,
            principal_type=kind,
            expires_at=expires,
            conditions={"claims": claims, "networks": networks, "not_before": begins},
        ),
        st.lists(st.sampled_from([Permission.READ, Permission.MODIFY]), min_size=1),
        st.sampled_from(["gus", "reviewer", "guest", "service", "o'hara:%s"]),
        st.sampled_from(PrincipalType),
        st.sampled_from([{}, {"team": "a"}, {"team": "b"}]),
        st.sampled_from([[], ["10.0.0.0/8"], ["::1/128", "192.168.0.0/16"]]),
        st.sampled_from([None, NOW - HOUR, NOW, NOW + HOUR]),
        st.sampled_from([None, NOW - HOUR, NOW, NOW + HOUR]),
    ),
    max_size=2,
)


ASKERS = st.builds(
    principal,
    st.sampled_from(["gus", "o'hara:%s"]),
    st.sampled_from(RoleType),
    groups=st.sampled_from([frozenset(), frozenset({"reviewer"})]),
    claims=st.sampled_from([{}, {"team": "a", "site": "x"}]),
    address=st.sampled_from([None, "10.9.8.7", "::1", "192.168.3.4", "unix"]),
)


def test_a_query_shows_exactly_what_the_decision_lets_read_and_hides_the_rest(
    database_url: str, tmp_path: Path
) -> None:
    engine = connect(database_url, pool_size=1)
    storage = Storage(engine, FolderObjectStore(tmp_path), clock=lambda: NOW)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(grants=GRANTS, classification=st.sampled_from(DataClassification), asker=ASKERS, door=st.booleans())
    def check(
        grants: list[ACLEntry], classification: DataClassification, asker: SecurityContext, *, door: bool
    ) -> None:
        record = create(storage, dataset(data_classification=classification, acl=tuple(grants), name=str(new_id())))
        granted = frozenset({str(record.id), "no id"}) if door else frozenset[str]()
        context = asker.model_copy(update={"granted": granted})
        resource = Resource("Dataset", "north", classification, str(record.id), record.owner, record.acl)

        with storage.transaction() as work:
            found = work.get_crud(Dataset).query({"name": record.name}, context=context)
            is_hidden = work.get_crud(Dataset).hides_any({"name": record.name}, context=context)

        assert (found == [record]) is decide(context, Permission.READ, resource, now=NOW).allowed
        assert is_hidden is (found == [])

    check()
    engine.dispose()


IN_FORCE: dict[str, Any] = {
    "principal": "gus",
    "expires_at": NOW + HOUR,
    "conditions": {"claims": {"team": "a"}, "networks": ["10.0.0.0/8", "fe80::/10"], "not_before": NOW - HOUR},
}


OTHER_GRANTS: list[dict[str, Any]] = [
    *({"principal_type": kind, "principal": to} for kind in PrincipalType for to in ("gus", "reviewer", "guest")),
    *({"expires_at": end} for end in (None, NOW - HOUR, NOW)),
    *({"conditions": IN_FORCE["conditions"] | {"not_before": begin}} for begin in (None, NOW, NOW + HOUR)),
    *({"conditions": IN_FORCE["conditions"] | {"claims": claims}} for claims in ({}, {"team": "b"}, {"site": "x"})),
    *({"conditions": IN_FORCE["conditions"] | {"networks": some}} for some in ([], ["192.168.0.0/16"], ["::1/128"])),
    {"permissions": [Permission.MODIFY]},
]


GUS = principal("gus", RoleType.GUEST, claims={"team": "a"}, address="10.9.8.7")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"user_id": "sven"},
        {"user_id": "sven", "groups": frozenset({"reviewer"})},
        {"roles": frozenset({RoleType.SERVICE})},
        {"claims": {}},
        {"claims": {"team": "a", "site": "x"}},
        *({"address": address} for address in (None, "unix", "192.168.3.4", "::1", "fe80::1%eth0", "::ffff:10.9.8.7")),
    ],
    ids=str,
)
def test_a_query_measures_grants_at_each_of_their_bounds_as_the_decision_does(
    database_url: str, tmp_path: Path, changes: dict[str, Any]
) -> None:
    engine = connect(database_url, pool_size=1)
    storage = Storage(engine, FolderObjectStore(tmp_path), clock=lambda: NOW)
    acls = [(grant(Permission.READ, to="gus", **{**IN_FORCE, **other}),) for other in ({}, *OTHER_GRANTS)]
    context = GUS.model_copy(update=changes)
    with storage.transaction() as work:
        datasets = work.get_crud(Dataset)
        hidden = [dataset(data_classification=DataClassification.RESTRICTED, acl=acl) for acl in acls]
        records = datasets.bulk_create(hidden, context=ADA)
        found = datasets.query({}, context=context)[::-1]
    engine.dispose()

    readable = [decide(context, Permission.READ, resource_of(record), now=NOW).allowed for record in records]
    assert found == [record for record, can_read in zip(records, readable, strict=True) if can_read]


@pytest.mark.parametrize(
    ("attempt", "context", "permission"),
    [
        (lambda storage, record: update(storage, record, VERA, name="theirs"), VERA, "modify"),
        (lambda storage, record: delete(storage, record, VERA), VERA, "delete"),
        (lambda storage, record: update(storage, record, BOB, acl=()), BOB, "admin"),
        (lambda storage, _: create(storage, dataset(), VERA), VERA, "write"),
    ],
    ids=["modify", "delete", "admin", "write"],
)
def test_a_refusal_is_on_the_record_although_its_transaction_is_not(
    storage: Storage,
    attempt: Callable[[Storage, Dataset], object],
    context: SecurityContext,
    permission: str,
) -> None:
    record = create(storage, dataset())

    with pytest.raises(AccessDeniedError) as error:
        attempt(storage, record)

    (leaf,) = leaves(storage, "access.denied")
    assert (leaf["actor"], leaf["details"]) == (
        context.user_id,
        {"permission": permission, "reason": error.value.reason},
    )
    assert leaf["subject"].startswith("Dataset")
    assert seen_by(storage, ADA) == [record]


def test_a_refusal_that_the_caller_lives_with_is_on_the_record_once(storage: Storage) -> None:
    record = create(storage, dataset(data_classification=DataClassification.RESTRICTED))

    with storage.transaction() as work:
        with pytest.raises(RecordNotFoundError):
            work.get_crud(Dataset).read(record.id, context=OLGA)
        other = work.get_crud(Dataset).create(dataset(name="wine"), context=OLGA)

    (leaf,) = leaves(storage, "access.denied")
    assert (leaf["subject"], leaf["actor"]) == (f"Dataset {record.id}", "olga")
    assert seen_by(storage, BOB) == [other]
