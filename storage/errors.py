"""Errors of the storage floor.

StorageError
├── RecordNotFoundError         RECORD_NOT_FOUND
├── RecordConflictError         RECORD_CONFLICT
├── RecordTextError             RECORD_TEXT_INVALID
├── RecordNumberError           RECORD_NUMBER_INVALID
├── UnknownFieldError           UNKNOWN_FIELD
├── FixedFieldError             FIELD_FIXED
├── AccessDeniedError           FORBIDDEN
├── AuthenticationError         AUTHENTICATION_REQUIRED
├── InvalidTokenError           TOKEN_INVALID
├── NotLoopbackError            HOST_NOT_LOOPBACK
├── ObjectNotFoundError         OBJECT_NOT_FOUND
├── ObjectCorruptError          OBJECT_CORRUPT
├── ObjectUriError              OBJECT_URI_INVALID
├── ObjectSourceChangedError    OBJECT_SOURCE_CHANGED
├── ObjectStoreUnavailableError OBJECT_STORE_UNAVAILABLE
├── DatabaseUnavailableError    DATABASE_UNAVAILABLE
└── DatabaseRoleError           DATABASE_ROLE_MISSING

`ReportedError` is the root of every error that a person or an agent may read: a stable `code`, one sentence, one next
step.
"""

from __future__ import annotations

from domain_sdk.errors import ReportedError

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "DatabaseRoleError",
    "DatabaseUnavailableError",
    "FixedFieldError",
    "InvalidTokenError",
    "NotLoopbackError",
    "ObjectCorruptError",
    "ObjectNotFoundError",
    "ObjectSourceChangedError",
    "ObjectStoreUnavailableError",
    "ObjectUriError",
    "RecordConflictError",
    "RecordNotFoundError",
    "RecordNumberError",
    "RecordTextError",
    "ReportedError",
    "StorageError",
    "UnknownFieldError",
]


class StorageError(ReportedError):
    """Base of the storage floor's errors."""

    code = "STORAGE"


class RecordNotFoundError(StorageError):
    """No such record, or none that the caller may know of."""

    code = "RECORD_NOT_FOUND"
    hint = "Check the id; records of another tenant are not visible."

    def __init__(self, *, model: str, record_id: object) -> None:
        self.model = model
        self.record_id = str(record_id)
        super().__init__(f"{model} {record_id} does not exist.")


class RecordConflictError(StorageError):
    """Somebody else changed the record since it was read."""

    code = "RECORD_CONFLICT"
    hint = "Read the record again and repeat the change."
    retryable = True

    def __init__(self, *, model: str, record_id: object, expected_revision: int) -> None:
        self.model = model
        self.record_id = str(record_id)
        self.expected_revision = expected_revision
        super().__init__(f"{model} {record_id} is no longer at revision {expected_revision}.")


class RecordTextError(StorageError):
    """A text that the database cannot hold."""

    code = "RECORD_TEXT_INVALID"
    hint = "Remove NUL characters and unpaired surrogates from the text."

    def __init__(self, *, model: str, field: str, reason: str) -> None:
        self.model = model
        self.field = _printable(field)
        self.reason = reason
        super().__init__(f"{model} cannot be stored: {self.field} holds {reason}.")


class RecordNumberError(StorageError):
    """A number that JSON does not have."""

    code = "RECORD_NUMBER_INVALID"
    hint = "Give a finite number, or no value."

    def __init__(self, *, model: str, field: str, value: float) -> None:
        self.model = model
        self.field = _printable(field)
        self.value = str(value)
        super().__init__(f"{model} cannot be stored: {self.field} is {self.value}.")


class UnknownFieldError(StorageError):
    """A filter or patch names a field that the model does not have."""

    code = "UNKNOWN_FIELD"

    def __init__(self, *, model: str, field: str, known: tuple[str, ...]) -> None:
        self.model = model
        self.field = field
        self.hint = f"Known fields: {', '.join(known)}."
        super().__init__(f"{model} has no field {field!r}.")


class FixedFieldError(StorageError):
    """A patch names a field that says which record it is."""

    code = "FIELD_FIXED"
    hint = "Create another record instead."

    def __init__(self, *, model: str, field: str) -> None:
        self.model = model
        self.field = field
        super().__init__(f"{model}.{field} is fixed when the record is created.")


class AccessDeniedError(StorageError):
    """The access decision was no."""

    code = "FORBIDDEN"
    hint = "Ask an administrator of your tenant for a role that carries the permission."

    def __init__(self, *, user_id: str, permission: str, resource: str, reason: str) -> None:
        self.user_id = user_id
        self.permission = permission
        self.resource = resource
        self.reason = reason
        super().__init__(f"{user_id} may not {permission} {resource}: {reason}.")


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


class ObjectNotFoundError(StorageError):
    """The object store does not hold the object."""

    code = "OBJECT_NOT_FOUND"
    hint = "Check LEARNING_ARTIFACT_ROOT: the server may look at another folder or bucket."

    def __init__(self, *, uri: str) -> None:
        self.uri = uri
        super().__init__(f"Object {uri} is not in the object store.")


class ObjectCorruptError(StorageError):
    """The bytes read do not have the digest under which they are stored."""

    code = "OBJECT_CORRUPT"
    hint = "Restore the object from a backup; nothing may use the bytes that are there."

    def __init__(self, *, uri: str, expected: str, actual: str) -> None:
        self.uri = uri
        self.expected = expected
        self.actual = actual
        super().__init__(f"Object {uri} has digest {actual} instead of {expected}.")


class ObjectUriError(StorageError):
    """An object URI that this server did not make."""

    code = "OBJECT_URI_INVALID"
    hint = "Object URIs look like object://sha256/<64 hexadecimal digits> and are made by the server."

    def __init__(self, *, uri: str) -> None:
        self.uri = uri[:200]
        super().__init__(f"{self.uri!r} is not an object URI.")


class ObjectSourceChangedError(StorageError):
    """Somebody wrote to the file while it was being stored; nothing was stored."""

    code = "OBJECT_SOURCE_CHANGED"
    hint = "Wait until whoever writes the file has finished, then store it again."
    retryable = True

    def __init__(self, *, uri: str) -> None:
        self.uri = uri
        super().__init__(f"The file that was to become {uri} changed while it was being read.")


class ObjectStoreUnavailableError(StorageError):
    """The object store does not answer, or refuses us."""

    code = "OBJECT_STORE_UNAVAILABLE"
    hint = "Check the disk of LEARNING_ARTIFACT_ROOT, or the LEARNING_S3_* settings, then try again."
    retryable = True

    def __init__(self, *, endpoint: str, reason: str) -> None:
        self.endpoint = endpoint
        self.reason = reason
        super().__init__(f"The object store at {endpoint} is not available: {reason}.")


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


def _printable(text: str) -> str:
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode(errors="replace").decode()[:200]
