"""Operations: what an operator does to a running instance from outside its diagram.

Each is authorised, carries a reason, leaves an event and an audit leaf, and is done once for an idempotency key:
repeated under the same key, a request gives its first result again and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine.description import discreet
from engine.discretion import Discretion
from engine.engine import Engine
from engine.errors import (
    CompensationMissingError,
    IncidentNotOpenError,
    InstanceNotActiveError,
    InstanceNotSuspendedError,
    TaskGoneError,
    UnknownIncidentError,
    UnknownInstanceError,
    VariableNameError,
)
from engine.execution import Step, append_event, audit_transition, finish_step, load_step
from engine.feel import is_variable_name
from engine.persistence import Incident, Incidents, IncidentStatus, Instances, InstanceStatus, Jobs
from engine.persistence.operations import OperationLog
from engine.requests import Request, ResultT, fulfil_once, require_reason
from engine.token_moves import TokenMove, move_token
from storage import SecurityContext, UnitOfWork
from storage.access import Resource, require
from storage.json_documents import jsonb_text
from storage.models import Permission


class OperationResult(BaseModel):
    """What an operation left: the instance's status, and the leaf of the audit trail."""

    model_config = ConfigDict(frozen=True)

    process_instance_id: UUID
    status: InstanceStatus
    audit_ref: UUID


@dataclass(frozen=True)
class _Operation:
    kind: str
    subject: UUID
    reason: str
    context: SecurityContext
    idempotency_key: str | None
    arguments: Mapping[str, JsonValue]

    @property
    def asked(self) -> Request:
        """What has to be equal where the request is repeated: the reason, too."""
        arguments = {"reason": self.reason, **self.arguments}
        return Request(self.kind, str(self.subject), arguments, self.context, self.idempotency_key)

    @property
    def facts(self) -> dict[str, JsonValue]:
        """What event and audit leaf say of every operation."""
        return {"reason": self.reason, "by": self.context.user_id}


class Operations:
    """The operator's acts on the instances of one engine.

    All but `retry_incident`, `incidents` and `outcome` need ADMIN: they can lead an instance past its diagram. Where
    the instance is about restricted records, all but `suspend` and `resume` need the same permission on each of these.
    Every act raises AccessDeniedError, ReasonInvalidError, IdempotencyConflictError and UnknownInstanceError.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def suspend(
        self,
        work: UnitOfWork,
        process_instance_id: UUID,
        *,
        reason: str,
        context: SecurityContext,
        idempotency_key: str | None = None,
    ) -> OperationResult:
        """Let an instance rest: no job is given out, no user task completed; what a job brings is kept.

        Raises:
            InstanceNotActiveError: It is suspended already, or over.
        """
        request = _Operation("process.suspended", process_instance_id, reason, context, idempotency_key, {})

        def act() -> OperationResult:
            step = self._load(work, request)
            if step.row.status is not InstanceStatus.RUNNING:
                raise _not_active(step)
            Jobs(work).suspend(process_instance_id)
            OperationLog(work).mark_suspended(process_instance_id, is_suspended=True)
            return _finish(step, request, {}, InstanceStatus.SUSPENDED)

        return self._once(work, request, OperationResult, act, about=None)

    def resume(
        self,
        work: UnitOfWork,
        process_instance_id: UUID,
        *,
        reason: str,
        context: SecurityContext,
        idempotency_key: str | None = None,
    ) -> OperationResult:
        """Let a suspended instance go on where it rests.

        Raises:
            InstanceNotSuspendedError: It is not suspended.
        """
        request = _Operation("process.resumed", process_instance_id, reason, context, idempotency_key, {})

        def act() -> OperationResult:
            step = self._load(work, request)
            if step.row.status is not InstanceStatus.SUSPENDED:
                status = step.row.status.value
                raise InstanceNotSuspendedError(process_instance_id=process_instance_id, status=status)
            Jobs(work).resume(process_instance_id)
            OperationLog(work).mark_suspended(process_instance_id, is_suspended=False)
            return _finish(step, request, {}, InstanceStatus.RUNNING)

        return self._once(work, request, OperationResult, act, about=None)

    def cancel(
        self,
        work: UnitOfWork,
        process_instance_id: UUID,
        *,
        reason: str,
        context: SecurityContext,
        compensate: bool = False,
        idempotency_key: str | None = None,
    ) -> OperationResult:
        """End an instance: everything that waits is withdrawn, and the result of a job that still runs is refused.

        Args:
            work: The transaction.
            process_instance_id: The instance.
            reason: For the audit trail.
            context: Needs ADMIN.
            compensate: Whether what has completed is undone first, the last completion first. Then the instance runs
                on, even if it was suspended, and is cancelled once that is done.
            idempotency_key: For repeating the call.

        Raises:
            InstanceNotActiveError: It is over.
            CompensationMissingError: Compensation was asked for, and no diagram says how.
        """
        arguments: dict[str, JsonValue] = {"compensate": compensate}
        request = _Operation("process.cancelled", process_instance_id, reason, context, idempotency_key, arguments)

        def act() -> OperationResult:
            step = self._load_live(work, request)
            if compensate and not step.tree.can_compensate:
                raise CompensationMissingError(process_instance_id=process_instance_id)
            OperationLog(work).mark_suspended(process_instance_id, is_suspended=False)
            if compensate and step.tree.roll_back(request.facts):
                begun = replace(request, kind="compensation.requested")
                return _finish(step, begun, {}, InstanceStatus.RUNNING)
            step.tree.cancel()
            return _finish(step, request, {}, InstanceStatus.CANCELLED)

        return self._once(work, request, OperationResult, act, about=process_instance_id)

    def set_variables(
        self,
        work: UnitOfWork,
        process_instance_id: UUID,
        values: Mapping[str, JsonValue],
        *,
        reason: str,
        context: SecurityContext,
        idempotency_key: str | None = None,
    ) -> OperationResult:
        """Write variables of an instance, suspended or not; jobs and user tasks that wait keep the inputs they have.

        The audit leaf has their names and, of their values, the SHA-256 of the request.

        Raises:
            InstanceNotActiveError: It is over.
            VariableNameError: No expression could read a variable of that name.
            RecordNotFoundError: A value names a restricted record that the principal may not know of.
            RecordTextError, RecordNumberError: The database cannot hold a value.
        """
        jsonb_text(dict(values), model="variables")
        arguments: dict[str, JsonValue] = {"values": dict(values)}
        request = _Operation("process.edited", process_instance_id, reason, context, idempotency_key, arguments)

        def act() -> OperationResult:
            for name in values:
                if not is_variable_name(name):
                    raise VariableNameError(name=name)
            step = self._load_live(work, request)
            step.tree.set_variables(dict(values))
            names: list[JsonValue] = [*sorted(values)]
            return _finish(step, request, {"variables": names, "request_sha256": request.asked.sha256})

        _require(context, Permission.ADMIN)
        Discretion(work, context).require_named(values, Permission.ADMIN)
        return self._once(work, request, OperationResult, act, about=process_instance_id)

    def move_token(
        self,
        work: UnitOfWork,
        process_instance_id: UUID,
        move: TokenMove,
        *,
        reason: str,
        context: SecurityContext,
        idempotency_key: str | None = None,
    ) -> OperationResult:
        """Withdraw a token where it waits and let one arrive at another element of the same process run.

        Raises:
            InstanceNotActiveError: It is over.
            TokenMoveError: There is no such token, more than one, or it cannot go there.
            SeparationOfDutiesError: It waits at a user task that excludes the principal.
            ExpressionEvaluationError, StepLimitError: The instance could not go on from there; nothing has changed.
        """
        arguments: dict[str, JsonValue] = move.model_dump(mode="json")
        request = _Operation("process.redirected", process_instance_id, reason, context, idempotency_key, arguments)

        def act() -> OperationResult:
            step = self._load_live(work, request)
            move_token(step, move, context)
            return _finish(step, request, arguments)

        return self._once(work, request, OperationResult, act, about=process_instance_id)

    def retry_incident(
        self,
        work: UnitOfWork,
        incident_id: UUID,
        *,
        reason: str,
        context: SecurityContext,
        retries: int = 3,
        keep_result: bool = True,
        idempotency_key: str | None = None,
    ) -> Incident:
        """Offer an incident's job again; return the incident, whose outcome is open until the attempt has ended.

        Then `outcome` shows it resolved, or open again with the new error.

        Args:
            work: The job is offered once this transaction has committed.
            incident_id: An open incident.
            reason: For the audit trail.
            context: Needs EXECUTE.
            retries: How many attempts there are at most, one at least.
            keep_result: Whether what the handler brought is used again, where only the step after it failed.
            idempotency_key: For repeating the call.

        Raises:
            UnknownIncidentError: There is none in the principal's tenant.
            IncidentNotOpenError: It is being retried, or resolved.
            InstanceNotActiveError: Its instance is suspended or over.
            TaskGoneError: Its job is no more.
        """
        arguments: dict[str, JsonValue] = {"retries": retries, "keep_result": keep_result}
        request = _Operation("incident.retried", incident_id, reason, context, idempotency_key, arguments)

        def act() -> Incident:
            incident = self._lock_open(work, request)
            Incidents(work).begin_retry(incident_id)
            if not Jobs(work).revive(incident.job_id, retries=retries, keep_result=keep_result):
                raise TaskGoneError(task_id=incident.task_id)
            return _found(Incidents(work).read(incident_id, context.tenant_id), incident_id)

        known = Incidents(work).read(incident_id, context.tenant_id)
        about = None if known is None else known.process_instance_id
        return self._told(work, self._once(work, request, Incident, act, Permission.EXECUTE, about=about), context)

    def incidents(self, work: UnitOfWork, *, context: SecurityContext, limit: int = 100) -> list[Incident]:
        """Return the tenant's unresolved incidents, oldest first; needs READ.

        What they say of restricted records is left out for those who may not read these.
        """
        _require(context, Permission.READ)
        found = Incidents(work).open_of_tenant(context.tenant_id, limit)
        withheld = Discretion(work, context).withheld({incident.process_instance_id for incident in found})
        return [discreet(incident) if incident.process_instance_id in withheld else incident for incident in found]

    def outcome(self, work: UnitOfWork, incident_id: UUID, *, context: SecurityContext) -> Incident:
        """Return an incident as it is now: retrying, resolved, or open with its last error; needs READ.

        Raises:
            UnknownIncidentError: There is none in the principal's tenant.
        """
        _require(context, Permission.READ)
        return self._told(work, _found(Incidents(work).read(incident_id, context.tenant_id), incident_id), context)

    def _told(self, work: UnitOfWork, incident: Incident, context: SecurityContext) -> Incident:
        is_withheld = Discretion(work, context).is_withheld(incident.process_instance_id)
        return discreet(incident) if is_withheld else incident

    def _once(
        self,
        work: UnitOfWork,
        request: _Operation,
        model: type[ResultT],
        act: Callable[[], ResultT],
        permission: Permission = Permission.ADMIN,
        *,
        about: UUID | None,
    ) -> ResultT:
        """Fulfil a request of somebody who holds the permission, on the records too that an instance is about."""
        _require(request.context, permission)
        if about is not None:
            Discretion(work, request.context).require(about, permission)
        require_reason(request.reason)
        return fulfil_once(work, request.asked, model, act)

    def _load(self, work: UnitOfWork, request: _Operation) -> Step:
        if Instances(work).read(request.subject, request.context.tenant_id) is None:
            raise UnknownInstanceError(process_instance_id=request.subject)
        return load_step(work, self._engine.instances, request.subject)

    def _load_live(self, work: UnitOfWork, request: _Operation) -> Step:
        step = self._load(work, request)
        if step.row.is_over:
            raise _not_active(step)
        return step

    def _lock_open(self, work: UnitOfWork, request: _Operation) -> Incident:
        """Lock the instance, then its incident; note the retry."""
        tenant_id = request.context.tenant_id
        incident = _found(Incidents(work).read(request.subject, tenant_id), request.subject)
        Instances(work).lock(incident.process_instance_id)
        incident = _found(Incidents(work).lock(request.subject, tenant_id), request.subject)
        if incident.status is not IncidentStatus.OPEN:
            raise IncidentNotOpenError(incident_id=incident.incident_id, status=incident.status.value)
        row = Instances(work).read(incident.process_instance_id)
        if row is None or row.status is not InstanceStatus.RUNNING:
            status = "gone" if row is None else row.status.value
            raise InstanceNotActiveError(process_instance_id=incident.process_instance_id, status=status)
        payload: dict[str, JsonValue] = {"incident_id": str(incident.incident_id), **request.facts}
        append_event(work, row, request.kind, payload, incident.element_id)
        audit_transition(work, row, request.kind, {**payload, **request.arguments}, request.context)
        return incident


def _finish(
    step: Step, request: _Operation, details: dict[str, JsonValue], status: InstanceStatus | None = None
) -> OperationResult:
    payload = {**request.facts, **details}
    step.document.add_event(request.kind, payload)
    audit_ref = step.document.add_leaf(request.kind, payload, request.context)
    finished = finish_step(step, request.context, status)
    if finished.row.status is InstanceStatus.SUSPENDED:
        Jobs(step.work).suspend(step.row.process_instance_id)  # those that the step has offered
    return OperationResult(
        process_instance_id=step.row.process_instance_id, status=finished.row.status, audit_ref=audit_ref
    )


def _require(context: SecurityContext, permission: Permission) -> None:
    require(context, permission, Resource(kind="process instances", tenant_id=context.tenant_id))


def _not_active(step: Step) -> InstanceNotActiveError:
    return InstanceNotActiveError(process_instance_id=step.row.process_instance_id, status=step.row.status.value)


def _found(incident: Incident | None, incident_id: UUID) -> Incident:
    if incident is None:
        raise UnknownIncidentError(incident_id=incident_id)
    return incident
