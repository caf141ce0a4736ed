"""The scheduler's tools: define, start, tell, pause, resume and cancel processes, and see how they do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from mcp.types import ToolAnnotations
from pydantic import Field

from engine import ScheduleDefinition, ScheduleStatus, process_statistics
from handlers.event_gateway import EventTrigger
from handlers.process_starts import ProcessDefinition, ProcessPayload, StartRequest, define_process, start_process
from handlers.schedules import EventQuery, EventState, list_schedules, scheduled_events, set_schedule_status
from mcp_server.answers import (
    DefinedProcessAnswer,
    OperationAnswer,
    ProcessMetricsAnswer,
    ScheduleAnswer,
    ScheduledEventsAnswer,
    SchedulesAnswer,
    StartedProcessAnswer,
    TriggerAnswer,
)
from mcp_server.principals import principal_of
from mcp_server.toolbox import (
    CHANGES,
    CREATES,
    DECIDES,
    READS,
    BusinessKey,
    Ctx,
    IdempotencyKey,
    Limit,
    ProcessId,
    Reason,
    Toolbox,
    record_call,
)
from storage.models import JsonObject

TimeWindow = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=366))]


class SchedulerTools(Toolbox):
    """Processes and their schedules, for those who run them."""

    prefix = "scheduler_"

    def tools(self) -> Iterable[tuple[Callable[..., Any], ToolAnnotations]]:
        """See `Toolbox.tools`."""
        return (
            (self.define_process, CREATES),
            (self.start_instance, CREATES),
            (self.trigger_event, CREATES),
            (self.pause_instance, CHANGES),
            (self.resume_instance, CHANGES),
            (self.cancel_instance, CHANGES),
            (self.get_metrics, READS),
            (self.list_events, READS),
            (self.list_schedules, READS),
            (self.set_schedule_status, DECIDES),
        )

    def define_process(
        self,
        process_payload: ProcessPayload,
        ctx: Ctx,
        *,
        schedule_definition: ScheduleDefinition | None = None,
        activate: bool = True,
        idempotency_key: IdempotencyKey | None = None,
    ) -> DefinedProcessAnswer:
        """Deploy a process diagram, schedule a process, or both at once.

        process_payload: process_id; bpmn_xml to deploy its diagram as the newest version (needs an administrator; a
        diagram that cannot run as drawn is refused with every finding), and dmn_xml for the decisions that it asks;
        variables for the instances that the schedule
        starts. schedule_definition, e.g. {"trigger": {"kind": "cron", "line": "0 2 * * *", "time_zone": "UTC"}}; kinds
        are cron, interval ({"every": "PT1H"}) and date ({"at": ...}). With activate false the schedule is paused until
        scheduler_set_schedule_status. The same diagram is the same version; with an idempotency_key, repeating the call
        defines one schedule.
        """
        definition = ProcessDefinition(payload=process_payload, schedule=schedule_definition, activate=activate)
        defined = define_process(self._services, definition, idempotency_key, context=principal_of(ctx))
        return DefinedProcessAnswer.model_validate(defined.model_dump())

    def start_instance(
        self,
        process_id: ProcessId,
        ctx: Ctx,
        *,
        business_key: BusinessKey | None = None,
        variables: JsonObject | None = None,
        idempotency_key: IdempotencyKey | None = None,
    ) -> StartedProcessAnswer:
        """Start the newest version of a process by its id, with variables; returns at once.

        business_key names the instance in your own terms. With an idempotency_key, repeating the call returns the same
        instance. A process that others call needs an administrator. Look at it with learning.get_instance.
        """
        request = StartRequest(process_id=process_id, business_key=business_key, variables=variables or {})
        started = start_process(self._services, request, idempotency_key, context=principal_of(ctx))
        return StartedProcessAnswer.model_validate(started.model_dump())

    def trigger_event(
        self,
        event_type: str,
        ctx: Ctx,
        *,
        instance_id: UUID | None = None,
        business_key: str | None = None,
        payload: JsonObject | None = None,
        idempotency_key: IdempotencyKey | None = None,
    ) -> TriggerAnswer:
        """Tell processes that something happened: send the message event_type with payload as variables.

        Give instance_id to reach one instance that waits for it now, or business_key: the correlation key under which
        somebody waits, such as an experiment_id or model_id. Then one waiting instance receives it; where none waits,
        it starts every process that begins with it; else it is kept for a day. outcome says which. Platform events
        bring their key in the payload: experiment.requested {"experiment_id", "parameters"}, drift.detected
        {"model_id", "method", "severity", "details"}, dataset.updated {"dataset_id", "dataset_version_id", "model_id"
        or "experiment_id"}. With an idempotency_key, repeating the call sends it once.
        """
        trigger = EventTrigger(
            event_type=event_type,
            instance_id=instance_id,
            business_key=business_key,
            payload=payload or {},
            idempotency_key=idempotency_key,
        )
        context = principal_of(ctx)
        with self._services.storage.transaction(context.tenant_id) as work:
            published = self._services.events.trigger(work, trigger, context=context)
        return TriggerAnswer.model_validate(published.model_dump())

    def pause_instance(
        self, instance_id: UUID, reason: Reason, ctx: Ctx, *, idempotency_key: IdempotencyKey | None = None
    ) -> OperationAnswer:
        """Let a process instance rest: no job is given out and no user task can be completed until it is resumed.

        A job that runs already may finish; its result waits. Needs an administrator; the reason goes on the record.
        """
        context, key = principal_of(ctx), idempotency_key
        with self._services.storage.transaction(context.tenant_id) as work:
            result = self._services.operations.suspend(
                work, instance_id, reason=reason, context=context, idempotency_key=key
            )
        return OperationAnswer.model_validate(result.model_dump())

    def resume_instance(
        self, instance_id: UUID, reason: Reason, ctx: Ctx, *, idempotency_key: IdempotencyKey | None = None
    ) -> OperationAnswer:
        """Let a paused process instance go on where it rests. Needs an administrator; the reason goes on the record."""
        context, key = principal_of(ctx), idempotency_key
        with self._services.storage.transaction(context.tenant_id) as work:
            result = self._services.operations.resume(
                work, instance_id, reason=reason, context=context, idempotency_key=key
            )
        return OperationAnswer.model_validate(result.model_dump())

    def cancel_instance(
        self,
        instance_id: UUID,
        reason: Reason,
        ctx: Ctx,
        *,
        compensate: bool = False,
        idempotency_key: IdempotencyKey | None = None,
    ) -> OperationAnswer:
        """End a process instance for good: all that waits is withdrawn, and a running job's result is refused.

        With compensate what it has done is undone first as its diagrams say, the last thing first; it runs until that
        is done. Refused where no diagram says how. Needs an administrator; the reason goes on the record.
        """
        context, key = principal_of(ctx), idempotency_key
        with self._services.storage.transaction(context.tenant_id) as work:
            result = self._services.operations.cancel(
                work, instance_id, reason=reason, context=context, compensate=compensate, idempotency_key=key
            )
        return OperationAnswer.model_validate(result.model_dump())

    def get_metrics(
        self, process_id: ProcessId, ctx: Ctx, *, time_window: TimeWindow = timedelta(days=1)
    ) -> ProcessMetricsAnswer:
        """Return how a process went within time_window, an ISO 8601 duration that ends now, such as PT1H or P7D.

        Counts instances, incidents, user tasks and fires of schedules, and how long completed instances took.
        """
        context = principal_of(ctx)
        with self._services.storage.transaction(context.tenant_id) as work:
            counts = process_statistics(work, process_id, time_window, context=context)
            audit_ref = record_call(work, "get_metrics", f"process/{process_id}", context)
        seconds = time_window.total_seconds()
        return ProcessMetricsAnswer(
            audit_ref=audit_ref, process_id=process_id, window_seconds=seconds, **counts.model_dump()
        )

    def list_events(
        self,
        ctx: Ctx,
        *,
        process_id: ProcessId | None = None,
        instance_id: UUID | None = None,
        states: list[EventState] | None = None,
        limit: Limit = 100,
    ) -> ScheduledEventsAnswer:
        """List what is scheduled for, and awaited by, a process or one instance; give process_id or instance_id.

        States: expected (a timer, message or signal that an instance waits for), scheduled (the next fire of a
        schedule), started, skipped, failed (what became of fires). All unless given. What is ahead comes first.
        """
        context = principal_of(ctx)
        query = EventQuery(
            process_id=process_id, instance_id=instance_id, states=tuple(states or EventState), limit=limit
        )
        events = scheduled_events(self._services, query, context=context)
        subject = f"process/{process_id}" if instance_id is None else f"process_instance/{instance_id}"
        return ScheduledEventsAnswer(audit_ref=self._audited("list_events", subject, context), events=events)

    def list_schedules(self, ctx: Ctx, *, process_id: ProcessId | None = None) -> SchedulesAnswer:
        """List schedules, oldest first: when each fires next, and what became of its fires so far."""
        context = principal_of(ctx)
        schedules = list_schedules(self._services, process_id, context=context)
        return SchedulesAnswer(audit_ref=self._audited("list_schedules", "schedules", context), schedules=schedules)

    def set_schedule_status(self, schedule_id: UUID, status: ScheduleStatus, ctx: Ctx) -> ScheduleAnswer:
        """Pause a schedule, make it active again, or end it for good (status ended); what it has started runs on.

        Fires of a pause are not made up. Setting the status that it has changes nothing.
        """
        context = principal_of(ctx)
        schedule = set_schedule_status(self._services, schedule_id, status, context=context)
        audit_ref = self._audited("set_schedule_status", f"schedule/{schedule_id}", context)
        return ScheduleAnswer(
            audit_ref=audit_ref,
            schedule_id=schedule_id,
            status=schedule.status,
            next_fire_at=schedule.next_fire_at,
        )
