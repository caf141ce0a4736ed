"""A cluster, databases in it, and in each an engine whose workers run in the caller's thread."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import psycopg
from engine_diagrams import EXTERNAL, TRANSACTIONAL, approval, chain, for_each_item
from pydantic import BaseModel, JsonValue
from sqlalchemy import make_url

from engine import (
    Engine,
    ExternalTask,
    JobContext,
    NotificationHub,
    ServiceTaskRegistry,
    TaskContext,
    TransactionalTask,
    Worker,
    WorkerPolicy,
)
from storage import FolderObjectStore, SecurityContext, Storage
from storage.database import ENGINE_ROLE, connect, connect_as_owner, migrate
from storage.embedded_postgres import embedded_postgres
from storage.models import RoleType

GROUP = "reviewers"
PEOPLE = SecurityContext(
    user_id="olga", tenant_id="north", roles=frozenset({RoleType.ADMIN}), groups=frozenset({GROUP})
)
_DIAGRAMS = (
    chain("ten_external", EXTERNAL, 10),
    chain("two_hundred_external", EXTERNAL, 200),
    chain("ten_transactional", TRANSACTIONAL, 10),
    for_each_item("for_each_item"),
    approval("approval", GROUP),
)
_POLICY = WorkerPolicy(lease_seconds=600)
ALONE = WorkerPolicy(lease_seconds=600, brief_seconds=0)  # as where handlers take their time: no commit is shared


class Nothing(BaseModel):
    """Input and result of the benchmarks' tasks."""


def _do_nothing(_context: JobContext | TaskContext, _request: Nothing) -> Nothing:
    return Nothing()


class _EndOfWork(NotificationHub):
    """Stops the worker that would otherwise wait for work."""

    stop: Callable[[], None]

    def wait_for_job(self, mark: int, timeout_seconds: float) -> bool:  # noqa: ARG002 - there is nothing to wait for
        """Stop instead."""
        self.stop()
        return False


class Plant:
    """An engine on a database, and workers that run until nothing is left."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.database = connect(url, pool_size=2, role=ENGINE_ROLE)
        self._of_doors = connect(url, pool_size=1)
        self.storage = Storage(self.database, FolderObjectStore(folder))
        self.doors = Storage(self._of_doors, FolderObjectStore(folder))
        external = ExternalTask(EXTERNAL, Nothing, _do_nothing)
        transactional = TransactionalTask(TRANSACTIONAL, Nothing, _do_nothing)
        self.engine = Engine(ServiceTaskRegistry(external, transactional), {}, platform_tenant="north")

    def close(self) -> None:
        """Give the connections back."""
        self.database.dispose()
        self._of_doors.dispose()

    def deploy(self) -> None:
        """Deploy the benchmarks' processes."""
        with self.storage.transaction() as work:
            self.engine.deploy(work, *_DIAGRAMS, context=PEOPLE)

    def start(self, process_id: str, instances: int, **variables: JsonValue) -> list[UUID]:
        """Start instances, each in a transaction of its own."""
        return [self._start(process_id, variables) for _ in range(instances)]

    def _start(self, process_id: str, variables: dict[str, JsonValue]) -> UUID:
        with self.storage.transaction() as work:
            return self.engine.start(work, process_id, variables, context=PEOPLE)

    def drain(self, policy: WorkerPolicy = _POLICY) -> float:
        """Let one worker run until nothing is left; return the seconds."""
        hub = _EndOfWork(self.url)
        worker = Worker(self.engine, self.storage, hub, policy)
        hub.stop = worker.stop
        started = time.perf_counter()
        worker.run()
        return time.perf_counter() - started

    def seconds_per_step(self, process_id: str, instances: int, steps: int, policy: WorkerPolicy = _POLICY) -> float:
        """Start instances that take `steps` steps each, and drain them; the start is not counted."""
        self.start(process_id, instances)
        return self.drain(policy) / (instances * steps)


@contextmanager
def cluster() -> Iterator[str]:
    """Yield the URL of a fresh cluster that really writes: commits reach the disk before they are confirmed."""
    with tempfile.TemporaryDirectory(prefix="ami-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with embedded_postgres(folder / "pg") as server:
            with psycopg.connect(server.url, autocommit=True) as connection:
                for setting in ("fsync", "synchronous_commit"):
                    row = connection.execute(f"show {setting}".encode()).fetchone()
                    assert row == ("on",), setting
            yield server.url


def new_database(cluster_url: str, name: str) -> str:
    """Create an empty database; return its URL."""
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}" template template1'.encode())
    return make_url(cluster_url).set(database=name).render_as_string(hide_password=False)


@contextmanager
def new_plant(cluster_url: str, name: str) -> Iterator[Plant]:
    """Yield an engine on a database of its own, everything deployed and each code path run once."""
    url = new_database(cluster_url, name)
    owner = connect_as_owner(url)
    migrate(owner)
    owner.dispose()
    with tempfile.TemporaryDirectory() as folder:
        plant = Plant(url, Path(folder))
        plant.deploy()
        for process_id in ("ten_external", "ten_transactional"):
            plant.start(process_id, 5)
        plant.drain()
        yield plant
        plant.close()


def copy_instance(plant: Plant, process_instance_id: UUID, copies: int) -> None:
    """Multiply a waiting instance: its rows under new ids, as if it had been started that often."""
    ids_by_table = {
        "process_instance": ("process_instance_id",),
        "task": ("process_instance_id", "task_id", "parent_id"),
        "user_task": ("process_instance_id", "task_id", "user_task_id"),
    }
    with psycopg.connect(plant.url, autocommit=True) as connection:
        for table, ids in ids_by_table.items():
            fresh = ", ".join(f"'{name}', md5(t.{name}::text || number)::uuid" for name in ids)
            connection.execute(
                f"insert into {table} select copy.* from {table} t cross join generate_series(1, %s) as number "
                f"cross join lateral jsonb_populate_record(t, jsonb_build_object({fresh})) as copy "
                "where t.process_instance_id = %s".encode(),
                (copies, process_instance_id),
            )
        connection.execute("vacuum analyze")
