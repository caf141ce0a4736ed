"""External handlers: run outside any transaction, for as long as they need, under a lease that is renewed meanwhile."""

from __future__ import annotations

import logging
import threading
from functools import partial

from pydantic import JsonValue

from engine.crash_points import crash_point
from engine.errors import BpmnError
from engine.escalations import Escalations
from engine.handler_pace import HandlerPace
from engine.job_outcomes import JobOutcomes
from engine.leases import LeaseKeeper
from engine.persistence import ClaimedJob, InstanceRow
from engine.service_tasks import ExternalTask, JobContext, ServiceTaskRegistry
from storage import Storage


class TaskInterruptedError(Exception):
    """The handler was stopped because the worker stops or lost the lease."""


class ExternalTasks:
    """Runs external handlers."""

    def __init__(
        self,
        *,
        registry: ServiceTaskRegistry,
        storage: Storage,
        leases: LeaseKeeper,
        outcomes: JobOutcomes,
        pace: HandlerPace,
        stopping: threading.Event,
    ) -> None:
        self._registry = registry
        self._storage = storage
        self._leases = leases
        self._outcomes = outcomes
        self._pace = pace
        self._stopping = stopping

    def run(self, job: ClaimedJob, row: InstanceRow) -> dict[str, JsonValue]:
        """Return what the handler of a job brings: its result, and its escalations beside it.

        Raises:
            ContractError: The job's input does not fit the handler's model.
            BpmnError: An outcome that the diagram may catch.
            TaskInterruptedError: It was stopped.
        """
        task = self._registry[job.type]
        assert isinstance(task, ExternalTask)  # noqa: S101 - chosen so
        request = self._registry.parse_input(job.type, job.element_id, job.input)
        escalations = Escalations()
        context = self._context(job, row, escalations)
        crash_point("before_handler")
        try:
            with self._pace.watching(job.type):
                result = task.run(context, request)
        except BpmnError:
            raise
        except Exception as error:
            if context.should_stop():
                raise TaskInterruptedError from error
            raise
        crash_point("after_handler")
        return escalations.beside(result.model_dump(mode="json"))

    def _context(self, job: ClaimedJob, row: InstanceRow, escalations: Escalations) -> JobContext:
        lost = self._leases.hold(job)
        return JobContext(
            storage=self._storage,
            principal=row.started_by,
            process_instance_id=job.process_instance_id,
            business_key=row.business_key,
            element_id=job.element_id,
            attempt=job.attempt + job.lost_leases,
            idempotency_key=job.idempotency_key,
            report=partial(self._outcomes.report, job, row),
            should_stop=lambda: lost.is_set() or self._stopping.is_set(),
            logger=logging.getLogger(f"handlers.{job.type}"),
            escalate=escalations.note,
        )
