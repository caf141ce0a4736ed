"""The worker: claims jobs, runs their handlers, writes the results back under the job's epoch.

An external handler runs outside any transaction. Its result, the step that follows and the claim of the instance's next
job are one commit, which the steps of other brief jobs may share. A transactional handler runs inside the step.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import BaseModel, JsonValue

from engine.crash_points import crash_point
from engine.engine import Engine
from engine.errors import BpmnError, StaleInstanceError, StaleLeaseError, UncaughtBpmnError, WorkerLostError
from engine.execution import (
    FinishedStep,
    Step,
    collect_step,
    finish_step,
    hold_version,
    is_self_contained,
    load_step,
    resolve_incident,
)
from engine.external_tasks import ExternalTasks, TaskInterruptedError
from engine.hand import Hand
from engine.handler_pace import HandlerPace
from engine.inline_tasks import InlineFailedError, InlineTasks, complete_task, run_of
from engine.job_outcomes import JobOutcomes, require_lease, storable
from engine.leases import LeaseKeeper
from engine.persistence import (
    MESSAGE_TYPE,
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
from engine.service_tasks import ExternalTask, TransactionalTask
from engine.step_group import GroupedStep, Impatience, StepGroup
from engine.worker_policy import WorkerPolicy
from storage import ReportedError, Storage, UnitOfWork
from storage.errors import DatabaseUnavailableError
from storage.identifiers import new_id

logger = logging.getLogger(__name__)

_HELD_ELSEWHERE_SECONDS = 0.2


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
        self._types = (TRIGGER_TYPE, SIGNAL_TYPE, MESSAGE_TYPE, *registry.types)
        self._external_types = frozenset(name for name in registry.types if isinstance(registry[name], ExternalTask))
        self._lease = Lease(self.worker_id, policy.lease_seconds, frozenset(policy.limits))
        self._leases = LeaseKeeper(storage, self.worker_id, registry.types, policy.lease_seconds)
        self._outcomes = JobOutcomes(storage, policy, self.worker_id, self._stopping)
        self._inline = InlineTasks(registry, policy)
        self._pace = HandlerPace(policy.brief_seconds)
        self._external = ExternalTasks(storage, self._leases, self._outcomes, self._pace, self._stopping)
        self._impatience = Impatience(policy.patience_seconds)
        self.refused_results = 0

    def stop(self) -> None:
        """Ask every `run` to return; jobs being worked on are given back unharmed."""
        self._stopping.set()
        self._leases.is_draining = True
        self._hub.wake()

    def run(self) -> None:
        """Work until `stop`."""
        with self._leases.running(), self._impatience.running():
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
            self.work_on(*claimed)
        return bool(claimed)

    def claim(self) -> list[ClaimedJob]:
        """Take what this worker will do next: short jobs in a batch, of the others one at most."""
        claim = Claim(
            worker_id=self.worker_id,
            types=self._types,
            lease_seconds=self._policy.lease_seconds,
            single_types=self._long_types | frozenset(self._policy.limits),
            limits=self._policy.limits,
            number=self._policy.batch,
        )
        # The count of a limited type and the claim are one transaction.
        with self._storage.transaction() if claim.limits else self._storage.statement() as work:
            jobs = Jobs(work).claim(claim)
        crash_point("after_claim")
        for job in jobs:
            self._leases.hold(job)
        self._engine.instances.warm_up(self._storage, (job.process_instance_id for job in jobs))
        return jobs

    def work_on(self, *jobs: ClaimedJob) -> None:
        """Finish claimed jobs, and the jobs of their instances that are taken on the way."""
        hand = Hand(jobs, self._policy.chain * len(jobs), lambda job: job.type in self._long_types)
        group = StepGroup(self._storage, self._engine.instances, self._outcomes.persist)
        with self._impatience.watching(group):
            while hand or len(group):
                if self._stopping.is_set() or not hand.has_short or len(group) >= self._policy.batch:
                    group.flush()
                self._hold(hand, group.taken())
                if self._stopping.is_set():
                    break
                if hand:
                    job = hand.next()
                    self._hold(hand, self._finish(job, group, partial(self._execute, job, hand, group)))
        if hand:
            self._outcomes.persist(partial(self._release, *hand.all()))

    @property
    def _long_types(self) -> frozenset[str]:
        return self._external_types - self._pace.brief_types

    def _hold(self, hand: Hand, jobs: Iterable[ClaimedJob]) -> None:
        for job in jobs:
            self._leases.hold(job)
            hand.add([job])

    def _finish(
        self, job: ClaimedJob, group: StepGroup, act: Callable[[], tuple[ClaimedJob, ...]]
    ) -> tuple[ClaimedJob, ...]:
        try:
            return act()
        except StaleLeaseError:
            self.refused_results += 1
            self._outcomes.refuse(job)
        except TaskInterruptedError:
            self._outcomes.persist(partial(self._release, job))
        except DatabaseUnavailableError:
            logger.warning("database lost, job given back", extra={"job_id": str(job.job_id)})
            self._outcomes.persist(partial(self._release, job))
        except _SuspendedError as pause:
            self._outcomes.persist(partial(self._outcomes.park, job, pause.result))
        except Exception as error:  # every failure of a handler becomes a retry or an incident
            logger.exception("service task failed", extra={"job_id": str(job.job_id), "task_type": job.type})
            self._fail(job, group, error, None)
        finally:
            self._leases.let_go(job)
        return ()

    def _fail(self, job: ClaimedJob, group: StepGroup, error: Exception, result: dict[str, JsonValue] | None) -> None:
        group.flush()  # an incident changes the instance's version, and would void the steps that wait
        with contextlib.suppress(StaleLeaseError):  # then the new owner's outcome counts
            self._outcomes.persist(partial(self._outcomes.fail, job, error, result))

    def _execute(self, job: ClaimedJob, hand: Hand, group: StepGroup) -> tuple[ClaimedJob, ...]:
        if job.lost_leases >= self._policy.maximum_lost_leases:
            raise WorkerLostError(lost=job.lost_leases)
        if job.type == TRIGGER_TYPE:
            return self._step(job, partial(_trigger, job), hand, group)
        if job.type in {SIGNAL_TYPE, MESSAGE_TYPE}:
            self._outcomes.persist(partial(self._send, job))
            return ()
        if job.result is not None:
            return self._bring_in(job, job.result, hand, group)
        task = self._engine.registry[job.type]
        request = self._engine.registry.parse_input(job.type, job.element_id, job.input)
        try:
            if isinstance(task, TransactionalTask):
                return self._run_transactional(task, job, request, hand, group)
            brought = self._external.run(task, job, request, self._facts(job, group))
        except BpmnError as error:
            return self._step(job, partial(_leave_by_error, job, error), hand, group)
        return self._bring_in(job, brought, hand, group)

    def _facts(self, job: ClaimedJob, group: StepGroup) -> InstanceRow:
        row = group.peek(job.process_instance_id)
        if row is not None:
            return row
        with self._storage.statement() as work:
            row = Instances(work).read(job.process_instance_id)
        if row is None:
            raise StaleLeaseError(job_id=job.job_id, epoch=job.epoch)
        return row

    def _bring_in(
        self, job: ClaimedJob, result: dict[str, JsonValue], hand: Hand, group: StepGroup, *, alone: bool = False
    ) -> tuple[ClaimedJob, ...]:
        """Write a handler's result; if the step after it fails, the result is kept for the retry of the step."""
        try:
            compute = partial(_complete_with, job, result)
            if alone:
                return self._step_alone(job, compute, hand)
            return self._step(job, compute, hand, group, partial(self._bring_in, job, result, hand, group, alone=True))
        except _SuspendedError:
            raise _SuspendedError(result) from None
        except (StaleLeaseError, DatabaseUnavailableError):
            raise
        except ReportedError as error:
            failure = error
        logger.error("step failed", extra={"job_id": str(job.job_id)}, exc_info=failure)
        self._fail(job, group, failure, result)
        return ()

    def _step(
        self,
        job: ClaimedJob,
        compute: Callable[[Step], None],
        hand: Hand,
        group: StepGroup,
        again: Callable[[], tuple[ClaimedJob, ...]] | None = None,
    ) -> tuple[ClaimedJob, ...]:
        """Compute a step on the instance in memory: it joins the group, unless it needs a transaction of its own."""
        kept = group.take(job.process_instance_id)
        step = None
        if kept is not None and kept[0].status is InstanceStatus.RUNNING and not kept[0].open_incidents:
            step = self._prepared(Step(StepDocument(kept[0]), kept[1]), job, hand, others=len(group) > 0)
            compute(step)
            if is_self_contained(step) and not (self._budget(job) and self._inline.next(step.tree)):
                collected = collect_step(step, step.row.started_by)
                hand.budget -= len(collected.finished.taken)
                alone = again or partial(self._step_alone, job, compute, hand)
                group.add(GroupedStep(job, collected, partial(self._finish, job, group, alone)))
                return ()
        if group.has_steps_of(job.process_instance_id):
            group.flush()
        return self._step_alone(job, compute, hand, step)

    def _step_alone(
        self, job: ClaimedJob, compute: Callable[[Step], None], hand: Hand, computed: Step | None = None
    ) -> tuple[ClaimedJob, ...]:
        """Commit a step by itself, computed on the stored instance where it is not, or where that has changed."""
        outcome: list[FinishedStep] = []
        handlers, given = self._budget(job), [computed]

        def write() -> None:
            nonlocal handlers
            while not outcome:
                step = given.pop() if given else None
                try:
                    outcome.append(self._try_step(job, compute, hand, handlers, step))
                except StaleInstanceError:
                    continue
                except InlineFailedError as failure:
                    handlers = failure.number - 1

        self._outcomes.persist(write)
        return self._committed(outcome[0], hand)

    def _budget(self, job: ClaimedJob) -> int:
        """Return how many handlers a step may run: a job that failed before goes alone, to find out what ends it."""
        return self._policy.step_handlers if job.lost_leases == 0 and job.attempt == 1 else 1

    def _try_step(
        self, job: ClaimedJob, compute: Callable[[Step], None], hand: Hand, handlers: int, computed: Step | None
    ) -> FinishedStep:
        with self._storage.transaction() as work:
            if computed is None:
                step = self._loaded(work, job, hand)
                compute(step)
            else:
                step = replace(computed, transaction=work)
                if handlers and self._inline.next(step.tree) is not None:
                    hold_version(step)
            self._inline.following(step, handlers)
            finished = finish_step(step, step.row.started_by)
            crash_point("before_commit")
        return finished

    def _loaded(self, work: UnitOfWork, job: ClaimedJob, hand: Hand) -> Step:
        step = load_step(work, self._engine.instances, job.process_instance_id)
        require_lease(work, job)
        if step.row.status is InstanceStatus.SUSPENDED:
            raise _SuspendedError
        return self._prepared(step, job, hand)

    def _prepared(self, step: Step, job: ClaimedJob, hand: Hand, *, others: bool = False) -> Step:
        """Let a step finish its job, and take the next one of its instance where that makes nobody wait."""
        step.document.finishes = job
        busy = others or bool(hand)
        offered = self._lease.offered_types | (self._long_types if busy else frozenset())
        step.lease = replace(self._lease, offered_types=offered)
        step.leases = 1 if hand.budget > 0 and not self._stopping.is_set() else 0
        return step

    def _committed(self, finished: FinishedStep, hand: Hand) -> tuple[ClaimedJob, ...]:
        crash_point("after_commit")
        self._engine.instances.put(finished.row, finished.tree)
        hand.budget -= len(finished.taken)
        return finished.taken

    def _send(self, job: ClaimedJob) -> None:
        """Let a signal reach all that wait for it, or a message whoever receives it, exactly once."""
        with self._storage.transaction() as work:
            row = Instances(work).read(job.process_instance_id)
            require_lease(work, job)
            if row is not None and job.type == SIGNAL_TYPE:
                self._engine.broadcast_signal(work, str(job.input["name"]), {}, context=row.started_by)
            elif row is not None:
                self._engine.publish_message(work, **job.input, message_id=str(job.job_id), context=row.started_by)
            Jobs(work).drop(job)

    def _run_transactional(
        self, task: TransactionalTask[Any, Any], job: ClaimedJob, request: BaseModel, hand: Hand, group: StepGroup
    ) -> tuple[ClaimedJob, ...]:
        """Run a handler and those behind it in one step; one that fails is left to a step, and a job, of its own."""
        if group.has_steps_of(job.process_instance_id):
            group.flush()
        handlers = self._budget(job)
        while True:
            try:
                return self._committed(self._try_transactional(task, job, request, handlers, hand), hand)
            except InlineFailedError as failure:
                logger.info("step repeated without the task that failed", extra={"job_id": str(job.job_id)})
                handlers = failure.number

    def _try_transactional(
        self, task: TransactionalTask[Any, Any], job: ClaimedJob, request: BaseModel, handlers: int, hand: Hand
    ) -> FinishedStep:
        with self._storage.transaction() as work:
            step = self._loaded(work, job, hand)
            self._inline.first(step, task, job, request)
            resolve_incident(step, job, step.row.started_by)
            self._inline.following(step, handlers - 1)
            finished = finish_step(step, step.row.started_by)
            crash_point("before_commit")
        return finished

    def _release(self, *jobs: ClaimedJob) -> None:
        self._outcomes.release(*jobs)
        for job in jobs:
            self._leases.let_go(job)

    def _idle_seconds(self) -> float:
        with self._storage.statement() as work:
            due = Jobs(work).seconds_until_next(self._types)
        if due is None:
            return self._policy.poll_seconds
        # Due and yet not claimed: somebody else holds the row just now.
        return min(self._policy.poll_seconds, due if due > 0 else _HELD_ELSEWHERE_SECONDS)


def _complete_with(job: ClaimedJob, result: dict[str, JsonValue], step: Step) -> None:
    complete_task(step, run_of(job), result)
    resolve_incident(step, job, step.row.started_by)


def _trigger(job: ClaimedJob, step: Step) -> None:
    if not step.tree.is_waiting(job.task_id):
        return  # interrupted meanwhile; the job goes with the step
    payload = job.payload or {}
    step.tree.trigger(job.task_id, dict(payload.get("variables") or {}))
    details: dict[str, JsonValue] = {"element_id": job.element_id, "kind": payload.get("kind")}
    step.document.add_leaf("event.triggered", details, step.row.started_by)
    resolve_incident(step, job, step.row.started_by)


def _leave_by_error(job: ClaimedJob, error: BpmnError, step: Step) -> None:
    payload: dict[str, JsonValue] = {"error_code": error.error_code, "message": storable(error.message)}
    if not step.tree.raise_error(job.task_id, error.error_code, error.variables):
        raise UncaughtBpmnError(error_code=error.error_code, reason=storable(error.message))
    step.document.add_event("element.error", {"kind": "error", **payload}, job.element_id)
    details: dict[str, JsonValue] = {"element_id": job.element_id, **payload}
    step.document.add_leaf("service_task.error", details, step.row.started_by)
    resolve_incident(step, job, step.row.started_by)


class _SuspendedError(Exception):
    """The instance was suspended while the job ran; its result is kept."""

    def __init__(self, result: dict[str, JsonValue] | None = None) -> None:
        self.result = result
        super().__init__()
