"""The schema: upwards from nothing, down to nothing and up again, and from several callers at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from uuid import uuid4

import psycopg
import pytest
from alembic import command
from sqlalchemy import Engine, make_url, text

from storage.database import (
    ENGINE_ROLE,
    _alembic_config,
    connect,
    connect_as_owner,
    current_revision,
    migrate,
    newest_revision,
    sqlalchemy_url,
)
from storage.errors import DatabaseUnavailableError
from storage.tenants import enter_tenant

SCHEMA = """
select 'column', table_name, column_name, data_type, column_default, is_nullable from information_schema.columns
where table_schema = 'public'
union all select 'index', tablename, indexname, indexdef, null, null from pg_indexes where schemaname = 'public'
union all select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), null, null
from pg_constraint where connamespace = 'public'::regnamespace
union all select 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), null, null
from pg_trigger where not tgisinternal
union all select 'policy', tablename, policyname, qual, with_check, array_to_string(roles, ' ') from pg_policies
union all select 'guarded', relname, null, null, null, null from pg_class where relrowsecurity
union all select 'function', proname, prosrc, null, null, null from pg_proc where pronamespace = 'public'::regnamespace
order by 1, 2, 3, 4
"""
OLDER_INSTANCES = """
insert into process_definition (process_definition_id, process_id, version, name, sha256, xml, deployed_by)
values (gen_random_uuid(), 'p', 1, 'p', '', '', 'olga');
insert into process_instance (process_instance_id, process_definition_id, pinned_definitions, start_event_id, tenant_id,
    business_key, started_by, status, process_id)
select gen_random_uuid(), process_definition_id, '{}', 'Begin', tenant_id, 'of ' || tenant_id, '{}', 'running', 'p'
from process_definition, unnest(array['north', 'south']) as tenant_id
"""


@pytest.fixture
def empty_url(cluster_url: str) -> str:
    name = f"empty_{uuid4().hex}"
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}"'.encode())
    return make_url(cluster_url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def engine(empty_url: str) -> Iterator[Engine]:
    engine = connect_as_owner(empty_url)
    yield engine
    engine.dispose()


def schema(engine: Engine) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(SCHEMA))]


def downgrade_to_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")


def migrate_database(url: str) -> str | None:
    engine = connect_as_owner(url)
    migrate(engine)
    revision = current_revision(engine)
    engine.dispose()
    return revision


def test_an_empty_database_comes_to_the_newest_revision_and_stays_there(engine: Engine) -> None:
    assert current_revision(engine) is None

    migrate(engine)
    made = schema(engine)
    migrate(engine)

    assert current_revision(engine) == newest_revision() is not None
    assert schema(engine) == made


def test_down_to_nothing_and_up_again_gives_the_same_schema(engine: Engine) -> None:
    migrate(engine)
    made = schema(engine)

    downgrade_to_nothing(engine)
    left = {row[1] for row in schema(engine)}
    migrate(engine)

    assert left == {"alembic_version"}
    assert schema(engine) == made


def test_rows_of_an_older_database_are_each_tenants_own_after_the_upgrade(engine: Engine, empty_url: str) -> None:
    with engine.begin() as connection:
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0013")
        connection.execute(text(OLDER_INSTANCES))

    migrate(engine)

    doors, loops = connect(empty_url, pool_size=1), connect(empty_url, pool_size=1, role=ENGINE_ROLE)
    seen = []
    for pool, tenant_id in ((doors, "north"), (doors, "south"), (doors, "west"), (loops, "")):
        with pool.begin() as connection:
            enter_tenant(connection, tenant_id)
            seen.append(
                connection.execute(text("select business_key from process_instance order by 1")).scalars().all()
            )
        pool.dispose()
    assert seen == [["of north"], ["of south"], [], ["of north", "of south"]]


def test_threads_that_migrate_at_once_all_succeed(engine: Engine, empty_url: str) -> None:
    with ThreadPoolExecutor(3) as threads:
        revisions = list(threads.map(migrate_database, [empty_url] * 3))

    assert revisions == [newest_revision()] * 3
    assert schema(engine)


def test_processes_that_migrate_at_once_all_succeed(empty_url: str) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as processes:
        revisions = list(processes.map(migrate_database, [empty_url] * 2))

    assert revisions == [newest_revision()] * 2


@pytest.mark.parametrize(
    ("url", "with_driver"),
    [
        ("postgresql://u:p@h:1/d", "postgresql+psycopg://u:p@h:1/d"),
        ("postgres://u:p@h:1/d", "postgresql+psycopg://u:p@h:1/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("nonsense", "nonsense"),
    ],
)
def test_the_driver_is_named_in_a_url(url: str, with_driver: str) -> None:
    assert sqlalchemy_url(url) == with_driver


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "oracle://h/d", "postgresql://u:secret@h:port/d", "postgresql://u:secret@127.0.0.1:1/d"],
)
def test_a_database_that_cannot_be_reached_is_reported_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseUnavailableError) as error:
        connect(url)

    assert "secret" not in str(error.value)
    assert error.value.retryable
