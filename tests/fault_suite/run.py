"""One run of the suite: orders, the processes that work on them, a fault meanwhile, and the oracle at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psycopg
from fault_suite.fleet import Fleet, Slot
from fault_suite.handlers import TABLES, Outside
from fault_suite.laboratory import Laboratory
from fault_suite.lines import LINES
from fault_suite.oracle import OVER, expected, found
from fault_suite.orders import CLERK, Line, Order, orders
from fault_suite.roles import Settings, make_engine, open_storage

from engine import Engine
from storage import Storage

_TICK_SECONDS = 0.02
_POLL_SECONDS = 0.1

Condition = Callable[[], bool]
Fault = Iterator[Condition]
"""Strikes, then gives the condition after which it wants to strike again, until it has no more to do."""


@dataclass(frozen=True)
class Scale:
    """How much of everything: the long form proves, the short form notices."""

    orders: int
    workers: int
    deadline_seconds: float


LONG = Scale(orders=240, workers=4, deadline_seconds=240)
SHORT = Scale(orders=12, workers=2, deadline_seconds=120)


@dataclass
class Run:
    """A database with the lines deployed, and a fleet.

    Attributes:
        settings: What the fleet's processes are told.
        orders: What has to be done; clients know all that is there when they are added.
        engine: The test's own, as `storage`, for what it does itself.
    """

    laboratory: Laboratory
    folder: Path
    scale: Scale
    settings: Settings
    lines: tuple[Line, ...]
    orders: list[Order] = field(init=False)
    fleet: Fleet = field(init=False)
    engine: Engine = field(init=False)
    storage: Storage = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.fleet = Fleet(self.laboratory.nursery, self.folder)
        self.engine = make_engine(Outside(self.folder))
        self.storage = self._stack.enter_context(open_storage(self.settings))
        self.orders = orders(self.scale.orders, self.lines)
        self._progress = _Progress(self.settings.database_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def staff(self, *, clients: int = 1, schedulers: int = 1, lives: tuple[dict[str, str], ...] = ()) -> None:
        """Add the processes of an ordinary deployment; each lives the given lives before its last."""
        numbers = {"worker": self.scale.workers, "scheduler": schedulers, "client": clients}
        for role, number in numbers.items():
            for _ in range(number):
                self.fleet.add(Slot(role, self.settings, list(lives)))

    def finish(self, fault: Fault | None = None) -> None:
        """Work until every order is done and the fault has nothing more to do, then stop the fleet."""
        self.fleet.start()
        self.go_on(fault)
        self.fleet.stop()

    def go_on(self, fault: Fault | None = None, until: Condition | None = None) -> None:
        """Watch the fleet until every order is done, or as long as told, and the fault has nothing more to do."""
        deadline, pause = time.monotonic() + self.scale.deadline_seconds, threading.Event()
        blows = fault or iter(())
        condition = next(blows, None)
        while condition is not None or not (until or self.is_done)():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._progress.done} of {len(self.orders)} orders done\n{self.fleet.tail()}")
            self.fleet.respawn_the_dead()
            if condition is not None and condition():
                condition = next(blows, None)
            pause.wait(_TICK_SECONDS)

    def is_done(self) -> bool:
        return self.share(1.0)()

    def share(self, part: float) -> Condition:
        """Return the condition that a part (0 to 1) of all orders is done."""
        return lambda: self._progress.read(len(self.orders)) >= part * len(self.orders)

    def assert_nothing_lost_or_doubled(self) -> None:
        """Compare what is there with what must be there."""
        assert found(self.settings.database_url, self.folder) == expected(self.orders), self.fleet.tail()


def after(seconds: float) -> Condition:
    """Return the condition that so long has passed since now."""
    moment = time.monotonic() + seconds
    return lambda: time.monotonic() >= moment


def make_run(
    laboratory: Laboratory, folder: Path, scale: Scale, *, lines: Sequence[Line] = LINES, **changes: object
) -> Run:
    """Return a run on a fresh database, with the processes deployed and nothing started."""
    names = tuple(line.process_id for line in lines)
    settings = Settings(database_url=laboratory.cluster.new_database(), folder=folder, orders=scale.orders, lines=names)
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(TABLES.encode())
    run = Run(laboratory, folder, scale, settings.model_copy(update=changes), tuple(lines))
    with run.storage.transaction() as work:
        run.engine.deploy(work, *{line.xml for line in lines}, context=CLERK)
    return run


class _Progress:
    """How many orders are done, asked at most every tenth of a second."""

    def __init__(self, database_url: str) -> None:
        self.done = 0
        self._database_url = database_url
        self._asked_at = 0.0

    def read(self, number: int) -> int:
        """Return how many of so many are done."""
        if self.done < number and time.monotonic() > self._asked_at + _POLL_SECONDS:
            self._asked_at = time.monotonic()
            try:
                with psycopg.connect(self._database_url) as connection:
                    row = connection.execute(OVER.encode()).fetchone()
            except psycopg.OperationalError:  # the server is down just now
                return self.done
            assert row is not None
            self.done = int(row[0])
        return self.done
