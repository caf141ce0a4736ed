"""The record of sign-ins: a token that this process has not seen yet, or not from this address."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers import Services
from storage import AuditEntry, SecurityContext
from storage.authentication import PRINCIPAL
from storage.errors import DatabaseUnavailableError

logger = logging.getLogger(__name__)

_REMEMBERED = 10_000
_DIGITS = 16


class SignIns:
    """Writes an audit leaf for the first request of a token, before the request is passed on.

    The leaf names the token by the beginning of its digest. Where a client came from is kept beside the leaf.
    """

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, str | None], None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Record a sign-in, if it is one, and pass the request on."""
        principal = scope.get(PRINCIPAL)
        if isinstance(principal, SecurityContext):
            request = Request(scope)
            token = request.headers.get("authorization", "").partition(" ")[2].strip()
            session = hashlib.sha256(token.encode()).hexdigest()[:_DIGITS]
            if self._is_new((session, principal.address)):
                agent = request.headers.get("user-agent")
                await run_in_threadpool(self._record, session, agent, principal)
        await self._app(scope, receive, send)

    def _is_new(self, key: tuple[str, str | None]) -> bool:
        with self._lock:
            is_new = key not in self._seen
            self._seen[key] = None
            self._seen.move_to_end(key)
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        return is_new

    def _record(self, session: str, agent: str | None, principal: SecurityContext) -> None:
        entry = AuditEntry(
            action="session.started",
            subject=f"session/{session}",
            details={"method": "bearer token", "groups": [*sorted(principal.groups)]},
            personal={"address": principal.address, "user_agent": agent},
        )
        try:
            with self._services.storage.transaction() as work:
                work.audit.record(entry, context=principal)
        except DatabaseUnavailableError:
            logger.exception("sign-in not recorded")
            with self._lock:
                self._seen.pop((session, principal.address), None)
