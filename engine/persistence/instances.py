"""Process instances: what is said of each in one row, and its live tasks and variables."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError
from sqlalchemy import Row

from engine.errors import CorruptStateError
from engine.persistence.statements import QUERIES
from engine.spiff import TaskRow, TreeState, VariableRow
from storage import SecurityContext, UnitOfWork
from storage.withheld import ID_PATTERN

_TASKS = TypeAdapter(tuple[TaskRow, ...])
_VARIABLES = TypeAdapter(tuple[VariableRow, ...])


class InstanceStatus(StrEnum):
    """Whether an instance runs, needs a person, rests or is over. INCIDENT is a running one with open incidents."""

    RUNNING = "running"
    INCIDENT = "incident"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class InstanceRow(BaseModel):
    """One process instance as stored.

    Attributes:
        pinned_definitions: Definition ids, of the process and of all processes and decisions that it may call, by the
            keys that `engine.bpmn.called_key` and `decision_key` give them.
        version: Grows with every step; a step that was computed from another version is refused.
        positions: How many tasks the instance has had.
        definition_sha256: The digest of its diagram, for the audit trail.
    """

    model_config = ConfigDict(frozen=True)

    process_instance_id: UUID
    process_definition_id: UUID
    process_id: str
    pinned_definitions: dict[str, UUID]
    start_event_id: str
    tenant_id: str
    business_key: str | None
    idempotency_key: str | None
    started_by: SecurityContext
    status: InstanceStatus = InstanceStatus.RUNNING
    version: int = 1
    positions: int = 0
    open_incidents: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    definition_sha256: str | None = None

    @property
    def shown_status(self) -> InstanceStatus:
        """What people are told."""
        has_incident = self.status is InstanceStatus.RUNNING and self.open_incidents > 0
        return InstanceStatus.INCIDENT if has_incident else self.status

    @property
    def is_over(self) -> bool:
        """Whether nothing can happen in it any more."""
        return self.status in {InstanceStatus.COMPLETED, InstanceStatus.CANCELLED}


@dataclass(frozen=True)
class InstanceSelection:
    """Which instances are listed; what is not given does not restrict.

    Attributes:
        statuses: As people are told them.
        before: Only instances that are older.
    """

    process_id: str | None = None
    business_key: str | None = None
    statuses: tuple[InstanceStatus, ...] | None = None
    before: UUID | None = None
    limit: int = 100


class Instances:
    """Process instances on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def with_idempotency_key(self, tenant_id: str, idempotency_key: str) -> InstanceRow | None:
        """Return the instance that was started under the key."""
        parameters = {"tenant_id": tenant_id, "idempotency_key": idempotency_key}
        return _instance(QUERIES.first(self._connection, "instance_by_idempotency_key", parameters))

    def with_business_key(self, tenant_id: str, business_key: str) -> list[UUID]:
        """Return the ids of the instances of a business key, oldest first."""
        parameters = {"tenant_id": tenant_id, "business_key": business_key}
        rows = QUERIES.rows(self._connection, "instances_by_business_key", parameters)
        return [row.process_instance_id for row in rows]

    def lock(self, process_instance_id: UUID) -> int | None:
        """Keep every other step of the instance waiting until the transaction ends; return its version."""
        row = QUERIES.first(self._connection, "lock_instance", {"process_instance_id": process_instance_id})
        return None if row is None else int(row.version)

    def read(self, process_instance_id: UUID, tenant_id: str | None = None) -> InstanceRow | None:
        """Return the instance, if it is the tenant's where one is given."""
        parameters = {"process_instance_id": process_instance_id, "tenant_id": tenant_id}
        return _instance(QUERIES.first(self._connection, "read_instance", parameters))

    def page(self, selection: InstanceSelection, tenant_id: str) -> list[InstanceRow]:
        """Return the tenant's instances that are selected, the newest first."""
        statuses = selection.statuses
        parameters = {
            **vars(selection),
            "statuses": None if statuses is None else [status.value for status in statuses],
            "tenant_id": tenant_id,
        }
        rows = QUERIES.rows(self._connection, "instances_page", parameters)
        return [InstanceRow.model_validate(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's name

    def of_process(
        self, process_definition_id: UUID, tenant_id: str, *, after: UUID | None = None, limit: int | None = None
    ) -> list[UUID]:
        """Return the instances of a definition that are not over, oldest first; `after` is left out."""
        parameters = {
            "process_definition_id": process_definition_id,
            "tenant_id": tenant_id,
            "after": after,
            "limit": limit,
        }
        rows = QUERIES.rows(self._connection, "live_instances_of_definition", parameters)
        return [row.process_instance_id for row in rows]

    def state(self, row: InstanceRow) -> TreeState:
        """Return the live tasks and the variables of an instance.

        Raises:
            CorruptStateError: Rows do not have the form in which they are written.
        """
        found = QUERIES.first(self._connection, "instance_state", {"process_instance_id": row.process_instance_id})
        assert found is not None  # noqa: S101 - a select without a table has one row
        return _state(row, found)

    def read_with_state(self, process_instance_ids: Sequence[UUID]) -> list[tuple[InstanceRow, TreeState]]:
        """Return instances with their live tasks and variables, without those whose rows are damaged."""
        found = QUERIES.rows(
            self._connection, "instances_with_state", {"process_instance_ids": list(process_instance_ids)}
        )
        read = []
        for each in found:
            row = InstanceRow.model_validate(each._mapping)  # noqa: SLF001 - SQLAlchemy's name
            with suppress(CorruptStateError):
                read.append((row, _state(row, each)))
        return read

    def ids_named(self, process_instance_ids: Collection[UUID], tenant_id: str) -> dict[UUID, frozenset[UUID]]:
        """Return, of instances of the tenant, the ids that stand in anything they know, whatever has these ids."""
        parameters = {
            "process_instance_ids": sorted(process_instance_ids),
            "tenant_id": tenant_id,
            "id_pattern": ID_PATTERN,
        }
        named: dict[UUID, set[UUID]] = {}
        for row in QUERIES.rows(self._connection, "ids_named_by_instances", parameters):
            named.setdefault(row.process_instance_id, set()).add(row.named)
        return {instance: frozenset(ids) for instance, ids in named.items()}

    def variables(self, process_instance_id: UUID, scope_id: UUID) -> dict[str, JsonValue]:
        """Return the variables of one scope."""
        parameters = {"process_instance_id": process_instance_id, "scope_id": scope_id}
        rows = QUERIES.rows(self._connection, "variables_of_scope", parameters)
        return {row.name: row.value for row in rows}


def _state(row: InstanceRow, found: Row[Any]) -> TreeState:
    try:
        tasks, variables = _TASKS.validate_python(found.tasks or ()), _VARIABLES.validate_python(found.variables or ())
    except ValidationError as error:
        reason = "; ".join(f"{item['loc']}: {item['msg']}" for item in error.errors()[:3])
        raise CorruptStateError(subject=f"process instance {row.process_instance_id}", reason=reason) from error
    return TreeState(row.process_instance_id, row.positions, tasks, variables)


def _instance(row: Row[Any] | None) -> InstanceRow | None:
    return None if row is None else InstanceRow.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name
