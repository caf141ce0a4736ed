"""Running a random process on the real engine, with crashes and restores where dice say so."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from fault_suite.actors import SimulatedCrash
from fault_suite.block_diagrams import draw
from fault_suite.blocks import Block, written
from fault_suite.orders import CLERK
from fault_suite.reference_interpreter import Effect, Variables
from pydantic import BaseModel
from sqlalchemy import text

from engine import (
    Engine,
    ExternalTask,
    InstanceStatus,
    JobContext,
    NotificationHub,
    ServiceTaskRegistry,
    TaskContext,
    TransactionalTask,
    Worker,
    WorkerPolicy,
)
from engine.crash_points import CrashPoint, armed
from storage import Storage, UnitOfWork

TRACE_TABLE = "create table trace (idempotency_key text primary key, value integer not null)"
_INSERT = "insert into trace values (:key, :value)"
_OBSERVED = """
select element_id, value from event join trace on idempotency_key = 'task:' || (payload ->> 'task_id')
where process_instance_id = :instance and kind = 'element.completed' and payload ->> 'kind' = 'ServiceTask'
order by sequence
"""
_MAXIMUM_ROUNDS = 5_000


class Value(BaseModel):
    """What the tasks of random processes take and give."""

    value: int


@dataclass(frozen=True)
class Observed:
    """What came of a process."""

    status: InstanceStatus
    variables: dict[str, Any]
    effects: list[Effect]


def inside(context: TaskContext, request: Value) -> Value:
    """Note the value in the step: a second time is an error."""
    _note(context.work, _INSERT, context.idempotency_key, request)
    return request


def outside(context: JobContext, request: Value) -> Value:
    """Note the value in a transaction of its own: a second time changes nothing."""
    with context.storage.transaction() as work:
        _note(work, f"{_INSERT} on conflict do nothing", context.idempotency_key, request)
    return request


def start_values(block: Block) -> Variables:
    """Return the variables with which a process is started: all that it has."""
    return {"x0": 3, **{name: [] if name.startswith("y") else 0 for name in written(block)}}


class RandomRun:
    """One process from its start to its end."""

    def __init__(self, storage: Storage, block: Block, dice: random.Random, crash_probability: float) -> None:
        self._storage = storage
        self._block = block
        self._dice = dice
        self._crash_probability = crash_probability
        self._worker = self._new_worker()

    def run(self) -> Observed:
        """Work until nothing is left to do; any step may crash, and what follows starts from the database."""
        variables = start_values(self._block)
        with self._storage.transaction() as work:
            engine = self._new_engine()
            # A text of its own: one that is deployed again does not become the newest version.
            xml = draw(self._block, tuple(variables)) + f"<!-- {uuid4()} -->".encode()
            engine.deploy(work, xml, context=CLERK)
            instance = engine.start(work, "p", variables, context=CLERK)
        with armed(self._on_hit):
            for _ in range(_MAXIMUM_ROUNDS):
                with suppress(SimulatedCrash):
                    if not self._work():
                        return self._observe(instance)
                    if self._dice.random() < 0.5:
                        continue
                self._worker = self._new_worker()  # crashed, or merely replaced: nothing stays in memory
        raise TimeoutError(instance)

    def _work(self) -> bool:
        jobs = self._worker.claim()
        self._worker.work_on(*jobs)
        return bool(jobs)

    def _on_hit(self, _name: CrashPoint) -> None:
        if self._dice.random() < self._crash_probability:
            raise SimulatedCrash

    def _observe(self, instance: UUID) -> Observed:
        engine = self._new_engine()
        with self._storage.transaction() as work:
            effects = [tuple(row) for row in work.connection.execute(text(_OBSERVED), {"instance": instance})]
            return Observed(
                status=engine.describe(work, instance, context=CLERK).status,
                variables=engine.variables(work, instance, context=CLERK),
                effects=effects,
            )

    def _new_engine(self) -> Engine:
        return Engine(
            ServiceTaskRegistry(
                TransactionalTask("inside", Value, inside),
                ExternalTask("outside", Value, outside),
            ),
            {},
            platform_tenant="north",
        )

    def _new_worker(self) -> Worker:
        policy = WorkerPolicy(
            lease_seconds=0,  # who crashed is not waited for
            backoff_seconds=0,
            step_handlers=self._dice.choice([1, 2, 100]),
            batch=self._dice.choice([1, 8]),
            brief_seconds=self._dice.choice([0, 3_600]),
            chain=self._dice.choice([0, 100]),
            maximum_lost_leases=1_000_000,
        )
        return Worker(self._new_engine(), self._storage, NotificationHub(""), policy)


def _note(work: UnitOfWork, statement: str, key: str, request: Value) -> None:
    work.connection.execute(text(statement), {"key": key, "value": request.value})
