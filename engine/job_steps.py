"""Steps that finish jobs: computed on the instance in memory, committed alone or with those of other jobs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pydantic import BaseModel, JsonValue

from engine.crash_points import crash_point
from engine.errors import BpmnError, StaleLeaseError, UncaughtBpmnError
from engine.execution import (
    CollectedStep,
    FinishedStep,
    Step,
    collect_step,
    finish_step,
    hold_version,
    is_self_contained,
    resolve_incident,
)
from engine.hand import Hand
from engine.inline_tasks import InlineFailedError, InlineTasks, complete_task, run_of
from engine.job_outcomes import JobOutcomes, storable
from engine.persistence import ClaimedJob, InstanceStatus, Jobs, Lease, StepDocument, write_steps
from engine.service_tasks import TransactionalTask
from engine.step_group import GroupedStep, StepGroup
from engine.warm import WarmInstances
from engine.worker_policy import WorkerPolicy
from storage import Storage, UnitOfWork
from storage.errors import DatabaseUnavailableError

logger = logging.getLogger(__name__)

Compute: TypeAlias = Callable[[Step], None]
Following: TypeAlias = tuple[ClaimedJob, ...]


class SuspendedError(Exception):
    """The instance was suspended while the job ran; its result is kept."""

    def __init__(self, result: dict[str, JsonValue] | None = None) -> None:
        self.result = result
        super().__init__()


@dataclass(frozen=True)
class TransactionalRun:
    """A transactional handler that is about to run for a job."""

    task: TransactionalTask[Any, Any]
    job: ClaimedJob
    request: BaseModel


class JobSteps:
    """Commits the steps of one worker's jobs, and takes the jobs that follow from them under its lease."""

    def __init__(
        self,
        *,
        storage: Storage,
        instances: WarmInstances,
        outcomes: JobOutcomes,
        inline: InlineTasks,
        policy: WorkerPolicy,
        lease: Lease,
        stopping: threading.Event,
    ) -> None:
        self._storage = storage
        self._instances = instances
        self._outcomes = outcomes
        self._inline = inline
        self._policy = policy
        self._lease = lease
        self._stopping = stopping

    def join(
        self,
        job: ClaimedJob,
        compute: Compute,
        hand: Hand,
        group: StepGroup,
        again: Callable[[], Following],
    ) -> Following:
        """Compute a step on the instance in memory: it joins the group, unless it needs a transaction of its own.

        Args:
            job: What the step finishes.
            compute: Changes the instance.
            hand: The jobs that wait meanwhile.
            group: The steps that wait to be committed.
            again: Does the step alone where the group is refused.
        """
        refusals = group.refusals
        step, collected = self._try_in_memory(job, compute, hand, group)
        if collected is not None and group.add(GroupedStep(job, collected, again), refusals):
            hand.budget -= len(collected.finished.taken)
            return ()
        if group.has_steps_of(job.process_instance_id):
            group.flush()
        return self.alone(job, compute, hand, step if group.refusals == refusals else None)

    def alone(self, job: ClaimedJob, compute: Compute, hand: Hand, computed: Step | None = None) -> Following:
        """Commit a step by itself, computed on the stored instance where it is not, or where that has changed.

        Raises:
            StaleLeaseError: The job is somebody else's by now.
            SuspendedError: The instance rests.
        """
        outcome: list[FinishedStep] = []
        handlers, given = self._budget(job), [computed]

        def write() -> None:
            nonlocal handlers
            while not outcome:
                step = given.pop() if given else None
                try:
                    outcome.append(self._try_step(job, compute, hand, handlers, step))
                except InlineFailedError as failure:
                    handlers = failure.number - 1
                except (StaleLeaseError, DatabaseUnavailableError, SuspendedError):
                    raise
                except Exception:
                    if step is None:
                        raise
                    # The copy may be outdated: what fails on the stored instance has failed.

        self._outcomes.persist(write)
        return self._committed(hand, *outcome)

    def run(self, run: TransactionalRun, hand: Hand, group: StepGroup) -> Following:
        """Run a handler and those behind it in one step; one that fails is left to a step, and a job, of its own."""
        if group.has_steps_of(run.job.process_instance_id):
            group.flush()
        handlers = self._budget(run.job)
        while True:
            try:
                with self._storage.transaction() as work:
                    step = self._loaded(work, [run.job], hand)[0]
                    self._run_handlers(step, run, handlers, self._inline.deadline())
                    finished = finish_step(step, step.row.started_by)
                    crash_point("before_commit")
            except InlineFailedError as failure:
                logger.info("step repeated without the task that failed", extra={"job_id": str(run.job.job_id)})
                handlers = failure.number
            else:
                return self._committed(hand, finished)

    def run_together(self, runs: Sequence[TransactionalRun], hand: Hand) -> Following:
        """Run handlers of jobs of different instances in one transaction: all of it happens or nothing.

        Raises:
            Exception: Anything that ends one of the steps; each can be run alone then.
        """
        in_order = sorted(runs, key=lambda run: run.job.process_instance_id)
        collected: list[CollectedStep] = []
        with self._storage.transaction() as work:
            steps, deadline = self._loaded(work, [run.job for run in in_order], hand), self._inline.deadline()
            for step, run in zip(steps, in_order, strict=True):
                self._run_handlers(step, run, self._budget(run.job), deadline)
                collected.append(collect_step(step, step.row.started_by))
            if not write_steps(work, [step.text for step in collected]):
                raise StepsRefusedError
            crash_point("in_step")
            crash_point("before_commit")
        return self._committed(hand, *(step.finished for step in collected))

    def _try_in_memory(
        self, job: ClaimedJob, compute: Compute, hand: Hand, group: StepGroup
    ) -> tuple[Step | None, CollectedStep | None]:
        """Compute a step on the instance in memory, if it is there, and collect it where it needs no transaction.

        Where it fails there, nothing is known: the copy may be outdated. What fails on the stored instance has failed.
        """
        kept = group.take(job.process_instance_id)
        if kept is None or kept[0].status is not InstanceStatus.RUNNING or kept[0].open_incidents:
            return None, None
        try:
            step = self._prepared(Step(StepDocument(kept[0]), kept[1]), job, hand, others=len(group) > 0)
            compute(step)
            if not is_self_contained(step) or (self._budget(job) and self._inline.next(step.tree)):
                return step, None
            return step, collect_step(step, step.row.started_by)
        except Exception:
            logger.info("step repeated on the stored instance", extra={"job_id": str(job.job_id)}, exc_info=True)
            return None, None

    def _run_handlers(self, step: Step, run: TransactionalRun, handlers: int, deadline: float) -> None:
        self._inline.first(step, run.task, run.job, run.request)
        resolve_incident(step, run.job, step.row.started_by)
        self._inline.following(step, handlers - 1, deadline)

    def _budget(self, job: ClaimedJob) -> int:
        """Return how many handlers a step may run: a job that failed before goes alone, to find out what ends it."""
        return self._policy.step_handlers if job.lost_leases == 0 and job.attempt == 1 else 1

    def _try_step(
        self, job: ClaimedJob, compute: Compute, hand: Hand, handlers: int, computed: Step | None
    ) -> FinishedStep:
        with self._storage.transaction() as work:
            if computed is None:
                step = self._loaded(work, [job], hand)[0]
                compute(step)
            else:
                step = replace(computed, transaction=work)
                if handlers and self._inline.next(step.tree) is not None:
                    hold_version(step)
            self._inline.following(step, handlers, self._inline.deadline())
            finished = finish_step(step, step.row.started_by)
            crash_point("before_commit")
        return finished

    def _loaded(self, work: UnitOfWork, jobs: Sequence[ClaimedJob], hand: Hand) -> list[Step]:
        """Lock the instances of jobs, and the jobs; return them as steps that are about to be computed."""
        versions = Jobs(work).lock_for_steps(jobs)
        steps = []
        for job in jobs:
            if job.job_id not in versions:
                raise StaleLeaseError(job_id=job.job_id, epoch=job.epoch)
            row, tree = self._instances.at_version(work, job.process_instance_id, versions[job.job_id])
            if row.status is InstanceStatus.SUSPENDED:
                raise SuspendedError
            steps.append(self._prepared(Step(StepDocument(row), tree, work), job, hand, others=len(jobs) > 1))
        return steps

    def _prepared(self, step: Step, job: ClaimedJob, hand: Hand, *, others: bool) -> Step:
        """Let a step finish its job, and take the next one of its instance where that makes nobody wait."""
        step.document.finishes = job
        offered = self._lease.offered_types | (hand.long_types() if others or hand else frozenset())
        step.lease = replace(self._lease, offered_types=offered)
        step.leases = 1 if hand.budget > 0 and not self._stopping.is_set() else 0
        return step

    def _committed(self, hand: Hand, *finished: FinishedStep) -> Following:
        crash_point("after_commit")
        for each in finished:
            self._instances.put(each.row, each.tree)
        taken = tuple(job for each in finished for job in each.taken)
        hand.budget -= len(taken)
        return taken


class StepsRefusedError(Exception):
    """The database refused one of several steps; which one, shows when each is written alone."""


def complete_with(job: ClaimedJob, result: dict[str, JsonValue], step: Step) -> None:
    """Complete a job's task with what its handler brought."""
    complete_task(step, run_of(job), result)
    resolve_incident(step, job, step.row.started_by)


def trigger(job: ClaimedJob, step: Step) -> None:
    """Let the event happen that a trigger job stands for, unless it was interrupted meanwhile."""
    if not step.tree.is_waiting(job.task_id):
        return
    payload = job.payload or {}
    step.tree.trigger(job.task_id, dict(payload.get("variables") or {}))
    details: dict[str, JsonValue] = {"element_id": job.element_id, "kind": payload.get("kind")}
    step.document.add_leaf("event.triggered", details, step.row.started_by)
    resolve_incident(step, job, step.row.started_by)


def leave_by_error(job: ClaimedJob, error: BpmnError, step: Step) -> None:
    """Leave a job's task by the boundary event that catches the error.

    Raises:
        UncaughtBpmnError: None does.
    """
    payload: dict[str, JsonValue] = {"error_code": error.error_code, "message": storable(error.message)}
    if not step.tree.raise_error(job.task_id, error.error_code, error.variables):
        raise UncaughtBpmnError(error_code=error.error_code, reason=storable(error.message))
    step.document.add_event("element.error", {"kind": "error", **payload}, job.element_id)
    details: dict[str, JsonValue] = {"element_id": job.element_id, **payload}
    step.document.add_leaf("service_task.error", details, step.row.started_by)
    resolve_incident(step, job, step.row.started_by)
