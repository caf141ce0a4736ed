"""The HTTP side of the S3 store: where the bucket is, and that no request overwrites an object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from urllib3 import BaseHTTPResponse, HTTPHeaderDict, PoolManager, Retry, Timeout

_CREATED_ONCE = ("/sha256/", "/keys/", "/records/")
_copies_onto_itself: ContextVar[bool] = ContextVar("copies_onto_itself", default=False)


class S3Location(BaseModel):
    """Which bucket, where, and with which key.

    Attributes:
        endpoint: `host:port`, without a scheme.
        secure: TLS, with the certificates that the system trusts or `SSL_CERT_FILE` names.
        region: Asked of the server where it is not given.
        read_seconds: How long the server may be silent.
    """

    model_config = ConfigDict(frozen=True)

    endpoint: str
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    secure: bool = True
    region: str | None = None
    read_seconds: Annotated[float, Field(gt=0)] = 60


class CreateOnlyPool(PoolManager):
    """Asks the server, in every request that would create an object, to refuse if there is one."""

    def urlopen(self, method: str, url: str, *args: Any, **kwargs: Any) -> BaseHTTPResponse:
        """Send a request; the client's own interface has no place for this header on uploads."""
        if _creates_an_object(method, url) and not _copies_onto_itself.get():
            headers = HTTPHeaderDict(kwargs.get("headers"))
            headers["If-None-Match"] = "*"
            kwargs["headers"] = headers
        return super().urlopen(method, url, *args, **kwargs)


@contextmanager
def copying_onto_itself() -> Iterator[None]:
    """Let the requests of this block replace an object: by itself, which renews its age and changes nothing else."""
    token = _copies_onto_itself.set(True)
    try:
        yield
    finally:
        _copies_onto_itself.reset(token)


def create_only_pool(read_seconds: float) -> CreateOnlyPool:
    """Return connections that retry what a server refuses for the moment."""
    retries = Retry(total=3, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])
    return CreateOnlyPool(maxsize=10, timeout=Timeout(connect=5, read=read_seconds), retries=retries)


def _creates_an_object(method: str, url: str) -> bool:
    if not any(part in url for part in _CREATED_ONCE):
        return False
    is_part_of_upload = "uploadId=" in url
    return (method == "PUT" and not is_part_of_upload) or (method == "POST" and is_part_of_upload)
