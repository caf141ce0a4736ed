"""Who may change what of the audit trail in the database: nobody anything that is sealed."""

from __future__ import annotations

import pytest
from audit_office import SVEN, AuditOffice
from database_owner import as_owner
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from storage.tenants import enter_tenant


@pytest.mark.parametrize(
    "change",
    [
        "update audit_position set position = 9",
        "delete from audit_position",
        "update audit_head set size = 9",
        "update audit_checkpoint set note = ''",
        "delete from audit_checkpoint",
        "delete from audit_key",
        "delete from audit_tile",
        "update audit_tile set hashes = set_byte(hashes, 0, 0)",
        "update audit_tile set hashes = ''",
        "update audit_tile set number = 9",
        "truncate audit_checkpoint_copy",
        "truncate audit_personal",
        "update audit_personal set content = '{}'",
        "delete from audit_log",
    ],
)
def test_what_was_sealed_can_neither_be_changed_nor_removed(office: AuditOffice, change: str) -> None:
    office.record(1, personal={"reason": "why"})
    office.seal()

    with pytest.raises(DatabaseError), as_owner(office.storage) as connection:
        connection.execute(text(change))


@pytest.mark.parametrize(
    "change",
    [
        "insert into audit_log default values",
        "update audit_log set holder = 'me'",
        "insert into audit_tile values ('global', 0, 9, '')",
        "update audit_tile set hashes = hashes",
        "insert into audit_position values ('north', 9, gen_random_uuid())",
        "insert into audit_head values (9, 'north', 9, '')",
        "insert into audit_checkpoint values ('global', 9, '', '', now())",
        "insert into audit_checkpoint_copy values ('global', 9, '')",
        "insert into audit_key values (9, '')",
        "delete from audit_personal",
        "update audit_personal set content = '{}'",
        "delete from audit_leaf",
        "update audit_leaf set tenant_id = 'south'",
        "insert into audit_leaf values (gen_random_uuid(), 'north', '', '1')",
    ],
)
def test_the_application_can_only_add_leaves(office: AuditOffice, change: str) -> None:
    office.record(1, personal={"reason": "why"})
    office.seal()

    with pytest.raises(DatabaseError, match="permission denied"), office.storage.transaction() as work:
        work.connection.execute(text(change))


def test_the_sealer_has_no_table_but_the_audit_trails(office: AuditOffice) -> None:
    query = "select distinct table_name from information_schema.role_table_grants where grantee = 'ami_sealer'"

    assert [name for (name,) in office.rows(query) if not str(name).startswith("audit_")] == []


def test_a_tenant_sees_no_other_tenants_part_of_the_trail(office: AuditOffice) -> None:
    office.record(1, personal={"reason": "why"})
    office.record(1, SVEN, personal={"reason": "why"})
    office.seal()
    office.sealer.copy_checkpoints()

    with office.storage.transaction() as work:
        enter_tenant(work.connection, "south")
        seen = {
            table: {str(name) for name in work.connection.execute(text(f"select {column} from {table}")).scalars()}
            for table, column in (
                ("audit_leaf", "tenant_id"), ("audit_personal", "tenant_id"), ("audit_position", "tenant_id"),
                ("audit_head", "tenant_id"), ("audit_tile", "tree"), ("audit_checkpoint", "tree"),
                ("audit_checkpoint_copy", "tree"),
            )
        }  # fmt: skip

    of_tenant = {name: {"south"} for name in ("audit_leaf", "audit_personal", "audit_position", "audit_head")}
    of_tree = {"global", "tenant/south"}
    assert seen == of_tenant | dict.fromkeys(("audit_tile", "audit_checkpoint", "audit_checkpoint_copy"), of_tree)
