"""How a process went lately: for whoever looks after it."""

from __future__ import annotations

from datetime import timedelta

from engine.errors import UnknownProcessError
from engine.persistence import Definitions, ProcessCounts, count_process
from storage import SecurityContext, UnitOfWork
from storage.access import Resource, require
from storage.models import Permission


def process_statistics(
    work: UnitOfWork, process_id: str, window: timedelta, *, context: SecurityContext
) -> ProcessCounts:
    """Return how a process of the principal's tenant went within a window of time that ends now.

    Raises:
        AccessDeniedError: No READ permission.
        UnknownProcessError: It is not deployed.
    """
    require(context, Permission.READ, Resource(kind="process instances", tenant_id=context.tenant_id))
    definitions = Definitions(work)
    if definitions.newest(process_id) is None:
        known = tuple(ref.process_id for ref in definitions.all_newest())
        raise UnknownProcessError(process_id=process_id, known=known)
    return count_process(work, process_id, context.tenant_id, window.total_seconds())
