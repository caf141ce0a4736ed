"""Errors of the database."""

from __future__ import annotations

from storage.errors.base import StorageError

_MAKE_ROOM = {
    "53100": "Free space on the disk of the database's server, then try again.",
    "53200": "Give the database's server more memory, or run fewer workers, then try again.",
    "53300": "Run fewer processes, or let the server's administrator raise max_connections, then try again.",
}


class DatabaseUnavailableError(StorageError):
    """The database cannot be reached or started."""

    code = "DATABASE_UNAVAILABLE"
    retryable = True

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        self.hint = "Check LEARNING_DATABASE_URL, or remove it to use the embedded PostgreSQL."
        super().__init__(f"The database is not available: {reason.rstrip('.')}.")


class DatabaseBusyError(DatabaseUnavailableError):
    """Others were in the way of what was asked: a deadlock, a lock, a statement that took too long."""

    code = "DATABASE_BUSY"

    def __init__(self, *, sqlstate: str) -> None:
        super().__init__(reason=f"others were in the way (SQLSTATE {sqlstate})")
        self.sqlstate = sqlstate
        self.hint = "Try again; nothing was changed."


class DatabaseExhaustedError(DatabaseUnavailableError):
    """The server lacks room on its disk, memory or connections."""

    code = "DATABASE_EXHAUSTED"

    def __init__(self, *, sqlstate: str, reason: str) -> None:
        super().__init__(reason=reason)
        self.sqlstate = sqlstate
        self.hint = _MAKE_ROOM.get(sqlstate, "Let the server's administrator raise the limit that it names.")


class DatabaseLimitError(StorageError):
    """A statement asks for more than the database takes: too long a value, too many of them."""

    code = "DATABASE_LIMIT_EXCEEDED"
    hint = "Give less at a time: shorter texts, fewer records or conditions in one call."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The database does not take so much: {reason.rstrip('.')}.")


class DatabaseRoleError(StorageError):
    """The login cannot act as the role that the platform works under."""

    code = "DATABASE_ROLE_MISSING"
    hint = "Let an administrator of the server run what docs/how-to/point-to-a-database-server.md says about roles."

    def __init__(self, *, role: str, reason: str) -> None:
        self.role = role
        self.reason = reason
        super().__init__(f"The database's login cannot act as {role}: {reason.rstrip('.')}.")


class DatabasePrivilegeError(StorageError):
    """Roles of the platform may not call a function of the server that they need.

    Attributes:
        roles: As SQL writes them.
    """

    code = "DATABASE_PRIVILEGE_MISSING"

    def __init__(self, *, function: str, roles: tuple[str, ...]) -> None:
        self.function = function
        self.roles = roles
        self.hint = (
            "Let an administrator of the server run in this database: "
            f"'grant execute on function {function} to {', '.join(roles)}'."
        )
        super().__init__(f"The database's roles {', '.join(roles)} may not call {function}.")


class DatabaseOwnerError(StorageError):
    """What only the owner of the tables may do was asked of another login."""

    code = "DATABASE_OWNER_NEEDED"
    hint = "Run this with the owner's login in LEARNING_DATABASE_URL; see docs/how-to/point-to-a-database-server.md."

    def __init__(self, *, login: str) -> None:
        self.login = login
        super().__init__(f"The database's login {login} does not own the tables.")


class DatabaseExtensionError(StorageError):
    """The database lacks an extension, and the login may not add it."""

    code = "DATABASE_EXTENSION_MISSING"
    hint = "Install pgvector on the server, and let its administrator run 'create extension vector' in the database."

    def __init__(self, *, extension: str, reason: str) -> None:
        self.extension = extension
        self.reason = reason
        super().__init__(f"The database lacks the extension {extension}: {reason.rstrip('.')}.")
