"""What a task that fails, or ends its worker, at every attempt takes from all others.

Both sides are measured in one run and in turn, on the same processes, so that whatever else the machine does strikes
both: rounds without poison, and rounds in which there is nearly always a poisoned order about. Each round is compared
with its neighbour, which comes first in every other pair, and the median of the pairs counts.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from fault_suite.laboratory import Laboratory
from fault_suite.orders import CLERK, Line, Order
from fault_suite.run import Condition, Fault, Run, Scale, after
from fault_suite.scenario_lines import TOIL
from fault_suite.scenarios import judged_run

_PAIRS = 6
_ROUND_SECONDS = 5.0
_LEASE_SECONDS = 2.0  # after which a poisoned task that ended its worker ends the next one
_WAITING_ORDERS = 40  # more than are done until somebody looks again
_LOOK_SECONDS = 0.1
_POISON_SECONDS = 1.0  # between two poisoned orders at least

_DONE = """
select count(*) from event
where kind = 'element.completed' and element_id in ('Dig', 'Carry') and occurred_at between %s and %s
"""
_UNDONE = "select count(*) from process_instance where status = 'running' and open_incidents = 0 and process_id = %s"


def kept_throughput(laboratory: Laboratory, folder: Path, scale: Scale, poison: Line) -> float:
    """Return how many tasks of other orders are done while a poisoned one is about, as a part of how many without."""
    none_yet, settings = replace(scale, orders=0), {"lease_seconds": _LEASE_SECONDS, "maximum_lost_leases": 3}
    with judged_run(laboratory, folder, none_yet, lines=(TOIL, poison), **settings) as run:
        run.staff(clients=0, schedulers=0)
        with psycopg.connect(run.settings.database_url, autocommit=True) as connection:
            match = _Match(run, poison, connection)
            run.finish(match.rounds())
        assert len(run.orders) >= scale.orders
    return median(match.kept)


class _Match:
    """Rounds in turn.

    Attributes:
        kept: Of each pair of rounds, the throughput with poison as a part of that without.
    """

    def __init__(self, run: Run, poison: Line, connection: psycopg.Connection[Any]) -> None:
        self.kept: list[float] = []
        self._run = run
        self._poison = poison
        self._connection = connection
        self._next_look, self._next_poison = after(0), after(0)

    def rounds(self) -> Fault:
        yield self._supplying(after(_ROUND_SECONDS))  # nobody is measured who has just been born
        for number in range(_PAIRS):
            rates = dict[bool, float]()
            for is_poisoned in (number % 2 == 0, number % 2 == 1):
                begin = self._now()
                yield self._supplying(after(_ROUND_SECONDS), is_poisoned=is_poisoned)
                rates[is_poisoned] = self._tasks_per_second(begin)
                yield self._supplying(lambda: self._undone(self._poison) == 0)
            self.kept.append(rates[True] / rates[False])

    def _supplying(self, condition: Condition, *, is_poisoned: bool = False) -> Condition:
        """Return a condition that, until it holds, sees to it that workers have enough to do."""

        def holds() -> bool:
            if self._next_look():
                self._next_look = after(_LOOK_SECONDS)
                self._supply(is_poisoned=is_poisoned)
            return condition()

        return holds

    def _supply(self, *, is_poisoned: bool) -> None:
        for _ in range(_WAITING_ORDERS - self._undone(TOIL)):
            self._order(TOIL)
        if is_poisoned and self._next_poison() and self._undone(self._poison) == 0:
            self._next_poison = after(_POISON_SECONDS)
            self._order(self._poison)

    def _order(self, line: Line) -> None:
        order = Order(len(self._run.orders), line)
        self._run.orders.append(order)
        with self._run.storage.transaction() as work:
            variables = {"order": order.number}
            self._run.engine.start(work, line.process_id, variables, context=CLERK, business_key=order.key)

    def _undone(self, line: Line) -> int:
        return int(self._one(_UNDONE, line.process_id))

    def _tasks_per_second(self, begin: datetime) -> float:
        end = self._now()
        return float(self._one(_DONE, begin, end)) / (end - begin).total_seconds()

    def _now(self) -> datetime:
        moment: datetime = self._one("select clock_timestamp()")
        return moment

    def _one(self, query: str, *parameters: object) -> Any:
        row = self._connection.execute(query.encode(), parameters).fetchone()
        assert row is not None
        return row[0]
