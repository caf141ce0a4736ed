"""Errors of the audit trail."""

from __future__ import annotations

from storage.errors.base import StorageError


class AuditNotSealedError(StorageError):
    """The leaf is on the record, and not yet in its tree."""

    code = "AUDIT_NOT_SEALED"
    hint = "Ask again in two seconds; if that does not help, check the tenant's name, and see that a sealer runs."
    retryable = True

    def __init__(self, *, subject: str) -> None:
        self.subject = subject
        super().__init__(f"{subject} is not sealed yet.")


class ErasureNotSealedError(AuditNotSealedError):
    """Something was erased, and the leaf that says so is not in its tree yet: a bundle would show a loss."""


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
