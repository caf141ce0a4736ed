"""Incidents: where an instance needs a person. A retry keeps the incident until the new attempt's outcome is known."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Row

from engine.persistence.statements import QUERIES
from storage import UnitOfWork


class IncidentStatus(StrEnum):
    """Open until somebody asks for a retry; then resolved or open again, as the attempt ends."""

    OPEN = "open"
    RETRYING = "retrying"
    RESOLVED = "resolved"


class Incident(BaseModel):
    """One incident.

    Attributes:
        code: Stable code of the error; `message` is its sentence.
        retries: How often somebody asked for another attempt.
    """

    model_config = ConfigDict(frozen=True)

    incident_id: UUID
    process_instance_id: UUID
    tenant_id: str
    task_id: UUID
    job_id: UUID
    element_id: str
    code: str
    message: str
    status: IncidentStatus = IncidentStatus.OPEN
    raised_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    retries: int = 0


class Incidents:
    """Incidents on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def of_job(self, job_id: UUID) -> Incident | None:
        """Return the unresolved incident of a job."""
        return _incident(QUERIES.first(self._connection, "incident_of_job", {"job_id": job_id}))

    def of_instance(self, process_instance_id: UUID) -> list[Incident]:
        """Return all incidents of an instance, oldest first."""
        rows = QUERIES.rows(self._connection, "incidents_of_instance", {"process_instance_id": process_instance_id})
        return [incident for row in rows if (incident := _incident(row)) is not None]

    def open_of_tenant(self, tenant_id: str, limit: int) -> list[Incident]:
        """Return the unresolved incidents of a tenant, oldest first."""
        rows = QUERIES.rows(self._connection, "open_incidents", {"tenant_id": tenant_id, "limit": limit})
        return [incident for row in rows if (incident := _incident(row)) is not None]

    def read(self, incident_id: UUID, tenant_id: str) -> Incident | None:
        """Return an incident of the tenant."""
        parameters = {"incident_id": incident_id, "tenant_id": tenant_id}
        return _incident(QUERIES.first(self._connection, "read_incident", parameters))

    def lock(self, incident_id: UUID, tenant_id: str) -> Incident | None:
        """Return an incident; nobody else can retry it before the transaction ends."""
        parameters = {"incident_id": incident_id, "tenant_id": tenant_id}
        return _incident(QUERIES.first(self._connection, "lock_incident", parameters))

    def insert(self, incident: Incident) -> None:
        """Store a new incident."""
        fields = {"status", "raised_at", "resolved_at", "resolved_by", "retries"}
        QUERIES.execute(self._connection, "raise_incident", incident.model_dump(exclude=fields))
        self._count(incident.process_instance_id, 1)

    def reopen(self, incident_id: UUID, code: str, message: str) -> None:
        """Record that the attempt after a retry failed too."""
        parameters = {"incident_id": incident_id, "code": code, "message": message}
        QUERIES.execute(self._connection, "reopen_incident", parameters)

    def begin_retry(self, incident_id: UUID) -> bool:
        """Return whether the incident was open; from now on its outcome is awaited."""
        return QUERIES.execute(self._connection, "retry_incident", {"incident_id": incident_id}) == 1

    def resolve(self, incident_id: UUID, resolved_by: str) -> None:
        """Close an incident; its instance's count is the step's to change."""
        parameters = {"incident_id": incident_id, "resolved_by": resolved_by}
        QUERIES.execute(self._connection, "resolve_incident", parameters)

    def _count(self, process_instance_id: UUID, number: int) -> None:
        parameters = {"process_instance_id": process_instance_id, "number": number}
        QUERIES.execute(self._connection, "count_incidents", parameters)


def _incident(row: Row[Any] | None) -> Incident | None:
    return None if row is None else Incident.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name
