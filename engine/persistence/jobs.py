"""Jobs: service tasks that wait for a worker, and events to be delivered; claimed under a lease with an epoch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine.persistence.statements import JOB_CHANNEL, QUERIES
from storage import UnitOfWork
from storage.json_documents import jsonb_text

TRIGGER_TYPE = "engine.trigger"  # delivers a timer, message or signal to a task that waits for it
SIGNAL_TYPE = "engine.signal"  # broadcasts a signal that a diagram has thrown
MESSAGE_TYPE = "engine.message"  # publishes a message that a diagram has thrown
_CANDIDATES_PER_JOB = 4


class ClaimedJob(BaseModel):
    """A job as its present owner holds it.

    Attributes:
        attempt: 1 for the first; failures count, vanished workers do not.
        lost_leases: How many workers vanished while they held it.
        epoch: Grows with every claim; a write under an older epoch is refused.
        payload: What a trigger job delivers.
        result: What an earlier attempt's handler brought, where only the step after it has to be repeated.
    """

    model_config = ConfigDict(frozen=True)

    job_id: UUID
    process_instance_id: UUID
    task_id: UUID
    element_id: str
    type: str
    input: dict[str, Any]
    attempt: int = 1
    max_attempts: int
    epoch: int
    tenant_id: str = ""
    priority: int = 0
    lost_leases: int = 0
    payload: dict[str, Any] | None = None
    result: dict[str, Any] | None = None

    @property
    def idempotency_key(self) -> str:
        """The same on every attempt of this task, different for every other."""
        return f"task:{self.task_id}"


@dataclass(frozen=True)
class Claim:
    """What a worker asks for.

    Attributes:
        single_types: Types of which one job at most is taken at a time.
        limits: How many jobs of a type may run at once, over all workers.
    """

    worker_id: str
    types: Sequence[str]
    lease_seconds: float
    single_types: Collection[str] = ()
    limits: Mapping[str, int] | None = None
    number: int = 1


class Jobs:
    """Jobs on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._connection = work.connection

    def claim(self, claim: Claim) -> list[ClaimedJob]:
        """Take jobs that wait, and jobs whose owners' leases have expired; the fairest first."""
        parameters = {
            "types": self._types_with_room(claim),
            "single_types": list(claim.single_types),
            "worker_id": claim.worker_id,
            "lease_seconds": claim.lease_seconds,
            "number": claim.number,
            "candidates": claim.number * _CANDIDATES_PER_JOB,
        }
        rows = QUERIES.rows(self._connection, "claim_jobs", parameters)
        return [ClaimedJob.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name

    def _types_with_room(self, claim: Claim) -> list[str]:
        full = set[str]()
        for task_type, limit in sorted((claim.limits or {}).items()):
            QUERIES.rows(self._connection, "lock_job_type", {"type": task_type})
            row = QUERIES.first(self._connection, "running_jobs_of_type", {"type": task_type})
            if row is not None and row.number >= limit:
                full.add(task_type)
        return [task_type for task_type in claim.types if task_type not in full]

    def seconds_until_next(self, types: Sequence[str]) -> float | None:
        """Return when the next job becomes claimable (negative: now), `None` where there is none."""
        row = QUERIES.first(self._connection, "seconds_until_next_job", {"types": list(types)})
        return None if row is None or row.seconds is None else float(row.seconds)

    def extend_leases(self, held: Mapping[UUID, int], lease_seconds: float) -> set[UUID]:
        """Make leases longer, by job id and epoch; return the jobs that were still ours."""
        parameters = {**_held(held), "lease_seconds": lease_seconds}
        return {row.job_id for row in QUERIES.rows(self._connection, "extend_leases", parameters)}

    def lock(self, job: ClaimedJob) -> bool:
        """Return whether the job is still ours; if so nobody can claim it before the transaction ends."""
        parameters = {"job_id": job.job_id, "epoch": job.epoch}
        return QUERIES.first(self._connection, "lock_job", parameters) is not None

    def lock_for_steps(self, jobs: Sequence[ClaimedJob]) -> dict[UUID, int]:
        """Lock jobs of different instances, their instances first; return the versions of the instances by job id.

        A job that is not ours any more is not among them.
        """
        parameters = {
            "instance_ids": [job.process_instance_id for job in jobs],
            "job_ids": [job.job_id for job in jobs],
            "epochs": [job.epoch for job in jobs],
        }
        rows = QUERIES.rows(self._connection, "lock_for_steps", parameters)
        if rows:
            self._work.now = rows[0].now
        return {row.job_id: row.version for row in rows if row.is_leased}

    def drop(self, job: ClaimedJob) -> bool:
        """Delete a job that has nothing left to do; return whether it was still ours."""
        return QUERIES.execute(self._connection, "finish_job", {"job_id": job.job_id, "epoch": job.epoch}) == 1

    def release(self, *jobs: ClaimedJob) -> None:
        """Give jobs back that were not worked on."""
        QUERIES.execute(self._connection, "release_jobs", _held({job.job_id: job.epoch for job in jobs}))
        notify_workers(self._connection)

    def retry(self, job: ClaimedJob, error: dict[str, JsonValue], delay_seconds: float) -> None:
        """Offer a locked job again after a while, as its next attempt."""
        parameters = {
            "job_id": job.job_id,
            "last_error": jsonb_text(error, model="job"),
            "delay_seconds": delay_seconds,
        }
        QUERIES.execute(self._connection, "retry_job", parameters)

    def fail(self, job: ClaimedJob, error: dict[str, JsonValue], result: dict[str, Any] | None) -> None:
        """Let a locked job wait for a person, with what its handler brought where that is not in question."""
        parameters = {
            "job_id": job.job_id,
            "last_error": jsonb_text(error, model="job"),
            "result": None if result is None else jsonb_text(result, model="job"),
        }
        QUERIES.execute(self._connection, "fail_job", parameters)

    def park(self, job: ClaimedJob, result: dict[str, Any] | None) -> bool:
        """Keep a job and its result until the instance is resumed; return whether it was still ours."""
        text = None if result is None else jsonb_text(result, model="job")
        parameters = {"job_id": job.job_id, "epoch": job.epoch, "result": text}
        return QUERIES.execute(self._connection, "park_job", parameters) == 1

    def revive(self, job_id: UUID, *, retries: int, keep_result: bool) -> bool:
        """Offer a failed job again; return whether it had failed."""
        parameters = {"job_id": job_id, "retries": retries, "keep_result": keep_result}
        revived = QUERIES.execute(self._connection, "revive_job", parameters) == 1
        notify_workers(self._connection)
        return revived

    def suspend(self, process_instance_id: UUID) -> None:
        """Keep an instance's waiting jobs from workers."""
        QUERIES.execute(self._connection, "suspend_jobs", {"process_instance_id": process_instance_id})

    def resume(self, process_instance_id: UUID) -> None:
        """Offer an instance's suspended jobs again."""
        QUERIES.execute(self._connection, "resume_jobs", {"process_instance_id": process_instance_id})
        notify_workers(self._connection)


def notify_workers(connection: Any) -> None:
    """Wake waiting workers once the transaction commits."""
    QUERIES.rows(connection, "notify", {"channel": JOB_CHANNEL, "payload": ""})


def _held(held: Mapping[UUID, int]) -> dict[str, object]:
    return {"job_ids": list(held), "epochs": list(held.values())}
