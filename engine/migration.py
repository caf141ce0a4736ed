"""Migration: a running instance goes over to another version of its own process.

Tasks keep their ids, and with them their timers, drafts, jobs, leases and subscriptions. What an open user task shows,
who may do it and what a job was given stay as they were; the new version says what comes next. Called processes keep
the versions that were pinned when the instance started; one that was not called before comes in its newest version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine.bpmn import UserTask, is_decision_key, process_of
from engine.discretion import WITHHELD, Discretion
from engine.engine import Engine
from engine.errors import (
    CorruptStateError,
    InstanceNotActiveError,
    MigrationInvalidError,
    UnknownDefinitionError,
    UnknownInstanceError,
)
from engine.execution import append_event, audit_transition
from engine.migration_rules import Change, LiveElement, obstacles
from engine.persistence import DefinitionRef, Definitions, InstanceRow, Instances
from engine.persistence.migrations import write_migration
from engine.requests import Request, fulfil_once, require_reason
from engine.spiff import ProcessTree, TaskRow, TreeState
from storage import SecurityContext, Storage, UnitOfWork
from storage.access import Resource, require
from storage.identifiers import new_id
from storage.models import Permission

_KIND = "process.migrated"
_NOTHING: Mapping[str, str] = {}


class Verdict(BaseModel):
    """Whether an instance can go over; without reasons it can, or has."""

    model_config = ConfigDict(frozen=True)

    process_instance_id: UUID
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Target:
    ref: DefinitionRef
    renamed: Mapping[str, str]


class Migrations:
    """Migration of the instances of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def live_instances(
        self,
        work: UnitOfWork,
        definition_id: UUID,
        *,
        context: SecurityContext,
        after: UUID | None = None,
        limit: int | None = None,
    ) -> list[UUID]:
        """Return the tenant's instances of a definition that are not over, oldest first; needs READ.

        Args:
            work: Only read from.
            definition_id: Their definition.
            context: Whose tenant.
            after: Only instances that are younger than this one.
            limit: How many at most.
        """
        _require(context, Permission.READ)
        return Instances(work).of_process(definition_id, context.tenant_id, after=after, limit=limit)

    def plan(
        self,
        work: UnitOfWork,
        from_definition_id: UUID,
        to_definition_id: UUID,
        mapping: Mapping[str, str] = _NOTHING,
        *,
        context: SecurityContext,
        after: UUID | None = None,
        limit: int | None = None,
    ) -> tuple[Verdict, ...]:
        """Return, for each live instance of a definition, whether it could go over now; change nothing.

        Args:
            work: Only read from.
            from_definition_id: Whose instances of the principal's tenant are looked at.
            to_definition_id: Another version of the same process.
            mapping: Old element id to new, for elements that have another id in the new version.
            context: Needs READ.
            after: As `live_instances`.
            limit: As `live_instances`.

        Raises:
            AccessDeniedError: No READ permission.
            UnknownDefinitionError: A definition is not deployed.
            MigrationInvalidError: The two cannot be versions of one process, or the mapping does not fit them.
        """
        live = self.live_instances(work, from_definition_id, context=context, after=after, limit=limit)
        target = self._target(work, from_definition_id, to_definition_id, mapping)
        rows = (Instances(work).read(instance, context.tenant_id) for instance in live)
        withheld = Discretion(work, context).withheld(live, Permission.ADMIN)
        return tuple(
            _withheld(row) if row.process_instance_id in withheld else self._judge(work, row, target)[0]
            for row in rows
            if row is not None
        )

    def migrate(
        self,
        work: UnitOfWork,
        process_instance_id: UUID,
        to_definition_id: UUID,
        mapping: Mapping[str, str] = _NOTHING,
        *,
        reason: str,
        context: SecurityContext,
        idempotency_key: str | None = None,
    ) -> Verdict:
        """Let an instance, suspended or not, go over to another version; one that cannot is left untouched.

        Repeated under its key a migration changes nothing; a refusal is not kept, and can be asked for again.

        Raises:
            AccessDeniedError: No ADMIN permission.
            ReasonInvalidError: No reason, or one that is too long.
            IdempotencyConflictError: The key was used for something else.
            UnknownInstanceError: There is none in the principal's tenant.
            InstanceNotActiveError: It is over.
            UnknownDefinitionError, MigrationInvalidError: As `plan`.
        """
        _require(context, Permission.ADMIN)
        require_reason(reason)
        arguments: dict[str, JsonValue] = {"reason": reason, "to": str(to_definition_id), "mapping": dict(mapping)}
        request = Request(_KIND, str(process_instance_id), arguments, context, idempotency_key)

        def act() -> Verdict:
            row = _locked(work, process_instance_id, context)
            target = self._target(work, row.process_definition_id, to_definition_id, mapping)
            if Discretion(work, context).is_withheld(process_instance_id, Permission.ADMIN):
                return _withheld(row)
            verdict, migrated = self._judge(work, row, target)
            if not verdict.reasons:
                write_migration(work, migrated, target.renamed)
                self._engine.instances.take(process_instance_id)
                _record(work, row, target, reason, context)
            return verdict

        return fulfil_once(work, request, Verdict, act, is_final=lambda verdict: not verdict.reasons)

    def migrate_all(
        self,
        storage: Storage,
        from_definition_id: UUID,
        to_definition_id: UUID,
        mapping: Mapping[str, str] = _NOTHING,
        *,
        reason: str,
        context: SecurityContext,
        after: UUID | None = None,
        limit: int | None = None,
    ) -> Iterator[Verdict]:
        """Migrate the live instances of a definition, each in a transaction of its own; yield what came of each.

        `after` and `limit` are those of `live_instances`.

        Stopped half-way it can be called again: what has gone over is an instance of the new definition.
        Raises as `migrate`, when the first verdict is asked for; an instance that has ended meanwhile is left out.
        """
        _require(context, Permission.ADMIN)
        with storage.transaction(context.tenant_id) as work:
            self._target(work, from_definition_id, to_definition_id, mapping)
            instances = self.live_instances(work, from_definition_id, context=context, after=after, limit=limit)
        for instance in instances:
            verdict: Verdict | None = None
            try:
                with storage.transaction(context.tenant_id) as work:
                    if _locked(work, instance, context).process_definition_id == from_definition_id:
                        verdict = self.migrate(
                            work, instance, to_definition_id, mapping, reason=reason, context=context
                        )
            except InstanceNotActiveError:
                continue
            if verdict is not None:
                yield verdict

    def _target(self, work: UnitOfWork, from_id: UUID, to_id: UUID, mapping: Mapping[str, str]) -> _Target:
        old, new = _definition(work, from_id), _definition(work, to_id)
        if old.process_id != new.process_id:
            raise MigrationInvalidError(reason=f"{old.process_id} and {new.process_id} are different processes")
        if from_id == to_id:
            raise MigrationInvalidError(reason="that is the definition that is left")
        library = self._engine.library
        old_nodes = library.model(work, from_id, old.process_id).nodes.keys()
        new_nodes = library.model(work, to_id, new.process_id).nodes.keys()
        for old_name, new_name in mapping.items():
            if old_name not in old_nodes or new_name not in new_nodes:
                missing = old_name if old_name not in old_nodes else new_name
                raise MigrationInvalidError(reason=f"the mapping names {missing}, which is not there")
        # An element that keeps its id, and is there in both, counts as mapped to itself.
        taken = [mapping.get(name, name) for name in old_nodes if name in mapping or name in new_nodes]
        if len(set(taken)) < len(taken):
            raise MigrationInvalidError(reason="two elements would become the same one")
        return _Target(new, {name: to for name, to in mapping.items() if name != to})

    def _judge(self, work: UnitOfWork, row: InstanceRow, target: _Target) -> tuple[Verdict, InstanceRow]:
        """Return whether an instance can go over, and its row as it would be then."""
        migrated = self._migrated(work, row, target)
        try:
            reasons = tuple(self._reasons(work, row, migrated, target))
        except CorruptStateError as error:
            reasons = (str(error),)
        return Verdict(process_instance_id=row.process_instance_id, reasons=reasons), migrated

    def _migrated(self, work: UnitOfWork, row: InstanceRow, target: _Target) -> InstanceRow:
        """Return the row of an instance with its new definition."""
        pinned = self._engine.library.pin(work, target.ref) | row.pinned_definitions
        pinned[row.process_id] = target.ref.process_definition_id
        update = {
            "process_definition_id": target.ref.process_definition_id,
            "definition_sha256": target.ref.sha256,
            "pinned_definitions": pinned,
            "start_event_id": target.renamed.get(row.start_event_id, row.start_event_id),
        }
        return row.model_copy(update=update)

    def _reasons(self, work: UnitOfWork, row: InstanceRow, migrated: InstanceRow, target: _Target) -> Iterable[str]:
        library, state = self._engine.library, Instances(work).state(row)
        old = library.model(work, row.process_definition_id, row.process_id)
        new = library.model(work, migrated.process_definition_id, row.process_id)
        change = Change(old, new, target.renamed, row.start_event_id)
        before = library.compiled(work, row.process_definition_id, row.pinned_definitions, row.start_event_id)
        ProcessTree.load(before, state, new_id)  # the rules need rows of the old definition
        own = [task for task in state.tasks if task.process_id == row.process_id and ":" in task.spec]
        if any(task.is_record for task in state.tasks):
            return ["what has completed in it can still be compensated"]
        reasons = [*obstacles(change, map(_live, own)), *self._duties(work, migrated, target)]
        if not reasons:
            after = library.compiled(
                work, migrated.process_definition_id, migrated.pinned_definitions, migrated.start_event_id
            )
            ProcessTree.load(after, _renamed(state, migrated.process_id, target.renamed), new_id)
        return reasons

    def _duties(self, work: UnitOfWork, migrated: InstanceRow, target: _Target) -> Iterator[str]:
        """Refuse new names for elements whose performers a called process excludes by their old names."""
        for key, ref_id in migrated.pinned_definitions.items():
            if key == migrated.process_id or is_decision_key(key):
                continue
            for node in self._engine.library.model(work, ref_id, process_of(key)).nodes.values():
                if isinstance(node, UserTask) and target.renamed.keys() & set(node.excluded):
                    yield f"{node.id} of {process_of(key)} excludes the performers of an element by its old name"


def _withheld(row: InstanceRow) -> Verdict:
    return Verdict(process_instance_id=row.process_instance_id, reasons=(WITHHELD,))


def _locked(work: UnitOfWork, process_instance_id: UUID, context: SecurityContext) -> InstanceRow:
    instances = Instances(work)
    if instances.read(process_instance_id, context.tenant_id) is not None:
        instances.lock(process_instance_id)
    row = instances.read(process_instance_id, context.tenant_id)
    if row is None:
        raise UnknownInstanceError(process_instance_id=process_instance_id)
    if row.is_over:
        raise InstanceNotActiveError(process_instance_id=process_instance_id, status=row.status.value)
    return row


def _definition(work: UnitOfWork, process_definition_id: UUID) -> DefinitionRef:
    found = Definitions(work).by_id([process_definition_id])
    if not found:
        raise UnknownDefinitionError(process_definition_id=process_definition_id)
    return found[0]


def _live(task: TaskRow) -> LiveElement:
    arrived: Any = task.internal.get("arrived", ())
    # A token that somebody moved to a join came by no flow.
    flows = frozenset(flow for flow in arrived if not flow.startswith("moved "))
    return LiveElement(task.spec.partition(":")[2], flows)


def _renamed(state: TreeState, process_id: str, renamed: Mapping[str, str]) -> TreeState:
    def task_row(task: TaskRow) -> TaskRow:
        kind, _, element_id = task.spec.partition(":")
        if task.process_id != process_id or element_id not in renamed:
            return task
        return replace(task, spec=f"{kind}:{renamed[element_id]}")

    return replace(state, tasks=tuple(map(task_row, state.tasks)))


def _record(work: UnitOfWork, row: InstanceRow, target: _Target, reason: str, context: SecurityContext) -> None:
    payload: dict[str, JsonValue] = {
        "reason": reason,
        "by": context.user_id,
        "from_definition_id": str(row.process_definition_id),
        "to_definition_id": str(target.ref.process_definition_id),
    }
    append_event(work, row, _KIND, payload)
    audit_transition(work, row, _KIND, {**payload, "mapping": dict(target.renamed)}, context)


def _require(context: SecurityContext, permission: Permission) -> None:
    require(context, permission, Resource(kind="process instances", tenant_id=context.tenant_id))
