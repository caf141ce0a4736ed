"""Looking after metrics: partitions made ahead, roll-ups brought up to date, old months dropped.

For the owner of the tables, for all tenants at once, on transactions of its own. One works at a time; others wait.
"""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from storage.errors import MetricMonthClosedError
from storage.sql import Queries
from storage.stores.metric_points import Resolution
from storage.stores.metric_retention import MetricRetention, Partition, RetentionPlan, months_between, plan_retention

_QUERIES = Queries(Path(__file__).with_name("rollups.sql"))
_CHANGES_AT_A_TIME = 10_000
_AHEAD = timedelta(days=100)
_MONTH_CLOSED = "55000"  # object_not_in_prerequisite_state, which create_partition raises


class RetentionReport(BaseModel):
    """What went, or would go.

    Attributes:
        dropped: Months of points, with how many there were about.
        rollups: How many roll-ups of each resolution.
    """

    model_config = ConfigDict(frozen=True)

    is_dry_run: bool
    dropped: tuple[Partition, ...]
    rollups: dict[Resolution, int]


class MetricMaintenance:
    """Maintenance on one transaction of the tables' owner."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create_partitions(self, first: date, last: date) -> tuple[str, ...]:
        """Make the partitions of the months from `first` to `last` that are not there; return their names.

        Raises:
            MetricMonthClosedError: Points of such a month were dropped; the transaction has to be rolled back.
        """
        names = (self._create_partition(month) for month in months_between(first, last))
        return tuple(name for name in names if name is not None)

    def create_partitions_ahead(self, now: datetime) -> tuple[str, ...]:
        """Make the partitions of this month and of those that begin in the next hundred days."""
        return self.create_partitions(now.date(), now.date() + _AHEAD)

    def partitions(self) -> tuple[Partition, ...]:
        """Return the months that take points, the earliest first."""
        rows = _QUERIES.rows(self._connection, "partitions")
        return tuple(Partition(name=row.name, estimated_points=row.estimated_points) for row in rows)

    def lock(self) -> None:
        """Wait until no other transaction maintains metrics; none does until this one ends."""
        _QUERIES.rows(self._connection, "lock_rolling_up")

    def roll_up(self, *, most: int = sys.maxsize) -> int:
        """Bring all roll-ups up to date with the points that are committed; return how many changes there were.

        Doing it again, or after it was interrupted, gives the same roll-ups: each is computed anew, not added to.

        Args:
            most: Stop after so many changes. What is left over is found the next time.
        """
        self.lock()
        steps = {
            Resolution.MINUTE: ("roll_up_minutes", None, None),
            Resolution.HOUR: ("roll_up_buckets", Resolution.MINUTE, Resolution.DAY),
            Resolution.DAY: ("roll_up_buckets", Resolution.HOUR, None),
        }
        total = 0
        for resolution, (name, finer, coarser) in steps.items():
            total += self._roll_up(name, resolution, finer, coarser, most - total)
        return total

    def retain(self, policy: MetricRetention, now: datetime, *, dry_run: bool) -> RetentionReport:
        """Drop what the policy no longer keeps; what is dropped was rolled up before."""
        plan = plan_retention(self.partitions(), policy, now)
        report = RetentionReport(
            is_dry_run=dry_run,
            dropped=plan.partitions,
            rollups={resolution: self._count_old(resolution, before) for resolution, before in plan.before.items()},
        )
        if not dry_run:
            self._drop(plan)
        return report

    def _drop(self, plan: RetentionPlan) -> None:
        # Writers are waited for, and kept out: no point may come between the last roll-up and the drop.
        for partition in plan.partitions:
            self._connection.execute(text(f'lock table "{partition.name}" in access exclusive mode'))
        if plan.partitions:
            self.roll_up()
        for partition in plan.partitions:
            self._connection.execute(text(f'drop table "{partition.name}"'))
        for resolution, before in plan.before.items():
            parameters = {"resolution": resolution, "before": before}
            _QUERIES.execute(self._connection, "drop_old_rollups", parameters)

    def _count_old(self, resolution: Resolution, before: datetime) -> int:
        (row,) = _QUERIES.rows(self._connection, "old_rollups", {"resolution": resolution, "before": before})
        number: int = row.number
        return number

    def _roll_up(
        self, name: str, resolution: Resolution, finer: Resolution | None, coarser: Resolution | None, most: int
    ) -> int:
        parameters: dict[str, object] = {}
        if finer is not None:
            seconds = resolution.length.total_seconds()
            parameters |= {"resolution": resolution, "finer": finer, "coarser": coarser, "seconds": seconds}
        total = 0
        while limit := min(_CHANGES_AT_A_TIME, most - total):
            changes: int = _QUERIES.rows(self._connection, name, {**parameters, "limit": limit})[0].changes
            total += changes
            if changes < limit:
                break
        return total

    def _create_partition(self, month: date) -> str | None:
        try:
            (row,) = _QUERIES.rows(self._connection, "create_partition", {"month": month})
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _MONTH_CLOSED:
                raise
            raise MetricMonthClosedError(month=month) from error
        name: str | None = row.name
        return name
