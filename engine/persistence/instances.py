"""Process instances: the whole state in one row, written after every step."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue
from sqlalchemy import Row

from engine.persistence.statements import QUERIES
from storage import SecurityContext, UnitOfWork
from storage.json_documents import jsonb_text


class InstanceStatus(StrEnum):
    """Whether an instance runs, is over, or needs a person."""

    RUNNING = "running"
    COMPLETED = "completed"
    INCIDENT = "incident"


class InstanceRow(BaseModel):
    """One process instance as stored.

    Attributes:
        pinned_definitions: Process id to definition id, of the process and of all it may call.
    """

    model_config = ConfigDict(frozen=True)

    process_instance_id: UUID
    process_definition_id: UUID
    pinned_definitions: dict[str, UUID]
    start_event_id: str
    tenant_id: str
    business_key: str | None
    idempotency_key: str | None
    started_by: SecurityContext
    status: InstanceStatus
    state: dict[str, Any]
    incident: dict[str, JsonValue] | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Instances:
    """Process instances on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def with_idempotency_key(self, tenant_id: str, idempotency_key: str) -> Row[Any] | None:
        """Return id, definition and business key of the instance that was started under the key."""
        parameters = {"tenant_id": tenant_id, "idempotency_key": idempotency_key}
        return QUERIES.first(self._connection, "instance_by_idempotency_key", parameters)

    def with_business_key(self, tenant_id: str, business_key: str) -> list[UUID]:
        """Return the ids of the instances of a business key, oldest first."""
        parameters = {"tenant_id": tenant_id, "business_key": business_key}
        rows = QUERIES.rows(self._connection, "instances_by_business_key", parameters)
        return [row.process_instance_id for row in rows]

    def insert(self, row: InstanceRow) -> None:
        """Store a new instance."""
        parameters = row.model_dump(exclude={"incident", "started_at", "ended_at"})
        for field in ("pinned_definitions", "state"):
            parameters[field] = jsonb_text(parameters[field], model="process instance")
        parameters["started_by"] = row.started_by.model_dump_json()
        QUERIES.execute(self._connection, "insert_instance", parameters)

    def lock(self, process_instance_id: UUID) -> InstanceRow | None:
        """Return the instance and keep every other step of it waiting until the transaction ends."""
        row = QUERIES.first(self._connection, "lock_instance", {"process_instance_id": process_instance_id})
        return _instance(row)

    def read(self, process_instance_id: UUID, tenant_id: str) -> InstanceRow | None:
        """Return the instance, if it is the tenant's."""
        parameters = {"process_instance_id": process_instance_id, "tenant_id": tenant_id}
        return _instance(QUERIES.first(self._connection, "read_instance", parameters))

    def save(self, row: InstanceRow) -> None:
        """Write state, status and incident."""
        parameters = {
            "process_instance_id": row.process_instance_id,
            "state": jsonb_text(row.state, model="process instance"),
            "status": row.status.value,
            "incident": None if row.incident is None else jsonb_text(row.incident, model="process instance"),
            "has_ended": row.status is InstanceStatus.COMPLETED,
        }
        QUERIES.execute(self._connection, "save_instance", parameters)


def _instance(row: Row[Any] | None) -> InstanceRow | None:
    return None if row is None else InstanceRow.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name
