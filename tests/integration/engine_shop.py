"""One deployed process with handlers for its tasks and workers for it: what the tests of workers share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from database_owner import as_owner
from diagrams import diagram, end, path, service_task, start
from pydantic import BaseModel, JsonValue
from sqlalchemy import text

from engine import (
    Engine,
    ExternalTask,
    InstanceDescription,
    JobContext,
    NotificationHub,
    ServiceTaskRegistry,
    TaskContext,
    TransactionalTask,
    Worker,
    WorkerPolicy,
)
from engine.persistence import Claim, ClaimedJob, Jobs
from storage import SecurityContext, Storage
from storage.models import Dataset, RoleType

ADMIN = SecurityContext(user_id="olga", tenant_id="north", roles=frozenset({RoleType.ADMIN}))
JOIN_SECONDS = 60
PATIENT = WorkerPolicy(lease_seconds=60, backoff_seconds=1_000, chance=lambda: 0.5)
EAGER = WorkerPolicy(lease_seconds=60, backoff_seconds=0)
ONE_JOB = diagram("p", start(), path("Begin", "Work", "Done"), service_task("Work", "t", retries=3), end())


class Nothing(BaseModel):
    """A handler's input without fields."""


class Result(BaseModel):
    """What the tests' handlers return."""

    value: JsonValue = None


class Count(BaseModel):
    """A handler's input with a required field."""

    count: int


class Shop:
    """One deployed process with handlers for its tasks, and workers for it."""

    def __init__(self, storage: Storage, hub: NotificationHub, content: bytes, *tasks: Any) -> None:
        self.storage = storage
        self.hub = hub
        self.engine = Engine(ServiceTaskRegistry(*tasks), {}, platform_tenant="north")
        with storage.transaction() as work:
            self.engine.deploy(work, content, context=ADMIN)

    def worker(self, policy: WorkerPolicy = PATIENT) -> Worker:
        return Worker(self.engine, self.storage, self.hub, policy)

    def start(self, **variables: JsonValue) -> UUID:
        with self.storage.transaction() as work:
            return self.engine.start(work, "p", variables, context=ADMIN)

    def describe(self, process_instance_id: UUID) -> InstanceDescription:
        with self.storage.transaction() as work:
            return self.engine.describe(work, process_instance_id, context=ADMIN)

    def variables(self, process_instance_id: UUID) -> dict[str, JsonValue]:
        with self.storage.transaction() as work:
            return self.engine.variables(work, process_instance_id, context=ADMIN)

    def claim(self, lease_seconds: float = 60) -> ClaimedJob:
        """Claim as a worker would that is never heard of again."""
        with self.storage.transaction() as work:
            (job,) = Jobs(work).claim(Claim("lost", self.engine.registry.types, lease_seconds))
        return job

    def job(self, fields: str = "status, attempt, epoch") -> tuple[Any, ...] | None:
        """Return fields of the only job, `None` where there is none any more."""
        with self.storage.transaction() as work:
            row = work.connection.execute(text(f"select {fields} from job")).one_or_none()
        return None if row is None else tuple(row)

    def execute(self, statement: str) -> None:
        with as_owner(self.storage) as connection:
            connection.execute(text(statement))

    def events_are_settled(self) -> bool:
        """Return whether every committed event is shown: transactions of other tests can hold it up."""
        with self.storage.transaction() as work:
            return not self.engine.has_unsettled_events(work, context=ADMIN)

    def datasets(self) -> int:
        with self.storage.transaction() as work:
            return len(work.get_crud(Dataset).query({}, context=ADMIN))


def transactional(run: Callable[[TaskContext, Nothing], Result]) -> TransactionalTask[Nothing, Result]:
    return TransactionalTask("t", Nothing, run)


def external(run: Callable[[JobContext, Nothing], Result]) -> ExternalTask[Nothing, Result]:
    return ExternalTask("t", Nothing, run)


def write_dataset(context: TaskContext) -> None:
    dataset = Dataset(tenant_id="north", name="iris", source_uri="file:iris.csv")
    context.work.get_crud(Dataset).create(dataset, context=context.principal)


def raising(failure: Exception) -> TransactionalTask[Nothing, Result]:
    def write_and_raise(context: TaskContext, _request: Nothing) -> Result:
        write_dataset(context)
        raise failure

    return transactional(write_and_raise)


def five(_context: JobContext, _request: Nothing) -> Result:
    return Result(value=5)


@contextmanager
def running(worker: Worker, hub: NotificationHub) -> Iterator[None]:
    """Run the worker in a thread until the end of the block, and require that it ends then."""
    thread = threading.Thread(target=worker.run)
    with hub:
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join(JOIN_SECONDS)
    assert not thread.is_alive()
