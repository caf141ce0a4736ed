"""Starting processes: at once, or by a schedule.

A process that others call is a part of theirs: what they have decided before they call it, such as who approved a
model, it takes for granted. So only an administrator starts it by itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine import (
    DecisionRef,
    DefinitionRef,
    Deployment,
    Discretion,
    Finding,
    Request,
    ScheduleDefinition,
    fulfil_once,
)
from handlers.services import Services
from storage import AuditEntry, Resource, SecurityContext, UnitOfWork, require
from storage.models import JsonObject, Permission

_XML = Annotated[str, Field(min_length=1, max_length=4_000_000)]
_ProcessId = Annotated[str, Field(pattern=r"^[\w.\-]+$", max_length=200)]


class StartRequest(BaseModel):
    """A process to start.

    Attributes:
        business_key: Names the instance in the business's own terms; events are found by it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    process_id: _ProcessId
    business_key: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    variables: JsonObject = Field(default_factory=dict)


class StartedProcess(BaseModel):
    """A started instance; repeated under its key, a request gives the same."""

    model_config = ConfigDict(frozen=True)

    process_instance_id: UUID
    audit_ref: UUID


class ProcessPayload(BaseModel):
    """A process to define.

    Attributes:
        bpmn_xml: Its diagram, deployed as the newest version; without it the process is one that is deployed already.
        dmn_xml: Decisions that its business rule tasks ask, deployed with it.
        variables: Given to every instance that the schedule starts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    process_id: _ProcessId
    bpmn_xml: _XML | None = None
    dmn_xml: _XML | None = None
    variables: JsonObject = Field(default_factory=dict)

    @property
    def documents(self) -> tuple[bytes, ...]:
        """What is to be deployed."""
        return tuple(text.encode() for text in (self.bpmn_xml, self.dmn_xml) if text is not None)


class ProcessDefinition(BaseModel):
    """A process, and when it starts.

    Attributes:
        activate: Otherwise the schedule is paused from the beginning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    payload: ProcessPayload
    schedule: ScheduleDefinition | None = None
    activate: bool = True

    @model_validator(mode="after")
    def _defines_something(self) -> Self:
        if not self.payload.documents and self.schedule is None:
            raise ValueError("give a diagram as bpmn_xml, decisions as dmn_xml, or a schedule_definition")
        return self


class DefinedProcess(BaseModel):
    """What was defined.

    Attributes:
        decisions: Those that were deployed with it.
        warnings: What the verification found in the diagram, and does not refuse.
    """

    model_config = ConfigDict(frozen=True)

    definition: DefinitionRef
    decisions: tuple[DecisionRef, ...] = ()
    warnings: tuple[Finding, ...] = ()
    schedule_id: UUID | None
    next_fire_at: datetime | None
    audit_ref: UUID


def start_process(
    services: Services, request: StartRequest, idempotency_key: str | None, *, context: SecurityContext
) -> StartedProcess:
    """Start the newest version of a process.

    Raises:
        AccessDeniedError: No EXECUTE permission; no ADMIN permission for a process that others call.
        UnknownProcessError: It is not deployed, or can only be started by a message.
        RecordNotFoundError: A variable or the key names a restricted record that the caller may not know of.
        IdempotencyConflictError: The key was used for another request.
        RecordTextError, RecordNumberError: A variable cannot be stored.
    """
    with services.storage.transaction(context.tenant_id) as work:
        _require_own_start(services, work, request.process_id, context)
        Discretion(work, context).require_named(request.variables, Permission.READ, key=request.business_key)
        arguments: JsonObject = {**request.model_dump(mode="json"), "started_by": context.user_id}
        asked = Request("process.requested", request.process_id, arguments, context, idempotency_key)
        return fulfil_once(work, asked, StartedProcess, lambda: _start(services, work, request, context))


def define_process(
    services: Services, definition: ProcessDefinition, idempotency_key: str | None, *, context: SecurityContext
) -> DefinedProcess:
    """Deploy a diagram and its decisions, schedule a process, or both, in one transaction.

    Raises:
        AccessDeniedError: No ADMIN permission for a diagram, or for a process that others call; no EXECUTE permission.
        DiagramError, DecisionModelError: The diagram, or a decision, cannot be executed as drawn.
        UnknownProcessError: The process is in no diagram, or a schedule cannot start it.
        ScheduleInvalidError: The schedule would never start anything.
        RecordNotFoundError: A variable names a restricted record that the caller may not know of.
        IdempotencyConflictError: The key was used for another schedule.
    """
    payload = definition.payload
    with services.storage.transaction(context.tenant_id) as work:
        deployed = Deployment()
        if payload.documents:
            deployed = services.engine.deploy(work, *payload.documents, context=context)
        ref = services.engine.library.definition(work, payload.process_id)
        schedule_id, next_fire_at = None, None
        if definition.schedule is not None:
            _require_own_start(services, work, payload.process_id, context)
            Discretion(work, context).require_named(payload.variables, Permission.READ)
            schedule_id = services.schedules.define(
                work,
                payload.process_id,
                payload.variables,
                definition.schedule,
                context=context,
                activate=definition.activate,
                idempotency_key=idempotency_key,
            )
            next_fire_at = services.schedules.read(work, schedule_id, context=context).next_fire_at
        details: JsonObject = {"sha256": ref.sha256, "schedule_id": None if schedule_id is None else str(schedule_id)}
        entry = AuditEntry(action="process.defined", subject=f"process/{ref.process_id}", details=details)
        audit_ref = work.audit.record(entry, context=context)
    return DefinedProcess(
        definition=ref,
        decisions=deployed.decisions,
        warnings=deployed.warnings,
        schedule_id=schedule_id,
        next_fire_at=next_fire_at,
        audit_ref=audit_ref,
    )


def _start(services: Services, work: UnitOfWork, request: StartRequest, context: SecurityContext) -> StartedProcess:
    process_instance_id = services.engine.start(
        work, request.process_id, request.variables, context=context, business_key=request.business_key
    )
    details: JsonObject = {"process_id": request.process_id, "business_key": request.business_key}
    subject = f"process_instance/{process_instance_id}"
    entry = AuditEntry(action="process.requested", subject=subject, details=details)
    return StartedProcess(process_instance_id=process_instance_id, audit_ref=work.audit.record(entry, context=context))


def _require_own_start(services: Services, work: UnitOfWork, process_id: str, context: SecurityContext) -> None:
    require(context, Permission.EXECUTE, Resource(kind=f"process {process_id}", tenant_id=context.tenant_id))
    callers = services.engine.library.callers(work, process_id)
    if callers:
        kind = f"process {process_id}, a part of {', '.join(callers)}"
        require(context, Permission.ADMIN, Resource(kind=kind, tenant_id=context.tenant_id))
