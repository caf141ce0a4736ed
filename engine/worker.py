"""The worker: claims jobs, runs their handlers, writes the results back under the job's epoch."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel, JsonValue

from engine.engine import Engine
from engine.errors import BpmnError, PermanentTaskError, StaleLeaseError
from engine.execution import Step, append_event, audit_transition, finish_step, load_step, raise_incident
from engine.persistence import ClaimedJob, InstanceRow, Instances, Jobs, NotificationHub
from engine.service_tasks import ExternalTask, JobContext, TaskContext, TransactionalTask
from storage import ReportedError, Storage, UnitOfWork
from storage.errors import DatabaseUnavailableError
from storage.identifiers import new_id

logger = logging.getLogger(__name__)

_HELD_ELSEWHERE_SECONDS = 0.2


@dataclass(frozen=True)
class WorkerPolicy:
    """How a worker leases, waits and retries.

    Attributes:
        lease_seconds: How long a silent worker keeps a job; renewed three times as often.
        poll_seconds: How long to wait at most without a notification.
        backoff_seconds: Mean delay before the second attempt; doubles with each further one.
        chance: Gives numbers in [0, 1) that scatter the delays, so that those who collided do not meet again.
    """

    lease_seconds: float = 15.0
    poll_seconds: float = 5.0
    backoff_seconds: float = 1.0
    chance: Callable[[], float] = random.random

    def delay_seconds(self, attempt: int) -> float:
        """Return how long to wait after the given attempt failed: between half and one and a half of the mean."""
        return (0.5 + self.chance()) * self.backoff_seconds * 2.0 ** (attempt - 1)


class Worker:
    """Runs the jobs of one engine, one at a time in each thread that calls `run`."""

    def __init__(self, engine: Engine, storage: Storage, hub: NotificationHub, policy: WorkerPolicy) -> None:
        self._engine = engine
        self._storage = storage
        self._hub = hub
        self._policy = policy
        self._stopping = threading.Event()
        self.worker_id = f"{os.uname().nodename}:{os.getpid()}:{new_id()}"

    def stop(self) -> None:
        """Ask every `run` to return; jobs being worked on are given back unharmed."""
        self._stopping.set()
        self._hub.wake()

    def run(self) -> None:
        """Work until `stop`."""
        while not self._stopping.is_set():
            mark = self._hub.job_mark()
            try:
                if not self.run_one():
                    self._hub.wait_for_job(mark, self._idle_seconds())
            except Exception:  # the loop must outlive a database that went away
                logger.exception("worker failed to claim or write back")
                self._stopping.wait(self._policy.backoff_seconds)

    def run_one(self) -> bool:
        """Claim and finish one job; return False where none was claimable."""
        with self._storage.transaction() as work:
            job = Jobs(work).claim(self._engine.registry.types, self.worker_id, self._policy.lease_seconds)
        if job is None:
            return False
        try:
            self._execute(job)
        except StaleLeaseError:
            logger.warning("result refused under a stale lease", extra={"job_id": str(job.job_id)})
        except _InterruptedError:
            self._release(job)
        except DatabaseUnavailableError:
            logger.warning("database lost, job given back", extra={"job_id": str(job.job_id)})
            self._persist(lambda: self._release(job))
        except Exception as error:  # every failure of a handler becomes a retry or an incident
            logger.exception("service task failed", extra={"job_id": str(job.job_id), "task_type": job.type})
            failure = error
            with contextlib.suppress(StaleLeaseError):  # then the new owner's outcome counts
                self._persist(lambda: self._fail(job, failure))
        return True

    def _execute(self, job: ClaimedJob) -> None:
        if job.attempt > job.max_attempts:
            raise PermanentTaskError(f"No result after {job.max_attempts} attempts; the worker died each time.")
        task = self._engine.registry[job.type]
        request = self._engine.registry.parse_input(job.type, job.element_id, job.input)
        try:
            if isinstance(task, TransactionalTask):
                self._run_transactional(task, job, request)
            else:
                self._run_external(task, job, request)
        except BpmnError as error:
            self._leave_by_error(job, error)

    def _run_transactional(self, task: TransactionalTask[Any, Any], job: ClaimedJob, request: BaseModel) -> None:
        with self._storage.transaction() as work:
            step = self._load(work, job)
            context = TaskContext(
                work=work,
                principal=step.row.started_by,
                process_instance_id=job.process_instance_id,
                business_key=step.row.business_key,
                element_id=job.element_id,
                attempt=job.attempt,
                idempotency_key=job.idempotency_key,
                now=work.now,
                logger=logging.getLogger(f"handlers.{job.type}"),
            )
            self._complete(step, job, task.run(context, request))

    def _run_external(self, task: ExternalTask[Any, Any], job: ClaimedJob, request: BaseModel) -> None:
        with self._storage.transaction() as work:
            row = Instances(work).lock(job.process_instance_id)
        if row is None:
            raise StaleLeaseError(job_id=job.job_id, epoch=job.epoch)
        with self._kept_lease(job) as lease_lost:
            context = JobContext(
                storage=self._storage,
                principal=row.started_by,
                process_instance_id=job.process_instance_id,
                business_key=row.business_key,
                element_id=job.element_id,
                attempt=job.attempt,
                idempotency_key=job.idempotency_key,
                report=partial(self._report, job, row),
                should_stop=lambda: lease_lost.is_set() or self._stopping.is_set(),
                logger=logging.getLogger(f"handlers.{job.type}"),
            )
            try:
                result = task.run(context, request)
            except BpmnError:
                raise
            except Exception as error:
                if context.should_stop():
                    raise _InterruptedError from error
                raise
            self._persist(lambda: self._write_back(job, result))

    def _write_back(self, job: ClaimedJob, result: BaseModel) -> None:
        with self._storage.transaction() as work:
            self._complete(self._load(work, job), job, result)

    def _persist(self, write: Callable[[], None]) -> None:
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

    def _release(self, job: ClaimedJob) -> None:
        with self._storage.transaction() as work:
            Jobs(work).release(job)

    def _report(self, job: ClaimedJob, row: InstanceRow, kind: str, payload: Mapping[str, JsonValue]) -> None:
        try:
            with self._storage.transaction() as work:
                append_event(work, row, kind, {**payload, "attempt": job.attempt}, job.element_id)
        except DatabaseUnavailableError:  # progress is worth less than what progresses
            logger.warning("progress lost", extra={"job_id": str(job.job_id)})

    @contextlib.contextmanager
    def _kept_lease(self, job: ClaimedJob) -> Iterator[threading.Event]:
        """Renew the lease while the block runs; the event yielded is set once it is lost."""
        finished, lost = threading.Event(), threading.Event()

        def renew() -> None:
            while not finished.wait(self._policy.lease_seconds / 3):
                try:
                    with self._storage.transaction() as work:
                        kept = Jobs(work).extend_lease(job, self._policy.lease_seconds)
                except Exception:  # an outage shorter than the lease must not lose it
                    logger.exception("lease not renewed")
                    continue
                if not kept:
                    lost.set()
                    return

        thread = threading.Thread(target=renew, name=f"lease-{job.job_id}", daemon=True)
        thread.start()
        try:
            yield lost
        finally:
            finished.set()
            thread.join()

    def _load(self, work: UnitOfWork, job: ClaimedJob) -> Step:
        step = load_step(work, self._engine.library, job.process_instance_id)
        if not Jobs(work).lock(job):
            raise StaleLeaseError(job_id=job.job_id, epoch=job.epoch)
        return step

    def _complete(self, step: Step, job: ClaimedJob, result: BaseModel) -> None:
        Jobs(step.work).finish(job)
        step.tree.complete(job.task_id, result.model_dump(mode="json"))
        details: dict[str, JsonValue] = {"element_id": job.element_id, "type": job.type, "attempt": job.attempt}
        audit_transition(step.work, step.row, "service_task.completed", details, step.row.started_by)
        finish_step(step, step.row.started_by)

    def _leave_by_error(self, job: ClaimedJob, error: BpmnError) -> None:
        with self._storage.transaction() as work:
            step = self._load(work, job)
            Jobs(work).finish(job)
            payload: dict[str, JsonValue] = {"error_code": error.error_code, "message": _storable(error.message)}
            append_event(work, step.row, "element.error", {"kind": "error", **payload}, job.element_id)
            if not step.tree.raise_error(job.task_id, error.error_code, error.variables):
                Jobs(work).fail(job, payload)
                raise_incident(work, step.row, job.element_id, payload, step.row.started_by)
                return
            details: dict[str, JsonValue] = {"element_id": job.element_id, **payload}
            audit_transition(work, step.row, "service_task.error", details, step.row.started_by)
            finish_step(step, step.row.started_by)

    def _fail(self, job: ClaimedJob, error: Exception) -> None:
        facts: dict[str, JsonValue] = {
            "code": error.code if isinstance(error, ReportedError) else "TASK_FAILED",
            "message": _storable(str(error))[:2_000] or type(error).__name__,
            "attempt": job.attempt,
        }
        with self._storage.transaction() as work:
            step = self._load(work, job)
            append_event(work, step.row, "job.failed", facts, job.element_id)
            if _is_permanent(error) or job.attempt >= job.max_attempts:
                Jobs(work).fail(job, facts)
                raise_incident(work, step.row, job.element_id, facts, step.row.started_by)
            else:
                Jobs(work).retry(job, facts, self._policy.delay_seconds(job.attempt))

    def _idle_seconds(self) -> float:
        with self._storage.transaction() as work:
            due = Jobs(work).seconds_until_next(self._engine.registry.types)
        if due is None:
            return self._policy.poll_seconds
        # Due and yet not claimed: somebody else holds the row just now.
        return min(self._policy.poll_seconds, due if due > 0 else _HELD_ELSEWHERE_SECONDS)


def _storable(text: str) -> str:
    """Return `text` without what PostgreSQL refuses: NUL and halves of characters, as in names of damaged files."""
    return text.replace("\x00", "").encode(errors="replace").decode()


class _InterruptedError(Exception):
    """The handler was stopped because the worker stops or lost the lease."""


def _is_permanent(error: Exception) -> bool:
    """Return whether the same attempt would fail the same way: reported errors say so themselves."""
    return isinstance(error, ReportedError) and not error.retryable
