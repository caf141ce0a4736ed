"""One embedded PostgreSQL per run; each test gets a fresh database, copied from a migrated template."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from storage import FolderObjectStore, Storage
from storage.database import connect, migrate
from storage.embedded_postgres import embedded_postgres

_numbers = count(1)


@pytest.fixture(scope="session")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as url:
        _create_database(url, "migrated", "template1")
        engine = connect(_with_database(url, "migrated"), pool_size=1)
        migrate(engine)
        engine.dispose()
        yield url


@pytest.fixture
def database_url(cluster_url: str) -> str:
    """URL of a database of the test's own, at the newest revision."""
    name = f"test_{next(_numbers)}"
    _create_database(cluster_url, name, "migrated")
    return _with_database(cluster_url, name)


@pytest.fixture(name="storage")
def fresh_storage(database_url: str, tmp_path: Path) -> Iterator[Storage]:
    engine = connect(database_url)
    yield Storage(engine, FolderObjectStore(tmp_path / "objects"))
    engine.dispose()


def _create_database(url: str, name: str, template: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'create database "{name}" template "{template}"'.encode())


def _with_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)
