"""What the database itself refuses: the application's role, and row-level security below UnifiedCRUD's own filters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from database_owner import as_owner
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import DBAPIError

from storage import AuditEntry, FolderObjectStore, SecurityContext, Storage, documents
from storage.database import (
    ENGINE_ROLE,
    connect,
    connect_as_owner,
    current_revision,
    migrate,
    newest_revision,
    require_owner,
)
from storage.errors import (
    DatabaseExtensionError,
    DatabaseOwnerError,
    DatabasePrivilegeError,
    DatabaseRoleError,
    RecordNotFoundError,
)
from storage.models import Dataset, RoleType
from storage.tenants import enter_tenant

NORTH = SecurityContext(user_id="ada", tenant_id="north", roles=frozenset({RoleType.OWNER}))
SOUTH = SecurityContext(user_id="sven", tenant_id="south", roles=frozenset({RoleType.OWNER}))
DENIED = "42501"
WAITING = "select 1 from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
TENANT_CONDITION = re.compile(r" and (d\.)?tenant_id = (%\(tenant\)s|tenant)")


@pytest.fixture(name="storage")
def storage_of_doors(database_url: str, tmp_path: Path) -> Iterator[Storage]:
    engine = connect(database_url)
    yield Storage(engine, FolderObjectStore(tmp_path / "objects"))
    engine.dispose()


def create(storage: Storage, context: SecurityContext) -> Dataset:
    record = Dataset(tenant_id=context.tenant_id, name="iris", source_uri="file:///iris.csv")
    with storage.transaction() as work:
        return work.get_crud(Dataset).create(record, context=context)


def refusal(storage: Storage, statement: str) -> str | None:
    """Return the SQLSTATE with which the application's role is refused a statement."""
    with storage.transaction() as work:
        enter_tenant(work.connection, "north")
        with pytest.raises(DBAPIError) as error:
            work.connection.execute(text(statement))
    return getattr(error.value.orig, "sqlstate", None)


@pytest.fixture
def forgetful(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """A storage whose statements have lost every condition on the tenant, here and in the database's functions."""
    monkeypatch.setattr(documents, "_OF_MODEL", _without_tenant(documents._OF_MODEL))
    with as_owner(storage) as connection:
        for name in ("read_record", "change_record"):
            found = text("select pg_get_functiondef(oid) from pg_proc where proname = :name")
            definition = connection.execute(found, {"name": name}).scalar_one()
            connection.exec_driver_sql(_without_tenant(definition))
    return storage


def _without_tenant(statement: str) -> str:
    assert TENANT_CONDITION.search(statement)
    return TENANT_CONDITION.sub("", statement)


def test_tenants_stay_apart_where_the_statements_forget_to_ask_for_the_tenant(forgetful: Storage) -> None:
    record, other = create(forgetful, NORTH), create(forgetful, SOUTH)
    claimed = record.model_copy(update={"tenant_id": "south"})

    with forgetful.transaction() as work:
        datasets = work.get_crud(Dataset)
        assert datasets.query({}, context=NORTH) == [record]
        assert datasets.query({}, context=SOUTH) == [other]
        with pytest.raises(RecordNotFoundError):
            datasets.read(record.id, context=SOUTH)
        with pytest.raises(RecordNotFoundError):
            datasets.delete(claimed, context=SOUTH)
    with as_owner(forgetful) as connection:
        assert connection.execute(text("select count(*) from document where deleted_at is null")).scalar_one() == 2


def test_without_a_tenant_nothing_is_visible(storage: Storage) -> None:
    create(storage, NORTH)

    with storage.transaction() as work:
        assert work.connection.execute(text("select count(*) from document")).scalar_one() == 0
        assert work.connection.execute(text("select count(*) from audit_leaf")).scalar_one() == 0
        enter_tenant(work.connection, "north")
        assert work.connection.execute(text("select count(*) from document")).scalar_one() == 1
        assert work.connection.execute(text("select count(*) from audit_leaf")).scalar_one() == 1
        enter_tenant(work.connection, "")
        assert work.connection.execute(text("select count(*) from document")).scalar_one() == 0


def test_a_tenant_does_not_outlive_its_transaction(database_url: str, tmp_path: Path) -> None:
    engine = connect(database_url, pool_size=1)
    storage = Storage(engine, FolderObjectStore(tmp_path))
    create(storage, NORTH)

    with storage.transaction() as work:
        assert work.connection.execute(text("select count(*) from document")).scalar_one() == 0
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_leaf set tenant_id = 'south'",
        "delete from audit_leaf",
        "truncate audit_leaf",
        "alter table audit_leaf disable trigger all",
        "alter table audit_leaf disable row level security",
        "drop policy audit_leaf_of_tenant on audit_leaf",
        "drop table audit_leaf",
        "insert into audit_leaf select gen_random_uuid(), tenant_id, '', '1' from audit_leaf",
        "update process_definition set name = 'another'",
        "delete from event",
        "delete from document",
        "update alembic_version set version_num = '0001'",
        "create table mine (id integer)",
        "create or replace function refuse_change() returns trigger language plpgsql as 'begin return new; end'",
        "set session_replication_role = replica",
        "select ensure_role('ami_other')",
    ],
)
def test_the_application_may_neither_rewrite_the_record_nor_change_the_schema(storage: Storage, statement: str) -> None:
    create(storage, NORTH)

    assert refusal(storage, statement) == DENIED


def test_the_application_cannot_write_a_row_of_another_tenant(storage: Storage) -> None:
    create(storage, NORTH)

    assert refusal(storage, "update document set tenant_id = 'south'") == DENIED
    assert (
        refusal(
            storage,
            "insert into document (id, model, tenant_id, data_classification, body, revision, created_at, updated_at)"
            " values (gen_random_uuid(), 'Dataset', 'south', 'public', '{}', 1, now(), now())",
        )
        == DENIED
    )


def test_one_statement_may_add_leaves_of_several_tenants(storage: Storage) -> None:
    with storage.transaction() as work:
        enter_tenant(work.connection, "north")
        audit_ref = work.audit.record(AuditEntry(action="a", subject="s"), context=SOUTH)

    with storage.transaction() as work:
        assert work.audit.read(audit_ref, context=SOUTH)["tenant_id"] == "south"
        with pytest.raises(RecordNotFoundError):
            work.audit.read(audit_ref, context=NORTH)


def test_the_pool_acts_as_the_applications_role_from_the_first_statement(storage: Storage) -> None:
    with storage.statement() as work:
        row = work.connection.execute(text("select current_user, current_user = session_user")).one()

    assert tuple(row) == ("ami_application", False)


def test_tables_of_later_revisions_are_the_applications_to_fill(storage: Storage) -> None:
    with as_owner(storage) as connection:
        connection.execute(text("create table later (id bigint generated always as identity, note text)"))

    with storage.transaction() as work:
        work.connection.execute(text("insert into later (note) values ('a')"))
        work.connection.execute(text("update later set note = 'b'"))
        assert work.connection.execute(text("delete from later returning note")).scalar_one() == "b"
    assert refusal(storage, "truncate later") == DENIED


@pytest.fixture
def login(cluster_url: str, testrun_uid: str) -> Iterator[Any]:
    """A login that is neither superuser nor may create roles, and owns a database of its own."""
    name = f"login_{testrun_uid[:8]}"
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(f'create role "{name}" login'.encode())
        connection.execute(f'create database "{name}" owner "{name}"'.encode())
        yield make_url(cluster_url).set(username=name, database=name).render_as_string(hide_password=False), connection
        connection.execute(f'drop database "{name}"'.encode())
        connection.execute(f'drop role "{name}"'.encode())


def add_extension(url: URL, administrator: psycopg.Connection[Any]) -> None:
    of_server = url.set(username=administrator.info.user).render_as_string(hide_password=False)
    with psycopg.connect(of_server, autocommit=True) as connection:
        connection.execute("create extension vector")


def test_a_login_that_may_not_act_as_the_role_is_told_so_and_works_once_it_may(login: Any) -> None:
    url, administrator = login
    owner = connect_as_owner(url)

    with pytest.raises(DatabaseRoleError) as refused:
        migrate(owner)
    with pytest.raises(DatabaseRoleError) as connecting:
        connect(url)
    administrator.execute(f'grant ami_application, ami_sealer, ami_custodian to "{make_url(url).username}"'.encode())
    with pytest.raises(DatabaseExtensionError) as lacking:
        migrate(owner)
    add_extension(make_url(url), administrator)
    with pytest.raises(DatabaseRoleError) as newer:
        migrate(owner)
    administrator.execute(f'grant ami_engine to "{make_url(url).username}"'.encode())
    migrate(owner)
    owner.dispose()
    engine = connect(url, pool_size=1)
    with engine.connect() as connection:
        user = connection.execute(text("select current_user")).scalar_one()
    engine.dispose()

    assert (lacking.value.code, lacking.value.extension) == ("DATABASE_EXTENSION_MISSING", "vector")
    assert (refused.value.role, connecting.value.role, user) == ("ami_application",) * 3
    assert newer.value.role == "ami_engine"
    assert refused.value.code == "DATABASE_ROLE_MISSING"


def test_a_function_that_the_server_keeps_to_itself_is_named_with_those_who_need_it(login: Any) -> None:
    url, administrator = login
    name = make_url(url).username
    roles = f'ami_application, ami_engine, ami_sealer, ami_custodian to "{name}"'
    administrator.execute(f"grant {roles}".encode())
    add_extension(make_url(url), administrator)
    of_server = make_url(url).set(username=administrator.info.user).render_as_string(hide_password=False)
    owner = connect_as_owner(url)

    with psycopg.connect(of_server, autocommit=True) as server:
        server.execute("revoke execute on function pg_control_system() from public")
        with pytest.raises(DatabasePrivilegeError) as both:
            migrate(owner)
        server.execute(f'grant execute on function pg_control_system() to "{name}"'.encode())
        with pytest.raises(DatabasePrivilegeError) as one:
            migrate(owner)
        server.execute("grant execute on function pg_control_system() to ami_sealer")
    migrate(owner)
    upgraded_to = current_revision(owner)
    owner.dispose()

    assert both.value.code == "DATABASE_PRIVILEGE_MISSING"
    assert (set(both.value.roles), one.value.roles) == ({name, "ami_sealer"}, ("ami_sealer",))
    assert both.value.function == "pg_control_system()"
    assert upgraded_to == newest_revision()


def test_a_role_that_nobody_made_is_named(database_url: str) -> None:
    with pytest.raises(DatabaseRoleError) as error:
        connect(database_url, role="ami_nobody")

    assert error.value.role == "ami_nobody"


def test_a_login_that_owns_nothing_can_run_the_platform_and_not_upgrade_it(cluster_url: str, database_url: str) -> None:
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(b"create role ami_test_runtime login in role ami_application, ami_engine")
        url = make_url(database_url).set(username="ami_test_runtime").render_as_string(hide_password=False)
        owner, engine = connect_as_owner(url), connect(url, pool_size=1)
        connect(url, pool_size=1, role=ENGINE_ROLE).dispose()
        try:
            assert (
                current_revision(owner),
                create(Storage(engine, FolderObjectStore(Path("unused"))), NORTH).name,
            ) == (
                newest_revision(),
                "iris",
            )
            with pytest.raises(DBAPIError), owner.begin() as session:
                session.execute(text("alter table document disable row level security"))
            migrate(owner)  # there is nothing to do
            with pytest.raises(DatabaseOwnerError) as refused:
                require_owner(owner)
            assert refused.value.login == "ami_test_runtime"
            with psycopg.connect(database_url, autocommit=True) as outdated:
                outdated.execute("update alembic_version set version_num = '0001'")
            with pytest.raises(DatabaseOwnerError):
                migrate(owner)
        finally:
            owner.dispose()
            engine.dispose()
            connection.execute(b"drop role ami_test_runtime")


def test_databases_of_one_cluster_may_make_the_role_at_the_same_time(cluster_url: str, database_url: str) -> None:
    with (
        psycopg.connect(database_url) as first,
        psycopg.connect(_another(cluster_url)) as second,
        psycopg.connect(cluster_url, autocommit=True) as observer,
        ThreadPoolExecutor(1) as threads,
    ):
        first.execute("select ensure_role('ami_test_race')")
        made = threads.submit(second.execute, "select ensure_role('ami_test_race')")
        while not observer.execute(WAITING, [second.info.backend_pid]).fetchone():
            assert not made.done()
        first.commit()
        made.result()
        second.execute("drop role ami_test_race")


def _another(cluster_url: str) -> str:
    name = f"race_{uuid4().hex}"
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}" template "migrated"'.encode())
    return make_url(cluster_url).set(database=name).render_as_string(hide_password=False)
