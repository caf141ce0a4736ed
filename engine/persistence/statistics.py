"""How much is going on: counts of what is live, each from a partial index, so that history costs nothing."""

from __future__ import annotations

from dataclasses import dataclass

from engine.persistence.statements import QUERIES
from storage import UnitOfWork


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
