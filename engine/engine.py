"""The engine's face: deploy, start, user tasks, messages, signals, operations, describe, read events.

Every call runs on the caller's unit of work, so that a domain row and the process started for it commit together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import BaseModel, JsonValue

from engine.bpmn import ProcessModel
from engine.bpmn.effects import COMPLETED_BY
from engine.crash_points import crash_point
from engine.deployment import Deployer, Deployment, Surroundings
from engine.description import (
    InstanceDescription,
    InstanceSummary,
    UserTaskDescription,
    describe_instance,
    summarise_instance,
)
from engine.discretion import Discretion
from engine.errors import (
    IdempotencyConflictError,
    InstanceNotActiveError,
    UnknownInstanceError,
    UnknownProcessError,
)
from engine.execution import Step, append_event, finish_step, load_step
from engine.forms import FormCatalogue
from engine.inbox import InboxQuery
from engine.library import ProcessLibrary
from engine.messages import BroadcastSignal, Messenger, PublishedMessage, replace_start_subscriptions
from engine.persistence import (
    DefinitionRef,
    EngineStatistics,
    Event,
    EventLog,
    InstanceRow,
    Instances,
    InstanceSelection,
    InstanceStatus,
    StepDocument,
    engine_statistics,
)
from engine.service_tasks import ServiceTaskRegistry
from engine.spiff import Judge, ProcessTree, holds
from engine.start_timers import replace_start_timers
from engine.user_tasks import UserTaskDesk
from engine.warm import WarmInstances
from storage import SecurityContext, UnitOfWork
from storage.access import Resource, require
from storage.identifiers import new_id
from storage.models import Permission

Forms = Mapping[str, type[BaseModel]]


@dataclass(frozen=True)
class _Start:
    ref: DefinitionRef
    start_event_id: str
    variables: Mapping[str, JsonValue]
    business_key: str | None
    idempotency_key: str | None


class Engine:
    """BPMN processes of one deployment; holds no state but compiled diagrams and copies of warm instances.

    Attributes:
        desk: Where people find, claim, delegate and discuss user tasks.

    Args:
        groups: The groups to which a diagram may assign user tasks; `None` for any.
        judge: Says whether the condition of a flow holds.
        platform_tenant: Whose administrators deploy; what they deploy is there for all tenants.
    """

    def __init__(
        self,
        registry: ServiceTaskRegistry,
        forms: Forms,
        groups: frozenset[str] | None = None,
        judge: Judge = holds,
        *,
        platform_tenant: str,
    ) -> None:
        self.registry = registry
        self.library = ProcessLibrary(judge)
        self.instances = WarmInstances(self.library)
        self.desk = UserTaskDesk(FormCatalogue(forms), append_event)
        self._forms = forms
        self._groups = groups
        self._platform_tenant = platform_tenant

    def deploy(self, work: UnitOfWork, *documents: bytes, context: SecurityContext) -> Deployment:
        """Verify diagrams and decisions, and store them as new versions; a text that is deployed stays as it is.

        Args:
            work: The transaction.
            documents: BPMN and DMN, which may call one another.
            context: Who deploys.

        Raises:
            AccessDeniedError: No ADMIN permission, or of another tenant than the platform's.
            DiagramError: A diagram cannot be executed as drawn; nothing of this call is stored.
            DecisionModelError: A decision cannot be evaluated as drawn; nothing of this call is stored.
        """
        require(context, Permission.ADMIN, Resource(kind="diagrams of the platform", tenant_id=self._platform_tenant))
        surroundings = Surroundings(self.registry, self._forms, self._groups)
        listen = partial(self._listen, work, context)
        return Deployer(work, self.library, surroundings, listen, context).deploy(documents)

    def start(
        self,
        work: UnitOfWork,
        process_id: str,
        variables: Mapping[str, JsonValue],
        *,
        context: SecurityContext,
        business_key: str | None = None,
        idempotency_key: str | None = None,
        start_event_id: str | None = None,
    ) -> UUID:
        """Start the newest version of a process; return the instance's id.

        It begins at its none start event, unless another start event is named. With an idempotency key, the instance
        that was started under it is returned and nothing happens.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownProcessError: It is not deployed, or can only be started by a message.
            IdempotencyConflictError: The key belongs to an instance of another process.
        """
        ref = self.library.definition(work, process_id)
        model = self.library.model(work, ref.process_definition_id, process_id)
        events = {event.id for event in model.start_events()}
        none_event = model.none_start_event()
        chosen = start_event_id or (None if none_event is None else none_event.id)
        if chosen not in events:
            raise UnknownProcessError(process_id=process_id)
        return self._start(work, _Start(ref, chosen, variables, business_key, idempotency_key), context)

    def publish_message(
        self,
        work: UnitOfWork,
        name: str,
        correlation_key: str,
        payload: Mapping[str, JsonValue],
        *,
        context: SecurityContext,
        message_id: str | None = None,
        time_to_live_seconds: float = 0,
    ) -> PublishedMessage:
        """Send a message to one waiting task, else to message start events, else keep it; see `Messenger.publish`."""
        return Messenger(work, partial(self._start_at, work)).publish(
            name,
            correlation_key,
            payload,
            context=context,
            message_id=message_id,
            time_to_live_seconds=time_to_live_seconds,
        )

    def send_message(
        self,
        work: UnitOfWork,
        process_instance_id: UUID,
        name: str,
        payload: Mapping[str, JsonValue],
        *,
        context: SecurityContext,
    ) -> PublishedMessage:
        """Send a message to one instance that waits for it; see `Messenger.send`.

        Raises:
            UnknownInstanceError: There is none in the principal's tenant.
        """
        _readable(work, process_instance_id, context)
        messenger = Messenger(work, partial(self._start_at, work))
        return messenger.send(process_instance_id, name, payload, context=context)

    def broadcast_signal(
        self, work: UnitOfWork, name: str, variables: Mapping[str, JsonValue], *, context: SecurityContext
    ) -> BroadcastSignal:
        """Send a signal to all that wait for it; see `Messenger.broadcast_signal`."""
        return Messenger(work, partial(self._start_at, work)).broadcast_signal(name, variables, context=context)

    def complete_user_task(
        self, work: UnitOfWork, user_task_id: UUID, submission: Mapping[str, Any], *, context: SecurityContext
    ) -> UUID:
        """Complete a user task with a form's values; return the `audit_ref` of the decision.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownUserTaskError, UserTaskClosedError: There is nothing to complete.
            InstanceNotActiveError: Its process instance is suspended.
            NotACandidateError, SeparationOfDutiesError, ClaimedByAnotherError: Not by this principal.
            FormInvalidError: The submission does not fit the form.
        """
        process_instance_id = self.desk.instance_of(work, user_task_id, context=context)
        step = load_step(work, self.instances, process_instance_id)
        task, values = self.desk.lock_completable(work, user_task_id, submission, context=context)
        require_running(step.row)
        crash_point("after_user_task_lock")
        audit_ref = self.desk.close_completed(work, step.row, task, values, context=context)
        step.tree.complete(task.task_id, values, {**task.context, COMPLETED_BY: context.user_id})
        finish_step(step, context)
        return audit_ref

    def user_tasks(self, work: UnitOfWork, *, context: SecurityContext, limit: int = 100) -> list[UserTaskDescription]:
        """Return the open tasks that are for the principal, the most urgent first."""
        return list(self.desk.inbox(work, InboxQuery(limit=limit), context=context).user_tasks)

    def describe(self, work: UnitOfWork, process_instance_id: UUID, *, context: SecurityContext) -> InstanceDescription:
        """Return what an instance has done, does and waits for; what it knows, to those alone who may hear of it.

        Raises:
            UnknownInstanceError: There is none in the principal's tenant.
        """
        row = _readable(work, process_instance_id, context)
        is_withheld = Discretion(work, context).is_withheld(process_instance_id)
        return describe_instance(work, row, is_withheld=is_withheld)

    def list_instances(
        self, work: UnitOfWork, selection: InstanceSelection, *, context: SecurityContext
    ) -> list[InstanceSummary]:
        """Return the tenant's instances that are selected, the newest first.

        Raises:
            AccessDeniedError: No READ permission.
        """
        _require_read(context)
        rows = Instances(work).page(selection, context.tenant_id)
        withheld = Discretion(work, context).withheld([row.process_instance_id for row in rows])
        if selection.business_key is not None:  # else asking for a key would tell whether it is theirs
            rows = [row for row in rows if row.process_instance_id not in withheld]
        return [summarise_instance(row, is_withheld=row.process_instance_id in withheld) for row in rows]

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
            RecordNotGrantedError: It is about a restricted record that the principal may not read.
        """
        row = _readable(work, process_instance_id, context)
        Discretion(work, context).require(process_instance_id, Permission.READ)
        return Instances(work).variables(row.process_instance_id, row.process_instance_id)

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

        Events appear once every transaction older than theirs has ended: see `has_unsettled_events`. Those of an
        instance that is about a restricted record come without payload to whoever may not read that.

        Raises:
            UnknownCursorError: No event has that sequence number.
        """
        _require_read(context)
        events = EventLog(work).after(
            sequence,
            tenant_id=context.tenant_id,
            process_instance_id=process_instance_id,
            business_key=business_key,
            limit=limit,
        )
        withheld = Discretion(work, context).withheld({event.process_instance_id for event in events})
        return [
            event.model_copy(update={"payload": {}, "business_key": None})
            if event.process_instance_id in withheld
            else event
            for event in events
        ]

    def has_unsettled_events(
        self, work: UnitOfWork, *, context: SecurityContext, business_key: str | None = None
    ) -> bool:
        """Return whether committed events are about to appear without a further notification: look again soon."""
        return EventLog(work).has_unsettled(tenant_id=context.tenant_id, business_key=business_key)

    def statistics(self, work: UnitOfWork) -> EngineStatistics:
        """Return live counts over all tenants, for the operator's metrics."""
        return engine_statistics(work)

    def _listen(self, work: UnitOfWork, context: SecurityContext, ref: DefinitionRef, model: ProcessModel) -> None:
        """Let messages, signals and times start this definition, and no older one of its process."""
        replace_start_subscriptions(work, ref, model)
        replace_start_timers(work, ref, model, context)

    def _start_at(
        self,
        work: UnitOfWork,
        ref: DefinitionRef,
        start_event_id: str,
        variables: Mapping[str, JsonValue],
        *,
        business_key: str | None,
        idempotency_key: str | None,
        context: SecurityContext,
    ) -> UUID:
        return self._start(work, _Start(ref, start_event_id, variables, business_key, idempotency_key), context)

    def _start(self, work: UnitOfWork, start: _Start, context: SecurityContext) -> UUID:
        ref, key = start.ref, start.idempotency_key
        require(context, Permission.EXECUTE, Resource(kind=f"process {ref.process_id}", tenant_id=context.tenant_id))
        if key is not None:
            work.lock(f"idempotency:{context.tenant_id}:{key}")
            known = Instances(work).with_idempotency_key(context.tenant_id, key)
            if known is not None:
                return self._replayed(known, ref.process_id, key)
        row = InstanceRow(
            process_instance_id=new_id(),
            process_definition_id=ref.process_definition_id,
            process_id=ref.process_id,
            pinned_definitions=self.library.pin(work, ref),
            start_event_id=start.start_event_id,
            tenant_id=context.tenant_id,
            business_key=start.business_key,
            idempotency_key=key,
            started_by=context,
            definition_sha256=ref.sha256,
        )
        compiled = self.library.compiled(work, row.process_definition_id, row.pinned_definitions, row.start_event_id)
        document = StepDocument(row, is_start=True)
        document.add_event("process.started", {"process_id": ref.process_id, "started_by": context.user_id})
        document.add_leaf("process.started", {}, context)
        tree = ProcessTree.begin(compiled, row.process_instance_id, dict(start.variables), new_id)
        finish_step(Step(document, tree, work), context)
        return row.process_instance_id

    def _replayed(self, known: InstanceRow, process_id: str, idempotency_key: str) -> UUID:
        if known.process_id != process_id:
            raise IdempotencyConflictError(idempotency_key=idempotency_key)
        return known.process_instance_id


def _require_read(context: SecurityContext) -> None:
    require(context, Permission.READ, Resource(kind="process instances", tenant_id=context.tenant_id))


def _readable(work: UnitOfWork, process_instance_id: UUID, context: SecurityContext) -> InstanceRow:
    _require_read(context)
    row = Instances(work).read(process_instance_id, context.tenant_id)
    if row is None:
        raise UnknownInstanceError(process_instance_id=process_instance_id)
    return row


def require_running(row: InstanceRow) -> None:
    """Return if an instance runs.

    Raises:
        InstanceNotActiveError: It is suspended or over.
    """
    if row.status is not InstanceStatus.RUNNING:
        raise InstanceNotActiveError(process_instance_id=row.process_instance_id, status=row.status.value)
