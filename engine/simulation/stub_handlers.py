"""Handlers that take whatever they are given, and do nothing but end as they were told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from engine.errors import BpmnError
from engine.service_tasks import ExternalTask, JobContext, ServiceTaskRegistry
from engine.simulation.answers import Ending


class AnyValues(BaseModel):
    """Whatever a task is given, or brings."""

    model_config = ConfigDict(extra="allow")


class SimulatedFailure(Exception):  # noqa: N818 - the failure that was asked for
    """An attempt fails because the answer says so."""


@dataclass
class Outcomes:
    """How the tasks end that are being worked on, by task id; told before a worker gets their jobs."""

    endings: dict[UUID, Ending] = field(default_factory=dict)

    def of(self, context: JobContext) -> Ending:
        """Return how the task ends for which a handler runs."""
        return self.endings[UUID(context.idempotency_key.removeprefix("task:"))]


def stub_registry(task_types: Iterable[str], outcomes: Outcomes) -> ServiceTaskRegistry:
    """Return a stand-in for every task type."""
    run = partial(_end, outcomes)
    return ServiceTaskRegistry(*(ExternalTask(name, AnyValues, run) for name in sorted(set(task_types))))


def _end(outcomes: Outcomes, context: JobContext, _request: AnyValues) -> AnyValues:
    ending = outcomes.of(context)
    if ending.fails(context.attempt):
        raise SimulatedFailure(ending.failure)
    if ending.bpmn_error is not None:
        raise BpmnError(ending.bpmn_error, "the answer says so", variables=ending.output)
    if ending.escalation is not None:
        context.escalate(ending.escalation, ending.output)
    return AnyValues.model_validate(ending.output)
