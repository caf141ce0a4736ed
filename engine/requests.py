"""Requests that are fulfilled once: repeated under its key, a request gives its first result again and does nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, JsonValue

from engine.errors import IdempotencyConflictError, ReasonInvalidError
from engine.persistence.operations import OperationLog, PerformedOperation
from storage import SecurityContext, UnitOfWork
from storage.json_documents import require_storable

LONGEST_REASON = 1_000
ResultT = TypeVar("ResultT", bound=BaseModel)


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        kind: What is to be done, as events and audit leaves name it.
        subject: Whom or what it is to be done to.
        arguments: All else that has to be equal where the request is repeated.
        context: Who asks; the key is the tenant's.
        idempotency_key: Without one, the request is new each time.
    """

    kind: str
    subject: str
    arguments: Mapping[str, JsonValue]
    context: SecurityContext
    idempotency_key: str | None

    @property
    def sha256(self) -> str:
        """The digest of all that has to be equal where the request is repeated."""
        asked = [self.kind, self.subject, dict(self.arguments)]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def fulfil_once(
    work: UnitOfWork,
    request: Request,
    model: type[ResultT],
    act: Callable[[], ResultT],
    is_final: Callable[[ResultT], bool] = lambda _result: True,
) -> ResultT:
    """Return what `act` leads to, or what it led to when the request was first made; the caller has checked access.

    Args:
        work: Holds until its end whoever uses the same key meanwhile.
        request: What is asked for.
        model: What the result is read with.
        act: Fulfils the request on `work`.
        is_final: Whether a result is kept; what is not can be asked for again.

    Raises:
        IdempotencyConflictError: The key was used for something else.
    """
    key, context = request.idempotency_key, request.context
    if key is None:
        return act()
    work.lock(f"operation:{context.tenant_id}:{key}")
    known = OperationLog(work).under(key, context.tenant_id)
    if known is not None:
        if known.request_sha256 != request.sha256:
            raise IdempotencyConflictError(idempotency_key=key)
        return model.model_validate(known.result)
    result = act()
    if is_final(result):
        document = result.model_dump(mode="json")
        performed = PerformedOperation(request.kind, request.subject, request.sha256, document)
        OperationLog(work).add(key, performed, context)
    return result


def require_reason(reason: str) -> None:
    """Return if a reason says something that the audit trail can keep.

    Raises:
        ReasonInvalidError: It is empty or too long.
        RecordTextError: The database cannot hold it.
    """
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise ReasonInvalidError(length=len(reason.strip()), longest=LONGEST_REASON)
    require_storable(reason, model="operation")
