"""What a handler is: a typed function for one service-task type, and what it is given besides its input.

A transactional handler runs inside the engine's step: its writes commit with the step, exactly once. An external one
runs outside any transaction, for as long as it needs; it may run again after a crash, so its effects must be safe to
repeat under its idempotency key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

from pydantic import BaseModel, JsonValue, ValidationError

from engine.errors import ContractError
from storage import SecurityContext, Storage, UnitOfWork

InputT = TypeVar("InputT", bound=BaseModel)
OutputT = TypeVar("OutputT", bound=BaseModel)


class Escalate(Protocol):
    """Throws the escalation of a code once the handler has ended well."""

    def __call__(self, escalation_code: str, variables: Mapping[str, JsonValue] = ...) -> None:
        """Note the escalation; the event that catches it brings the variables to the scope of the task."""


@dataclass(frozen=True)
class TaskContext:
    """What a transactional handler is given.

    Attributes:
        work: The step's own transaction.
        principal: Who started the process instance.
        idempotency_key: The same on every attempt of this task.
        now: The database's time.
        escalate: Throws the escalation of a code, with variables, once the handler has ended well. The task completes
            then, unless the event that catches it interrupts; what the handler has written stays either way.
    """

    work: UnitOfWork
    principal: SecurityContext
    process_instance_id: UUID
    business_key: str | None
    element_id: str
    attempt: int
    idempotency_key: str
    now: datetime
    logger: logging.Logger
    escalate: Escalate


@dataclass(frozen=True)
class JobContext:
    """What an external handler is given.

    Attributes:
        storage: For short transactions of the handler's own.
        report: Adds an event of the given kind to the log at once.
        should_stop: True once the lease is lost or the worker is asked to stop.
        escalate: As of a transactional handler's context.
    """

    storage: Storage
    principal: SecurityContext
    process_instance_id: UUID
    business_key: str | None
    element_id: str
    attempt: int
    idempotency_key: str
    report: Callable[[str, Mapping[str, JsonValue]], None]
    should_stop: Callable[[], bool]
    logger: logging.Logger
    escalate: Escalate


@dataclass(frozen=True)
class TransactionalTask(Generic[InputT, OutputT]):
    """A service-task type whose handler runs inside the engine's transaction.

    Attributes:
        output: What `run` returns, so that diagrams can be verified; unknown where it is not given.
        errors: The codes of the BPMN errors that a diagram has to catch. Others that it throws become incidents.
        inverse: The type of the service task that undoes what it has done; a diagram without it is warned of.
    """

    task_type: str
    input: type[InputT]
    run: Callable[[TaskContext, InputT], OutputT]
    output: type[OutputT] | None = None
    errors: tuple[str, ...] = ()
    inverse: str | None = None


@dataclass(frozen=True)
class ExternalTask(Generic[InputT, OutputT]):
    """A service-task type whose handler runs outside any transaction, under a lease.

    Attributes:
        output, errors, inverse: As of a transactional task.
    """

    task_type: str
    input: type[InputT]
    run: Callable[[JobContext, InputT], OutputT]
    output: type[OutputT] | None = None
    errors: tuple[str, ...] = ()
    inverse: str | None = None


AnyTask: TypeAlias = TransactionalTask[Any, Any] | ExternalTask[Any, Any]


class ServiceTaskRegistry:
    """All handlers of a deployment, by type."""

    def __init__(self, *tasks: AnyTask) -> None:
        self._tasks = {task.task_type: task for task in tasks}

    @property
    def types(self) -> tuple[str, ...]:
        """The service-task types that have a handler."""
        return tuple(sorted(self._tasks))

    def __getitem__(self, task_type: str) -> AnyTask:
        """Return the handler of a type.

        Raises:
            KeyError: There is none; a deployed diagram cannot ask for one.
        """
        return self._tasks[task_type]

    def contracts(self) -> dict[str, dict[str, bool]]:
        """Return each type's input names, with whether they are required."""
        return {
            task.task_type: {name: field.is_required() for name, field in task.input.model_fields.items()}
            for task in self._tasks.values()
        }

    def parse_input(self, task_type: str, element_id: str, values: Mapping[str, JsonValue]) -> BaseModel:
        """Return the handler's input model.

        Raises:
            ContractError: The values do not fit it; every field is named.
        """
        try:
            model: BaseModel = self._tasks[task_type].input.model_validate(dict(values))
        except ValidationError as error:
            fields = {".".join(map(str, item["loc"])): item["msg"] for item in error.errors()}
            raise ContractError(element_id=element_id, task_type=task_type, fields=fields) from error
        return model
