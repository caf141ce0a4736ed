"""Incidents as operators see them: asking for another attempt, and hearing how it ended."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from engine import Incident, IncidentStatus
from handlers.services import Services
from storage import SecurityContext


@dataclass(frozen=True)
class RetryRequest:
    """Another attempt that is asked for; the arguments are those of `Operations.retry_incident`."""

    incident_id: UUID
    reason: str
    retries: int = 3
    keep_result: bool = True
    idempotency_key: str | None = None


def retry_incident(
    services: Services, request: RetryRequest, timeout_seconds: float, *, context: SecurityContext
) -> Incident:
    """Offer an incident's job again; return the incident once the attempts have ended, or as it is when the time is up.

    Raises:
        AccessDeniedError, ReasonInvalidError, IdempotencyConflictError, UnknownIncidentError, IncidentNotOpenError,
            InstanceNotActiveError, TaskGoneError: As `Operations.retry_incident`; nothing was offered.
    """
    with services.storage.transaction(context.tenant_id) as work:
        services.operations.retry_incident(
            work,
            request.incident_id,
            reason=request.reason,
            context=context,
            retries=request.retries,
            keep_result=request.keep_result,
            idempotency_key=request.idempotency_key,
        )
    return _wait_for_outcome(services, request.incident_id, timeout_seconds, context)


def _wait_for_outcome(
    services: Services, incident_id: UUID, timeout_seconds: float, context: SecurityContext
) -> Incident:
    deadline = time.monotonic() + timeout_seconds
    while True:
        mark = services.hub.event_mark()
        with services.storage.transaction(context.tenant_id) as work:
            incident = services.operations.outcome(work, incident_id, context=context)
        remaining = deadline - time.monotonic()
        if incident.status is not IncidentStatus.RETRYING or remaining <= 0 or services.hub.is_stopping:
            return incident
        services.hub.wait_for_event(mark, remaining)
