"""The engine's face: deploy, start, complete a user task, publish a message, describe, read events.

Every call runs on the caller's unit of work, so that a domain row and the process started for it commit together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel, JsonValue, ValidationError

from engine.bpmn import Contracts, ProcessModel, StartEvent, called_processes, read_diagram, verify
from engine.description import InstanceDescription, UserTaskDescription, describe_instance, describe_user_task
from engine.errors import (
    DiagramError,
    FormInvalidError,
    IdempotencyConflictError,
    NotACandidateError,
    SeparationOfDutiesError,
    UnknownInstanceError,
    UnknownProcessError,
    UnknownUserTaskError,
    UserTaskClosedError,
)
from engine.execution import Step, append_event, audit_transition, finish_step, load_step
from engine.library import ProcessLibrary
from engine.persistence import (
    DefinitionRef,
    Definitions,
    EngineStatistics,
    Event,
    EventLog,
    InstanceRow,
    Instances,
    InstanceStatus,
    UserTaskRow,
    UserTasks,
    UserTaskStatus,
    engine_statistics,
)
from engine.service_tasks import ServiceTaskRegistry
from engine.spiff import ProcessTree
from storage import SecurityContext, UnitOfWork
from storage.access import Resource, require
from storage.identifiers import new_id
from storage.models import Permission

Forms = Mapping[str, type[BaseModel]]


@dataclass(frozen=True)
class _Start:
    ref: DefinitionRef
    event: StartEvent
    variables: Mapping[str, JsonValue]
    business_key: str | None
    idempotency_key: str | None


class Engine:
    """BPMN processes of one deployment; holds no state but compiled diagrams."""

    def __init__(self, registry: ServiceTaskRegistry, forms: Forms) -> None:
        self.registry = registry
        self.library = ProcessLibrary()
        self._forms = forms

    def deploy(self, work: UnitOfWork, *diagrams: bytes, context: SecurityContext) -> tuple[DefinitionRef, ...]:
        """Verify diagrams and store them as new versions; a text that is already deployed stays as it is.

        Raises:
            AccessDeniedError: No ADMIN permission.
            DiagramError: A diagram cannot be executed as drawn; nothing of this call is stored.
        """
        require(context, Permission.ADMIN, Resource(kind="process definitions", tenant_id=context.tenant_id))
        definitions = Definitions(work)
        definitions.lock()
        read = [(xml, model) for xml in diagrams for model in read_diagram(xml)]
        self._verify(work, [model for _, model in read])
        return tuple(self._store(work, xml, model, context) for xml, model in read)

    def start(
        self,
        work: UnitOfWork,
        process_id: str,
        variables: Mapping[str, JsonValue],
        *,
        context: SecurityContext,
        business_key: str | None = None,
        idempotency_key: str | None = None,
    ) -> UUID:
        """Start the newest version of a process; return the instance's id.

        With an idempotency key, the instance that was started under it is returned and nothing happens.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownProcessError: It is not deployed, or can only be started by a message.
            IdempotencyConflictError: The key belongs to an instance of another process.
        """
        ref = self._newest(work, process_id)
        event = self.library.model(work, ref.process_definition_id, process_id).none_start_event()
        if event is None:
            raise UnknownProcessError(process_id=process_id)
        return self._start(work, _Start(ref, event, variables, business_key, idempotency_key), context)

    def publish_message(
        self,
        work: UnitOfWork,
        name: str,
        correlation_key: str,
        payload: Mapping[str, JsonValue],
        *,
        context: SecurityContext,
        message_id: str | None = None,
    ) -> tuple[UUID, ...]:
        """Start an instance of every process that has a message start event of that name; return the instances' ids.

        The correlation key becomes their business key. A message id makes publishing again change nothing.

        Raises:
            AccessDeniedError: No EXECUTE permission.
        """
        started = []
        for ref in Definitions(work).all_newest():
            model = self.library.model(work, ref.process_definition_id, ref.process_id)
            for event in model.start_events():
                if event.message == name:
                    key = None if message_id is None else f"message:{message_id}:{ref.process_id}"
                    started.append(self._start(work, _Start(ref, event, payload, correlation_key, key), context))
        return tuple(started)

    def complete_user_task(
        self, work: UnitOfWork, user_task_id: UUID, submission: Mapping[str, Any], *, context: SecurityContext
    ) -> UUID:
        """Complete a user task with a form's values; return the `audit_ref` of the decision.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownUserTaskError, UserTaskClosedError: There is nothing to complete.
            NotACandidateError, SeparationOfDutiesError: Not by this principal.
            FormInvalidError: The submission does not fit the form.
        """
        require(context, Permission.EXECUTE, Resource(kind="user tasks", tenant_id=context.tenant_id))
        process_instance_id = UserTasks(work).instance_of(user_task_id, context.tenant_id)
        if process_instance_id is None:
            raise UnknownUserTaskError(user_task_id=user_task_id)
        step = load_step(work, self.library, process_instance_id)
        task = UserTasks(work).lock(user_task_id, context.tenant_id)
        _require_completable(task, context)
        values = self._parse_form(task, submission)
        UserTasks(work).complete(user_task_id, values, context.user_id)
        return self._complete(step, task, values, context)

    def user_tasks(self, work: UnitOfWork, *, context: SecurityContext, limit: int = 100) -> list[UserTaskDescription]:
        """Return the open tasks that the principal's groups are candidates for, oldest first."""
        _require_read(context)
        rows = UserTasks(work).open(context.tenant_id, context.groups, limit)
        return [describe_user_task(row, self._forms, context) for row in rows]

    def describe(self, work: UnitOfWork, process_instance_id: UUID, *, context: SecurityContext) -> InstanceDescription:
        """Return what an instance has done, does and waits for.

        Raises:
            UnknownInstanceError: There is none in the principal's tenant.
        """
        return describe_instance(work, _readable(work, process_instance_id, context))

    def instances_of(self, work: UnitOfWork, business_key: str, *, context: SecurityContext) -> list[UUID]:
        """Return the ids of the instances of a business key, oldest first."""
        _require_read(context)
        return Instances(work).with_business_key(context.tenant_id, business_key)

    def variables(
        self, work: UnitOfWork, process_instance_id: UUID, *, context: SecurityContext
    ) -> dict[str, JsonValue]:
        """Return the variables of an instance's own scope.

        Raises:
            UnknownInstanceError: There is none in the principal's tenant.
        """
        state = _readable(work, process_instance_id, context).state
        variables: dict[str, JsonValue] = state["scopes"]["root"]
        return variables

    def events_after(
        self,
        work: UnitOfWork,
        sequence: int,
        *,
        context: SecurityContext,
        process_instance_id: UUID | None = None,
        business_key: str | None = None,
        limit: int = 500,
    ) -> list[Event]:
        """Return the tenant's events behind a cursor (0: from the start); none can appear behind it later.

        Events appear once every transaction older than theirs has ended: see `has_unsettled_events`.

        Raises:
            UnknownCursorError: No event has that sequence number.
        """
        _require_read(context)
        return EventLog(work).after(
            sequence,
            tenant_id=context.tenant_id,
            process_instance_id=process_instance_id,
            business_key=business_key,
            limit=limit,
        )

    def has_unsettled_events(
        self, work: UnitOfWork, *, context: SecurityContext, business_key: str | None = None
    ) -> bool:
        """Return whether committed events are about to appear without a further notification: look again soon."""
        return EventLog(work).has_unsettled(tenant_id=context.tenant_id, business_key=business_key)

    def statistics(self, work: UnitOfWork) -> EngineStatistics:
        """Return live counts over all tenants, for the operator's metrics."""
        return engine_statistics(work)

    def _verify(self, work: UnitOfWork, models: list[ProcessModel]) -> None:
        deployed = [
            self.library.model(work, ref.process_definition_id, ref.process_id)
            for ref in Definitions(work).all_newest()
        ]
        contracts = Contracts(
            inputs=self.registry.contracts(),
            form_ids=frozenset(self._forms),
            calls={model.process_id: called_processes(model) for model in (*deployed, *models)},
        )
        findings = tuple(finding for model in models for finding in verify(model, contracts))
        if findings:
            raise DiagramError(findings)

    def _store(self, work: UnitOfWork, xml: bytes, model: ProcessModel, context: SecurityContext) -> DefinitionRef:
        definitions = Definitions(work)
        sha256 = hashlib.sha256(xml).hexdigest()
        known = definitions.with_digest(model.process_id, sha256)
        if known is not None:
            return known
        newest = definitions.newest(model.process_id)
        ref = DefinitionRef(
            process_definition_id=new_id(),
            process_id=model.process_id,
            version=1 if newest is None else newest.version + 1,
            version_tag=model.version_tag,
            name=model.name,
            sha256=sha256,
        )
        definitions.insert(ref, xml, context.user_id)
        return ref

    def _newest(self, work: UnitOfWork, process_id: str) -> DefinitionRef:
        ref = Definitions(work).newest(process_id)
        if ref is None:
            known = tuple(known.process_id for known in Definitions(work).all_newest())
            raise UnknownProcessError(process_id=process_id, known=known)
        return ref

    def _start(self, work: UnitOfWork, start: _Start, context: SecurityContext) -> UUID:
        ref, key = start.ref, start.idempotency_key
        require(context, Permission.EXECUTE, Resource(kind=f"process {ref.process_id}", tenant_id=context.tenant_id))
        if key is not None:
            work.lock(f"idempotency:{context.tenant_id}:{key}")
            known = Instances(work).with_idempotency_key(context.tenant_id, key)
            if known is not None:
                return self._replayed(work, known, ref.process_id, key)
        pinned = self.library.pin(work, ref)
        compiled = self.library.compiled(work, ref.process_definition_id, pinned, start.event.id)
        row = InstanceRow(
            process_instance_id=new_id(),
            process_definition_id=ref.process_definition_id,
            pinned_definitions=pinned,
            start_event_id=start.event.id,
            tenant_id=context.tenant_id,
            business_key=start.business_key,
            idempotency_key=key,
            started_by=context,
            status=InstanceStatus.RUNNING,
            state={},
        )
        Instances(work).insert(row)
        append_event(work, row, "process.started", {"process_id": ref.process_id, "started_by": context.user_id})
        audit_transition(work, row, "process.started", {"sha256": ref.sha256}, context)
        finish_step(Step(work=work, row=row, tree=ProcessTree.begin(compiled, dict(start.variables))), context)
        return row.process_instance_id

    def _replayed(self, work: UnitOfWork, known: Any, process_id: str, idempotency_key: str) -> UUID:
        (ref,) = Definitions(work).by_id([known.process_definition_id])
        if ref.process_id != process_id:
            raise IdempotencyConflictError(idempotency_key=idempotency_key)
        return UUID(str(known.process_instance_id))

    def _parse_form(self, task: UserTaskRow, submission: Mapping[str, Any]) -> dict[str, JsonValue]:
        if task.form_id is None:
            return dict(submission)
        try:
            return self._forms[task.form_id].model_validate(dict(submission)).model_dump(mode="json")
        except ValidationError as error:
            fields = {".".join(map(str, item["loc"])): item["msg"] for item in error.errors()}
            raise FormInvalidError(form_id=task.form_id, fields=fields) from error

    def _complete(self, step: Step, task: UserTaskRow, values: dict[str, JsonValue], context: SecurityContext) -> UUID:
        details: dict[str, JsonValue] = {
            "user_task_id": str(task.user_task_id),
            "element_id": task.element_id,
            "submission": values,
        }
        payload = {**details, "completed_by": context.user_id}
        append_event(step.work, step.row, "user_task.completed", payload, task.element_id)
        audit_ref = audit_transition(step.work, step.row, "user_task.completed", details, context)
        step.tree.complete(task.task_id, {**values, "completed_by": context.user_id})
        finish_step(step, context)
        return audit_ref


def _require_read(context: SecurityContext) -> None:
    require(context, Permission.READ, Resource(kind="process instances", tenant_id=context.tenant_id))


def _readable(work: UnitOfWork, process_instance_id: UUID, context: SecurityContext) -> InstanceRow:
    _require_read(context)
    row = Instances(work).read(process_instance_id, context.tenant_id)
    if row is None:
        raise UnknownInstanceError(process_instance_id=process_instance_id)
    return row


def _require_completable(task: UserTaskRow, context: SecurityContext) -> None:
    if task.status is not UserTaskStatus.OPEN:
        raise UserTaskClosedError(
            user_task_id=task.user_task_id, status=task.status.value, completed_by=task.completed_by
        )
    if context.user_id in task.excluded_principals:
        raise SeparationOfDutiesError(user_id=context.user_id, element_id=task.element_id)
    if not context.groups & set(task.candidate_groups):
        raise NotACandidateError(user_id=context.user_id, candidate_groups=task.candidate_groups)
