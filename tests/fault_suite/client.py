"""Whoever uses the platform: starts orders and completes user tasks, and asks again until there is an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from fault_suite.orders import CLERK, Order

from engine import Engine
from engine.errors import EngineError
from storage import Storage, UnitOfWork
from storage.errors import DatabaseUnavailableError

_PAUSE_SECONDS = 0.05
_TOO_LATE = "USER_TASK_ALREADY_COMPLETED"  # another client was faster


class Client:
    """Acts under idempotency keys, so that one that was killed is simply started again."""

    def __init__(self, engine: Engine, storage: Storage, orders: Sequence[Order], stopping: threading.Event) -> None:
        self._engine = engine
        self._storage = storage
        self._orders = orders
        self._stopping = stopping

    def run(self) -> None:
        """Start all orders, then do what people do, until told to stop."""
        for order in self._orders:
            if order.line.is_started_by_client:
                self._insist(partial(self._start, order))
            for _ in range(2 if order.line.message else 0):
                self._insist(partial(self._send, order))
        while not self._stopping.is_set():
            self._insist(self._empty_the_inbox)
            self._stopping.wait(_PAUSE_SECONDS)

    def _start(self, order: Order, work: UnitOfWork) -> None:
        self._engine.start(
            work,
            order.line.process_id,
            {"order": order.number},
            context=CLERK,
            business_key=order.key,
            idempotency_key=f"start:{order.key}",
        )

    def _send(self, order: Order, work: UnitOfWork) -> None:
        assert order.line.message is not None
        self._engine.publish_message(
            work,
            order.line.message,
            str(order.number) if order.line.is_started_by_client else order.key,
            {"amount": 5 * order.number},
            context=CLERK,
            message_id=f"message:{order.key}",
            time_to_live_seconds=3_600,
        )

    def _empty_the_inbox(self, work: UnitOfWork) -> None:
        for task in self._engine.user_tasks(work, context=CLERK):
            self._insist(partial(self._complete, task.user_task_id))

    def _complete(self, user_task_id: UUID, work: UnitOfWork) -> None:
        try:
            self._engine.complete_user_task(work, user_task_id, {"approved": True}, context=CLERK)
        except EngineError as error:
            if error.code != _TOO_LATE:
                raise

    def _insist(self, act: Callable[[UnitOfWork], None]) -> None:
        while not self._stopping.is_set():
            try:
                with self._storage.transaction() as work:
                    act(work)
            except DatabaseUnavailableError:
                self._stopping.wait(_PAUSE_SECONDS)
            else:
                return
