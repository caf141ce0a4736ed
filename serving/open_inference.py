"""The Open Inference Protocol over HTTP: routes under `/v2`.

Who may ask which model is decided by the `Resolve` that the caller gives; nothing here knows of endpoints or access.
Resolving and predicting run in worker threads, so a long prediction stops nobody else's request.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain_sdk.errors import InputSchemaMismatchError, ReportedError
from domain_sdk.json_values import JsonObject
from serving.errors import InferenceRequestInvalidError, InferenceRequestTooLargeError
from serving.inference_protocol import describe_inputs, describe_outputs, outputs_of, parse_request, rows_of
from serving.loading import LoadedModel
from storage.errors import AccessDeniedError, AuthenticationError, RecordNotFoundError, StorageError

logger = logging.getLogger(__name__)

MAXIMUM_BODY_BYTES = 16 * 1024 * 1024

_STATUSES: dict[type[Exception], HTTPStatus] = {
    InputSchemaMismatchError: HTTPStatus.BAD_REQUEST,
    AuthenticationError: HTTPStatus.UNAUTHORIZED,
    AccessDeniedError: HTTPStatus.FORBIDDEN,
    RecordNotFoundError: HTTPStatus.NOT_FOUND,
}


Record = Callable[[int, float], None]


def _record_nothing(_row_count: int, _latency_milliseconds: float) -> None:
    pass


@dataclass(frozen=True)
class DeployedModel:
    """A model under the name by which it is asked, and the version that answers.

    Attributes:
        record: Told of each answer, before it is sent: of how many rows, and how long the model took. Where it raises,
            there is no answer.
    """

    name: str
    version: str
    model: LoadedModel
    record: Record = _record_nothing


Resolve = Callable[[Request, str], DeployedModel]
IsReady = Callable[[], bool]
_Answer = Callable[[Request], Awaitable[Response]]


class OpenInference:
    """Answers the protocol's requests.

    Args:
        version: Of the server, for its metadata.
        resolve: Returns the model of a name that this request may use. Called in a worker thread. It raises
            errors of the platform; the status is the error's `http_status`, if it has one.
        is_ready: Whether the server can answer inference requests now.
    """

    def __init__(self, version: str, resolve: Resolve, is_ready: IsReady) -> None:
        self._version = version
        self._resolve = resolve
        self._is_ready = is_ready

    def routes(self) -> list[Route]:
        """Return the routes for the application."""
        return [
            Route("/v2", _reporting(self._server_metadata), methods=["GET"]),
            Route("/v2/health/live", _reporting(self._live), methods=["GET"]),
            Route("/v2/health/ready", _reporting(self._ready), methods=["GET"]),
            Route("/v2/models/{name}", _reporting(self._model_metadata), methods=["GET"]),
            Route("/v2/models/{name}/ready", _reporting(self._model_ready), methods=["GET"]),
            Route("/v2/models/{name}/infer", _reporting(self._infer), methods=["POST"]),
        ]

    async def _server_metadata(self, _request: Request) -> Response:
        return JSONResponse({"name": "ami-learning", "version": self._version, "extensions": []})

    async def _live(self, _request: Request) -> Response:
        return JSONResponse({"live": True})

    async def _ready(self, _request: Request) -> Response:
        ready = await run_in_threadpool(self._is_ready)
        return JSONResponse({"ready": ready}, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _model_metadata(self, request: Request) -> Response:
        deployed = await self._deployed(request)
        signature = deployed.model.signature
        return JSONResponse(
            {
                "name": deployed.name,
                "versions": [deployed.version],
                "platform": "pytorch_safetensors",
                "inputs": describe_inputs(signature),
                "outputs": describe_outputs(signature),
            }
        )

    async def _model_ready(self, request: Request) -> Response:
        deployed = await self._deployed(request)
        return JSONResponse({"name": deployed.name, "ready": True})

    async def _infer(self, request: Request) -> Response:
        deployed = await self._deployed(request)
        if "inference-header-content-length" in request.headers:
            raise InferenceRequestInvalidError(field="the body", reason="binary tensors are not offered, only JSON")
        body = await _read_body(request)
        return JSONResponse(await run_in_threadpool(_infer, deployed, body))

    async def _deployed(self, request: Request) -> DeployedModel:
        return await run_in_threadpool(self._resolve, request, request.path_params["name"])


def _infer(deployed: DeployedModel, body: bytes) -> JsonObject:
    request, signature = parse_request(body), deployed.model.signature
    rows = rows_of(request, signature)
    started = time.perf_counter()
    probabilities = deployed.model.predict_probabilities(rows)
    latency_milliseconds = (time.perf_counter() - started) * 1_000
    outputs = outputs_of(request, signature, deployed.model.labels_of(probabilities), probabilities)
    deployed.record(len(rows), latency_milliseconds)
    answer: JsonObject = {
        "model_name": deployed.name,
        "model_version": deployed.version,
        "outputs": [output.model_dump(mode="json") for output in outputs],
    }
    return answer if request.id is None else {"id": request.id, **answer}


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAXIMUM_BODY_BYTES:
            raise InferenceRequestTooLargeError(limit=MAXIMUM_BODY_BYTES, unit="bytes")
    return bytes(body)


def _reporting(answer: _Answer) -> _Answer:
    """Return the same endpoint, with errors as JSON documents."""

    async def endpoint(request: Request) -> Response:
        try:
            return await answer(request)
        except (ReportedError, StorageError) as error:
            status = _status_of(error)
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                logger.exception("inference request failed")
            return JSONResponse({"error": str(error), "code": error.code, "hint": error.hint}, status)

    return endpoint


def _status_of(error: ReportedError | StorageError) -> int:
    stated = getattr(error, "http_status", None)
    if stated is not None:
        return int(stated)
    known = (status for kind, status in _STATUSES.items() if isinstance(error, kind))
    return next(known, HTTPStatus.INTERNAL_SERVER_ERROR)
