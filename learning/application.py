"""The ASGI application: one port, one authentication, all doors behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from console import home_page
from handlers import Services
from handlers.errors import EndpointNotFoundError
from handlers.inference import Answered, find_deployed, record_answer
from learning.downloads import download_routes
from learning.metrics import REGISTRY, EngineCollector
from learning.middleware import AUDIT_REF, Authentication, Measurement, Recording
from learning.sign_ins import SignIns
from mcp_server import create_mcp_server, mcp_application
from serving.errors import ModelNotDeployedError
from serving.open_inference import DeployedModel, OpenInference, Resolve
from storage import Storage
from storage.authentication import PRINCIPAL, Authenticator
from storage.errors import DatabaseUnavailableError, RecordTextError


def create_application(services: Services, authenticator: Authenticator, host: str, all_tenants: Storage) -> Starlette:
    """Return the application; its lifespan runs the MCP sessions.

    Args:
        services: What the doors work with.
        authenticator: Says who sends a request.
        host: The address that the application listens on.
        all_tenants: Acts as the engine: for the operator's metrics alone.
    """
    server = create_mcp_server(services, version("ami-learning"))

    @asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncIterator[None]:
        async with server.session_manager.run():
            yield

    inference = OpenInference(version("ami-learning"), _resolver(services), lambda: _is_ready(services))
    return Starlette(
        routes=[
            Route("/", home_page, methods=["GET"]),
            Route("/healthz", _health(services), methods=["GET"]),
            Route("/metrics", _metrics(services, all_tenants), methods=["GET"]),
            *inference.routes(),
            *download_routes(services),
            *mcp_application(server, host).routes,
        ],
        middleware=[
            Middleware(Measurement),
            # Against DNS rebinding: a page of another host must not read what this machine serves to itself.
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "::1", "[::1]", host]),
            Middleware(Recording, services=services),
            Middleware(Authentication, authenticator=authenticator),
            Middleware(SignIns, services=services),
        ],
        exception_handlers={HTTPException: _http_error},
        lifespan=lifespan,
    )


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    phrase = HTTPStatus(status).phrase
    body = {"error": f"{phrase}.", "code": phrase.upper().replace(" ", "_"), "hint": "GET / says what is where."}
    return JSONResponse(body, status_code=status, headers=getattr(error, "headers", None))


def _resolver(services: Services) -> Resolve:
    def resolve(request: Request, name: str) -> DeployedModel:
        principal = request.scope[PRINCIPAL]
        try:
            endpoint, artifact = find_deployed(services, {"name": name}, context=principal)
        except (EndpointNotFoundError, RecordTextError) as error:
            raise ModelNotDeployedError(name=name) from error
        model = services.models.get(artifact.artifact_uri)

        def record(row_count: int, latency_milliseconds: float) -> None:
            answered = Answered(endpoint, artifact.version, row_count, latency_milliseconds)
            request.scope[AUDIT_REF] = record_answer(services, answered, context=principal)

        return DeployedModel(endpoint.name, str(artifact.version), model, record)

    return resolve


def _is_ready(services: Services) -> bool:
    try:
        with services.storage.transaction() as work:
            return work.now is not None
    except DatabaseUnavailableError:
        return False


def _health(services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def health(_request: Request) -> Response:
        if await run_in_threadpool(_is_ready, services):
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "the database does not answer"}, HTTPStatus.SERVICE_UNAVAILABLE)

    return health


def _metrics(services: Services, all_tenants: Storage) -> Callable[[Request], Awaitable[Response]]:
    live = CollectorRegistry()
    live.register(EngineCollector(services.engine, all_tenants))

    async def metrics(_request: Request) -> Response:
        content = generate_latest(REGISTRY) + await run_in_threadpool(generate_latest, live)
        return Response(content, media_type=CONTENT_TYPE_LATEST)

    return metrics
