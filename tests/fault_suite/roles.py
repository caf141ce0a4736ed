"""The processes that take part, each `python -m fault_suite.roles ROLE` with its settings as JSON in the environment.

A worker and a scheduler are the product's own, around the suite's handlers; a client is the suite's.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

from fault_suite.client import Client
from fault_suite.handlers import Decision, Outside, registry
from fault_suite.orders import orders
from fault_suite.scenario_lines import lines_named
from pydantic import BaseModel, ConfigDict

from engine import Engine, NotificationHub, Scheduler, SchedulerPolicy, Worker, WorkerPolicy
from engine.crash_points import armed
from storage import FolderObjectStore, Storage
from storage.database import ENGINE_ROLE, connect
from storage.errors import DatabaseUnavailableError

logger = logging.getLogger("fault_suite")

SETTINGS = "FAULT_SUITE_SETTINGS"
# Where the process stops itself (SIGSTOP), and at which hit: a crash point, or `during_call` for outside a transaction.
FREEZE_AT = "FAULT_SUITE_FREEZE_AT"
DURING_CALL = "during_call"
_PAUSE_SECONDS = 0.05


class Settings(BaseModel):
    """What every role is told.

    Attributes:
        folder: Where calls and objects go.
        orders: How many orders there are; clients start them.
        lines: The processes that are ordered, in turn.
        linger_seconds: How long a call takes that is made again.
    """

    model_config = ConfigDict(frozen=True)

    database_url: str
    folder: Path
    orders: int
    lines: tuple[str, ...]
    lease_seconds: float = 1.0
    poll_seconds: float = 0.5
    backoff_seconds: float = 0.05
    maximum_lost_leases: int = 1_000
    linger_seconds: float = 0


def make_engine(outside: Outside) -> Engine:
    return Engine(registry(outside), {"decision": Decision}, platform_tenant="north")


@contextmanager
def open_storage(settings: Settings) -> Iterator[Storage]:
    pool = connect(settings.database_url, pool_size=3, role=ENGINE_ROLE)
    try:
        yield Storage(pool, FolderObjectStore(settings.folder / "objects"))
    finally:
        pool.dispose()


def work(settings: Settings, engine: Engine, stopping: threading.Event) -> None:
    """Run a worker until told to stop."""
    policy = WorkerPolicy(
        lease_seconds=settings.lease_seconds,
        poll_seconds=settings.poll_seconds,
        backoff_seconds=settings.backoff_seconds,
        maximum_lost_leases=settings.maximum_lost_leases,
    )
    with NotificationHub(settings.database_url) as hub, open_storage(settings) as storage:
        worker = Worker(engine, storage, hub, policy)
        _stop_with(stopping, worker.stop)
        worker.run()


def schedule(settings: Settings, engine: Engine, stopping: threading.Event) -> None:
    """Run a scheduler until told to stop."""
    policy = SchedulerPolicy(poll_seconds=settings.poll_seconds, retry_seconds=settings.backoff_seconds)
    with open_storage(settings) as storage:
        scheduler = Scheduler(engine, storage, policy)
        _stop_with(stopping, scheduler.stop)
        scheduler.run()


def deal(settings: Settings, engine: Engine, stopping: threading.Event) -> None:
    """Run a client until told to stop."""
    ordered = orders(settings.orders, lines_named(settings.lines))
    with open_storage(settings) as storage:
        Client(engine, storage, ordered, stopping).run()


_ROLES = {"worker": work, "scheduler": schedule, "client": deal}


def take_part(name: str, settings: Settings) -> None:
    """Play a role until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    role = _ROLES[name]
    point, _, number = os.environ.get(FREEZE_AT, "").partition(":")
    if not point:
        _play(partial(role, settings, make_engine(_outside(settings)), stopping), stopping)
        return
    freeze = _freezing(int(number))
    outside = _outside(settings)
    if point == DURING_CALL:
        outside = replace(outside, during_call=freeze)
    with armed(lambda name: freeze() if name == point else None):
        _play(partial(role, settings, make_engine(outside), stopping), stopping)


def _outside(settings: Settings) -> Outside:
    return Outside(settings.folder, linger_seconds=settings.linger_seconds)


def _freezing(number: int) -> Callable[[], None]:
    """Return what stops this process when it is called for the given time."""
    hits = count(1)

    def freeze() -> None:
        if next(hits) == number:
            os.kill(os.getpid(), signal.SIGSTOP)

    return freeze


def _play(role: Callable[[], None], stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            role()
        except DatabaseUnavailableError:  # down just now, and whoever runs the platform starts the part again
            stopping.wait(_PAUSE_SECONDS)


def _stop_with(stopping: threading.Event, stop: Callable[[], None]) -> None:
    def wait() -> None:
        stopping.wait()
        stop()

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    take_part(sys.argv[1], Settings.model_validate_json(os.environ[SETTINGS]))
