"""The worker: claims jobs, runs their handlers, writes the results back under the job's epoch.

An external handler runs outside any transaction. Its result, the step that follows and the claim of the instance's next
job are one commit. A transactional handler runs inside the step; those that follow it in the same instance run in the
same step, within a budget, so a chain of short tasks is one commit.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import BaseModel, JsonValue

from engine.bpmn import ServiceTask
from engine.crash_points import crash_point
from engine.engine import Engine
from engine.errors import (
    BpmnError,
    StaleInstanceError,
    StaleLeaseError,
    UncaughtBpmnError,
    WorkerLostError,
)
from engine.execution import (
    FinishedStep,
    Step,
    append_event,
    finish_step,
    hold_version,
    load_step,
    raise_incident,
    resolve_incident,
)
from engine.leases import LeaseKeeper
from engine.persistence import (
    SIGNAL_TYPE,
    TRIGGER_TYPE,
    Claim,
    ClaimedJob,
    InstanceRow,
    Instances,
    InstanceStatus,
    Jobs,
    Lease,
    NotificationHub,
    StepDocument,
)
from engine.service_tasks import ExternalTask, JobContext, TaskContext, TransactionalTask
from engine.spiff import ProcessTree, WaitingTask
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
        backoff_seconds: Mean delay before the second attempt; doubles with each further one, up to an hour.
        chance: Gives numbers in [0, 1) that scatter the delays, so that those who collided do not meet again.
        step_handlers: How many transactional handlers run in one step at most.
        step_seconds: After how long no further one is begun in the step.
        batch: How many short jobs are claimed at once.
        chain: How many jobs of one instance are taken one after the other without asking what else waits.
        maximum_lost_leases: After so many vanished workers a job becomes an incident.
        limits: How many jobs of a type may run at once, over all workers.
    """

    lease_seconds: float = 15.0
    poll_seconds: float = 5.0
    backoff_seconds: float = 1.0
    chance: Callable[[], float] = random.random
    step_handlers: int = 100
    step_seconds: float = 1.0
    batch: int = 8
    chain: int = 100
    maximum_lost_leases: int = 5
    limits: Mapping[str, int] = field(default_factory=dict)

    def delay_seconds(self, attempt: int) -> float:
        """Return how long to wait after the given attempt failed: between half and one and a half of the mean."""
        return (0.5 + self.chance()) * min(self.backoff_seconds * 2.0 ** (attempt - 1), 3_600.0)


class Worker:
    """Runs the jobs of one engine, one at a time in each thread that calls `run`."""

    def __init__(self, engine: Engine, storage: Storage, hub: NotificationHub, policy: WorkerPolicy) -> None:
        self._engine = engine
        self._storage = storage
        self._hub = hub
        self._policy = policy
        self._stopping = threading.Event()
        self.worker_id = f"{os.uname().nodename}:{os.getpid()}:{new_id()}"
        registry = engine.registry
        self._types = (TRIGGER_TYPE, SIGNAL_TYPE, *registry.types)
        single = [name for name in registry.types if isinstance(registry[name], ExternalTask)]
        self._single_types = frozenset({*single, *policy.limits})
        self._lease = Lease(self.worker_id, policy.lease_seconds, frozenset(policy.limits))
        self._leases = LeaseKeeper(storage, self.worker_id, registry.types, policy.lease_seconds)
        self.refused_results = 0

    def stop(self) -> None:
        """Ask every `run` to return; jobs being worked on are given back unharmed."""
        self._stopping.set()
        self._leases.is_draining = True
        self._hub.wake()

    def run(self) -> None:
        """Work until `stop`."""
        with self._leases.running():
            while not self._stopping.is_set():
                mark = self._hub.job_mark()
                try:
                    if not self.run_one():
                        self._hub.wait_for_job(mark, self._idle_seconds())
                except Exception:  # the loop must outlive a database that went away
                    logger.exception("worker failed to claim or write back")
                    self._stopping.wait(self._policy.backoff_seconds)

    def run_one(self) -> bool:
        """Claim jobs and work on them, and on what follows from them; return False where none was claimable."""
        with self._leases.running():
            claimed = self.claim()
            for number, job in enumerate(claimed):
                if self._stopping.is_set():
                    self._persist(partial(self._release, *claimed[number:]))
                    break
                self.work_on(job)
        return bool(claimed)

    def claim(self) -> list[ClaimedJob]:
        """Take what this worker will do next: short jobs in a batch, of the others one at most; those come last."""
        claim = Claim(
            worker_id=self.worker_id,
            types=self._types,
            lease_seconds=self._policy.lease_seconds,
            single_types=self._single_types,
            limits=self._policy.limits,
            number=self._policy.batch,
        )
        with self._storage.transaction() as work:
            jobs = Jobs(work).claim(claim)
        crash_point("after_claim")
        for job in jobs:
            self._leases.hold(job)
        return sorted(jobs, key=lambda job: job.type in self._single_types or job.lost_leases > 0)

    def work_on(self, job: ClaimedJob) -> None:
        """Finish a claimed job, and the jobs of its instance that are taken on the way."""
        pending, taken = deque([job]), 0
        while pending:
            job = pending.popleft()
            may_take = self._policy.chain - taken if not self._stopping.is_set() else 0
            following = self._finish(job, 1 if may_take > 0 and not pending else 0)
            taken += len(following)
            pending.extend(following)

    def _finish(self, job: ClaimedJob, leases: int) -> tuple[ClaimedJob, ...]:
        try:
            return self._execute(job, leases)
        except StaleLeaseError:
            self._record_refusal(job)
        except _InterruptedError:
            self._persist(partial(self._release, job))
        except DatabaseUnavailableError:
            logger.warning("database lost, job given back", extra={"job_id": str(job.job_id)})
            self._persist(partial(self._release, job))
        except _SuspendedError as pause:
            self._persist(partial(self._park, job, pause.result))
        except Exception as error:  # every failure of a handler becomes a retry or an incident
            logger.exception("service task failed", extra={"job_id": str(job.job_id), "task_type": job.type})
            with contextlib.suppress(StaleLeaseError):  # then the new owner's outcome counts
                self._persist(partial(self._fail, job, error, None))
        finally:
            self._leases.let_go(job)
        return ()

    def _record_refusal(self, job: ClaimedJob) -> None:
        """Put on the record that a result came under a lost lease and was refused."""
        logger.warning("result refused under a stale lease", extra={"job_id": str(job.job_id)})
        self.refused_results += 1
        facts: dict[str, JsonValue] = {"job_id": str(job.job_id), "epoch": job.epoch, "worker_id": self.worker_id}
        with contextlib.suppress(DatabaseUnavailableError), self._storage.transaction() as work:
            row = Instances(work).read(job.process_instance_id)
            if row is not None:
                append_event(work, row, "job.refused", facts, job.element_id)

    def _execute(self, job: ClaimedJob, leases: int) -> tuple[ClaimedJob, ...]:
        if job.lost_leases >= self._policy.maximum_lost_leases:
            raise WorkerLostError(lost=job.lost_leases)
        if job.type == TRIGGER_TYPE:
            return self._persist_step(job, partial(self._trigger, job), leases)
        if job.type == SIGNAL_TYPE:
            self._persist(partial(self._broadcast, job))
            return ()
        if job.result is not None:
            return self._bring_in(job, job.result, leases)
        task = self._engine.registry[job.type]
        request = self._engine.registry.parse_input(job.type, job.element_id, job.input)
        try:
            if isinstance(task, TransactionalTask):
                return self._run_transactional(task, job, request, leases)
            return self._bring_in(job, self._run_external(task, job, request), leases)
        except BpmnError as error:
            return self._persist_step(job, partial(self._leave_by_error, job, error), leases)

    def _run_external(self, task: ExternalTask[Any, Any], job: ClaimedJob, request: BaseModel) -> dict[str, JsonValue]:
        row = self._facts(job)
        lost = self._leases.hold(job)
        context = JobContext(
            storage=self._storage,
            principal=row.started_by,
            process_instance_id=job.process_instance_id,
            business_key=row.business_key,
            element_id=job.element_id,
            attempt=job.attempt + job.lost_leases,
            idempotency_key=job.idempotency_key,
            report=partial(self._report, job, row),
            should_stop=lambda: lost.is_set() or self._stopping.is_set(),
            logger=logging.getLogger(f"handlers.{job.type}"),
        )
        crash_point("before_handler")
        try:
            result = task.run(context, request)
        except BpmnError:
            raise
        except Exception as error:
            if context.should_stop():
                raise _InterruptedError from error
            raise
        crash_point("after_handler")
        brought: dict[str, JsonValue] = result.model_dump(mode="json")
        return brought

    def _facts(self, job: ClaimedJob) -> InstanceRow:
        row = self._engine.instances.peek(job.process_instance_id)
        if row is not None:
            return row
        with self._storage.transaction() as work:
            row = Instances(work).read(job.process_instance_id)
        if row is None:
            raise StaleLeaseError(job_id=job.job_id, epoch=job.epoch)
        return row

    def _bring_in(self, job: ClaimedJob, result: dict[str, JsonValue], leases: int) -> tuple[ClaimedJob, ...]:
        """Write a handler's result; if the step after it fails, the result is kept for the retry of the step."""
        try:
            return self._persist_step(job, partial(self._complete_with, job, result), leases)
        except _SuspendedError:
            raise _SuspendedError(result) from None
        except (StaleLeaseError, DatabaseUnavailableError):
            raise
        except ReportedError as error:
            failure = error
        logger.error("step failed", extra={"job_id": str(job.job_id)}, exc_info=failure)
        with contextlib.suppress(StaleLeaseError):
            self._persist(partial(self._fail, job, failure, result))
        return ()

    def _persist_step(self, job: ClaimedJob, compute: Callable[[Step], None], leases: int) -> tuple[ClaimedJob, ...]:
        """Compute and commit a step on the warm instance, or on the stored one where it has changed meanwhile."""
        outcome: list[tuple[ClaimedJob, ...]] = []
        handlers, warm = self._budget(job), True

        def write() -> None:
            nonlocal handlers, warm
            while not outcome:
                try:
                    outcome.append(self._try_step(job, compute, leases, handlers, warm=warm))
                except _InlineFailedError as failure:
                    handlers = failure.number - 1
                except (StaleLeaseError, DatabaseUnavailableError, _SuspendedError):
                    raise
                except Exception:
                    if not warm:
                        raise
                    warm = False  # the copy may be outdated: what fails on the stored instance has failed

        self._persist(write)
        return outcome[0]

    def _budget(self, job: ClaimedJob) -> int:
        """Return how many handlers a step may run: a job that failed before goes alone, to find out what ends it."""
        return self._policy.step_handlers if job.lost_leases == 0 and job.attempt == 1 else 1

    def _try_step(
        self, job: ClaimedJob, compute: Callable[[Step], None], leases: int, handlers: int, *, warm: bool
    ) -> tuple[ClaimedJob, ...]:
        with self._storage.transaction() as work:
            step = self._warm_step(work, job) if warm else None
            if step is None:
                step = load_step(work, self._engine.instances, job.process_instance_id)
                self._require_lease(work, job)
            if step.row.status is InstanceStatus.SUSPENDED:
                raise _SuspendedError
            self._prepare(step, job, leases)
            compute(step)
            if warm and handlers and self._next_inline(step.tree) is not None:
                hold_version(step)
            self._run_inline(step, handlers)
            finished = finish_step(step, step.row.started_by)
            crash_point("before_commit")
        return self._committed(finished)

    def _warm_step(self, work: UnitOfWork, job: ClaimedJob) -> Step | None:
        """Return the instance as this process last wrote it, without a look at the database: writing compares."""
        kept = self._engine.instances.take(job.process_instance_id)
        if kept is None or kept[0].status is not InstanceStatus.RUNNING:
            return None
        return Step(work=work, document=StepDocument(kept[0]), tree=kept[1])

    def _prepare(self, step: Step, job: ClaimedJob, leases: int) -> None:
        step.document.finishes = job
        step.lease, step.leases = self._lease, leases

    def _committed(self, finished: FinishedStep) -> tuple[ClaimedJob, ...]:
        crash_point("after_commit")
        if not finished.row.is_over:
            self._engine.instances.put(finished.row, finished.tree)
        for job in finished.taken:
            self._leases.hold(job)
        return finished.taken

    def _complete_with(self, job: ClaimedJob, result: dict[str, JsonValue], step: Step) -> None:
        step.tree.complete(job.task_id, result, job.input)
        details: dict[str, JsonValue] = {"element_id": job.element_id, "type": job.type, "attempt": job.attempt}
        step.document.add_leaf("service_task.completed", details, step.row.started_by)
        resolve_incident(step, job, step.row.started_by)

    def _trigger(self, job: ClaimedJob, step: Step) -> None:
        if not step.tree.is_waiting(job.task_id):
            return  # interrupted meanwhile; the job goes with the step
        payload = job.payload or {}
        step.tree.trigger(job.task_id, dict(payload.get("variables") or {}))
        details: dict[str, JsonValue] = {"element_id": job.element_id, "kind": payload.get("kind")}
        step.document.add_leaf("event.triggered", details, step.row.started_by)
        resolve_incident(step, job, step.row.started_by)

    def _broadcast(self, job: ClaimedJob) -> None:
        """Let a signal that a diagram has thrown reach all that wait for it, exactly once."""
        row = self._facts(job)
        with self._storage.transaction() as work:
            self._require_lease(work, job)
            self._engine.broadcast_signal(work, str(job.input["name"]), {}, context=row.started_by)
            Jobs(work).drop(job)

    def _run_transactional(
        self, task: TransactionalTask[Any, Any], job: ClaimedJob, request: BaseModel, leases: int
    ) -> tuple[ClaimedJob, ...]:
        """Run a handler and those behind it in one step; one that fails is left to a step, and a job, of its own."""
        handlers = self._budget(job)
        while True:
            try:
                return self._try_transactional(task, job, request, handlers, leases)
            except _InlineFailedError as failure:
                logger.info("step repeated without the task that failed", extra={"job_id": str(job.job_id)})
                handlers = failure.number

    def _try_transactional(
        self, task: TransactionalTask[Any, Any], job: ClaimedJob, request: BaseModel, handlers: int, leases: int
    ) -> tuple[ClaimedJob, ...]:
        with self._storage.transaction() as work:
            step = load_step(work, self._engine.instances, job.process_instance_id)
            self._require_lease(work, job)
            if step.row.status is InstanceStatus.SUSPENDED:
                raise _SuspendedError
            self._prepare(step, job, leases)
            crash_point("before_handler")
            result = task.run(self._context(step, job.element_id, job.task_id, job.attempt + job.lost_leases), request)
            crash_point("after_handler")
            self._complete_with(job, result.model_dump(mode="json"), step)
            self._run_inline(step, handlers - 1)
            finished = finish_step(step, step.row.started_by)
            crash_point("before_commit")
        return self._committed(finished)

    def _run_inline(self, step: Step, handlers: int) -> None:
        """Run transactional handlers that the step leads to, until the budget is spent or something else waits."""
        deadline = time.monotonic() + self._policy.step_seconds
        done = 0
        while done < handlers and time.monotonic() < deadline:
            waiting = self._next_inline(step.tree)
            if waiting is None:
                return
            done += 1
            try:
                self._run_handler_inline(step, waiting)
            except (DatabaseUnavailableError, StaleInstanceError):
                raise
            except Exception as error:
                raise _InlineFailedError(number=done) from error

    def _next_inline(self, tree: ProcessTree) -> WaitingTask | None:
        for waiting in tree.opened():
            if isinstance(waiting.element, ServiceTask):
                task = self._engine.registry[waiting.element.type]
                if isinstance(task, TransactionalTask) and waiting.element.type not in self._policy.limits:
                    return waiting
        return None

    def _run_handler_inline(self, step: Step, waiting: WaitingTask) -> None:
        element = waiting.element
        assert isinstance(element, ServiceTask)  # noqa: S101 - chosen so
        task = self._engine.registry[element.type]
        assert isinstance(task, TransactionalTask)  # noqa: S101 - chosen so
        inputs = step.tree.inputs(waiting.task_id)
        request = self._engine.registry.parse_input(element.type, element.id, inputs)
        result = task.run(self._context(step, element.id, waiting.task_id, 1), request)
        step.tree.complete(waiting.task_id, result.model_dump(mode="json"), inputs)
        details: dict[str, JsonValue] = {"element_id": element.id, "type": element.type, "attempt": 1}
        step.document.add_leaf("service_task.completed", details, step.row.started_by)

    def _context(self, step: Step, element_id: str, task_id: UUID, attempt: int) -> TaskContext:
        return TaskContext(
            work=step.work,
            principal=step.row.started_by,
            process_instance_id=step.row.process_instance_id,
            business_key=step.row.business_key,
            element_id=element_id,
            attempt=attempt,
            idempotency_key=f"task:{task_id}",
            now=step.work.now,
            logger=logging.getLogger(f"handlers.{element_id}"),
        )

    def _leave_by_error(self, job: ClaimedJob, error: BpmnError, step: Step) -> None:
        payload: dict[str, JsonValue] = {"error_code": error.error_code, "message": _storable(error.message)}
        if not step.tree.raise_error(job.task_id, error.error_code, error.variables):
            raise UncaughtBpmnError(error_code=error.error_code, reason=_storable(error.message))
        step.document.add_event("element.error", {"kind": "error", **payload}, job.element_id)
        details: dict[str, JsonValue] = {"element_id": job.element_id, **payload}
        step.document.add_leaf("service_task.error", details, step.row.started_by)
        resolve_incident(step, job, step.row.started_by)

    def _fail(self, job: ClaimedJob, error: Exception, result: dict[str, JsonValue] | None) -> None:
        facts: dict[str, JsonValue] = {
            "code": error.code if isinstance(error, ReportedError) else "TASK_FAILED",
            "message": _storable(str(error))[:2_000] or type(error).__name__,
            "attempt": job.attempt,
        }
        with self._storage.transaction() as work:
            # The instance first, as in every step: jobs are locked behind it.
            Instances(work).lock(job.process_instance_id)
            self._require_lease(work, job)
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

    def _park(self, job: ClaimedJob, result: dict[str, JsonValue] | None) -> None:
        with self._storage.transaction() as work:
            Instances(work).lock(job.process_instance_id)  # or a resume between two looks at it would be missed
            Jobs(work).park(job, result)

    def _require_lease(self, work: UnitOfWork, job: ClaimedJob) -> None:
        if not Jobs(work).lock(job):
            raise StaleLeaseError(job_id=job.job_id, epoch=job.epoch)

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

    def _release(self, *jobs: ClaimedJob) -> None:
        with self._storage.transaction() as work:
            for process_instance_id in sorted({job.process_instance_id for job in jobs}):
                Instances(work).lock(process_instance_id)
            Jobs(work).release(*jobs)
        for job in jobs:
            self._leases.let_go(job)

    def _report(self, job: ClaimedJob, row: InstanceRow, kind: str, payload: Mapping[str, JsonValue]) -> None:
        try:
            with self._storage.transaction() as work:
                attempt = job.attempt + job.lost_leases
                append_event(work, row, kind, {**payload, "attempt": attempt}, job.element_id)
        except DatabaseUnavailableError:  # progress is worth less than what progresses
            logger.warning("progress lost", extra={"job_id": str(job.job_id)})

    def _idle_seconds(self) -> float:
        with self._storage.transaction() as work:
            due = Jobs(work).seconds_until_next(self._types)
        if due is None:
            return self._policy.poll_seconds
        # Due and yet not claimed: somebody else holds the row just now.
        return min(self._policy.poll_seconds, due if due > 0 else _HELD_ELSEWHERE_SECONDS)


def _storable(text: str) -> str:
    """Return `text` without what PostgreSQL refuses: NUL and halves of characters, as in names of damaged files."""
    return text.replace("\x00", "").encode(errors="replace").decode()


class _InterruptedError(Exception):
    """The handler was stopped because the worker stops or lost the lease."""


class _SuspendedError(Exception):
    """The instance was suspended while the job ran; its result is kept."""

    def __init__(self, result: dict[str, JsonValue] | None = None) -> None:
        self.result = result
        super().__init__()


class _InlineFailedError(Exception):
    """A handler behind the first one failed; `number` handlers may run in the step without it."""

    def __init__(self, *, number: int) -> None:
        self.number = number
        super().__init__(number)


def _is_permanent(error: Exception) -> bool:
    """Return whether the same attempt would fail the same way: reported errors say so themselves."""
    return isinstance(error, ReportedError) and not error.retryable
