"""The worker: claims jobs, runs their handlers, writes the results back under the job's epoch.

An external handler runs outside any transaction. Its result, the step that follows and the claim of the instance's next
job are one commit, which the steps of other brief jobs may share. A transactional handler runs inside the step.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from pydantic import JsonValue

from engine.crash_points import crash_point
from engine.engine import Engine
from engine.errors import BpmnError, StaleLeaseError, WorkerLostError
from engine.external_tasks import ExternalTasks, TaskInterruptedError
from engine.hand import Hand
from engine.handler_pace import HandlerPace
from engine.inline_tasks import InlineTasks
from engine.job_outcomes import JobOutcomes, require_lease
from engine.job_steps import (
    Compute,
    JobSteps,
    SuspendedError,
    TransactionalRun,
    complete_with,
    leave_by_error,
    trigger,
)
from engine.leases import LeaseKeeper
from engine.persistence import (
    MESSAGE_TYPE,
    SIGNAL_TYPE,
    TRIGGER_TYPE,
    Claim,
    ClaimedJob,
    InstanceRow,
    Instances,
    Jobs,
    Lease,
    NotificationHub,
)
from engine.service_tasks import ExternalTask, TransactionalTask
from engine.step_group import Impatience, StepGroup
from engine.worker_policy import WorkerPolicy
from storage import ReportedError, Storage
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
        self._transactional_types = frozenset(registry.types) - self._external_types
        self._leases = LeaseKeeper(storage, self.worker_id, registry.types, policy.lease_seconds)
        self._outcomes = JobOutcomes(storage, policy, self.worker_id, self._stopping)
        self._pace = HandlerPace(policy.brief_seconds)
        self._external = ExternalTasks(
            registry=registry,
            storage=storage,
            leases=self._leases,
            outcomes=self._outcomes,
            pace=self._pace,
            stopping=self._stopping,
        )
        self._steps = JobSteps(
            storage=storage,
            instances=engine.instances,
            outcomes=self._outcomes,
            inline=InlineTasks(registry, policy, self._pace),
            policy=policy,
            lease=Lease(self.worker_id, policy.lease_seconds, frozenset(policy.limits)),
            stopping=self._stopping,
        )
        self._impatience = Impatience(policy.patience_seconds)
        self.refused_outcomes = 0

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
            single_types=self._long_types() | frozenset(self._policy.limits),
            limits=self._policy.limits,
            number=self._policy.batch,
        )
        # The count of a limited type and the claim are one transaction.
        with self._storage.transaction() if claim.limits else self._storage.statement() as work:
            jobs = Jobs(work).claim(claim)
        crash_point("after_claim")
        for job in jobs:
            self._leases.hold(job)
        return jobs

    def work_on(self, *jobs: ClaimedJob) -> None:
        """Finish claimed jobs, and the jobs of their instances that are taken on the way."""
        hand = Hand(jobs, self._policy.chain * len(jobs), self._long_types)
        group = StepGroup(self._storage, self._engine.instances, self._outcomes.persist)
        try:
            with contextlib.suppress(DatabaseUnavailableError):  # then each is read when its turn comes
                self._engine.instances.warm_up(self._storage, (job.process_instance_id for job in jobs))
            with self._impatience.watching(group):
                self._play(hand, group)
            if hand:
                self._outcomes.persist(partial(self._outcomes.release, *hand.all()))
        finally:
            for job in hand.all():  # or its lease would be renewed, and nobody would do it
                self._leases.let_go(job)

    def _play(self, hand: Hand, group: StepGroup) -> None:
        """Work until nothing is left in the hand, or until the worker is asked to stop."""
        while hand or len(group):
            if self._stopping.is_set() or not hand.has_short or len(group) >= self._policy.batch:
                group.flush()
            self._hold(hand, group.taken())
            if self._stopping.is_set():
                return
            if hand:
                self._hold(hand, self._begin(hand.next(), hand, group))

    def _begin(self, job: ClaimedJob, hand: Hand, group: StepGroup) -> tuple[ClaimedJob, ...]:
        if self._can_share(job):
            mates = hand.take(self._can_share, self._policy.batch - 1, job.process_instance_id)
            if mates:
                return self._together([job, *mates], hand, group)
        return self._finish(job, group, partial(self._execute, job, hand, group))

    def _can_share(self, job: ClaimedJob) -> bool:
        """Return whether a job's step may share a transaction with others: a brief handler that has not failed yet."""
        if job.type not in self._transactional_types or not self._pace.is_brief(job.type):
            return False
        return job.attempt == 1 and job.lost_leases == 0 and job.result is None

    def _together(self, jobs: Sequence[ClaimedJob], hand: Hand, group: StepGroup) -> tuple[ClaimedJob, ...]:
        """Finish jobs of several instances in one transaction; if it fails, each in one of its own."""
        try:
            group.flush()
            following = self._steps.run_together([self._transactional_run(job) for job in jobs], hand)
        except Exception:
            logger.info("jobs are done one by one", exc_info=True)
            alone = [self._finish(job, group, partial(self._execute, job, hand, group)) for job in jobs]
            return tuple(taken for each in alone for taken in each)
        for job in jobs:
            self._leases.let_go(job)
        return following

    def _transactional_run(self, job: ClaimedJob) -> TransactionalRun:
        task = self._engine.registry[job.type]
        assert isinstance(task, TransactionalTask)  # noqa: S101 - chosen so
        return TransactionalRun(task, job, self._engine.registry.parse_input(job.type, job.element_id, job.input))

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
            self._refuse(job)
        except TaskInterruptedError:
            self._outcomes.persist(partial(self._outcomes.release, job))
        except DatabaseUnavailableError:
            logger.warning("database lost, job given back", extra={"job_id": str(job.job_id)})
            self._outcomes.persist(partial(self._outcomes.release, job))
        except SuspendedError as pause:
            self._outcomes.persist(partial(self._outcomes.park, job, pause.result))
        except Exception as error:  # every failure of a handler becomes a retry or an incident
            logger.exception("service task failed", extra={"job_id": str(job.job_id), "task_type": job.type})
            self._fail(job, group, error, None)
        finally:
            self._leases.let_go(job)
        return ()

    def _fail(self, job: ClaimedJob, group: StepGroup, error: Exception, result: dict[str, JsonValue] | None) -> None:
        group.flush()  # an incident changes the instance's version, and would void the steps that wait
        try:
            self._outcomes.persist(partial(self._outcomes.fail, job, error, result))
        except StaleLeaseError:  # then the new owner's outcome counts
            self._refuse(job)

    def _refuse(self, job: ClaimedJob) -> None:
        self.refused_outcomes += 1
        self._outcomes.refuse(job)

    def _execute(self, job: ClaimedJob, hand: Hand, group: StepGroup) -> tuple[ClaimedJob, ...]:
        if job.lost_leases >= self._policy.maximum_lost_leases:
            raise WorkerLostError(lost=job.lost_leases)
        if job.type == TRIGGER_TYPE:
            return self._join(job, partial(trigger, job), hand, group)
        if job.type in {SIGNAL_TYPE, MESSAGE_TYPE}:
            self._outcomes.persist(partial(self._send, job))
            return ()
        if job.result is not None:
            return self._bring_in(job, job.result, hand, group)
        try:
            if job.type in self._transactional_types:
                return self._steps.run(self._transactional_run(job), hand, group)
            brought = self._external.run(job, self._facts(job, group))
        except BpmnError as error:
            return self._join(job, partial(leave_by_error, job, error), hand, group)
        return self._bring_in(job, brought, hand, group)

    def _join(self, job: ClaimedJob, compute: Compute, hand: Hand, group: StepGroup) -> tuple[ClaimedJob, ...]:
        alone = partial(self._steps.alone, job, compute, hand)
        return self._steps.join(job, compute, hand, group, partial(self._finish, job, group, alone))

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
            compute = partial(complete_with, job, result)
            if alone:
                return self._steps.alone(job, compute, hand)
            again = partial(self._bring_in, job, result, hand, group, alone=True)
            return self._steps.join(job, compute, hand, group, partial(self._finish, job, group, again))
        except SuspendedError:
            raise SuspendedError(result) from None
        except (StaleLeaseError, DatabaseUnavailableError):
            raise
        except ReportedError as error:
            failure = error
        logger.error("step failed", extra={"job_id": str(job.job_id)}, exc_info=failure)
        self._fail(job, group, failure, result)
        return ()

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

    def _idle_seconds(self) -> float:
        with self._storage.statement() as work:
            due = Jobs(work).seconds_until_next(self._types)
        if due is None:
            return self._policy.poll_seconds
        # Due and yet not claimed: somebody else holds the row just now.
        return min(self._policy.poll_seconds, due if due > 0 else _HELD_ELSEWHERE_SECONDS)
