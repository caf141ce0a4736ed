"""A process of people: starts orders and looks after them, and asks again until there is an answer."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar
from uuid import UUID

from fault_suite.orders import Order
from fault_suite.people import People

from engine import Engine
from storage import Storage, UnitOfWork
from storage.errors import DatabaseUnavailableError

_PAUSE_SECONDS = 0.05
_RESTS = 0.1  # how often an instance is suspended until people look again; always would leave the last one no time

T = TypeVar("T")


class Client:
    """Acts under idempotency keys, so that one that was killed is simply started again."""

    def __init__(self, engine: Engine, storage: Storage, orders: Sequence[Order], stopping: threading.Event) -> None:
        self._people = People(engine)
        self._storage = storage
        self._orders = orders
        self._stopping = stopping

    def run(self) -> None:
        """Start all orders, then do what people do, until told to stop."""
        for order in self._orders:
            if order.line.is_started_by_client:
                self._insist(partial(self._people.start, order))
            for _ in range(2 if order.line.message else 0):
                self._insist(partial(self._people.send, order))
        while not self._stopping.is_set():
            self._look_after_orders()
            self._stopping.wait(_PAUSE_SECONDS)

    def _look_after_orders(self) -> None:
        people = self._people
        self._do_each(people.suspended, people.resume)
        self._do_each(people.inbox, people.complete)
        self._do_each(people.incidents, people.retry)
        if random.random() < _RESTS:
            self._do_each(lambda work: people.running(work)[:1], people.suspend)

    def _do_each(self, find: Callable[[UnitOfWork], Sequence[UUID]], act: Callable[[UUID, UnitOfWork], None]) -> None:
        for subject in self._insist(find) or ():
            self._insist(partial(act, subject))

    def _insist(self, act: Callable[[UnitOfWork], T]) -> T | None:
        while not self._stopping.is_set():
            try:
                with self._storage.transaction() as work:
                    return act(work)
            except DatabaseUnavailableError:
                self._stopping.wait(_PAUSE_SECONDS)
        return None
