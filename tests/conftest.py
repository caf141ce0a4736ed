"""One embedded PostgreSQL for the whole run; each test gets a fresh database, copied from a migrated template."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from platform_under_test import Platform, running_platform, two_clusters
from sqlalchemy import make_url

from learning.loading import loading
from storage import FolderObjectStore, Storage
from storage.database import ENGINE_ROLE, connect, connect_as_owner, migrate
from storage.embedded_postgres import embedded_postgres


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without the garbage collector: thousands of tests are much to look through, and stay until the end."""
    with loading():
        return (yield)


@pytest.fixture(scope="session")
def cluster_url(testrun_uid: str) -> Iterator[str]:
    # Named after the run: xdist's workers join one cluster, which the last to leave stops. Not below pytest's own
    # folder, whose permissions another run takes away from the user that a cluster of root runs as.
    folder = Path(tempfile.gettempdir()) / f"ami-tests-{testrun_uid[:12]}"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    cluster = ExitStack()
    with _alone(folder / "lock"):
        url = cluster.enter_context(embedded_postgres(folder / "postgres")).url
        _make_template(url)
    yield url
    with _alone(folder / "lock"):
        cluster.close()
        if not (folder / "postgres" / "postmaster.pid").exists():
            shutil.rmtree(folder)


@pytest.fixture
def database_url(cluster_url: str) -> Iterator[str]:
    """URL of a database of the test's own, at the newest revision."""
    with _new_database(cluster_url) as url:
        yield url


@pytest.fixture(scope="module")
def database_url_of_module(cluster_url: str) -> Iterator[str]:
    """URL of a database that the tests of one file share, at the newest revision."""
    with _new_database(cluster_url) as url:
        yield url


@pytest.fixture(name="storage")
def fresh_storage(database_url: str, tmp_path: Path) -> Iterator[Storage]:
    engine = connect(database_url, role=ENGINE_ROLE)
    yield Storage(engine, FolderObjectStore(tmp_path / "objects"))
    engine.dispose()


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of the platform; not below pytest's own folder, for the reason told above."""
    with _new_home() as folder:
        yield folder


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """One running platform for all tests; each test uses datasets of its own names."""
    with _new_home() as folder, running_platform(folder, LEARNING_LEASE_SECONDS="1") as running:
        yield running


@pytest.fixture(scope="session")
def dataset(platform: Platform) -> dict[str, object]:
    """A validated dataset."""
    payload = {"name": "clusters", "source_uri": platform.put("clusters.csv", two_clusters()), "target": "kind"}
    return platform.call("ada", "create_dataset", dataset_payload=payload)


@contextmanager
def _new_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ami-home-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def _new_database(cluster_url: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    _create_database(cluster_url, name, "migrated")
    yield _with_database(cluster_url, name)
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(f'drop database if exists "{name}" with (force)'.encode())


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_template(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("select 1 from pg_database where datname = 'migrated'").fetchone():
            return
        # Nothing here has to outlive the machine: processes are killed in tests, and the operating system is not.
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"alter system set {setting} = off".encode())
        connection.execute("select pg_reload_conf()")
    _create_database(url, "migrated", "template1")
    engine = connect_as_owner(_with_database(url, "migrated"))
    migrate(engine)
    engine.dispose()


def _create_database(url: str, name: str, template: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'create database "{name}" template "{template}"'.encode())


def _with_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)
