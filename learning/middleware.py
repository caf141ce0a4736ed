"""What every request passes on its way to a door: it is measured, recorded, and its sender established."""

from __future__ import annotations

import logging
import time
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers import Services
from learning.metrics import HTTP_REQUESTS, HTTP_SECONDS
from storage import AuditEntry, ReportedError, SecurityContext
from storage.authentication import PRINCIPAL, Authenticator
from storage.errors import DatabaseUnavailableError

logger = logging.getLogger(__name__)

AUDIT_REF = "learning.audit_ref"
_OPEN_PATHS = frozenset({"/", "/healthz", "/metrics", "/v2", "/v2/health/live", "/v2/health/ready"})
_LINKS = "/artifacts/links/"  # whoever has a link needs nothing else, once
_ANONYMOUS = SecurityContext(user_id="anonymous", tenant_id="none")
_RECORDED_PATH_LENGTH = 500
_UNAUTHENTICATED = 401


class Authentication:
    """Lets nobody in without a principal, except to the open paths, which tell nothing about anybody."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the principal into the scope, or answer 401."""
        if scope["type"] != "http" or scope["path"] in _OPEN_PATHS or scope["path"].startswith(_LINKS):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        address = None if request.client is None else request.client.host
        try:
            scope[PRINCIPAL] = self._authenticator.authenticate(request.headers.get("authorization"), address)
        except ReportedError as error:
            await _refusal(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class Measurement:
    """Counts requests and their time, by door: the first part of the path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and take its status and time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 500, time.perf_counter()

        async def measured(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        first = scope["path"].lstrip("/").partition("/")[0]
        door = first if first in {"mcp", "v2", "metrics", "healthz", "artifacts"} else "console"
        try:
            await self._app(scope, receive, measured)
        finally:
            HTTP_REQUESTS.labels(door, str(status)).inc()
            HTTP_SECONDS.labels(door).observe(time.perf_counter() - started)


class Recording:
    """Writes an audit leaf for every request that names a model and for every refusal; the answer carries its id.

    What an endpoint has answered is recorded by then, under the reference that the scope carries as `AUDIT_REF`.
    MCP requests are recorded by their tools, under the tool's name and with its own reference.
    """

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; before its answer starts, record it."""
        if scope["type"] != "http" or scope["path"] in _OPEN_PATHS:
            await self._app(scope, receive, send)
            return

        async def recorded(message: Message) -> None:
            is_refusal = message["type"] == "http.response.start" and message["status"] == _UNAUTHENTICATED
            is_about_model = message["type"] == "http.response.start" and scope["path"].startswith("/v2/")
            if is_refusal or is_about_model:
                try:
                    audit_ref = await run_in_threadpool(self._record, scope, message["status"])
                    MutableHeaders(scope=message)["Audit-Ref"] = str(audit_ref)
                except DatabaseUnavailableError:
                    logger.exception("request not recorded")
            await send(message)

        await self._app(scope, receive, recorded)

    def _record(self, scope: Scope, status: int) -> UUID:
        recorded: UUID | None = scope.get(AUDIT_REF)
        if recorded is not None:
            return recorded
        entry = AuditEntry(
            action=f"http.{scope['method'].lower()}",
            subject=scope["path"][:_RECORDED_PATH_LENGTH],
            details={"status": status},
        )
        with self._services.storage.transaction() as work:
            return work.audit.record(entry, context=scope.get(PRINCIPAL, _ANONYMOUS))


def _refusal(error: ReportedError) -> Response:
    body = {"error": str(error), "code": error.code, "hint": error.hint}
    return JSONResponse(
        body, status_code=_UNAUTHENTICATED, headers={"WWW-Authenticate": f'Bearer error="{error.code}"'}
    )
