"""Audit leaves: one for each effect, in its transaction, canonical and immutable."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from database_owner import as_owner
from pydantic import JsonValue
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from storage import AuditEntry, ReportedError, SecurityContext, Storage
from storage.audit import canonical_leaf
from storage.errors import RecordNotFoundError, RecordNumberError, RecordTextError
from storage.identifiers import new_id
from storage.models import Dataset, RoleType

ADA = SecurityContext(user_id="ada", tenant_id="north", roles=frozenset({RoleType.MEMBER, RoleType.VIEWER}))
STRANGER = SecurityContext(user_id="sven", tenant_id="south", roles=frozenset({RoleType.OWNER}))


def stored_leaves(storage: Storage) -> list[Any]:
    columns = "audit_ref, tenant_id, canonical_bytes"
    with as_owner(storage) as connection:
        return list(connection.execute(text(f"select {columns} from audit_leaf order by audit_ref")).all())


def test_every_change_of_a_record_writes_its_leaf(storage: Storage) -> None:
    with storage.transaction() as work:
        records = work.get_crud(Dataset)
        created = records.create(Dataset(tenant_id="north", name="iris", source_uri="file:///iris.csv"), context=ADA)
        changed = records.update(created, {"name": "flowers"}, context=ADA)
        records.delete(changed, context=ADA)

    leaves = [json.loads(row.canonical_bytes) for row in stored_leaves(storage)]
    assert [(leaf["action"], leaf["subject"]) for leaf in leaves] == [
        (f"storage.{verb}", f"Dataset/{created.id}") for verb in ("create", "update", "delete")
    ]
    states = [(leaf.get("before_sha256"), leaf.get("after_sha256")) for leaf in leaves]
    (nothing, as_created), (before, as_changed), (removed, nothing_left) = states
    assert (nothing, nothing_left, before, removed) == (None, None, as_created, as_changed)
    assert as_created != as_changed
    assert "iris" not in str(leaves)


def test_a_leaf_holds_who_did_what_as_canonical_bytes(storage: Storage) -> None:
    entry = AuditEntry(action="model.promoted", subject="ModelArtifact/7", details={"z": 1, "ä": [True, None, 0.1]})
    with storage.transaction() as work:
        audit_ref = work.audit.record(entry, context=ADA)

    (row,) = stored_leaves(storage)
    leaf = json.loads(row.canonical_bytes)
    assert leaf == {
        "audit_ref": str(audit_ref),
        "recorded_at": leaf["recorded_at"],
        "tenant_id": "north",
        "actor": "ada",
        "roles": ["member", "viewer"],
        "action": "model.promoted",
        "subject": "ModelArtifact/7",
        "details": {"z": 1, "ä": [True, None, 0.1]},
    }
    assert datetime.fromisoformat(leaf["recorded_at"]).tzinfo is not None
    assert (row.audit_ref, row.tenant_id) == (audit_ref, "north")
    assert bytes(row.canonical_bytes) == rfc8785.dumps(leaf)


def test_a_leaf_is_read_by_its_own_tenant_alone(storage: Storage) -> None:
    with storage.transaction() as work:
        audit_ref = work.audit.record(AuditEntry(action="a", subject="s"), context=ADA)

    with storage.transaction() as work:
        assert work.audit.read(audit_ref, context=ADA)["audit_ref"] == str(audit_ref)
        with pytest.raises(RecordNotFoundError):
            work.audit.read(audit_ref, context=STRANGER)


def test_a_rolled_back_transaction_leaves_no_leaf(storage: Storage) -> None:
    def fail_after_recording() -> None:
        with storage.transaction() as work:
            work.audit.record(AuditEntry(action="a", subject="s"), context=ADA)
            raise LookupError

    with pytest.raises(LookupError):
        fail_after_recording()

    assert stored_leaves(storage) == []


@pytest.mark.parametrize("change", ["update audit_leaf set tenant_id = 'south'", "delete from audit_leaf"])
def test_a_leaf_can_neither_be_changed_nor_removed_by_the_owner_of_the_table(storage: Storage, change: str) -> None:
    with storage.transaction() as work:
        work.audit.record(AuditEntry(action="a", subject="s"), context=ADA)
    before = stored_leaves(storage)

    with pytest.raises(DatabaseError, match="immutable"), as_owner(storage) as connection:
        connection.execute(text(change))

    assert stored_leaves(storage) == before


def leaf_of(details: dict[str, JsonValue], digest_of: dict[str, JsonValue] | None = None) -> dict[str, Any]:
    entry = AuditEntry(action="a", subject="s", details=details, digest_of=digest_of or {})
    leaf: dict[str, Any] = json.loads(canonical_leaf(new_id(), entry, ADA, datetime(2026, 3, 1, tzinfo=UTC)))
    return leaf


def test_whole_numbers_beyond_53_bits_are_written_as_text() -> None:
    details: dict[str, JsonValue] = {"seed": 2**53, "exact": 2**53 - 1, "list": [-(2**60)], "flag": True}

    assert leaf_of(details)["details"] == {
        "seed": "9007199254740992",
        "exact": 2**53 - 1,
        "list": ["-1152921504606846976"],
        "flag": True,
    }


def test_a_digest_stands_for_a_value_that_the_leaf_does_not_hold() -> None:
    leaf = leaf_of({}, {"seed": 2**60, "b": "secret"})

    expected = hashlib.sha256(b'{"b":"secret","seed":"1152921504606846976"}').hexdigest()
    assert (leaf["content_sha256"], "secret" in str(leaf)) == (expected, False)


@pytest.mark.parametrize(
    ("value", "error"),
    [("\ud800", RecordTextError), (float("nan"), RecordNumberError), (float("inf"), RecordNumberError)],
)
def test_a_value_that_is_no_json_has_its_own_error(value: JsonValue, error: type[ReportedError]) -> None:
    with pytest.raises(error):
        leaf_of({"value": value})
    with pytest.raises(error):
        leaf_of({}, {"value": value})
