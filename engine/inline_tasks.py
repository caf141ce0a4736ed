"""Transactional handlers: each runs inside the step that it belongs to, and so do those behind it, within a budget."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel, JsonValue

from engine.bpmn import ServiceTask
from engine.crash_points import crash_point
from engine.errors import StaleInstanceError
from engine.escalations import Escalations, split
from engine.execution import Step
from engine.handler_pace import HandlerPace
from engine.persistence import ClaimedJob
from engine.service_tasks import ServiceTaskRegistry, TaskContext, TransactionalTask
from engine.spiff import ProcessTree, WaitingTask
from engine.worker_policy import WorkerPolicy
from storage.errors import DatabaseUnavailableError


class InlineFailedError(Exception):
    """A handler behind the first one failed; `number` handlers may run in the step without it."""

    def __init__(self, *, number: int) -> None:
        self.number = number
        super().__init__(number)


@dataclass(frozen=True)
class TaskRun:
    """One run of a handler, as it is put on the record."""

    task_id: UUID
    element_id: str
    task_type: str
    attempt: int
    inputs: dict[str, JsonValue]


def run_of(job: ClaimedJob) -> TaskRun:
    """Return the run that a job stands for."""
    return TaskRun(job.task_id, job.element_id, job.type, job.attempt, job.input)


class InlineTasks:
    """Runs transactional handlers in steps."""

    def __init__(self, registry: ServiceTaskRegistry, policy: WorkerPolicy, pace: HandlerPace) -> None:
        self._registry = registry
        self._policy = policy
        self._pace = pace

    def first(self, step: Step, task: TransactionalTask[Any, Any], job: ClaimedJob, request: BaseModel) -> None:
        """Run the handler of the job that the step finishes, and complete its task."""
        crash_point("before_handler")
        escalations = Escalations()
        context = _context(step, run_of(job), job.attempt + job.lost_leases, escalations)
        with self._pace.watching(job.type):
            result = task.run(context, request)
        crash_point("after_handler")
        complete_task(step, run_of(job), escalations.beside(result.model_dump(mode="json")))

    def deadline(self) -> float:
        """Return until when a transaction that begins now may begin handlers, on the clock of `time.monotonic`."""
        return time.monotonic() + self._policy.step_seconds

    def following(self, step: Step, handlers: int, deadline: float) -> None:
        """Run handlers that the step leads to, until the budget is spent or something else waits.

        Args:
            step: Its task is completed.
            handlers: How many may run.
            deadline: Of the transaction, which steps of other instances may share.

        Raises:
            InlineFailedError: One of them failed.
        """
        done = 0
        while done < handlers and time.monotonic() < deadline:
            waiting = self.next(step.tree)
            if waiting is None:
                return
            done += 1
            try:
                self._run(step, waiting)
            except (DatabaseUnavailableError, StaleInstanceError):
                raise
            except Exception as error:
                raise InlineFailedError(number=done) from error

    def next(self, tree: ProcessTree) -> WaitingTask | None:
        """Return the next task whose handler can run in the step."""
        for waiting in tree.opened():
            if isinstance(waiting.element, ServiceTask):
                task = self._registry[waiting.element.type]
                if isinstance(task, TransactionalTask) and waiting.element.type not in self._policy.limits:
                    return waiting
        return None

    def _run(self, step: Step, waiting: WaitingTask) -> None:
        element = waiting.element
        assert isinstance(element, ServiceTask)  # noqa: S101 - chosen so
        inputs = step.tree.inputs(waiting.task_id)
        request = self._registry.parse_input(element.type, element.id, inputs)
        task = self._registry[element.type]
        assert isinstance(task, TransactionalTask)  # noqa: S101 - chosen so
        run, escalations = TaskRun(waiting.task_id, element.id, element.type, 1, inputs), Escalations()
        context = _context(step, run, 1, escalations)
        with self._pace.watching(element.type):
            result = task.run(context, request)
        complete_task(step, run, escalations.beside(result.model_dump(mode="json")))


def complete_task(step: Step, run: TaskRun, result: dict[str, JsonValue]) -> None:
    """Bring what a handler gave into the instance, and put it on the record.

    Its escalations go first; where one of them interrupts the task, the result is nobody's any more.
    """
    escalations, result = split(result)
    details: dict[str, JsonValue] = {"element_id": run.element_id, "type": run.task_type, "attempt": run.attempt}
    for escalation in escalations:
        step.tree.raise_escalation(run.task_id, escalation.escalation_code, escalation.variables)
        thrown: dict[str, JsonValue] = {**details, "escalation_code": escalation.escalation_code}
        step.document.add_leaf("service_task.escalated", thrown, step.row.started_by)
        if not step.tree.is_waiting(run.task_id):
            return
    step.tree.complete(run.task_id, result, run.inputs)
    step.document.add_leaf("service_task.completed", details, step.row.started_by)


def _context(step: Step, run: TaskRun, attempt: int, escalations: Escalations) -> TaskContext:
    return TaskContext(
        work=step.work,
        principal=step.row.started_by,
        process_instance_id=step.row.process_instance_id,
        business_key=step.row.business_key,
        element_id=run.element_id,
        attempt=attempt,
        idempotency_key=f"task:{run.task_id}",
        now=step.work.now,
        logger=logging.getLogger(f"handlers.{run.element_id}"),
        escalate=escalations.note,
    )
