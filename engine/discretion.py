"""Discretion: an instance is about the restricted records that it names, and what is about them takes their grants.

An instance names a record where the record's id stands in its business key, its variables, its jobs, its user tasks or
its incidents. What it knows is told to those who may read every restricted record among these, and changed by those who
hold on each of them the permission that the change itself needs.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import JsonValue

from engine.persistence import Instances, UserTaskRow
from storage import Resource, SecurityContext, UnitOfWork
from storage.audit import denial_entry
from storage.errors import RecordNotFoundError, RecordNotGrantedError
from storage.models import Permission
from storage.withheld import ids_named

WITHHELD = "It is about a restricted record that is not granted to you."
"""Stands where a text is withheld."""

_ABOUT = "it is about"


@dataclass(frozen=True)
class Confidence:
    """How far a principal is trusted with some instances.

    Attributes:
        unreadable: Those that are about a record which the principal may not read.
        untouchable: Those that are about a record on which the principal holds no EXECUTE.
    """

    unreadable: frozenset[UUID]
    untouchable: frozenset[UUID]

    def refusal(self, task: UserTaskRow, context: SecurityContext) -> RecordNotGrantedError | None:
        """Return why a principal may not act on a user task, as far as records decide that."""
        if task.process_instance_id not in self.untouchable:
            return None
        return _not_granted(Permission.EXECUTE, _named_instance(task.process_instance_id), _ABOUT, context)


class Discretion:
    """What one principal may be told of process instances, and do with them, on one transaction."""

    def __init__(self, work: UnitOfWork, context: SecurityContext) -> None:
        self._work = work
        self._context = context

    def withheld(
        self, process_instance_ids: Collection[UUID], permission: Permission = Permission.READ
    ) -> frozenset[UUID]:
        """Return those of the instances that are about a record on which the principal lacks the permission.

        For lists: nothing goes on the record.
        """
        return self._withheld(*self._named(process_instance_ids), permission)

    def confidence(self, process_instance_ids: Collection[UUID]) -> Confidence:
        """Return how far the principal is trusted with instances; nothing goes on the record."""
        named, records = self._named(process_instance_ids)
        unreadable, untouchable = (
            self._withheld(named, records, permission) for permission in (Permission.READ, Permission.EXECUTE)
        )
        return Confidence(unreadable=unreadable, untouchable=untouchable)

    def is_withheld(self, process_instance_id: UUID, permission: Permission = Permission.READ) -> bool:
        """Return the same of one instance; the denials go on the record."""
        return bool(self._refused(process_instance_id, permission))

    def names_withheld(self, values: Mapping[str, JsonValue]) -> bool:
        """Return whether values name a record that the principal may not read; nothing goes on the record."""
        records = self._records(ids_named(json.dumps(dict(values))))
        return not all(self._may(Permission.READ, record) for record in records.values())

    def require(self, process_instance_id: UUID, permission: Permission) -> None:
        """Return if the principal holds the permission on every restricted record that the instance is about.

        Raises:
            RecordNotGrantedError: Not so; the denials go on the record.
        """
        if self._refused(process_instance_id, permission):
            raise _not_granted(permission, _named_instance(process_instance_id), _ABOUT, self._context)

    def require_named(self, values: Mapping[str, JsonValue], permission: Permission, *, key: str | None = None) -> None:
        """Return if the principal holds the permission on every restricted record that values, or a key, name.

        An instance acts for who started it. Whoever hands it values could else let it act on what is kept from them.

        Raises:
            RecordNotFoundError: One that the principal may not know of; the denial goes on the record.
            RecordNotGrantedError: One that the principal may know of and not use so; the denial goes on the record.
        """
        ids = ids_named(json.dumps([key, dict(values)]))
        for record_id, record in self._records(ids).items():
            if self._may(permission, record):
                continue
            self._note(permission, record)
            if not self._may(Permission.READ, record):
                raise RecordNotFoundError(model=record.kind, record_id=record_id)
            raise _not_granted(permission, record.name, "it is", self._context)

    def _withheld(
        self, named: Mapping[UUID, frozenset[UUID]], records: Mapping[UUID, Resource], permission: Permission
    ) -> frozenset[UUID]:
        refused = {record_id for record_id, record in records.items() if not self._may(permission, record)}
        return frozenset(instance for instance, ids in named.items() if ids & refused)

    def _refused(self, process_instance_id: UUID, permission: Permission) -> list[Resource]:
        """Return the records that the instance is about on which the principal lacks a permission, and note that."""
        _, records = self._named([process_instance_id])
        refused = [record for record in records.values() if not self._may(permission, record)]
        for record in refused:
            self._note(permission, record)
        return refused

    def _named(
        self, process_instance_ids: Collection[UUID]
    ) -> tuple[Mapping[UUID, frozenset[UUID]], Mapping[UUID, Resource]]:
        """Return the ids that instances name, and which of these are restricted records."""
        if not process_instance_ids or not self._work.has_restricted_records(context=self._context):
            return {}, {}
        named = Instances(self._work).ids_named(process_instance_ids, self._context.tenant_id)
        every_id: frozenset[UUID] = frozenset().union(*named.values())
        return named, self._work.restricted_records(every_id, context=self._context)

    def _records(self, ids: Collection[UUID]) -> Mapping[UUID, Resource]:
        if not ids or not self._work.has_restricted_records(context=self._context):
            return {}
        return self._work.restricted_records(ids, context=self._context)

    def _may(self, permission: Permission, record: Resource) -> bool:
        return self._work.decide(permission, record, context=self._context).allowed

    def _note(self, permission: Permission, record: Resource) -> None:
        reason = self._work.decide(permission, record, context=self._context).reason
        self._work.audit.deny(denial_entry(permission.value, record.name, reason), context=self._context)


def _not_granted(permission: Permission, what: str, how: str, context: SecurityContext) -> RecordNotGrantedError:
    return RecordNotGrantedError(
        user_id=context.user_id,
        permission=permission.value,
        resource=what,
        reason=f"{how} a RESTRICTED record that is not granted to this principal for that",
    )


def _named_instance(process_instance_id: UUID) -> str:
    return f"process instance {process_instance_id}"
