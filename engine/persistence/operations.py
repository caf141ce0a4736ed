"""Operations on instances: what was done under an idempotency key, and what only operators write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from storage import SecurityContext, UnitOfWork
from storage.json_documents import jsonb_text
from storage.sql import Queries

_QUERIES = Queries(Path(__file__).with_name("operations.sql"))


@dataclass(frozen=True)
class PerformedOperation:
    """What was asked for under a key, and what came of it."""

    kind: str
    subject: str
    request_sha256: str
    result: dict[str, Any]


class OperationLog:
    """Operations by idempotency key, and operators' writes, on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def under(self, idempotency_key: str, tenant_id: str) -> PerformedOperation | None:
        """Return what was done under a key."""
        parameters = {"tenant_id": tenant_id, "idempotency_key": idempotency_key}
        row = _QUERIES.first(self._connection, "performed_operation", parameters)
        return None if row is None else PerformedOperation(row.kind, row.subject, row.request_sha256, row.result)

    def add(self, idempotency_key: str, operation: PerformedOperation, context: SecurityContext) -> None:
        """Keep what was done under a key."""
        parameters = {
            **vars(operation),
            "result": jsonb_text(operation.result, model="operation"),
            "idempotency_key": idempotency_key,
            "tenant_id": context.tenant_id,
            "performed_by": context.user_id,
        }
        _QUERIES.execute(self._connection, "insert_operation", parameters)

    def mark_suspended(self, process_instance_id: UUID, *, is_suspended: bool) -> None:
        """Keep since when an instance is suspended, or that it is not."""
        parameters = {"process_instance_id": process_instance_id, "is_suspended": is_suspended}
        _QUERIES.execute(self._connection, "mark_suspended", parameters)
