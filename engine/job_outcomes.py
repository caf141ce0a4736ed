"""What becomes of a job that did not end in a step: retried, failed, parked, given back or refused."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from engine.errors import StaleLeaseError
from engine.execution import append_event, raise_incident
from engine.persistence import ClaimedJob, InstanceRow, Instances, Jobs
from engine.worker_policy import WorkerPolicy
from storage import ReportedError, Storage, UnitOfWork
from storage.errors import DatabaseUnavailableError

logger = logging.getLogger(__name__)

_MESSAGE_LENGTH = 2_000


class JobOutcomes:
    """Writes outcomes under the job's epoch, however long the database is away."""

    def __init__(self, storage: Storage, policy: WorkerPolicy, worker_id: str, stopping: threading.Event) -> None:
        self._storage = storage
        self._policy = policy
        self._worker_id = worker_id
        self._stopping = stopping

    def persist(self, write: Callable[[], None]) -> None:
        """Repeat a transaction until the database answers or the worker stops; hours of work may hang on it.

        Repeating is safe: where the lost connection hid a commit, the epoch refuses the second one.
        """
        while True:
            try:
                write()
            except DatabaseUnavailableError:
                logger.warning("database lost, writing again")
                if self._stopping.wait(self._policy.backoff_seconds):
                    raise
            else:
                return

    def fail(self, job: ClaimedJob, error: Exception, result: dict[str, JsonValue] | None = None) -> None:
        """Let a job be tried again later, or become an incident; a result that is not in question is kept.

        Raises:
            StaleLeaseError: It is somebody else's, whose outcome counts.
        """
        facts: dict[str, JsonValue] = {
            "code": error.code if isinstance(error, ReportedError) else "TASK_FAILED",
            "message": storable(str(error))[:_MESSAGE_LENGTH] or type(error).__name__,
            "attempt": job.attempt,
        }
        with self._storage.transaction() as work:
            # The instance first, as in every step: jobs are locked behind it.
            Instances(work).lock(job.process_instance_id)
            require_lease(work, job)
            row = Instances(work).read(job.process_instance_id)
            if row is None or row.is_over:
                Jobs(work).drop(job)
                return
            append_event(work, row, "job.failed", facts, job.element_id)
            if result is not None or _is_permanent(error) or job.attempt >= job.max_attempts:
                Jobs(work).fail(job, facts, result)
                raise_incident(work, row, job, facts, row.started_by)
            else:
                Jobs(work).retry(job, facts, self._policy.delay_seconds(job.attempt))

    def park(self, job: ClaimedJob, result: dict[str, JsonValue] | None) -> None:
        """Keep a job of a suspended instance, and what its handler brought, until the instance is resumed."""
        with self._storage.transaction() as work:
            Instances(work).lock(job.process_instance_id)  # or a resume between two looks at it would be missed
            Jobs(work).park(job, result)

    def release(self, *jobs: ClaimedJob) -> None:
        """Give jobs back unharmed."""
        with self._storage.transaction() as work:
            for process_instance_id in sorted({job.process_instance_id for job in jobs}):
                Instances(work).lock(process_instance_id)
            Jobs(work).release(*jobs)

    def refuse(self, job: ClaimedJob) -> None:
        """Put on the record that a result or a failure came under a lost lease and was refused."""
        logger.warning("outcome refused under a stale lease", extra={"job_id": str(job.job_id)})
        facts: dict[str, JsonValue] = {"job_id": str(job.job_id), "epoch": job.epoch, "worker_id": self._worker_id}
        with contextlib.suppress(DatabaseUnavailableError), self._storage.transaction() as work:
            row = Instances(work).read(job.process_instance_id)
            if row is not None:
                append_event(work, row, "job.refused", facts, job.element_id)

    def report(self, job: ClaimedJob, row: InstanceRow, kind: str, payload: Mapping[str, JsonValue]) -> None:
        """Put on the record how far a handler is."""
        try:
            with self._storage.transaction() as work:
                attempt = job.attempt + job.lost_leases
                append_event(work, row, kind, {**payload, "attempt": attempt}, job.element_id)
        except DatabaseUnavailableError:  # progress is worth less than what progresses
            logger.warning("progress lost", extra={"job_id": str(job.job_id)})


def require_lease(work: UnitOfWork, job: ClaimedJob) -> None:
    """Lock a job until the transaction ends.

    Raises:
        StaleLeaseError: It is somebody else's by now.
    """
    if not Jobs(work).lock(job):
        raise StaleLeaseError(job_id=job.job_id, epoch=job.epoch)


def storable(text: str) -> str:
    """Return `text` without what PostgreSQL refuses: NUL and halves of characters, as in names of damaged files."""
    return text.replace("\x00", "").encode(errors="replace").decode()


def _is_permanent(error: Exception) -> bool:
    """Return whether the same attempt would fail the same way: reported errors say so themselves."""
    return isinstance(error, ReportedError) and not error.retryable
