"""Processes as callers see them: waiting for one, and following its events."""

from __future__ import annotations

import time
from uuid import UUID

from engine import Event, InstanceDescription, InstanceStatus
from handlers.services import Services
from storage import SecurityContext, UnitOfWork
from storage.models import Experiment, JsonObject

_SETTLING_SECONDS = 0.02


def readable_variables(
    services: Services, work: UnitOfWork, instance: InstanceDescription, *, context: SecurityContext
) -> JsonObject | None:
    """Return the variables of an instance as the principal was told of it, `None` where they are withheld."""
    if instance.is_withheld:
        return None
    return services.engine.variables(work, instance.process_instance_id, context=context)


def wait_for_end(
    services: Services, process_instance_id: UUID, timeout_seconds: float, *, context: SecurityContext
) -> InstanceDescription:
    """Return the instance once it no longer runs, or as it is when the time is up or the platform stops.

    Raises:
        UnknownInstanceError: There is none in the principal's tenant.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        mark = services.hub.event_mark()
        with services.storage.transaction(context.tenant_id) as work:
            instance = services.engine.describe(work, process_instance_id, context=context)
        remaining = deadline - time.monotonic()
        if instance.status is not InstanceStatus.RUNNING or remaining <= 0 or services.hub.is_stopping:
            return instance
        services.hub.wait_for_event(mark, remaining)


def experiment_events(
    services: Services, experiment_id: UUID, sequence: int, timeout_seconds: float, *, context: SecurityContext
) -> list[Event]:
    """Return an experiment's events behind a cursor; where there are none yet, wait for the first.

    None are returned when the time is up or the platform stops.

    Raises:
        RecordNotFoundError: There is no such experiment.
        UnknownCursorError: No event has that sequence number.
    """
    with services.storage.transaction(context.tenant_id) as work:
        work.get_crud(Experiment).read(experiment_id, context=context)
    return _events_after(services, str(experiment_id), sequence, timeout_seconds, context)


def _events_after(
    services: Services, business_key: str, sequence: int, timeout_seconds: float, context: SecurityContext
) -> list[Event]:
    deadline = time.monotonic() + timeout_seconds
    while True:
        mark = services.hub.event_mark()
        with services.storage.transaction(context.tenant_id) as work:
            # Asked first: what settles between the two questions is in the answer to the second.
            unsettled = services.engine.has_unsettled_events(work, context=context, business_key=business_key)
            events = services.engine.events_after(work, sequence, context=context, business_key=business_key)
        remaining = deadline - time.monotonic()
        if events or remaining <= 0 or services.hub.is_stopping:
            return events
        services.hub.wait_for_event(mark, min(remaining, _SETTLING_SECONDS) if unsettled else remaining)
