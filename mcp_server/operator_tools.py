"""The operator's tools: see instances and incidents, and set right what its diagram cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from mcp.types import ToolAnnotations
from pydantic import Field

from engine import InstanceSelection, InstanceStatus, TokenMove, expected_by_instance
from handlers.incidents import RetryRequest, retry_incident
from handlers.migrations import MigrationRequest, migrate_instances
from handlers.processes import readable_variables
from mcp_server.answers import (
    IncidentAnswer,
    IncidentsAnswer,
    InstanceAnswer,
    InstancesAnswer,
    MigrationAnswer,
    OperationAnswer,
)
from mcp_server.principals import principal_of
from mcp_server.toolbox import (
    CHANGES,
    READS,
    BusinessKey,
    Ctx,
    IdempotencyKey,
    Limit,
    ProcessId,
    Reason,
    Toolbox,
    WaitSeconds,
    record_call,
)
from storage import SecurityContext
from storage.models import JsonObject

Version = Annotated[int, Field(ge=1)]


class OperatorTools(Toolbox):
    """Running instances, for operators."""

    def tools(self) -> Iterable[tuple[Callable[..., Any], ToolAnnotations]]:
        """See `Toolbox.tools`."""
        return (
            (self.list_instances, READS),
            (self.get_instance, READS),
            (self.list_incidents, READS),
            (self.retry_incident, CHANGES),
            (self.set_variables, CHANGES),
            (self.move_token, CHANGES),
            (self.migrate_instances, CHANGES),
        )

    def list_instances(
        self,
        ctx: Ctx,
        *,
        process_id: ProcessId | None = None,
        business_key: BusinessKey | None = None,
        statuses: list[InstanceStatus] | None = None,
        before: UUID | None = None,
        limit: Limit = 50,
    ) -> InstancesAnswer:
        """List process instances, the newest first.

        For the next page repeat the call with the last process_instance_id as before.
        """
        context = principal_of(ctx)
        chosen = None if statuses is None else tuple(statuses)
        selection = InstanceSelection(process_id, business_key, chosen, before, limit)
        with self._services.storage.transaction(context.tenant_id) as work:
            instances = self._services.engine.list_instances(work, selection, context=context)
            audit_ref = record_call(work, "list_instances", "process_instances", context)
        return InstancesAnswer(audit_ref=audit_ref, instances=tuple(instances))

    def get_instance(self, process_instance_id: UUID, ctx: Ctx) -> InstanceAnswer:
        """Return a process instance: its steps with durations, variables, incident, and all that it waits for.

        variables is null where they are about a restricted record that is not granted to you.
        """
        context, engine = principal_of(ctx), self._services.engine
        with self._services.storage.transaction(context.tenant_id) as work:
            instance = engine.describe(work, process_instance_id, context=context)
            variables = readable_variables(self._services, work, instance, context=context)
            expected = expected_by_instance(work, process_instance_id, context=context)
            audit_ref = record_call(work, "get_instance", f"process_instance/{process_instance_id}", context)
        return InstanceAnswer(
            audit_ref=audit_ref, instance=instance, variables=variables, expected_events=tuple(expected)
        )

    def list_incidents(self, ctx: Ctx, limit: Limit = 100) -> IncidentsAnswer:
        """List unresolved incidents, oldest first: where a process instance stopped, and why."""
        context = principal_of(ctx)
        with self._services.storage.transaction(context.tenant_id) as work:
            incidents = self._services.operations.incidents(work, context=context, limit=limit)
            audit_ref = record_call(work, "list_incidents", "incidents", context)
        return IncidentsAnswer(audit_ref=audit_ref, incidents=tuple(incidents))

    async def retry_incident(
        self,
        incident_id: UUID,
        reason: Reason,
        ctx: Ctx,
        *,
        retries: Annotated[int, Field(ge=1, le=100)] = 3,
        keep_result: bool = True,
        wait_seconds: WaitSeconds = 20,
        idempotency_key: IdempotencyKey | None = None,
    ) -> IncidentAnswer:
        """Try again what an incident stopped at, once its cause is mended; waits up to wait_seconds for the outcome.

        status tells it: resolved; open, with the new error as code and message; or retrying, where the attempts still
        go on: then look with learning.list_incidents. keep_result false runs the handler anew where only the step after
        it had failed.
        """
        context = principal_of(ctx)
        request = RetryRequest(incident_id, reason, retries, keep_result, idempotency_key)
        return await self._waiting.run(context, partial(self._retry_incident, request, wait_seconds, context))

    def _retry_incident(self, request: RetryRequest, wait_seconds: float, context: SecurityContext) -> IncidentAnswer:
        incident = retry_incident(self._services, request, wait_seconds, context=context)
        audit_ref = self._audited("retry_incident", f"incident/{request.incident_id}", context)
        return IncidentAnswer(audit_ref=audit_ref, incident=incident)

    def set_variables(
        self,
        process_instance_id: UUID,
        variables: JsonObject,
        reason: Reason,
        ctx: Ctx,
        *,
        idempotency_key: IdempotencyKey | None = None,
    ) -> OperationAnswer:
        """Write variables of a process instance; those that are not named stay. Needs an administrator.

        Jobs and user tasks that wait keep the inputs that they have. The reason goes on the record.
        """
        context, key = principal_of(ctx), idempotency_key
        with self._services.storage.transaction(context.tenant_id) as work:
            result = self._services.operations.set_variables(
                work, process_instance_id, variables, reason=reason, context=context, idempotency_key=key
            )
        return OperationAnswer.model_validate(result.model_dump())

    def move_token(
        self,
        process_instance_id: UUID,
        element_id: str,
        to_element_id: str,
        reason: Reason,
        ctx: Ctx,
        *,
        task_id: UUID | None = None,
        idempotency_key: IdempotencyKey | None = None,
    ) -> OperationAnswer:
        """Withdraw a token that waits at element_id, and let one arrive at to_element_id of the same process.

        What waits at the first (job, user task, timer) is withdrawn. task_id chooses among several tokens there. Needs
        an administrator whom no user task at that place excludes; the reason goes on the record.
        """
        context, key = principal_of(ctx), idempotency_key
        move = TokenMove(element_id=element_id, to_element_id=to_element_id, task_id=task_id)
        with self._services.storage.transaction(context.tenant_id) as work:
            result = self._services.operations.move_token(
                work, process_instance_id, move, reason=reason, context=context, idempotency_key=key
            )
        return OperationAnswer.model_validate(result.model_dump())

    async def migrate_instances(
        self,
        process_id: ProcessId,
        from_version: Version,
        ctx: Ctx,
        *,
        to_version: Version | None = None,
        mapping: dict[str, str] | None = None,
        dry_run: bool = True,
        reason: Reason | None = None,
        after: UUID | None = None,
        limit: Limit = 100,
    ) -> MigrationAnswer:
        """Let the live instances of one version of a process go over to another, the newest unless to_version is given.

        Call it first as it is: a dry run changes nothing, and says of each instance why it cannot go over, if it
        cannot. Then with dry_run false and a reason; each instance goes over for itself, those that cannot stay as they
        are. mapping names elements with another id in the new version, old to new. The oldest instances come first;
        while next_after is given, repeat the call with it as after. Needs an administrator.
        """
        context = principal_of(ctx)
        request = MigrationRequest(
            process_id=process_id,
            from_version=from_version,
            to_version=to_version,
            mapping=mapping or {},
            dry_run=dry_run,
            reason=reason,
            after=after,
            limit=limit,
        )
        return await self._waiting.run(context, partial(self._migrate_instances, request, context))

    def _migrate_instances(self, request: MigrationRequest, context: SecurityContext) -> MigrationAnswer:
        report = migrate_instances(self._services, request, context=context)
        audit_ref = self._audited("migrate_instances", f"process/{request.process_id}", context)
        return MigrationAnswer(audit_ref=audit_ref, **report.model_dump())
