"""How much is going on: counts of what is live, each from a partial index, so that history costs nothing.

What happened is counted from one horizon to the next: whoever reads keeps the horizon, and counts each event once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from engine.persistence.statements import QUERIES
from storage import UnitOfWork
from storage.sql import Queries

_QUERIES = Queries(Path(__file__).with_name("statistics.sql"))


@dataclass(frozen=True)
class EngineStatistics:
    """Live counts over all tenants.

    Attributes:
        instances: (process id, status) to instances that run or have an incident.
        jobs: (service-task type, status) to jobs that wait or run.
        open_user_tasks: Name of the task to how many are open.
        longest_wait_seconds: Age of the oldest job that could run and does not; 0 where there is none.
    """

    instances: dict[tuple[str, str], int]
    jobs: dict[tuple[str, str], int]
    open_user_tasks: dict[str, int]
    longest_wait_seconds: float


def engine_statistics(work: UnitOfWork) -> EngineStatistics:
    """Return the counts as they are now."""
    instances = QUERIES.rows(work.connection, "live_instances")
    jobs = QUERIES.rows(work.connection, "live_jobs")
    tasks = QUERIES.rows(work.connection, "open_user_task_counts")
    wait = QUERIES.first(work.connection, "longest_job_wait")
    return EngineStatistics(
        instances={(row.process_id, row.status): row.number for row in instances},
        jobs={(row.type, row.status): row.number for row in jobs},
        open_user_tasks={row.name: row.number for row in tasks},
        longest_wait_seconds=0.0 if wait is None or wait.seconds is None else float(wait.seconds),
    )


def queue_depths(work: UnitOfWork) -> dict[str, int]:
    """Return how many jobs, timers and schedules are due and wait for a worker or a scheduler."""
    return {row.queue: row.depth for row in _QUERIES.rows(work.connection, "queue_depths")}


@dataclass(frozen=True)
class EventCounts:
    """What happened between two horizons, over all tenants.

    Attributes:
        horizon: Where the next count begins.
        events: (process id, kind of event) to how many.
        retries: Process id to attempts that failed and are repeated.
    """

    horizon: str
    events: dict[tuple[str, str], int]
    retries: dict[str, int]


def count_events(work: UnitOfWork, since: str | None) -> EventCounts:
    """Count the events from a horizon on, each once whatever commits meanwhile; without one, count none."""
    rows = _QUERIES.rows(work.connection, "count_events", {"since": since})
    found = [row for row in rows if row.kind is not None]
    return EventCounts(
        horizon=rows[0].horizon,
        events={(row.process_id, row.kind): row.number for row in found},
        retries={row.process_id: row.retried for row in found if row.retried},
    )


class ProcessCounts(BaseModel):
    """How a process went within a window of time that ends now.

    Attributes:
        instances: `started`, `completed`, `cancelled` in the window; `running`, `suspended`, `with_incident` now.
        mean_duration_seconds: From start to end, of the instances that completed in the window.
        slow_duration_seconds: What 95 of 100 of them stayed below.
        incidents: `raised` and `resolved` in the window.
        user_tasks: `open` and `overdue` now, `completed` in the window; of its diagram, whoever called it.
        fires: What its schedules did in the window: `started`, `skipped`, `failed`, `sla_breaches`.
    """

    model_config = ConfigDict(frozen=True)

    instances: dict[str, int]
    mean_duration_seconds: float | None
    slow_duration_seconds: float | None
    incidents: dict[str, int]
    user_tasks: dict[str, int]
    fires: dict[str, int]


def count_process(work: UnitOfWork, process_id: str, tenant_id: str, window_seconds: float) -> ProcessCounts:
    """Return how a process of a tenant went; reads all its instances."""
    parameters = {"process_id": process_id, "tenant_id": tenant_id, "window_seconds": window_seconds}

    def counts(name: str) -> dict[str, Any]:
        row = _QUERIES.first(work.connection, name, parameters)
        return {} if row is None else dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's name

    instances = counts("process_instances")
    mean, slow = instances.pop("mean_duration_seconds"), instances.pop("slow_duration_seconds")
    return ProcessCounts(
        instances=instances,
        mean_duration_seconds=None if mean is None else float(mean),
        slow_duration_seconds=None if slow is None else float(slow),
        incidents=counts("process_incidents"),
        user_tasks=counts("process_user_tasks"),
        fires=counts("process_fires"),
    )
