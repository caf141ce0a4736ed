"""Errors of serving; each knows the HTTP status under which it leaves the process.

ServingError
├── InferenceRequestInvalidError   INFERENCE_REQUEST_INVALID
├── InferenceRequestTooLargeError  INFERENCE_REQUEST_TOO_LARGE
└── ModelNotDeployedError          MODEL_NOT_DEPLOYED
"""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from domain_sdk.errors import ReportedError


class ServingError(ReportedError):
    """Base of serving's errors.

    Attributes:
        http_status: What an HTTP answer that reports this error says.
    """

    code = "SERVING"
    http_status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR


class InferenceRequestInvalidError(ServingError):
    """The body is not an inference request that this model can answer."""

    code = "INFERENCE_REQUEST_INVALID"
    hint = "GET /v2/models/NAME describes the inputs; send them as named tensors with shape, datatype and data."
    http_status = HTTPStatus.BAD_REQUEST

    def __init__(self, *, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"The inference request is invalid at {field}: {reason}.")


class InferenceRequestTooLargeError(ServingError):
    """The request is larger than the server takes at once."""

    code = "INFERENCE_REQUEST_TOO_LARGE"
    hint = "Send several smaller requests."
    http_status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self, *, limit: int, unit: str) -> None:
        self.limit = limit
        self.unit = unit
        super().__init__(f"A request may have at most {limit} {unit}.")


class ModelNotDeployedError(ServingError):
    """No healthy endpoint of this name is open to the caller."""

    code = "MODEL_NOT_DEPLOYED"
    hint = "Check the name; a model answers here once its deployment is healthy."
    http_status = HTTPStatus.NOT_FOUND

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(f"No model is deployed as {name!r}.")
