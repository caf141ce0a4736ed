"""From a bearer token to a principal.

Development principals: three people with random tokens, in a file that only its owner can read. They are for one
machine; a server that listens on anything but loopback does not accept them.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import secrets
import tempfile
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_serializer
from pydantic_core.core_schema import SerializationInfo

from storage.errors import AuthenticationError, InvalidTokenError, NotLoopbackError, PrincipalsInvalidError
from storage.models import RoleType
from storage.security import SecurityContext

PRINCIPAL = "ami.principal"
"""Key of an ASGI scope under which the application leaves the authenticated `SecurityContext`."""

DEVELOPMENT_TENANT = "local"

_PRIVATE_FILE = "private file"


class Authenticator(Protocol):
    """Establishes who sends a request."""

    def authenticate(self, authorization: str | None, address: str | None) -> SecurityContext:
        """Return the principal of an `Authorization` header.

        Raises:
            AuthenticationError: There is no bearer token.
            InvalidTokenError: The token is nobody's.
        """


class DevelopmentPrincipal(BaseModel):
    """One person of the token file."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    user_id: str
    roles: frozenset[RoleType]
    groups: frozenset[str]
    token: SecretStr

    @field_serializer("token", when_used="json")
    def _reveal(self, token: SecretStr, info: SerializationInfo) -> str:
        """Write the token in clear only where the caller asks for it, which is the token file."""
        return token.get_secret_value() if info.context == _PRIVATE_FILE else str(token)


class DevelopmentTokens(BaseModel):
    """The token file's content; an `Authenticator` for loopback."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    principals: tuple[DevelopmentPrincipal, ...]

    def token_of(self, user_id: str) -> str:
        """Return a person's token."""
        return next(principal.token.get_secret_value() for principal in self.principals if principal.user_id == user_id)

    def authenticate(self, authorization: str | None, address: str | None) -> SecurityContext:
        """See `Authenticator.authenticate`."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise AuthenticationError(reason="the request carries no bearer token")
        # Digests are compared, so the time taken tells nothing about a token.
        digest = hashlib.sha256(token.strip().encode(errors="surrogatepass")).digest()
        for principal in self.principals:
            if secrets.compare_digest(digest, hashlib.sha256(principal.token.get_secret_value().encode()).digest()):
                return _context(principal, address)
        raise InvalidTokenError


def development_tokens(path: Path) -> DevelopmentTokens:
    """Return the tokens in `path`, made on first use and readable by their owner only.

    Raises:
        PrincipalsInvalidError: Somebody has edited the file, and it no longer says who there is.
    """
    if not path.exists():
        _write_private(path, _new_tokens().model_dump_json(indent=2, context=_PRIVATE_FILE))
    try:
        return DevelopmentTokens.model_validate_json(path.read_bytes())
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, item['loc']))} {item['msg']}".strip() for item in error.errors())
        raise PrincipalsInvalidError(path=str(path), reason="; ".join(faults)) from None  # it may quote a token


def require_loopback(host: str) -> None:
    """Return if `host` is an address of this machine alone.

    Raises:
        NotLoopbackError: Others could reach it.
    """
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if not is_loopback:
        raise NotLoopbackError(host=host)


def _new_tokens() -> DevelopmentTokens:
    people = (
        ("ada", RoleType.MEMBER, "data-scientist"),
        ("grace", RoleType.MEMBER, "reviewer"),
        ("operator", RoleType.ADMIN, "operator"),
    )
    principals = (
        DevelopmentPrincipal(
            user_id=user_id,
            roles=frozenset({role}),
            groups=frozenset({group}),
            token=SecretStr(secrets.token_urlsafe(32)),
        )
        for user_id, role, group in people
    )
    return DevelopmentTokens(principals=tuple(principals))


def _context(principal: DevelopmentPrincipal, address: str | None) -> SecurityContext:
    return SecurityContext(
        user_id=principal.user_id,
        tenant_id=DEVELOPMENT_TENANT,
        roles=principal.roles,
        groups=principal.groups,
        address=address,
    )


def _write_private(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600 from the first moment
    incoming = Path(name)
    with os.fdopen(handle, "w") as file:
        file.write(content)
    try:
        os.link(incoming, path)
    except FileExistsError:
        return  # somebody else was faster; its tokens count
    finally:
        incoming.unlink()
