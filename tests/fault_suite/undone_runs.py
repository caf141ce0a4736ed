"""Random processes over keys and values, each task with the handler that undoes it: run, then undone, with crashes.

A task writes a value under one of few keys and brings what stood there before; its handler writes that back. So the
state is what it was only if all was undone, once, in the reverse order, each time with what was brought then.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias
from uuid import UUID, uuid4

from diagrams import (
    call_activity,
    document,
    end,
    for_each,
    loop,
    parallel,
    path,
    process,
    service_task,
    start,
    subprocess,
    throw,
    undone_by,
    user_task,
)
from fault_suite.actors import SimulatedCrash
from fault_suite.orders import CLERK
from hypothesis import strategies as st
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
from engine.operations import Operations
from storage import SecurityContext, Storage, UnitOfWork
from storage.models import RoleType

SHELF_TABLE = "create table shelf (instance uuid, key text, value integer, primary key (instance, key))"
UNDONE_TABLE = "create table undone (idempotency_key text primary key)"
OPERATOR = SecurityContext(user_id="olga", tenant_id=CLERK.tenant_id, roles=frozenset({RoleType.ADMIN}))
_READ = "select value from shelf where instance = :instance and key = :key"
_WRITE = "insert into shelf values (:instance, :key, :value) on conflict (instance, key) do update set value = :value"
_MAXIMUM_ROUNDS = 5_000


class Put(BaseModel):
    """What is written where."""

    key: str
    value: int


class Before(BaseModel):
    """What stood there before."""

    old: int


@dataclass(frozen=True)
class Task:
    """A task with its handler, which runs outside the step where it is external; once for each of some items."""

    key: str
    value: int
    is_external: bool
    items: int | None = None


@dataclass(frozen=True)
class Group:
    """Blocks one after another or at once; in a subprocess, a loop of one, or a process of its own."""

    kind: str
    blocks: tuple[Block, ...]


Block: TypeAlias = Task | Group
_KINDS = ("sequence", "parallel", "subprocess", "loop", "call")


def plans() -> st.SearchStrategy[Group]:
    """Return the strategy of random processes."""
    items = st.none() | st.integers(1, 3)
    tasks = st.builds(Task, st.sampled_from("abc"), st.integers(1, 9), st.booleans(), items)
    groups = st.recursive(
        tasks,
        lambda inner: st.builds(Group, st.sampled_from(_KINDS), st.lists(inner, min_size=1, max_size=3).map(tuple)),
        max_leaves=6,
    )
    return st.lists(groups, min_size=1, max_size=3).map(lambda blocks: Group("sequence", tuple(blocks)))


class Draughtsman:
    """Draws a plan as a process that undoes itself at the end, if it is asked to, and waits otherwise."""

    def __init__(self) -> None:
        self._numbers = 0
        self._processes: list[str] = []

    def draw(self, plan: Group, *, throws: bool) -> bytes:
        """Return the document."""
        content: list[str] = []
        first, last = self._block(plan, content)
        final = throw("Final", compensates="") if throws else user_task("Final", "people")
        content += [start(), path("Begin", first), path(last, "Final", "Done"), final, end()]
        return document(process("p", *content), *self._processes, f"<!-- {uuid4()} -->")

    def _block(self, block: Block, content: list[str]) -> tuple[str, str]:
        self._numbers += 1
        name = f"N{self._numbers}"
        if isinstance(block, Task):
            content.append(_task(name, block))
            return name, name
        if block.kind in {"sequence", "parallel"}:
            return self._blocks(name, block, content)
        inside: list[str] = [start(f"In{name}"), end(f"Out{name}")]
        first, last = self._blocks(f"{name}x", Group("sequence", block.blocks), inside)
        inside += [path(f"In{name}", first), path(last, f"Out{name}")]
        if block.kind == "call":
            self._processes.append(process(f"p{name}", *inside))
            content.append(call_activity(name, f"p{name}"))
        else:
            content.append(subprocess(name, *inside, repeated=loop(maximum=2) if block.kind == "loop" else ""))
        return name, name

    def _blocks(self, name: str, group: Group, content: list[str]) -> tuple[str, str]:
        ends = [self._block(each, content) for each in group.blocks]
        if group.kind == "sequence":
            content += [path(left[1], right[0]) for left, right in pairwise(ends)]
            return ends[0][0], ends[-1][1]
        fork, join = f"Fork{name}", f"Join{name}"
        content += [parallel(fork), parallel(join)]
        content += [path(fork, first) + path(last, join) for first, last in ends]
        return fork, join


def _task(name: str, task: Task) -> str:
    old, repeated = f"old{name}", ""
    value = str(task.value)
    if task.items is not None:
        repeated = for_each(f"=[{', '.join(str(number) for number in range(task.items))}]", "item")
        value = f"item + {task.value}"
    put = service_task(name, "put", {"key": f'="{task.key}"', "value": f"={value}"}, {old: "=old"},
                       multi_instance=repeated)  # fmt: skip
    back = "back outside" if task.is_external else "put"
    values = {"key": f'="{task.key}"', "value": f"={old}"}
    return put + undone_by(name, service_task(f"Un{name}", back, values, {"ignored": "=old"}, retries=100))


class UndoneRun:
    """One process that is done and undone.

    Attributes:
        hits: How often it came by a place where it may crash.
    """

    def __init__(self, storage: Storage, dice: random.Random, crashes: Callable[[int], bool]) -> None:
        """Make a run that crashes where `crashes` says so of a hit's number, the first being 1."""
        self._storage = storage
        self._dice = dice
        self._crashes = crashes
        self.hits = 0
        self._worker = self._new_worker()

    def run(self, plan: Group, *, operator_after: int | None) -> tuple[InstanceStatus, dict[str, int]]:
        """Return how the process ended, and what stands under the keys then.

        Args:
            plan: What is done.
            operator_after: After so many rounds of work an operator cancels the instance with compensation.
        """
        instance = self._start(plan, throws=operator_after is None)
        with armed(self._on_hit):
            for number in range(_MAXIMUM_ROUNDS):
                if number == operator_after:
                    self._cancel(instance)
                with suppress(SimulatedCrash):
                    if not self._work() and number >= (operator_after or 0):
                        return self._observe(instance)
                if self._dice.random() < 0.5:
                    self._worker = self._new_worker()
        raise TimeoutError(instance)

    def _start(self, plan: Group, *, throws: bool) -> UUID:
        engine = _new_engine()
        with self._storage.transaction() as work:
            engine.deploy(work, Draughtsman().draw(plan, throws=throws), context=CLERK)
            instance = engine.start(work, "p", {}, context=CLERK)
            for key in "abc":
                work.connection.execute(text(_WRITE), {"instance": instance, "key": key, "value": 0})
        return instance

    def _cancel(self, instance: UUID) -> None:
        with armed(lambda _name: None), self._storage.transaction() as work:
            operations = Operations(_new_engine())
            operations.cancel(work, instance, reason="roll it back", context=OPERATOR, compensate=True)

    def _work(self) -> bool:
        jobs = self._worker.claim()
        self._worker.work_on(*jobs)
        return bool(jobs)

    def _on_hit(self, _name: CrashPoint) -> None:
        self.hits += 1
        if self._crashes(self.hits):
            raise SimulatedCrash

    def _observe(self, instance: UUID) -> tuple[InstanceStatus, dict[str, int]]:
        with self._storage.transaction() as work:
            query = text("select key, value from shelf where instance = :instance")
            values = {row.key: row.value for row in work.connection.execute(query, {"instance": instance})}
            return _new_engine().describe(work, instance, context=CLERK).status, values

    def _new_worker(self) -> Worker:
        policy = WorkerPolicy(
            lease_seconds=0,  # who crashed is not waited for
            backoff_seconds=0,
            step_handlers=self._dice.choice([1, 2, 100]),
            batch=self._dice.choice([1, 8]),
            chain=self._dice.choice([0, 100]),
            maximum_lost_leases=1_000_000,
        )
        return Worker(_new_engine(), self._storage, NotificationHub(""), policy)


def _new_engine() -> Engine:
    return Engine(
        ServiceTaskRegistry(
            TransactionalTask("put", Put, _put, Before),
            ExternalTask("back outside", Put, _put_outside, Before),
        ),
        {},
        platform_tenant="north",
    )


def _put(context: TaskContext, request: Put) -> Before:
    return _written(context.work, context.process_instance_id, request)


def _put_outside(context: JobContext, request: Put) -> Before:
    """Write in a transaction of its own, and only once: a second time would undo what came after."""
    with context.storage.transaction() as work:
        note = "insert into undone values (:key) on conflict do nothing returning 1"
        if work.connection.execute(text(note), {"key": context.idempotency_key}).one_or_none() is None:
            return Before(old=0)
        return _written(work, context.process_instance_id, request)


def _written(work: UnitOfWork, instance: UUID, request: Put) -> Before:
    place = {"instance": instance, "key": request.key}
    old = work.connection.execute(text(_READ), place).scalar_one()
    work.connection.execute(text(_WRITE), {**place, "value": request.value})
    return Before(old=old)
