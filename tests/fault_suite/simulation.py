"""A deterministic simulation: the real engine on a real database, where a seed decides about turns, time and faults.

Workers, schedulers and clients are actors of which one runs at a time. Between transactions, while handlers are called,
and at crash points outside transactions an actor gives up its turn; the seed decides who goes on, who crashes there,
when a connection is lost (before a transaction, or after a commit that nobody is told of), and how far the clock moves:
a little, or past every lease. Identifiers come from the seed as well, so the same seed gives the same rows.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import psycopg
from fault_suite.actors import Actor, SimulatedCrash
from fault_suite.cluster import Cluster
from fault_suite.handlers import Decision, Outside, registry
from fault_suite.lines import LINES
from fault_suite.oracle import OVER, Outcome, expected, found
from fault_suite.orders import CLERK, orders
from fault_suite.people import People
from fault_suite.simulated_database import SimulatedStorage, seeded_identifiers, simulated_database

from engine import Engine, NotificationHub, Scheduler, SchedulerPolicy, Worker, WorkerPolicy
from engine.crash_points import CrashPoint, armed
from storage import FolderObjectStore, Storage, UnitOfWork
from storage.database import ENGINE_ROLE, connect
from storage.errors import DatabaseUnavailableError

_BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
ORDERS = len(LINES)
# A worker's id has the number of this process in it.
_EVENTS = """
select process_instance_id, business_key, kind, element_id, (payload - 'worker_id')::text, occurred_at::text
from event order by sequence
"""
_LEASE_SECONDS = 10.0


@dataclass(frozen=True)
class Hazards:
    """How probable each fault is, at each occasion for it."""

    crash: float = 0.02
    lost_before: float = 0.01
    lost_after: float = 0.01
    late: float = 0.03


HARSH = Hazards(crash=0.04, lost_before=0.03, lost_after=0.03, late=0.06)
HARSH_FROM = 1_000  # seeds from here on are harsh, so that a seed alone says what happens


@dataclass(frozen=True)
class History:
    """What a simulation leads to.

    Attributes:
        digest: Of everything that was decided, and of every event that was written, in order.
    """

    outcome: Outcome
    digest: str
    turns: int


class Simulation:
    """One seed's course of events."""

    def __init__(self, seed: int, database_url: str, folder: Path) -> None:
        self._chance = random.Random(seed)
        self._url = database_url
        self._folder = folder
        self._orders = orders(ORDERS, LINES)
        self._hazards = HARSH if seed >= HARSH_FROM else Hazards()
        self._decisions: list[str] = []
        self._actors: list[Actor] = []
        self._now = _BEGIN
        self._client = self._new_engine()
        self._people = People(self._client)
        self._to_do = [partial(self._people.start, order) for order in self._orders if order.line.is_started_by_client]
        self._to_do += [partial(self._people.send, order) for order in self._orders if order.line.message]

    def run(self, maximum_turns: int = 20_000) -> History:
        """Take turns until every order is done.

        Raises:
            TimeoutError: That does not happen.
        """
        with ExitStack() as stack:
            self._clock = stack.enter_context(psycopg.connect(self._url, autocommit=True))
            pool = connect(self._url, pool_size=8, role=ENGINE_ROLE)
            stack.callback(pool.dispose)
            self._storage = SimulatedStorage(pool, FolderObjectStore(self._folder / "objects"), self)
            stack.enter_context(seeded_identifiers(self._chance, lambda: self._now))
            stack.enter_context(armed(self._at_crash_point))
            self._workers: list[Worker] = [self._new_worker() for _ in range(3)]
            turns = self._take_turns(maximum_turns)
            self._calm_down()
        return History(found(self._url, self._folder), self._digest(), turns)

    # What happens at the places where an actor may be interrupted.

    def at_boundary(self, place: str) -> None:
        """Between transactions, or outside of them: the turn may go to others, the process may end."""
        actor = Actor.current()
        if actor is not None and actor.depth == 0:
            self._may_crash(place)
            actor.give_up_turn()

    def loses_connection(self, *, after_commit: bool) -> bool:
        """Decide whether a transaction's connection is lost now."""
        hazard = self._hazards.lost_after if after_commit else self._hazards.lost_before
        return Actor.current() is not None and self._happens(hazard, f"lost {after_commit=}")

    def _at_crash_point(self, name: CrashPoint) -> None:
        actor = Actor.current()
        if actor is None:
            return
        if actor.depth:
            self._may_crash(name)
        else:
            self.at_boundary(name)

    def _may_crash(self, place: str) -> None:
        if self._happens(self._hazards.crash, f"crash at {place}"):
            raise SimulatedCrash

    def _happens(self, probability: float, what: str) -> bool:
        happens = self._chance.random() < probability
        if happens:
            self._decisions.append(what)
        return happens

    # Turns.

    def _take_turns(self, maximum: int) -> int:
        for turn in range(maximum):
            if turn % 20 == 0 and self._is_done():
                return turn
            self._tick()
            if self._actors and self._chance.random() < 0.8:  # mostly somebody goes on
                self._go_on(self._chance.choice(self._actors))
            else:
                self._begin(self._chance.choice(self._beginnings()))
        raise TimeoutError(f"not done after {maximum} turns: {found(self._url, self._folder)}")

    def _beginnings(self) -> list[tuple[str, Callable[[], None]]]:
        beginnings: list[tuple[str, Callable[[], None]]] = [
            ("scheduler", self._fire),
            ("inbox", partial(self._look_after, self._people.inbox, self._people.complete)),
            ("incidents", partial(self._look_after, self._people.incidents, self._people.retry)),
            ("suspend", partial(self._look_after, self._one_running, self._people.suspend)),
            ("resume", partial(self._look_after, self._people.suspended, self._people.resume)),
        ]
        busy = {actor.name for actor in self._actors}
        for number, worker in enumerate(self._workers):
            name = f"worker {number}"
            beginnings.append((f"heartbeat {number}", worker._leases.renew))
            if name not in busy:
                beginnings += [(name, partial(_work, worker))] * 2
        if self._to_do:
            call = self._chance.choice(self._to_do)
            beginnings += [("client", partial(self._call, call))] * 2
        return beginnings

    def _begin(self, beginning: tuple[str, Callable[[], None]]) -> None:
        name, act = beginning
        actor = Actor(name, _through_outages(act))
        self._actors.append(actor)
        self._go_on(actor)

    def _go_on(self, actor: Actor) -> None:
        self._decisions.append(actor.name)
        actor.take_turn()
        if actor.is_over:
            self._actors.remove(actor)
            if actor.name.startswith("worker"):
                self._end_of_work(int(actor.name.split()[1]), has_crashed=actor.has_crashed)

    def _end_of_work(self, number: int, *, has_crashed: bool) -> None:
        """Let a worker be born in place of one that crashed, and require of another that it renews no lease idly."""
        if has_crashed:
            self._workers[number] = self._new_worker()
        held = self._workers[number]._leases._held
        assert not held, f"worker {number} keeps jobs from others that it does not work on: {held}"

    def _calm_down(self) -> None:
        """Let everybody come to an end, without further faults."""
        self._hazards = Hazards(0, 0, 0, 0)
        while self._actors:
            self._go_on(self._actors[0])

    def _tick(self) -> None:
        late = self._happens(self._hazards.late, "late")
        seconds = _LEASE_SECONDS * 1.1 if late else self._chance.uniform(0.001, 0.2)
        self._now += timedelta(seconds=seconds)
        self._clock.execute("update simulated_clock set shows = %s", [self._now])

    def _is_done(self) -> bool:
        row = self._clock.execute(OVER.encode()).fetchone()
        assert row is not None
        return int(row[0]) == len(self._orders)

    # What actors do.

    def _new_engine(self) -> Engine:
        outside = Outside(self._folder, partial(self.at_boundary, "call"))
        return Engine(registry(outside), {"decision": Decision}, platform_tenant="north")

    def _new_worker(self) -> Worker:
        policy = WorkerPolicy(
            lease_seconds=_LEASE_SECONDS,
            backoff_seconds=0,
            chance=self._chance.random,
            step_seconds=3_600,  # measured on the real clock, which must decide nothing here, as the next
            brief_seconds=3_600,
            maximum_lost_leases=1_000,
        )
        return Worker(self._new_engine(), self._storage, NotificationHub(self._url), policy)

    def _fire(self) -> None:
        Scheduler(self._client, self._storage, SchedulerPolicy()).fire_due()

    def _call(self, call: Callable[[UnitOfWork], object]) -> None:
        with self._storage.transaction() as work:
            call(work)
        if call in self._to_do:
            self._to_do.remove(call)

    def _look_after(
        self, find: Callable[[UnitOfWork], Sequence[UUID]], act: Callable[[UUID, UnitOfWork], None]
    ) -> None:
        """Do something to all that is found, each in a transaction of its own."""
        with self._storage.transaction() as work:
            subjects = find(work)
        for subject in subjects:
            with self._storage.transaction() as work:
                act(subject, work)

    def _one_running(self, work: UnitOfWork) -> Sequence[UUID]:
        running = self._people.running(work)
        return [self._chance.choice(running)] if running else []

    def _digest(self) -> str:
        with psycopg.connect(self._url) as connection:
            events = connection.execute(_EVENTS).fetchall()
        return hashlib.sha256(repr([self._decisions, events]).encode()).hexdigest()


def simulate(cluster: Cluster, folder: Path, seed: int) -> History:
    """Return what a seed leads to, on a fresh database.

    Raises:
        TimeoutError: The orders are never done.
    """
    with simulated_database(cluster, _BEGIN) as url:
        _deploy(url, folder)
        return Simulation(seed, url, folder).run()


def _deploy(url: str, folder: Path) -> None:
    pool = connect(url, pool_size=1, role=ENGINE_ROLE)
    with Storage(pool, FolderObjectStore(folder / "objects")).transaction() as work:
        engine = Engine(registry(Outside(folder)), {"decision": Decision}, platform_tenant="north")
        engine.deploy(work, *(line.xml for line in LINES), context=CLERK)
    pool.dispose()


def assert_seed(cluster: Cluster, folder: Path, seed: int) -> None:
    """Run a seed and require that nothing is lost or doubled; a failure says how to run it again."""
    told = f"replay with: pytest tests/simulation --seed {seed}"
    try:
        history = simulate(cluster, folder, seed)
    except BaseException as error:
        error.add_note(told)
        raise
    assert history.outcome == expected(orders(ORDERS, LINES)), told


def _work(worker: Worker) -> None:
    worker.work_on(*worker.claim())


def _through_outages(act: Callable[[], None]) -> Callable[[], None]:
    def guarded() -> None:
        try:
            act()
        except DatabaseUnavailableError:  # as the loops of workers and schedulers do
            return

    return guarded
