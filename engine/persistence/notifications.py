"""Waiting for the database to say that something changed (`LISTEN`/`NOTIFY`), with the caller's time limit."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self

import psycopg

from engine.persistence.statements import EVENT_CHANNEL, JOB_CHANNEL, TIMER_CHANNEL

logger = logging.getLogger(__name__)

_WAKE_SECONDS = 0.5
_RECONNECT_SECONDS = 1.0


class NotificationHub:
    """One listening connection for all waiting threads of a process.

    A notification only wakes; what changed is read from the tables. So a lost one costs time, never an event: whenever
    a connection begins to listen every waiter is woken, and callers wait with a limit.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._changed = threading.Condition()
        self._counts = {EVENT_CHANNEL: 0, JOB_CHANNEL: 0, TIMER_CHANNEL: 0}
        self._stopping = threading.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="notifications", daemon=True)

    def __enter__(self) -> Self:
        """Start listening; return when the first connection listens or after a second."""
        self._thread.start()
        self._listening.wait(_RECONNECT_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and wake everybody."""
        self.stop_waiting()
        self._thread.join()

    @property
    def is_stopping(self) -> bool:
        """Whether nobody is to wait any longer."""
        return self._stopping.is_set()

    def stop_waiting(self) -> None:
        """End every wait now, and those to come at once. May be called from a signal handler."""
        self._stopping.set()
        self.wake()

    def wake(self) -> None:
        """Wake every waiter, as if everything had changed."""
        with self._changed:
            for channel in self._counts:
                self._counts[channel] += 1
            self._changed.notify_all()

    def event_mark(self) -> int:
        """Return a mark to take before reading the tables, so that no change falls between reading and waiting."""
        return self._counts[EVENT_CHANNEL]

    def job_mark(self) -> int:
        """Return the mark for jobs, as `event_mark`."""
        return self._counts[JOB_CHANNEL]

    def timer_mark(self) -> int:
        """Return the mark for timers and schedules, as `event_mark`."""
        return self._counts[TIMER_CHANNEL]

    def wait_for_event(self, mark: int, timeout_seconds: float) -> bool:
        """Return once events were added since `mark` or waiting is over, False after the time limit."""
        return self._wait(EVENT_CHANNEL, mark, timeout_seconds)

    def wait_for_job(self, mark: int, timeout_seconds: float) -> bool:
        """Return once jobs were offered since `mark` or waiting is over, False after the time limit."""
        return self._wait(JOB_CHANNEL, mark, timeout_seconds)

    def wait_for_timer(self, mark: int, timeout_seconds: float) -> bool:
        """Return once timers or schedules were added since `mark` or waiting is over, False after the time limit."""
        return self._wait(TIMER_CHANNEL, mark, timeout_seconds)

    def _wait(self, channel: str, mark: int, timeout_seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(
                lambda: self.is_stopping or self._counts[channel] != mark, max(0.0, timeout_seconds)
            )

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._database_url, autocommit=True) as connection:
                    self._follow(connection)
            except psycopg.Error as error:
                logger.warning("notification connection lost", extra={"error": type(error).__name__})
                self._stopping.wait(_RECONNECT_SECONDS)

    def _follow(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        for channel in self._counts:
            connection.execute(f'listen "{channel}"'.encode())
        self.wake()  # what changed while nobody listened is never notified
        self._listening.set()
        while not self._stopping.is_set():
            for notice in connection.notifies(timeout=_WAKE_SECONDS):
                self._count(notice.channel)

    def _count(self, channel: str) -> None:
        with self._changed:
            self._counts[channel] += 1
            self._changed.notify_all()
