"""The ASGI application: one port, one authentication, all doors behind it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console import home_page
from handlers import Services
from handlers.errors import EndpointNotFoundError
from handlers.inference import find_deployed
from learning.metrics import HTTP_REQUESTS, HTTP_SECONDS, REGISTRY, EngineCollector
from mcp_server import create_mcp_server, mcp_application
from serving.errors import ModelNotDeployedError
from serving.open_inference import DeployedModel, OpenInference, Resolve
from storage import ReportedError
from storage.authentication import PRINCIPAL, Authenticator

_OPEN_PATHS = frozenset({"/", "/healthz", "/metrics", "/v2", "/v2/health/live", "/v2/health/ready"})


def create_application(services: Services, authenticator: Authenticator, host: str) -> Starlette:
    """Return the application; its lifespan runs the MCP sessions."""
    server = create_mcp_server(services, version("ami-learning"))
    mcp = mcp_application(server, host)

    @asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncIterator[None]:
        async with server.session_manager.run():
            yield

    inference = OpenInference(version("ami-learning"), _resolver(services), lambda: _is_ready(services))
    return Starlette(
        routes=[
            Route("/", home_page, methods=["GET"]),
            Route("/healthz", _health(services), methods=["GET"]),
            Route("/metrics", _metrics(services), methods=["GET"]),
            *inference.routes(),
            Mount("/", app=mcp),
        ],
        middleware=[Middleware(Measurement), Middleware(Authentication, authenticator=authenticator)],
        lifespan=lifespan,
    )


class Authentication:
    """Lets nobody in without a principal, except to the open paths, which tell nothing about anybody."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the principal into the scope, or answer 401."""
        if scope["type"] != "http" or scope["path"] in _OPEN_PATHS:
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

        first = scope["path"].split("/")[1]
        door = first if first in {"mcp", "v2", "metrics", "healthz"} else "console"
        try:
            await self._app(scope, receive, measured)
        finally:
            HTTP_REQUESTS.labels(door, str(status)).inc()
            HTTP_SECONDS.labels(door).observe(time.perf_counter() - started)


def _refusal(error: ReportedError) -> Response:
    body = {"error": str(error), "code": error.code, "hint": error.hint}
    return JSONResponse(body, status_code=401, headers={"WWW-Authenticate": f'Bearer error="{error.code}"'})


def _resolver(services: Services) -> Resolve:
    def resolve(request: Request, name: str) -> DeployedModel:
        principal = request.scope[PRINCIPAL]
        try:
            endpoint, artifact = find_deployed(services, {"name": name}, context=principal)
        except EndpointNotFoundError as error:
            raise ModelNotDeployedError(name=name) from error
        model = services.models.get(artifact.artifact_uri)
        return DeployedModel(name=endpoint.name, version=str(artifact.version), model=model)

    return resolve


def _is_ready(services: Services) -> bool:
    with services.storage.transaction() as work:
        return work.now is not None


def _health(services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def health(_request: Request) -> Response:
        await run_in_threadpool(_is_ready, services)
        return JSONResponse({"status": "ok"})

    return health


def _metrics(services: Services) -> Callable[[Request], Awaitable[Response]]:
    live = CollectorRegistry()
    live.register(EngineCollector(services))

    async def metrics(_request: Request) -> Response:
        content = generate_latest(REGISTRY) + await run_in_threadpool(generate_latest, live)
        return Response(content, media_type=CONTENT_TYPE_LATEST)

    return metrics
