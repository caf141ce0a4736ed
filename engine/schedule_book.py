"""The book of schedules: defining, pausing, resuming and ending them, and reading what became of their fires."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from pydantic import BaseModel, JsonValue

from engine.engine import Engine
from engine.errors import ScheduleEndedError, ScheduleInvalidError, UnknownProcessError, UnknownScheduleError
from engine.persistence.definitions import Definitions
from engine.persistence.schedules import FireSelection, ScheduleFire, ScheduleRow, Schedules, ScheduleStatus
from engine.requests import Request, fulfil_once
from engine.schedule_audit import audit_schedule
from engine.schedule_definition import ScheduleDefinition
from storage import SecurityContext, UnitOfWork
from storage.access import Resource, require
from storage.identifiers import new_id
from storage.json_documents import jsonb_text
from storage.models import Permission


class _Defined(BaseModel):
    schedule_id: UUID


class ScheduleBook:
    """The schedules of one engine; a `Scheduler` fires them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def define(
        self,
        work: UnitOfWork,
        process_id: str,
        variables: Mapping[str, JsonValue],
        definition: ScheduleDefinition,
        *,
        context: SecurityContext,
        activate: bool = True,
        idempotency_key: str | None = None,
    ) -> UUID:
        """Schedule starts of the newest version of a process; return the schedule's id.

        Args:
            work: The schedule fires once this transaction has committed.
            process_id: Looked up again at every fire.
            variables: Given to every instance.
            definition: When it starts.
            context: Every instance is started as this principal.
            activate: Otherwise it is paused from the beginning.
            idempotency_key: Under a known one, the schedule that was defined under it is returned.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownProcessError: It is not deployed, or has no start event without a trigger.
            ScheduleInvalidError: It would never start anything.
            IdempotencyConflictError: The key was used for something else.
        """
        self._require_startable(work, process_id, context)
        arguments: dict[str, JsonValue] = {
            "variables": dict(variables),
            "definition": definition.model_dump(mode="json"),
            "activate": activate,
            "started_by": context.user_id,
        }
        jsonb_text(arguments, model="schedule")
        request = Request("schedule.defined", process_id, arguments, context, idempotency_key)

        def act() -> _Defined:
            schedule_id = self._insert(work, process_id, variables, definition, context)
            if not activate:
                self.pause(work, schedule_id, context=context)
            return _Defined(schedule_id=schedule_id)

        return fulfil_once(work, request, _Defined, act).schedule_id

    def _insert(
        self,
        work: UnitOfWork,
        process_id: str,
        variables: Mapping[str, JsonValue],
        definition: ScheduleDefinition,
        context: SecurityContext,
    ) -> UUID:
        first_fire_at = definition.first_fire(work.now)
        if first_fire_at is None:
            raise ScheduleInvalidError(reason="it has no fire while it is active")
        if definition.window is not None and definition.window.next_opening(first_fire_at) is None:
            raise ScheduleInvalidError(reason="its execution window does not open after its first fire")
        row = ScheduleRow(
            schedule_id=new_id(),
            tenant_id=context.tenant_id,
            process_id=process_id,
            variables=dict(variables),
            definition=definition,
            anchor_at=work.now,
            next_fire_at=first_fire_at,
            due_at=first_fire_at,
            started_by=context,
        )
        Schedules(work).insert(row)
        facts: dict[str, JsonValue] = {
            "process_id": process_id,
            "definition": definition.model_dump(mode="json", exclude_defaults=True),
        }
        audit_schedule(work, "schedule.defined", row.schedule_id, facts, context)
        return row.schedule_id

    def pause(self, work: UnitOfWork, schedule_id: UUID, *, context: SecurityContext) -> None:
        """Let a schedule fire no more until it is resumed; what it has started runs on.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownScheduleError: There is none in the principal's tenant.
            ScheduleEndedError: It fires no more anyway.
        """
        row = self._lock_living(work, schedule_id, context)
        if row.status is ScheduleStatus.ACTIVE:
            Schedules(work).set_status(schedule_id, ScheduleStatus.PAUSED)
            audit_schedule(work, "schedule.paused", schedule_id, {}, context)

    def resume(self, work: UnitOfWork, schedule_id: UUID, *, context: SecurityContext) -> None:
        """Let a paused schedule fire again, at its times from now on; those of the pause are not made up.

        A schedule whose last fire fell into the pause ends.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownScheduleError: There is none in the principal's tenant.
            ScheduleEndedError: It fires no more.
        """
        row = self._lock_living(work, schedule_id, context)
        if row.status is ScheduleStatus.PAUSED:
            next_fire_at = row.definition.fire_after(work.now, row.anchor_at)
            status = ScheduleStatus.ENDED if next_fire_at is None else ScheduleStatus.ACTIVE
            Schedules(work).set_status(schedule_id, status, next_fire_at)
            audit_schedule(work, "schedule.resumed", schedule_id, {"status": status.value}, context)

    def deactivate(self, work: UnitOfWork, schedule_id: UUID, *, context: SecurityContext) -> None:
        """Let a schedule fire no more, for good; what it has started runs on.

        Raises:
            AccessDeniedError: No EXECUTE permission.
            UnknownScheduleError: There is none in the principal's tenant.
        """
        if self._lock(work, schedule_id, context).status is not ScheduleStatus.ENDED:
            Schedules(work).set_status(schedule_id, ScheduleStatus.ENDED)
            audit_schedule(work, "schedule.deactivated", schedule_id, {}, context)

    def schedules(
        self, work: UnitOfWork, *, context: SecurityContext, process_id: str | None = None
    ) -> list[ScheduleRow]:
        """Return the tenant's schedules, oldest first.

        Raises:
            AccessDeniedError: No READ permission.
        """
        _require(context, Permission.READ)
        return Schedules(work).of_tenant(context.tenant_id, process_id)

    def read(self, work: UnitOfWork, schedule_id: UUID, *, context: SecurityContext) -> ScheduleRow:
        """Return a schedule.

        Raises:
            AccessDeniedError: No READ permission.
            UnknownScheduleError: There is none in the principal's tenant.
        """
        _require(context, Permission.READ)
        row = Schedules(work).read(schedule_id, context.tenant_id)
        if row is None:
            raise UnknownScheduleError(schedule_id=schedule_id)
        return row

    def fires(self, work: UnitOfWork, selection: FireSelection, *, context: SecurityContext) -> list[ScheduleFire]:
        """Return what became of fires of the tenant's schedules, the latest first.

        Raises:
            AccessDeniedError: No READ permission.
        """
        _require(context, Permission.READ)
        return Schedules(work).fires(context.tenant_id, selection)

    def _lock(self, work: UnitOfWork, schedule_id: UUID, context: SecurityContext) -> ScheduleRow:
        _require(context, Permission.EXECUTE)
        row = Schedules(work).lock(schedule_id, context.tenant_id)
        if row is None:
            raise UnknownScheduleError(schedule_id=schedule_id)
        return row

    def _lock_living(self, work: UnitOfWork, schedule_id: UUID, context: SecurityContext) -> ScheduleRow:
        row = self._lock(work, schedule_id, context)
        if row.status is ScheduleStatus.ENDED:
            raise ScheduleEndedError(schedule_id=schedule_id)
        return row

    def _require_startable(self, work: UnitOfWork, process_id: str, context: SecurityContext) -> None:
        require(context, Permission.EXECUTE, Resource(kind=f"process {process_id}", tenant_id=context.tenant_id))
        definitions = Definitions(work)
        ref = definitions.newest(process_id)
        if ref is None:
            known = tuple(known.process_id for known in definitions.all_newest())
            raise UnknownProcessError(process_id=process_id, known=known)
        if self._engine.library.model(work, ref.process_definition_id, process_id).none_start_event() is None:
            raise UnknownProcessError(process_id=process_id)


def _require(context: SecurityContext, permission: Permission) -> None:
    require(context, permission, Resource(kind="schedules", tenant_id=context.tenant_id))
