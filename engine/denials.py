"""The record of what the engine refused to a person: it outlives the transaction in which it was refused."""

from __future__ import annotations

from engine.errors import ClaimedByAnotherError, NotACandidateError, SeparationOfDutiesError
from storage import AuditEntry, ReportedError, SecurityContext, UnitOfWork

DENIALS = (SeparationOfDutiesError, NotACandidateError, ClaimedByAnotherError)


def note_denial(
    work: UnitOfWork, subject: str, element_id: str, refusal: ReportedError, context: SecurityContext
) -> None:
    """Put a refusal on the record once the transaction is over, however it ends."""
    entry = AuditEntry(action="access.denied", subject=subject, details={"code": refusal.code}, element_id=element_id)
    work.audit.deny(entry, context=context)
