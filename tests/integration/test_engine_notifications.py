"""Waiting for the database to say that something changed, and no longer than it makes sense."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from engine import NotificationHub

JOIN_SECONDS = 60.0
LISTENERS = "select pid from pg_stat_activity where datname = current_database() and query ilike 'listen %'"


@contextmanager
def records_of_the_hub(number: int) -> Iterator[threading.Event]:
    """Yield an event that is set once the hub has logged so many records."""
    seen = threading.Event()
    left = iter(range(number - 1, -1, -1))

    class Counting(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            if next(left, 0) == 0:
                seen.set()

    logger, handler = logging.getLogger("engine.persistence.notifications"), Counting()
    logger.addHandler(handler)
    yield seen
    logger.removeHandler(handler)


def test_a_broken_connection_wakes_the_waiters_once_another_listens(database_url: str) -> None:
    with NotificationHub(database_url) as hub, psycopg.connect(database_url, autocommit=True) as other:
        (broken,) = other.execute(LISTENERS).fetchall()
        mark = hub.event_mark()
        other.execute("select pg_terminate_backend(%s, 10000)", broken)

        assert hub.wait_for_event(mark, JOIN_SECONDS)

        listening = other.execute(LISTENERS).fetchall()
    assert (len(listening), broken in listening) == (1, False)


def test_a_hub_goes_on_trying_whatever_the_driver_reports() -> None:
    with records_of_the_hub(2) as tried_twice, NotificationHub("no connection string"):
        assert tried_twice.wait(JOIN_SECONDS)


def test_waits_end_at_once_when_waiting_is_over(database_url: str) -> None:
    with NotificationHub(database_url) as hub, ThreadPoolExecutor(1) as another_thread:
        mark = hub.event_mark()
        before = another_thread.submit(hub.wait_for_event, mark, 60.0)
        assert not hub.is_stopping

        hub.stop_waiting()

        assert before.result(JOIN_SECONDS)
        assert hub.wait_for_event(hub.event_mark(), 60.0)
        assert hub.wait_for_job(hub.job_mark(), 60.0)
        assert hub.is_stopping


@pytest.mark.parametrize("channel", ["event", "job"])
def test_a_wait_without_a_change_ends_with_its_time(database_url: str, channel: str) -> None:
    with NotificationHub(database_url) as hub:
        mark = getattr(hub, f"{channel}_mark")()
        assert not getattr(hub, f"wait_for_{channel}")(mark, 0.01)
