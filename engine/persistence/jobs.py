"""Jobs: service tasks that wait for a worker, claimed under a lease with an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine.persistence.statements import JOB_CHANNEL, QUERIES
from storage import UnitOfWork
from storage.json_documents import jsonb_text


class ClaimedJob(BaseModel):
    """A job as its present owner holds it.

    Attributes:
        attempt: 1 for the first.
        epoch: Grows with every claim; a write under an older epoch is refused.
    """

    model_config = ConfigDict(frozen=True)

    job_id: UUID
    process_instance_id: UUID
    task_id: UUID
    element_id: str
    type: str
    input: dict[str, Any]
    attempt: int
    max_attempts: int
    epoch: int

    @property
    def idempotency_key(self) -> str:
        """The same on every attempt of this task, different for every other."""
        return f"task:{self.task_id}"


class Jobs:
    """Jobs on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def insert(self, job: ClaimedJob) -> None:
        """Offer a job to the workers once this transaction commits."""
        parameters = job.model_dump(exclude={"attempt", "epoch", "input"})
        parameters["input"] = jsonb_text(job.input, model="job")
        QUERIES.execute(self._connection, "insert_job", parameters)
        QUERIES.rows(self._connection, "notify", {"channel": JOB_CHANNEL, "payload": job.type})

    def claim(self, types: Sequence[str], worker_id: str, lease_seconds: float) -> ClaimedJob | None:
        """Take the job that has waited longest, or one whose owner's lease has expired."""
        parameters = {"types": list(types), "worker_id": worker_id, "lease_seconds": lease_seconds}
        row = QUERIES.first(self._connection, "claim_job", parameters)
        return None if row is None else ClaimedJob.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name

    def seconds_until_next(self, types: Sequence[str]) -> float | None:
        """Return when the next job becomes claimable (negative: now), `None` where there is none."""
        row = QUERIES.first(self._connection, "seconds_until_next_job", {"types": list(types)})
        return None if row is None or row.seconds is None else float(row.seconds)

    def extend_lease(self, job: ClaimedJob, lease_seconds: float) -> bool:
        """Return whether the lease was still ours, and is now longer."""
        parameters = {"job_id": job.job_id, "epoch": job.epoch, "lease_seconds": lease_seconds}
        return QUERIES.execute(self._connection, "extend_lease", parameters) == 1

    def lock(self, job: ClaimedJob) -> bool:
        """Return whether the job is still ours; if so nobody can claim it before the transaction ends."""
        parameters = {"job_id": job.job_id, "epoch": job.epoch}
        return QUERIES.first(self._connection, "lock_job", parameters) is not None

    def finish(self, job: ClaimedJob) -> None:
        """Close a locked job as done."""
        QUERIES.execute(self._connection, "finish_job", {"job_id": job.job_id})

    def release(self, job: ClaimedJob) -> None:
        """Give a job back that was not worked on; the attempt does not count."""
        QUERIES.execute(self._connection, "release_job", {"job_id": job.job_id, "epoch": job.epoch})
        QUERIES.rows(self._connection, "notify", {"channel": JOB_CHANNEL, "payload": job.type})

    def retry(self, job: ClaimedJob, error: dict[str, JsonValue], delay_seconds: float) -> None:
        """Offer a locked job again after a while."""
        parameters = {
            "job_id": job.job_id,
            "last_error": jsonb_text(error, model="job"),
            "delay_seconds": delay_seconds,
        }
        QUERIES.execute(self._connection, "retry_job", parameters)

    def fail(self, job: ClaimedJob, error: dict[str, JsonValue]) -> None:
        """Close a locked job as failed."""
        parameters = {"job_id": job.job_id, "last_error": jsonb_text(error, model="job")}
        QUERIES.execute(self._connection, "fail_job", parameters)
