"""Downloads over HTTP: `POST /artifacts/links` gives a link, `GET /artifacts/links/SECRET` the object, once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from http import HTTPStatus

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from handlers import Services
from handlers.downloads import LinkRequest, issue_link, use_link
from storage import ReportedError
from storage.authentication import PRINCIPAL
from storage.errors import LinkRefusedError, ObjectStoreUnavailableError, RecordNotFoundError

_BODY_BYTES = 10_000
_SECRET_BYTES = 32
_STATUSES: dict[type[ReportedError], HTTPStatus] = {
    RecordNotFoundError: HTTPStatus.NOT_FOUND,
    LinkRefusedError: HTTPStatus.FORBIDDEN,
    ObjectStoreUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def download_routes(services: Services) -> list[Route]:
    """Return the two routes."""

    async def issue(request: Request) -> Response:
        try:
            body = await _bounded_body(request)
            asked = LinkRequest.model_validate_json(body)
        except ValidationError as error:
            fields = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
            return _refusal(LinkRefusedError(reason=fields), HTTPStatus.BAD_REQUEST)
        secret, principal = secrets.token_urlsafe(_SECRET_BYTES), request.scope[PRINCIPAL]
        try:
            link = await run_in_threadpool(issue_link, services, asked, secret, context=principal)
        except ReportedError as error:
            return _refusal(error)
        content = {"path": f"/artifacts/links/{link.secret}", "expires_at": link.expires_at.isoformat()}
        return JSONResponse({**content, "audit_ref": str(link.audit_ref)}, HTTPStatus.CREATED)

    async def download(request: Request) -> Response:
        if request.method != "GET":  # a look at the headers would use the link up
            return Response(status_code=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET"})
        address = None if request.client is None else request.client.host
        try:
            uri = await run_in_threadpool(use_link, services, request.path_params["secret"], address)
            chunks = services.storage.objects.stream(uri)
            first = await run_in_threadpool(next, chunks, b"")
        except ReportedError as error:
            return _refusal(error)
        return StreamingResponse(_whole(first, chunks), media_type="application/octet-stream", headers=_HEADERS)

    return [
        Route("/artifacts/links", issue, methods=["POST"]),
        Route("/artifacts/links/{secret}", download, methods=["GET"]),
    ]


_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Disposition": "attachment",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def _whole(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


async def _bounded_body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES:
            return b""  # which is no request
    return body


def _refusal(error: ReportedError, status: HTTPStatus | None = None) -> Response:
    known = next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), HTTPStatus.CONFLICT)
    return JSONResponse({"error": str(error), "code": error.code, "hint": error.hint}, status or known)
