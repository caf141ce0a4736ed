"""Errors of who may do what, and who asks."""

from __future__ import annotations

from storage.errors.base import StorageError
from storage.security import SecurityContext


class AccessDeniedError(StorageError):
    """The access decision was no."""

    code = "FORBIDDEN"
    hint = "Ask an administrator of your tenant for a role that carries the permission."

    def __init__(
        self, *, user_id: str, permission: str, resource: str, reason: str, context: SecurityContext | None = None
    ) -> None:
        self.context = context
        self.user_id = user_id
        self.permission = permission
        self.resource = resource
        self.reason = reason
        super().__init__(f"{user_id} may not {permission} {resource}: {reason}.")


class RecordNotGrantedError(AccessDeniedError):
    """What is asked for is about a RESTRICTED record that is not granted to the principal."""

    hint = "Ask whoever may grant the record, such as its creator, for a grant with learning.grant_access."


class AuthenticationError(StorageError):
    """No principal could be established from the request."""

    code = "AUTHENTICATION_REQUIRED"
    hint = "Send 'Authorization: Bearer TOKEN' with a token of this server; 'ami-learning up' prints where they are."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Authentication failed: {reason}.")


class InvalidTokenError(StorageError):
    """The bearer token belongs to nobody."""

    code = "TOKEN_INVALID"
    hint = "Use a token from principals.json in LEARNING_HOME; 'ami-learning up' prints where it is."

    def __init__(self) -> None:
        super().__init__("The bearer token is not one of this server's.")


class NotLoopbackError(StorageError):
    """Development principals would be reachable from other machines."""

    code = "HOST_NOT_LOOPBACK"
    hint = "Set AMI_HOST=127.0.0.1."

    def __init__(self, *, host: str) -> None:
        self.host = host
        super().__init__(f"Development principals are for loopback only, and {host!r} is not.")


class PrincipalsInvalidError(StorageError):
    """The file of the development principals does not hold any."""

    code = "PRINCIPALS_INVALID"
    hint = "Mend the file as docs/how-to/connect-an-agent.md shows, or delete it to have it made anew."

    def __init__(self, *, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path} cannot be read as principals: {reason}.")
