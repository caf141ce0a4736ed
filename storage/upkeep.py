"""Upkeep: the chores that have to be done from time to time for a deployment to go on, by one process at a time.

Of all that run upkeep the one whose database session holds a lock leads, and does the chores on that very session. So a
process that was replaced, or that the server has given up on, can do nothing more: with its session it lost its hands.
Each chore is a transaction of its own and may be done again at any time; one that fails does not stop the others.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from storage.database import connect_as_owner
from storage.erasure import erase_measures_of_deleted
from storage.errors import DatabaseUnavailableError
from storage.objects.links import Links
from storage.objects.retention import RetentionPolicy
from storage.outages import outage
from storage.sql import Queries
from storage.stores import MetricMaintenance, MetricRetention, create_vector_indexes

logger = logging.getLogger(__name__)

_QUERIES = Queries(Path(__file__).with_name("upkeep.sql"))
_CHANGES_AT_A_TIME = 20_000


@dataclass(frozen=True)
class Chore:
    """Something to be done from time to time.

    Attributes:
        do: Does it on a transaction of the tables' owner, at a time (aware); returns how many things it changed.
        at_a_time: After so many changes it is done again, on another transaction: a long one holds up the sealing of
            the audit trail.
    """

    name: str
    do: Callable[[Connection, datetime], int]
    at_a_time: int = sys.maxsize


@dataclass(frozen=True)
class UpkeepPolicy:
    """How upkeep waits.

    Attributes:
        every_seconds: How long to wait between rounds.
        retry_seconds: The same after a round in which something failed, and where another process leads.
        lock_seconds: How long a chore waits for a table that is in use; then it is tried again in the next round.
    """

    every_seconds: float = 300.0
    retry_seconds: float = 30.0
    lock_seconds: float = 5.0


@dataclass(frozen=True)
class UpkeepRound:
    """The chores of one round by name, in the order in which they were tried."""

    done: tuple[str, ...]
    failed: tuple[str, ...]


class Upkeep:
    """Does chores on one database for as long as it leads.

    Args:
        database_url: Of a login that owns the tables.
        chores: In the order in which they are done.
        clock: Returns the time (aware) that chores are told.
        policy: How it waits.
    """

    def __init__(
        self, database_url: str, chores: Sequence[Chore], clock: Callable[[], datetime], policy: UpkeepPolicy
    ) -> None:
        self._database_url = database_url
        self._chores = tuple(chores)
        self._clock = clock
        self._policy = policy
        self._session: Connection | None = None
        self._is_told = False
        self._stopping = threading.Event()

    def run(self) -> None:
        """Do the chores again and again until `stop`, through every failure and every outage of the database."""
        while not self._stopping.is_set():
            self._stopping.wait(self._round_and_pause())
        self.resign()

    def stop(self) -> None:
        """Ask `run` to return; a chore in progress is finished."""
        self._stopping.set()

    def do_round(self) -> UpkeepRound | None:
        """Do every chore once; return which were done and which failed, `None` where it is for another process.

        Raises:
            DatabaseUnavailableError: The database cannot be asked who leads.
        """
        session = self._lead()
        if session is None:
            return None
        done: list[str] = []
        failed: list[str] = []
        for chore in self._chores:
            if self._stopping.is_set():
                break
            (done if self._did(session, chore) else failed).append(chore.name)
        return UpkeepRound(tuple(done), tuple(failed))

    def resign(self) -> None:
        """Let another process lead."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _round_and_pause(self) -> float:
        try:
            finished = self.do_round()
        except DatabaseUnavailableError as error:
            logger.warning("upkeep waits for the database", extra={"reason": error.reason})
            return self._policy.retry_seconds
        except Exception:  # the loop must outlive whatever else goes wrong
            logger.exception("upkeep failed")
            return self._policy.retry_seconds
        if finished is None or finished.failed:
            return self._policy.retry_seconds
        return self._policy.every_seconds

    def _lead(self) -> Connection | None:
        if self._session is not None and self._session.invalidated:
            self.resign()  # it would be replaced by a session that does not hold the lock
        if self._session is None:
            self._session = self._new_session()
        return self._session

    def _new_session(self) -> Connection | None:
        """Return a session that holds the lock, and whose end lets go of it; `None` where another one does."""
        database = connect_as_owner(self._database_url)
        session = database.connect()
        session.detach()  # the pool would keep it, and with it the lock
        database.dispose()
        try:
            with session.begin():
                row = _QUERIES.first(session, "try_to_lead")
        except DBAPIError as error:
            session.close()
            raise outage(error) or error from error
        if row is not None and row.leads:
            return session
        session.close()
        if row is not None and not row.is_owner and not self._is_told:
            self._is_told = True
            logger.warning("upkeep is left to others: this login does not own the tables")
        return None

    def _did(self, session: Connection, chore: Chore) -> bool:
        if session.invalidated:
            return False
        total = 0
        try:
            while (changes := self._done(session, chore)) >= chore.at_a_time and not self._stopping.is_set():
                total += changes
        except Exception:  # whatever stops one chore must not stop the others
            logger.exception("chore failed", extra={"chore": chore.name})
            return False
        total += changes
        logger.log(logging.INFO if total else logging.DEBUG, "chore done", extra=_facts(chore, total))
        return True

    def _done(self, session: Connection, chore: Chore) -> int:
        """Do a chore on a transaction; return how many things it changed."""
        with session.begin():
            milliseconds = str(int(self._policy.lock_seconds * 1_000))
            _QUERIES.rows(session, "bound_waiting", {"milliseconds": milliseconds})
            return chore.do(session, self._clock())


def chores(retention: MetricRetention | None, of_deleted: RetentionPolicy) -> tuple[Chore, ...]:
    """Return what a deployment needs.

    Args:
        retention: How long metrics are kept; for good, where none is given.
        of_deleted: How long what belongs to deleted records is.
    """
    every_deployment = (
        Chore("make_metric_months", _make_metric_months),
        Chore("roll_up_metrics", _roll_up_metrics, at_a_time=_CHANGES_AT_A_TIME),
        Chore("index_vectors", _index_vectors),
        Chore("forget_download_links", _forget_download_links),
        Chore("erase_measures_of_deleted", partial(_erase_measures_of_deleted, of_deleted)),
    )
    return every_deployment if retention is None else (*every_deployment, _retaining(retention))


def _retaining(retention: MetricRetention) -> Chore:
    return Chore("retain_metrics", partial(_retain_metrics, retention))


def _make_metric_months(connection: Connection, now: datetime) -> int:
    return len(MetricMaintenance(connection).create_partitions_ahead(now))


def _roll_up_metrics(connection: Connection, _now: datetime) -> int:
    return MetricMaintenance(connection).roll_up(most=_CHANGES_AT_A_TIME)


def _retain_metrics(retention: MetricRetention, connection: Connection, now: datetime) -> int:
    report = MetricMaintenance(connection).retain(retention, now, dry_run=False)
    return len(report.dropped) + sum(report.rollups.values())


def _index_vectors(connection: Connection, _now: datetime) -> int:
    create_vector_indexes(connection)
    return 0  # it names those that were there too


def _erase_measures_of_deleted(policy: RetentionPolicy, connection: Connection, now: datetime) -> int:
    return erase_measures_of_deleted(connection, policy, now)


def _forget_download_links(connection: Connection, _now: datetime) -> int:
    return Links(connection).forget_expired()


def _facts(chore: Chore, changes: int) -> dict[str, object]:
    return {"chore": chore.name, "changes": changes}
