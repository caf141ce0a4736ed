"""The service layer on a real database, its jobs run in the test's own thread."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from pydantic import JsonValue

import engine as engine_package
from domain_sdk.model_package import WEIGHTS_FILE
from engine import (
    Engine,
    InstanceDescription,
    Migrations,
    NotificationHub,
    Operations,
    ScheduleBook,
    Worker,
    WorkerPolicy,
)
from handlers import FORMS, Limits, Services, service_tasks
from handlers.datasets import DatasetPayload, Registration, register_dataset
from handlers.event_gateway import EventGateway
from handlers.experiments import ExperimentConfig, ExperimentPayload, Launch, launch_experiment
from runners.compute import ComputeJob, ComputeOutcome, OnLine, ShouldStop
from runners.subprocess_compute import SubprocessCompute
from serving.loading import load_model
from serving.model_cache import ModelCache
from storage import FolderObjectStore, SealingObjectStore, SecurityContext, Storage
from storage.database import ENGINE_ROLE, connect
from storage.models import ComputeProfile, RoleType, StorageModel
from storage.objects import object_key, stored_digest_of
from storage.objects.master_keys import LocalKeys

ModelT = TypeVar("ModelT", bound=StorageModel)

ADA = SecurityContext(user_id="ada", tenant_id="north", roles=frozenset({RoleType.MEMBER}))
GRACE = ADA.model_copy(update={"user_id": "grace", "groups": frozenset({"reviewer"})})
VIEWER = ADA.model_copy(update={"user_id": "vera", "roles": frozenset({RoleType.VIEWER})})
ADMIN = ADA.model_copy(update={"user_id": "olga", "roles": frozenset({RoleType.ADMIN})})
STRANGER = ADMIN.model_copy(update={"user_id": "sven", "tenant_id": "south"})


class RememberingCompute:
    """Runs each job in a process of its own, and a job that it ran before not again: equal jobs leave equal files."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._compute = SubprocessCompute(os.environ, time.monotonic)
        self._outcomes: dict[str, ComputeOutcome] = {}
        self._one_at_a_time = threading.Lock()

    def run(self, job: ComputeJob, on_line: OnLine, should_stop: ShouldStop) -> ComputeOutcome:
        with self._one_at_a_time:
            return self._run(job, on_line, should_stop)

    def _run(self, job: ComputeJob, on_line: OnLine, should_stop: ShouldStop) -> ComputeOutcome:
        key = _name_of(job)
        output, kept = Path(str(job.specification["output_dir"])), self._memory / str(len(self._outcomes))
        if key not in self._outcomes:
            outcome = self._compute.run(job, on_line, should_stop)
            if output.exists():
                shutil.copytree(output, kept / "output")
            kept.mkdir(parents=True, exist_ok=True)
            shutil.copy(outcome.log_path, kept / "log")
            self._outcomes[key] = outcome.model_copy(update={"log_path": kept / "log"})
        elif (self._outcomes[key].log_path.parent / "output").exists():
            shutil.copytree(self._outcomes[key].log_path.parent / "output", output)
        return self._outcomes[key]

    def available_profiles(self) -> tuple[ComputeProfile, ...]:
        return (ComputeProfile.CPU,)


@dataclass(frozen=True)
class Workshop:
    """The service layer as the doors have it, a worker, and the folders that it reads.

    Attributes:
        all_tenants: The stores as the worker has them.
    """

    services: Services
    all_tenants: Storage
    worker: Worker
    inbox: Path
    objects: Path

    def close(self) -> None:
        """Give the connections back."""
        self.services.storage._engine.dispose()
        self.all_tenants._engine.dispose()

    def finish_jobs(self) -> None:
        """Run jobs until none is left that could run now."""
        while self.worker.run_one():
            pass

    def put(self, name: str, content: str) -> str:
        path = self.inbox / name
        path.write_text(content)
        return path.as_uri()

    def register(
        self, content: str, name: str = "clusters", target: str = "kind", context: SecurityContext = ADA
    ) -> Registration:
        payload = DatasetPayload(name=name, source_uri=self.put(f"{name}.csv", content), target=target)
        return register_dataset(self.services, payload, context=context)

    def launch(self, dataset_id: UUID, key: str | None = None, **config: Any) -> Launch:
        asked = ExperimentConfig(**{"epochs": 3, "hidden_sizes": (8,), "learning_rate": 0.05, **config})
        payload = ExperimentPayload(dataset_id=dataset_id, config=asked)
        return launch_experiment(self.services, payload, key, context=ADA)

    def review(self, process_instance_id: UUID, decision: str, comment: str = "") -> None:
        """Decide as the reviewer, and let the process go on."""
        self.decide(process_instance_id, decision, comment)
        self.finish_jobs()

    def decide(self, process_instance_id: UUID, decision: str, comment: str = "") -> None:
        """Decide as the reviewer."""
        with self.services.storage.transaction("north") as work:
            (task_id,) = self.services.engine.describe(work, process_instance_id, context=GRACE).open_user_task_ids
            submission = {"decision": decision, "comment": comment}
            self.services.engine.complete_user_task(work, task_id, submission, context=GRACE)

    def train(self, dataset_id: UUID, **config: Any) -> Launch:
        """Launch an experiment and bring it to its review."""
        launched = self.launch(dataset_id, **config)
        self.finish_jobs()
        return launched

    def instance(self, process_instance_id: UUID) -> InstanceDescription:
        with self.services.storage.transaction("north") as work:
            return self.services.engine.describe(work, process_instance_id, context=ADA)

    def variables(self, process_instance_id: UUID) -> dict[str, Any]:
        with self.services.storage.transaction("north") as work:
            return self.services.engine.variables(work, process_instance_id, context=ADA)

    def records(
        self, model: type[ModelT], context: SecurityContext = ADA, **criteria: JsonValue | UUID
    ) -> list[ModelT]:
        """Return the records, oldest first."""
        with self.services.storage.transaction("north") as work:
            return work.get_crud(model).query(criteria, context=context)[::-1]

    def change(self, record: ModelT, **patch: object) -> ModelT:
        with self.services.storage.transaction("north") as work:
            return work.get_crud(type(record)).update(record, patch, context=ADA)

    def damage(self, uri: str) -> None:
        """Change one bit of a stored object, behind the store's back."""
        path = self.objects / object_key(stored_digest_of(uri))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.chmod(0o644)
        path.write_bytes(content)

    def lose(self, uri: str) -> None:
        """Remove a stored object."""
        (self.objects / object_key(stored_digest_of(uri))).unlink()


def utc_now() -> datetime:
    return datetime.now(UTC)


def open_workshop(
    database_url: str, folder: Path, compute: RememberingCompute, clock: Callable[[], datetime] = utc_now
) -> Workshop:
    """Return a service layer on a migrated database, with the diagrams that ship deployed."""
    inbox, objects_folder = (folder / "inbox").resolve(), folder / "objects"
    inbox.mkdir()
    objects = SealingObjectStore(FolderObjectStore(objects_folder), LocalKeys((b"k" * 32,)))
    engine = Engine(service_tasks(compute, clock), FORMS, platform_tenant="north")
    services = Services(
        storage=Storage(connect(database_url, pool_size=4), objects),
        engine=engine,
        schedules=ScheduleBook(engine),
        operations=Operations(engine),
        migrations=Migrations(engine),
        events=EventGateway(engine),
        hub=NotificationHub(database_url),
        compute=compute,
        models=ModelCache(partial(load_model, objects), capacity=4),
        limits=Limits(
            import_roots=(inbox,),
            default_profile=ComputeProfile.CPU,
            allowed_profiles=(ComputeProfile.CPU, ComputeProfile.AMD),
        ),
    )
    diagrams = [path.read_bytes() for path in sorted(_workflows().glob("*.*mn"))]
    with services.storage.transaction("north") as work:
        services.engine.deploy(work, *diagrams, context=ADMIN)
    all_tenants = Storage(connect(database_url, pool_size=4, role=ENGINE_ROLE), objects)
    worker = Worker(services.engine, all_tenants, services.hub, WorkerPolicy())
    return Workshop(services=services, all_tenants=all_tenants, worker=worker, inbox=inbox, objects=objects_folder)


def two_clusters(rows: int = 40, words: tuple[str, str] = ("large", "small")) -> str:
    """Return a CSV in which `kind` follows from `width` and `colour`."""
    lines = ["width,height,colour,kind"]
    for number in range(rows):
        is_large = number % 2 == 0
        width, colour = (10 + number % 7, "red") if is_large else (1 + number % 3, "blue")
        lines.append(f"{width},{number / 4},{colour},{words[0] if is_large else words[1]}")
    return "\n".join(lines) + "\n"


def _workflows() -> Path:
    return Path(engine_package.__file__).parent.parent / "workflows"


def _name_of(job: ComputeJob) -> str:
    """Return what makes the job the job that it is: not where it runs, but on what."""
    places = {name for name in job.specification if name.endswith(("_dir", "_path"))}
    what = {name: value for name, value in job.specification.items() if name not in places}
    dataset = Path(str(job.specification["dataset_path"])).read_bytes()
    package = job.specification.get("package_dir")
    weights = b"" if package is None else (Path(str(package)) / WEIGHTS_FILE).read_bytes()
    return repr((job.module, job.profile, sorted(what.items()), dataset, weights))
