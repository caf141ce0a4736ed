"""The real engine, worker and scheduler on a throw-away database, with handlers and conditions that were told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial

from pydantic import BaseModel, JsonValue

from engine.bpmn import Document, ServiceTask, UserTask
from engine.deployment import Deployer, Deployment, Surroundings
from engine.dmn import DecisionModel
from engine.engine import Engine
from engine.errors import Finding
from engine.persistence import NotificationHub
from engine.persistence.simulation import SimulatedTime, SimulatedWork
from engine.scheduler import Scheduler, SchedulerPolicy
from engine.simulation.answers import AnswerBook
from engine.simulation.preparation import Prepared
from engine.simulation.stub_handlers import AnyValues, Outcomes, stub_registry
from engine.simulation.told_ways import ToldWays
from engine.worker import Worker
from engine.worker_policy import WorkerPolicy
from storage import SecurityContext, Storage, UnitOfWork
from storage.models import RoleType
from storage.throwaway_database import owner_storage

TENANT = "simulation"
STARTER = SecurityContext(user_id="starter", tenant_id=TENANT, roles=frozenset({RoleType.ADMIN}))
LEASE_SECONDS = 15.0
_MEAN = 0.5
# No job is taken that was not chosen; a failed attempt is repeated after the mean of the delays that workers wait.
POLICY = WorkerPolicy(lease_seconds=LEASE_SECONDS, chance=lambda: _MEAN, batch=1, chain=0)


class _SimulatedEngine(Engine):
    """An engine whose documents were verified before, against less."""

    def deploy(self, work: UnitOfWork, *documents: bytes, context: SecurityContext) -> Deployment:
        """Store documents, whatever is missing around them."""
        surroundings = Surroundings(self.registry, {}, None)
        listen = partial(self._listen, work, context)
        return _Trusting(work, self.library, surroundings, listen, context).deploy(documents)


class _Trusting(Deployer):
    def _verified(self, documents: Iterable[Document], decisions: Iterable[DecisionModel]) -> tuple[Finding, ...]:  # noqa: ARG002
        return ()


class World:
    """All that a simulation moves.

    Attributes:
        outcomes: How the service tasks end whose jobs a worker gets.
    """

    def __init__(self, storage: Storage, database_url: str, engine: Engine, outcomes: Outcomes) -> None:
        self.storage = storage
        self.engine = engine
        self.outcomes = outcomes
        self.scheduler = Scheduler(engine, storage, SchedulerPolicy())
        self._hub = NotificationHub(database_url)
        self.replace_worker()

    def replace_worker(self) -> None:
        """Let another worker go on in place of one that has crashed."""
        self.worker = Worker(self.engine, self.storage, self._hub, POLICY)


def build_world(
    storage: Storage,
    database_url: str,
    prepared: Prepared,
    book: AnswerBook,
    forms: Mapping[str, type[BaseModel]],
) -> World:
    """Return the parts of a simulation; forms that do not exist take whatever they are given."""
    nodes = [node for model in prepared.models for node in model.nodes.values()]
    outcomes = Outcomes()
    registry = stub_registry((node.type for node in nodes if isinstance(node, ServiceTask)), outcomes)
    all_forms: dict[str, type[BaseModel]] = {
        node.form_id: AnyValues for node in nodes if isinstance(node, UserTask) and node.form_id is not None
    }
    all_forms |= forms
    engine = _SimulatedEngine(registry, all_forms, judge=ToldWays(book, prepared.models).judge, platform_tenant=TENANT)
    return World(storage, database_url, engine, outcomes)


def install_clock(database_url: str, begin: datetime) -> None:
    """Let the time of a throw-away database be what a clock of the simulation shows."""
    with owner_storage(database_url) as storage, storage.transaction() as work:
        SimulatedTime(work).install(begin)


def deploy(world: World, prepared: Prepared, variables: Mapping[str, JsonValue]) -> None:
    """Deploy what is simulated; only the chosen process may be started by a timer."""
    with world.storage.transaction() as work:
        world.engine.deploy(work, *prepared.documents, *prepared.decisions, context=STARTER)
        simulated = SimulatedWork(work)
        if prepared.model.none_start_event() is not None:
            simulated.stop_schedules()
        else:
            simulated.stop_schedules(prepared.process_id)
            simulated.prepare_schedules(prepared.process_id, variables)
