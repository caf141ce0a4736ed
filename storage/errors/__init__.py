"""Errors of the storage floor, one module for each noun.

StorageError
├── records.py: records, and questions for them
│   ├── RecordNotFoundError               RECORD_NOT_FOUND
│   ├── RecordConflictError               RECORD_CONFLICT
│   ├── RecordHeldError                   RECORD_HELD
│   ├── RecordInProductionError           RECORD_IN_PRODUCTION
│   ├── RecordTextError                   RECORD_TEXT_INVALID
│   ├── RecordNumberError                 RECORD_NUMBER_INVALID
│   ├── UnknownFieldError                 UNKNOWN_FIELD
│   ├── FixedFieldError                   FIELD_FIXED
│   ├── DuplicateRecordError              RECORD_DUPLICATE
│   ├── StatusTransitionError             STATUS_TRANSITION_ILLEGAL
│   ├── FilterInvalidError                FILTER_INVALID
│   ├── CursorInvalidError                CURSOR_INVALID
│   ├── WithoutDocumentError              RECORD_WITHOUT_DOCUMENT
│   └── WrittenByPlatformError            RECORD_WRITTEN_BY_PLATFORM
├── access.py: who may do what, and who asks
│   ├── AccessDeniedError                 FORBIDDEN
│   │   └── RecordNotGrantedError           the same code
│   ├── AuthenticationError               AUTHENTICATION_REQUIRED
│   ├── InvalidTokenError                 TOKEN_INVALID
│   ├── NotLoopbackError                  HOST_NOT_LOOPBACK
│   └── PrincipalsInvalidError            PRINCIPALS_INVALID
├── objects.py: objects, and how they are read and kept
│   ├── ObjectNotFoundError               OBJECT_NOT_FOUND
│   ├── ObjectCorruptError                OBJECT_CORRUPT
│   │   └── SealBrokenError               OBJECT_SEAL_BROKEN
│   ├── ObjectUriError                    OBJECT_URI_INVALID
│   ├── ObjectSourceChangedError          OBJECT_SOURCE_CHANGED
│   ├── ObjectRangeError                  OBJECT_RANGE_INVALID
│   ├── RecordExistsError                 RECORD_EXISTS
│   ├── ObjectStoreUnavailableError       OBJECT_STORE_UNAVAILABLE
│   ├── ObjectClientUnsupportedError      OBJECT_CLIENT_UNSUPPORTED
│   ├── ReferencesUnreadableError         OBJECT_REFERENCES_UNREADABLE
│   ├── RetentionPolicyError              RETENTION_POLICY_INVALID
│   ├── ArchiveRefusedError               ARCHIVE_REFUSED
│   └── LinkRefusedError                  LINK_REFUSED
├── sealing.py: the keys of sealed objects
│   ├── ObjectUnsealableError             OBJECT_UNSEALABLE
│   ├── MasterKeyMissingError             MASTER_KEY_MISSING
│   └── MasterKeyUnusableError            MASTER_KEY_UNUSABLE
├── stores.py: metric points and vectors
│   ├── MetricMonthMissingError           METRIC_MONTH_MISSING
│   ├── MetricMonthClosedError            METRIC_MONTH_CLOSED
│   ├── VectorDimensionError              VECTOR_DIMENSION_MISMATCH
│   └── VectorUnusableError               VECTOR_UNUSABLE
├── database.py: the database
│   ├── DatabaseUnavailableError          DATABASE_UNAVAILABLE
│   │   ├── DatabaseBusyError             DATABASE_BUSY
│   │   └── DatabaseExhaustedError        DATABASE_EXHAUSTED
│   ├── DatabaseLimitError                DATABASE_LIMIT_EXCEEDED
│   ├── DatabaseRoleError                 DATABASE_ROLE_MISSING
│   ├── DatabaseOwnerError                DATABASE_OWNER_NEEDED
│   ├── DatabasePrivilegeError            DATABASE_PRIVILEGE_MISSING
│   └── DatabaseExtensionError            DATABASE_EXTENSION_MISSING
└── audit.py: the audit trail
    ├── AuditNotSealedError               AUDIT_NOT_SEALED
    │   └── ErasureNotSealedError           the same code
    ├── AuditTreeDamagedError             AUDIT_TREE_DAMAGED
    ├── AuditNoteInvalidError             AUDIT_NOTE_INVALID
    ├── AuditKeyInvalidError              AUDIT_KEY_INVALID
    ├── AuditKeyMissingError              AUDIT_KEY_MISSING
    ├── AuditSealerBusyError              AUDIT_SEALER_BUSY
    └── AuditSizeError                    AUDIT_SIZE_UNKNOWN

`ReportedError` is the root of every error that a person or an agent may read: a stable `code`, one sentence, one next
step.
"""

from domain_sdk.errors import ReportedError
from storage.errors.access import (
    AccessDeniedError,
    AuthenticationError,
    InvalidTokenError,
    NotLoopbackError,
    PrincipalsInvalidError,
    RecordNotGrantedError,
)
from storage.errors.audit import (
    AuditKeyInvalidError,
    AuditKeyMissingError,
    AuditNoteInvalidError,
    AuditNotSealedError,
    AuditSealerBusyError,
    AuditSizeError,
    AuditTreeDamagedError,
    ErasureNotSealedError,
)
from storage.errors.base import StorageError
from storage.errors.database import (
    DatabaseBusyError,
    DatabaseExhaustedError,
    DatabaseExtensionError,
    DatabaseLimitError,
    DatabaseOwnerError,
    DatabasePrivilegeError,
    DatabaseRoleError,
    DatabaseUnavailableError,
)
from storage.errors.objects import (
    ArchiveRefusedError,
    LinkRefusedError,
    ObjectClientUnsupportedError,
    ObjectCorruptError,
    ObjectNotFoundError,
    ObjectRangeError,
    ObjectSourceChangedError,
    ObjectStoreUnavailableError,
    ObjectUriError,
    RecordExistsError,
    ReferencesUnreadableError,
    RetentionPolicyError,
    SealBrokenError,
)
from storage.errors.records import (
    CursorInvalidError,
    DuplicateRecordError,
    FilterInvalidError,
    FixedFieldError,
    RecordConflictError,
    RecordHeldError,
    RecordInProductionError,
    RecordNotFoundError,
    RecordNumberError,
    RecordTextError,
    StatusTransitionError,
    UnknownFieldError,
    WithoutDocumentError,
    WrittenByPlatformError,
)
from storage.errors.sealing import MasterKeyMissingError, MasterKeyUnusableError, ObjectUnsealableError
from storage.errors.stores import (
    MetricMonthClosedError,
    MetricMonthMissingError,
    VectorDimensionError,
    VectorUnusableError,
)

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
    "DatabaseBusyError",
    "DatabaseExhaustedError",
    "DatabaseExtensionError",
    "DatabaseLimitError",
    "DatabaseOwnerError",
    "DatabasePrivilegeError",
    "DatabaseRoleError",
    "DatabaseUnavailableError",
    "DuplicateRecordError",
    "ErasureNotSealedError",
    "FilterInvalidError",
    "FixedFieldError",
    "InvalidTokenError",
    "LinkRefusedError",
    "MasterKeyMissingError",
    "MasterKeyUnusableError",
    "MetricMonthClosedError",
    "MetricMonthMissingError",
    "NotLoopbackError",
    "ObjectClientUnsupportedError",
    "ObjectCorruptError",
    "ObjectNotFoundError",
    "ObjectRangeError",
    "ObjectSourceChangedError",
    "ObjectStoreUnavailableError",
    "ObjectUnsealableError",
    "ObjectUriError",
    "PrincipalsInvalidError",
    "RecordConflictError",
    "RecordExistsError",
    "RecordHeldError",
    "RecordInProductionError",
    "RecordNotFoundError",
    "RecordNotGrantedError",
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
