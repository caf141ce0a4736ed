"""Errors of the storage floor.

StorageError
├── RecordNotFoundError         RECORD_NOT_FOUND
├── RecordConflictError         RECORD_CONFLICT
├── RecordTextError             RECORD_TEXT_INVALID
├── RecordNumberError           RECORD_NUMBER_INVALID
├── UnknownFieldError           UNKNOWN_FIELD
├── FixedFieldError             FIELD_FIXED
├── DuplicateRecordError        RECORD_DUPLICATE
├── StatusTransitionError       STATUS_TRANSITION_ILLEGAL
├── FilterInvalidError          FILTER_INVALID
├── CursorInvalidError          CURSOR_INVALID
├── WithoutDocumentError        RECORD_WITHOUT_DOCUMENT
├── WrittenByPlatformError      RECORD_WRITTEN_BY_PLATFORM
├── AccessDeniedError           FORBIDDEN
├── AuthenticationError         AUTHENTICATION_REQUIRED
├── InvalidTokenError           TOKEN_INVALID
├── NotLoopbackError            HOST_NOT_LOOPBACK
├── ObjectNotFoundError         OBJECT_NOT_FOUND
├── ObjectCorruptError          OBJECT_CORRUPT
│   └── SealBrokenError         OBJECT_SEAL_BROKEN
├── ObjectUriError              OBJECT_URI_INVALID
├── ObjectSourceChangedError    OBJECT_SOURCE_CHANGED
├── ObjectRangeError            OBJECT_RANGE_INVALID
├── RecordExistsError           RECORD_EXISTS
├── ObjectStoreUnavailableError OBJECT_STORE_UNAVAILABLE
├── MetricMonthMissingError     METRIC_MONTH_MISSING
├── MetricMonthClosedError      METRIC_MONTH_CLOSED
├── VectorDimensionError        VECTOR_DIMENSION_MISMATCH
├── VectorUnusableError         VECTOR_UNUSABLE
├── ObjectUnsealableError       OBJECT_UNSEALABLE
├── MasterKeyMissingError       MASTER_KEY_MISSING
├── MasterKeyUnusableError      MASTER_KEY_UNUSABLE
├── ReferencesUnreadableError   OBJECT_REFERENCES_UNREADABLE
├── RetentionPolicyError        RETENTION_POLICY_INVALID
├── ArchiveRefusedError         ARCHIVE_REFUSED
├── LinkRefusedError            LINK_REFUSED
├── DatabaseUnavailableError    DATABASE_UNAVAILABLE
├── DatabaseRoleError           DATABASE_ROLE_MISSING
├── AuditNotSealedError         AUDIT_NOT_SEALED
├── AuditTreeDamagedError       AUDIT_TREE_DAMAGED
├── AuditNoteInvalidError       AUDIT_NOTE_INVALID
├── AuditKeyInvalidError        AUDIT_KEY_INVALID
├── AuditKeyMissingError        AUDIT_KEY_MISSING
├── AuditSealerBusyError        AUDIT_SEALER_BUSY
├── AuditSizeError              AUDIT_SIZE_UNKNOWN
└── DatabaseExtensionError      DATABASE_EXTENSION_MISSING

`ReportedError` is the root of every error that a person or an agent may read: a stable `code`, one sentence, one next
step.
"""

from __future__ import annotations

from datetime import date, datetime

from domain_sdk.errors import ReportedError
from storage.security import SecurityContext

__all__ = [
    "AccessDeniedError",
    "ArchiveRefusedError",
    "AuditKeyInvalidError",
    "AuditKeyMissingError",
    "AuditNotSealedError",
    "AuditNoteInvalidError",
    "AuditSealerBusyError",
    "AuditSizeError",
    "AuditTreeDamagedError",
    "AuthenticationError",
    "CursorInvalidError",
    "DatabaseExtensionError",
    "DatabaseRoleError",
    "DatabaseUnavailableError",
    "DuplicateRecordError",
    "FilterInvalidError",
    "FixedFieldError",
    "InvalidTokenError",
    "LinkRefusedError",
    "MasterKeyMissingError",
    "MasterKeyUnusableError",
    "MetricMonthClosedError",
    "MetricMonthMissingError",
    "NotLoopbackError",
    "ObjectCorruptError",
    "ObjectNotFoundError",
    "ObjectRangeError",
    "ObjectSourceChangedError",
    "ObjectStoreUnavailableError",
    "ObjectUnsealableError",
    "ObjectUriError",
    "RecordConflictError",
    "RecordExistsError",
    "RecordNotFoundError",
    "RecordNumberError",
    "RecordTextError",
    "ReferencesUnreadableError",
    "ReportedError",
    "RetentionPolicyError",
    "SealBrokenError",
    "StatusTransitionError",
    "StorageError",
    "UnknownFieldError",
    "VectorDimensionError",
    "VectorUnusableError",
    "WithoutDocumentError",
    "WrittenByPlatformError",
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


class DuplicateRecordError(StorageError):
    """A new record is there already, by its id or by a name or number that has to be unique."""

    code = "RECORD_DUPLICATE"
    hint = "Read the record that is there, or choose another name or number."

    def __init__(self, *, model: str, constraint: str) -> None:
        self.model = model
        self.constraint = constraint
        super().__init__(f"{model} exists already ({constraint}).")


class StatusTransitionError(StorageError):
    """A status that cannot follow the one that the record has."""

    code = "STATUS_TRANSITION_ILLEGAL"

    def __init__(self, *, model: str, field: str, state: str, asked_for: str, legal: tuple[str, ...]) -> None:
        self.model = model
        self.field = field
        self.state = state
        self.asked_for = asked_for
        self.legal = legal
        self.hint = f"From {state} it can become {', '.join(legal)}." if legal else f"{state} is final."
        super().__init__(f"{model}.{field} is {state} and cannot become {asked_for}.")


class FilterInvalidError(StorageError):
    """A filter compares a field with what it cannot be compared with."""

    code = "FILTER_INVALID"
    hint = "Compare the field with a value of its own type; docs/reference/models/README.md lists the operators."

    def __init__(self, *, model: str, field: str, reason: str) -> None:
        self.model = model
        self.field = field
        self.reason = reason
        super().__init__(f"The filter on {model}.{field} cannot be applied: {reason}.")


class CursorInvalidError(StorageError):
    """A cursor that this query did not give."""

    code = "CURSOR_INVALID"
    hint = "Start again without a cursor, and pass on the one that the last page gave, for the same question."

    def __init__(self, *, cursor: str) -> None:
        self.cursor = _printable(cursor)
        super().__init__(f"{self.cursor!r} is no cursor of this query.")


class WithoutDocumentError(StorageError):
    """Points in time cannot be read one by one, changed or deleted."""

    code = "RECORD_WITHOUT_DOCUMENT"
    hint = "Read a series of points from the time series store; points are kept until their month is dropped."

    def __init__(self, *, model: str) -> None:
        self.model = model
        super().__init__(f"{model} is kept as points in time, without a record of its own.")


class WrittenByPlatformError(StorageError):
    """Observations are written beside every change of a record, and never created, changed or deleted by anybody."""

    code = "RECORD_WRITTEN_BY_PLATFORM"
    hint = "Read and query them; keep what you make of them in records of your own."

    def __init__(self, *, model: str) -> None:
        self.model = model
        super().__init__(f"{model} is written by the platform alone.")


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


class SealBrokenError(ObjectCorruptError):
    """The bytes of a sealed object, or of its data key, are not those that were sealed."""

    code = "OBJECT_SEAL_BROKEN"

    def __init__(self, *, uri: str, reason: str) -> None:
        self.reason = reason
        super().__init__(uri=uri, expected=uri.rpartition("/")[2], actual="unknown")
        self.args = (f"Sealed object {uri} is not what was stored: {reason}.",)


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


class MetricMonthMissingError(StorageError):
    """No month that takes metric points has room for the time of a point; none was written."""

    code = "METRIC_MONTH_MISSING"
    hint = "Let an operator run 'ami-learning metrics maintain', with --from where the month lies in the past."

    def __init__(self, *, begin: datetime, end: datetime) -> None:
        self.begin = begin
        self.end = end
        super().__init__(f"Points from {begin.isoformat()} to {end.isoformat()} lie in a month that takes none.")


class MetricMonthClosedError(StorageError):
    """The points of a month were dropped, and its roll-ups are kept: no more points can come."""

    code = "METRIC_MONTH_CLOSED"
    hint = "Begin with a later month; what is known of this one stays in its roll-ups."

    def __init__(self, *, month: date) -> None:
        self.month = month
        super().__init__(f"The points of {month:%Y-%m} were dropped when they had had their time.")


class VectorDimensionError(StorageError):
    """A vector that is not as long as the others of its collection."""

    code = "VECTOR_DIMENSION_MISMATCH"

    def __init__(self, *, collection: str, expected: int, actual: int) -> None:
        self.collection = collection
        self.expected = expected
        self.actual = actual
        self.hint = f"Give vectors of {expected} numbers, or use another collection."
        super().__init__(f"Collection {collection} holds vectors of dimension {expected}, not {actual}.")


class VectorUnusableError(StorageError):
    """A vector that has no distance from others."""

    code = "VECTOR_UNUSABLE"
    hint = "Give 1 to 16000 finite numbers of single precision, not all zero where the metric is cosine."

    def __init__(self, *, collection: str, reason: str) -> None:
        self.collection = collection
        self.reason = reason
        super().__init__(f"The vector for collection {collection} cannot be used: {reason}.")


class ObjectRangeError(StorageError):
    """A part of an object that lies outside of it."""

    code = "OBJECT_RANGE_INVALID"

    def __init__(self, *, uri: str, start: int, size: int, size_bytes: int) -> None:
        self.uri = uri
        self.start = start
        self.size = size
        self.size_bytes = size_bytes
        self.hint = f"Ask for bytes from 0 to {size_bytes}."
        super().__init__(f"Object {uri} has no {size} bytes from {start} on.")


class RecordExistsError(StorageError):
    """A record of that name is kept already, and its content is another."""

    code = "RECORD_EXISTS"
    hint = "Records are created once. Find out who wrote the one that is there; to write under another name hides it."

    def __init__(self, *, uri: str) -> None:
        self.uri = uri
        super().__init__(f"Record {uri} exists with other content.")


class ObjectUnsealableError(StorageError):
    """None of our master keys opens a sealed object."""

    code = "OBJECT_UNSEALABLE"
    hint = "Check LEARNING_MASTER_KEY_FILE: it must still hold the key with which the object was sealed."

    def __init__(self, *, uri: str) -> None:
        self.uri = uri
        super().__init__(f"None of our master keys opens the sealed object {uri}.")


class MasterKeyMissingError(StorageError):
    """Content of this classification is kept encrypted, and there is no key."""

    code = "MASTER_KEY_MISSING"
    hint = "Set LEARNING_MASTER_KEY_FILE to the same file in every process: one base64 key of 32 bytes a line."

    def __init__(self) -> None:
        super().__init__("Nothing confidential can be stored or read: this process has no master key.")


class MasterKeyUnusableError(StorageError):
    """The master keys cannot be read, or are none."""

    code = "MASTER_KEY_UNUSABLE"
    hint = "One base64 key of 32 bytes a line, the newest first, in a file that only its owner can read."

    def __init__(self, *, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"The master keys in {source} cannot be used: {reason}.")


class ReferencesUnreadableError(StorageError):
    """Objects that may name others cannot be read, so nobody knows what else is needed; nothing was collected."""

    code = "OBJECT_REFERENCES_UNREADABLE"
    hint = "Restore these objects from a backup, or delete the records that name them; then collect again."

    def __init__(self, *, uris: tuple[str, ...]) -> None:
        self.uris = uris
        named = ", ".join(uris[:5])
        super().__init__(f"{len(uris)} objects that may name others cannot be read: {named}.")


class RetentionPolicyError(StorageError):
    """A retention rule that cannot be understood."""

    code = "RETENTION_POLICY_INVALID"
    hint = "Write rules as 'default=30,ModelArtifact=365,DatasetVersion/restricted=3650', in days."

    def __init__(self, *, rule: str) -> None:
        self.rule = rule
        super().__init__(f"{rule!r} is not a retention rule.")


class ArchiveRefusedError(StorageError):
    """An uploaded archive that is not taken; nothing of it was kept.

    Attributes:
        member: The name of the member at fault, made printable; empty where it is the archive as a whole.
    """

    code = "ARCHIVE_REFUSED"
    hint = "Pack plain files under relative names, without links, within the limits of an upload."

    def __init__(self, *, reason: str, member: str = "") -> None:
        self.member = _printable(member)
        self.reason = reason
        where = f" at {self.member!r}" if member else ""
        super().__init__(f"The archive is refused{where}: {reason}.")


class LinkRefusedError(StorageError):
    """A download link that is not, or no longer, good for what is asked."""

    code = "LINK_REFUSED"
    hint = "Ask for a new link."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The link is refused: {reason}.")


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


class AuditNotSealedError(StorageError):
    """The leaf is on the record, and not yet in its tree."""

    code = "AUDIT_NOT_SEALED"
    hint = "Ask again in two seconds; if that does not help, see that a sealer runs."
    retryable = True

    def __init__(self, *, subject: str) -> None:
        self.subject = subject
        super().__init__(f"{subject} is not sealed yet.")


class AuditTreeDamagedError(StorageError):
    """The stored tree is not the one that was signed last; nothing is signed on top of it."""

    code = "AUDIT_TREE_DAMAGED"
    hint = "Somebody changed the audit tables: export every tenant, verify, and restore the database from a backup."

    def __init__(self, *, tree: str, size: int) -> None:
        self.tree = tree
        self.size = size
        super().__init__(f"The audit tree {tree} of {size} leaves is not what its checkpoint says.")


class AuditNoteInvalidError(StorageError):
    """A text is no signed note, or no checkpoint."""

    code = "AUDIT_NOTE_INVALID"
    hint = "Give a checkpoint as 'ami-learning audit checkpoint' prints it."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The checkpoint cannot be read: {reason}.")


class AuditKeyInvalidError(StorageError):
    """A key, or the file of the audit's keys, cannot be read."""

    code = "AUDIT_KEY_INVALID"
    hint = "'ami-learning audit keys' prints public keys; LEARNING_AUDIT_KEY_FILE names the private ones."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The audit key cannot be read: {reason}.")


class AuditKeyMissingError(StorageError):
    """The private key with which checkpoints have to be signed is not here."""

    code = "AUDIT_KEY_MISSING"
    hint = "Restore the file that LEARNING_AUDIT_KEY_FILE names; without the key there is no new checkpoint."

    def __init__(self, *, path: str, key: str) -> None:
        self.path = path
        self.key = key
        super().__init__(f"{path} does not hold the audit key {key}.")


class AuditSealerBusyError(StorageError):
    """Another sealer has the lease."""

    code = "AUDIT_SEALER_BUSY"
    hint = "One sealer is enough; this one takes over when the other falls silent."
    retryable = True

    def __init__(self, *, holder: str) -> None:
        self.holder = holder
        super().__init__(f"The sealer {holder} has the lease.")


class AuditSizeError(StorageError):
    """A tree never had, or does not have yet, the size that is asked about."""

    code = "AUDIT_SIZE_UNKNOWN"
    hint = (
        "Give the size of a checkpoint of this very log; a later one than the newest here means that leaves are lost."
    )

    def __init__(self, *, tree: str, size: int, newest: int) -> None:
        self.tree = tree
        self.size = size
        self.newest = newest
        super().__init__(f"The audit tree {tree} has {newest} leaves; no proof leads from {size}.")


class DatabaseExtensionError(StorageError):
    """The database lacks an extension, and the login may not add it."""

    code = "DATABASE_EXTENSION_MISSING"
    hint = "Install pgvector on the server, and let its administrator run 'create extension vector' in the database."

    def __init__(self, *, extension: str, reason: str) -> None:
        self.extension = extension
        self.reason = reason
        super().__init__(f"The database lacks the extension {extension}: {reason.rstrip('.')}.")


def _printable(text: str) -> str:
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode(errors="replace").decode()[:200]
