"""Errors of the database."""

from __future__ import annotations

from storage.errors.base import StorageError


class DatabaseUnavailableError(StorageError):
    """The database cannot be reached or started."""

    code = "DATABASE_UNAVAILABLE"
    retryable = True

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        self.hint = "Check LEARNING_DATABASE_URL, or remove it to use the embedded PostgreSQL."
        super().__init__(f"The database is not available: {reason.rstrip('.')}.")


class DatabaseRoleError(StorageError):
    """The login cannot act as the role that the platform works under."""

    code = "DATABASE_ROLE_MISSING"
    hint = "Let an administrator of the server run what docs/how-to/point-to-a-database-server.md says about roles."

    def __init__(self, *, role: str, reason: str) -> None:
        self.role = role
        self.reason = reason
        super().__init__(f"The database's login cannot act as {role}: {reason.rstrip('.')}.")


class DatabaseExtensionError(StorageError):
    """The database lacks an extension, and the login may not add it."""

    code = "DATABASE_EXTENSION_MISSING"
    hint = "Install pgvector on the server, and let its administrator run 'create extension vector' in the database."

    def __init__(self, *, extension: str, reason: str) -> None:
        self.extension = extension
        self.reason = reason
        super().__init__(f"The database lacks the extension {extension}: {reason.rstrip('.')}.")
