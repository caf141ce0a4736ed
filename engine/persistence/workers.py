"""The register of workers: who is there, what each can do, and when it was last heard of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json

from engine.persistence.statements import QUERIES
from storage import UnitOfWork


class WorkerRow(BaseModel):
    """One worker process."""

    model_config = ConfigDict(frozen=True)

    worker_id: str
    host: str
    process_number: int
    task_types: tuple[str, ...]
    started_at: datetime
    seen_at: datetime
    is_draining: bool


class WorkerRegister:
    """Workers on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def say_alive(
        self, worker_id: str, host: str, process_number: int, task_types: Sequence[str], *, is_draining: bool
    ) -> None:
        """Enter a worker, or the time at which it was last heard of."""
        parameters = {
            "worker_id": worker_id,
            "host": host,
            "process_number": process_number,
            "task_types": to_json(list(task_types)).decode(),
            "is_draining": is_draining,
        }
        QUERIES.execute(self._connection, "register_worker", parameters)

    def forget(self, worker_id: str) -> None:
        """Remove a worker that has stopped."""
        QUERIES.execute(self._connection, "forget_worker", {"worker_id": worker_id})

    def forget_silent(self, silent_seconds: float) -> None:
        """Remove workers that have not been heard of for so long."""
        QUERIES.execute(self._connection, "forget_silent_workers", {"silent_seconds": silent_seconds})

    def all(self) -> list[WorkerRow]:
        """Return the workers, the longest running first."""
        rows = QUERIES.rows(self._connection, "workers")
        return [WorkerRow.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name
