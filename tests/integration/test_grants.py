"""Grants as people give and take them: through the tools, on records that are restricted and others."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from database_owner import as_owner
from handlers_platform import ADA, ADMIN, GRACE, STRANGER, VIEWER, Workshop
from open_door import Door
from shop_floor import WHY
from sqlalchemy import text

from storage.models import (
    DataClassification,
    Dataset,
    DatasetVersion,
    Permission,
    ProcessObservation,
    RoleType,
    ValidationStatus,
)

BOB = ADA.model_copy(update={"user_id": "bob"})
KATE = ADMIN.model_copy(update={"user_id": "kate"})
LEARNER = ADA.model_copy(update={"user_id": "map", "roles": frozenset({RoleType.SERVICE})})
PEOPLE = {"ada": ADA, "bob": BOB, "grace": GRACE, "olga": ADMIN, "kate": KATE, "vera": VIEWER, "sven": STRANGER}
URI = f"object://sha256/{'7' * 64}"
Answer = dict[str, Any]


@pytest.fixture(scope="module")
def shop(shop_of_module: Workshop) -> Workshop:
    return shop_of_module


def created(shop: Workshop, classification: str = "restricted") -> DatasetVersion:
    """A version of ada's, whose rows are an object."""
    dataset = Dataset(
        tenant_id="north", name="d", source_uri="file:///d.csv", data_classification=DataClassification(classification)
    )
    version = DatasetVersion(
        tenant_id="north", dataset_id=dataset.id, version=1, storage_location=URI, file_format="csv", target="kind",
        size_bytes=1, checksum="0" * 64, data_classification=dataset.data_classification,
        validation_status=ValidationStatus.VALIDATED,
    )  # fmt: skip
    with shop.services.storage.transaction("north") as work:
        return work.get_crud(DatasetVersion).create(version, context=ADA)


def of(version: DatasetVersion, **arguments: Any) -> dict[str, Any]:
    return {"model": "DatasetVersion", "record_id": str(version.id), **arguments}


def grants(door: Door, who: str, version: DatasetVersion, *permissions: str, to: str = "bob", **more: Any) -> Answer:
    asked = of(version, principal=to, permissions=permissions, reason=WHY, **more)
    (answer,) = door.ask(who, ("learning.grant_access", asked))
    return answer


def revokes(door: Door, who: str, version: DatasetVersion, of_whom: str, **more: Any) -> Answer:
    (answer,) = door.ask(who, ("learning.revoke_access", of(version, principal=of_whom, reason=WHY, **more)))
    return answer


def listed(door: Door, who: str, version: DatasetVersion) -> Answer:
    (answer,) = door.ask(who, ("learning.list_grants", of(version)))
    return answer


def leaf(shop: Workshop, audit_ref: str) -> dict[str, Any]:
    with shop.services.storage.transaction("north") as work:
        return dict(work.audit.read(UUID(audit_ref), context=ADA))


def test_a_restricted_record_is_known_to_whom_its_creator_grants_it_until_that_is_revoked(
    door: Door, shop: Workshop
) -> None:
    version = created(shop)

    codes = [listed(door, "bob", version).get("code")]
    grants(door, "ada", version, "read")
    codes.append(listed(door, "bob", version).get("code"))
    revokes(door, "ada", version, "bob")
    codes.append(listed(door, "bob", version).get("code"))

    assert codes == ["RECORD_NOT_FOUND", None, "RECORD_NOT_FOUND"]


def test_an_administrator_of_the_tenant_neither_grants_nor_revokes_what_is_restricted(
    door: Door, shop: Workshop
) -> None:
    version = created(shop)

    answers = [grants(door, "olga", version, "read"), revokes(door, "olga", version, "ada")]

    assert [answer["code"] for answer in answers] == ["RECORD_NOT_FOUND"] * 2
    assert len(listed(door, "ada", version)["grants"]) == 1


@pytest.mark.parametrize(
    ("who", "code"),
    [("ada", None), ("olga", None), ("grace", "FORBIDDEN"), ("vera", "FORBIDDEN"), ("sven", "RECORD_NOT_FOUND")],
)
def test_other_records_are_granted_by_their_owner_and_administrators(
    door: Door, shop: Workshop, who: str, code: str | None
) -> None:
    assert grants(door, who, created(shop, "internal"), "delete").get("code") == code


def test_what_is_granted_comes_with_its_bounds_and_who_granted_it(door: Door, shop: Workshop) -> None:
    version = created(shop)
    until, since = "2100-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
    conditions = {"networks": ["127.0.0.0/8"], "claims": {"team": "a"}, "not_before": since}

    answer = grants(door, "ada", version, "read", "execute", expires_at=until, conditions=conditions)

    (entry,) = [entry for entry in answer["grants"] if entry["principal"] == "bob"]
    assert datetime.now(UTC) - datetime.fromisoformat(entry.pop("granted_at")) < timedelta(minutes=5)
    assert entry == {
        "principal": "bob",
        "principal_type": "user",
        "permissions": ["execute", "read"],
        "conditions": conditions,
        "granted_by": "ada",
        "expires_at": until,
    }


def test_a_grant_or_revocation_that_is_repeated_changes_nothing(door: Door, shop: Workshop) -> None:
    version = created(shop)

    answers = [
        *(grants(door, "ada", version, "read") for _ in range(2)),
        *(revokes(door, "ada", version, "bob") for _ in range(2)),
    ]

    assert [(answer["is_changed"], answer["revision"]) for answer in answers] == [
        (True, 2), (False, 2), (True, 3), (False, 3),
    ]  # fmt: skip


def test_a_record_has_room_for_some_hundred_grants_and_no_more(door: Door, shop: Workshop) -> None:
    version = created(shop)
    long = {"claims": {"team": "t" * 20_000}}

    answers = [grants(door, "ada", version, "read", to=f"p{number}", conditions=long) for number in range(4)]

    assert [answer.get("code") for answer in answers] == [None, None, None, "GRANTS_FULL"]
    assert grants(door, "ada", version, "read", to="p0", conditions=long)["is_changed"] is False
    assert revokes(door, "ada", version, "p1")["is_changed"]


def test_some_permissions_are_revoked_and_the_others_stay(door: Door, shop: Workshop) -> None:
    version = created(shop)
    grants(door, "ada", version, "read", "execute")

    revokes(door, "ada", version, "bob", permissions=["execute"])

    assert listed(door, "bob", version)["your_permissions"] == ["read"]


def test_grants_of_a_record_that_has_changed_since_are_not_touched(door: Door, shop: Workshop) -> None:
    version = created(shop)
    grants(door, "ada", version, "read", revision=1)

    late = [grants(door, "ada", version, "execute", revision=1), revokes(door, "ada", version, "bob", revision=1)]

    assert [answer["code"] for answer in late] == ["RECORD_CONFLICT"] * 2
    assert listed(door, "bob", version)["your_permissions"] == ["read"]


def test_nobody_grants_more_than_they_hold_nor_for_longer_nor_to_themselves(door: Door, shop: Workshop) -> None:
    version = created(shop)
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    grants(door, "ada", version, "read", "admin", expires_at=soon)

    refused = [
        grants(door, "bob", version, "delete", to="grace", expires_at=soon),
        grants(door, "bob", version, "read", to="grace"),
        grants(door, "bob", version, "delete", to="bob", expires_at=soon),
        grants(door, "ada", version, "read", to="grace", expires_at="2020-01-01T00:00:00Z"),
    ]
    passed_on = grants(door, "bob", version, "read", to="grace", expires_at=soon)

    assert [answer["code"] for answer in refused] == [
        "GRANT_EXCEEDS_OWN", "GRANT_EXCEEDS_OWN", "GRANT_TO_ONESELF", "GRANT_OVER",
    ]  # fmt: skip
    assert passed_on["is_changed"]


def test_the_last_lasting_administrator_of_a_restricted_record_stays(door: Door, shop: Workshop) -> None:
    version = created(shop)

    refused = revokes(door, "ada", version, "ada")
    grants(door, "ada", version, "read", "admin")
    handed_over = revokes(door, "bob", version, "ada")

    assert refused["code"] == "GRANT_LAST_ADMINISTRATOR"
    assert [entry["principal"] for entry in handed_over["grants"]] == ["bob"]
    assert listed(door, "ada", version)["code"] == "RECORD_NOT_FOUND"


def test_somebody_keeps_knowing_of_a_restricted_record_who_can_grant_it(door: Door, shop: Workshop) -> None:
    version = created(shop)
    grants(door, "ada", version, "admin")

    refused = [revokes(door, "ada", version, "ada"), revokes(door, "ada", version, "ada", permissions=["read"])]

    assert [answer.get("code") for answer in refused] == ["GRANT_LAST_ADMINISTRATOR"] * 2


def test_a_grant_to_a_role_or_group_is_to_everybody_in_it(door: Door, shop: Workshop) -> None:
    version = created(shop)

    grants(door, "ada", version, "read", to="reviewer", principal_type="group")
    grants(door, "ada", version, "read", to="viewer", principal_type="role")

    who = {name for name in ("bob", "grace", "olga", "vera") if "code" not in listed(door, name, version)}
    assert who == {"grace", "vera"}


def test_who_may_read_a_record_sees_their_own_grants_alone(door: Door, shop: Workshop) -> None:
    version = created(shop)
    grants(door, "ada", version, "read")
    grants(door, "ada", version, "read", "modify", to="grace")

    of_bob, of_ada = listed(door, "bob", version), listed(door, "ada", version)

    assert [entry["principal"] for entry in of_bob["grants"]] == ["bob"]
    assert [entry["principal"] for entry in of_ada["grants"]] == ["ada", "bob", "grace"]
    assert (of_bob["owner"], of_ada["your_permissions"]) == ("ada", [permission.value for permission in Permission])


def test_a_change_of_grants_is_on_the_record_with_its_reason_beside_and_what_it_was_before(
    door: Door, shop: Workshop
) -> None:
    version = created(shop)
    granted = grants(door, "ada", version, "read")
    revoked = revokes(door, "ada", version, "bob")

    given, taken = leaf(shop, granted["audit_ref"]), leaf(shop, revoked["audit_ref"])

    assert (given["action"], taken["action"]) == ("access.granted", "access.revoked")
    assert given["subject"] == taken["subject"] == f"DatasetVersion/{version.id}"
    assert given["after_sha256"] == taken["before_sha256"] != given["before_sha256"] == taken["after_sha256"]
    assert (given["personal"], WHY in json.dumps(given["details"])) == ({"reason": WHY}, False)
    assert (given["details"]["principal"], given["details"]["permissions"]) == ("bob", ["read"])


def test_a_change_of_grants_is_observed_without_their_content(door: Door, shop: Workshop) -> None:
    version = created(shop)
    grants(door, "ada", version, "read")

    with shop.services.storage.transaction("north") as work:
        seen = work.get_crud(ProcessObservation).query({"entity_uid": version.id}, limit=1, context=LEARNER)

    assert [each.changed_fields for each in seen] == [("acl",)]
    assert "bob" not in seen[0].model_dump_json()


def test_a_refused_grant_is_on_the_record_as_a_denial(door: Door, shop: Workshop) -> None:
    version = created(shop, "internal")

    grants(door, "grace", version, "read")

    with as_owner(shop.services.storage) as connection:
        leaves = connection.execute(text("select canonical_bytes from audit_leaf")).scalars().all()
    denied = [each for each in map(json.loads, map(bytes, leaves)) if each["action"] == "access.denied"]
    assert ("grace", f"DatasetVersion {version.id}", "admin") in [
        (each["actor"], each["subject"], each["details"]["permission"]) for each in denied
    ]


def test_links_that_nobody_has_used_are_withdrawn_with_a_revocation(door: Door, shop: Workshop) -> None:
    stored = shop.services.storage.objects.put_bytes(b"rows")
    version = shop.change(created(shop), storage_location=stored.uri)
    grants(door, "ada", version, "read")
    asked = {"model": "DatasetVersion", "record_id": str(version.id), "uri": stored.uri}
    of_bob, of_ada = (door.http("POST", "/artifacts/links", who, json=asked).json()["path"] for who in ("bob", "ada"))
    used = door.http("POST", "/artifacts/links", "bob", json=asked).json()["path"]
    read_before = door.http("GET", used, "nobody").status_code

    revoked = revokes(door, "ada", version, "bob")

    statuses = [door.http("GET", path, "nobody").status_code for path in (of_bob, of_ada)]
    asked_again = [door.http("POST", "/artifacts/links", who, json=asked).status_code for who in ("bob", "ada")]
    assert (read_before, revoked["withdrawn_links"]) == (200, 2)
    assert (statuses, asked_again) == ([403, 403], [404, 201])


def test_grants_that_are_given_at_once_are_all_there(door: Door, shop: Workshop) -> None:
    version = created(shop)
    names = [f"user-{number}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(lambda name: grants(door, "ada", version, "read", to=name), names))

    assert [answer.get("is_changed") for answer in answers] == [True] * len(names)
    assert {entry["principal"] for entry in listed(door, "ada", version)["grants"]} == {"ada", *names}
