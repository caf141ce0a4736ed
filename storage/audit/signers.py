"""Who signs: the keys in the order in which they followed each other, on one transaction."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from sqlalchemy import Connection

from storage.audit.checkpoints import GLOBAL_TREE, log_name
from storage.audit.keys import KeyFile, rotation_text
from storage.audit.leaves import AuditEntry
from storage.audit.notes import SigningKey, VerifierKey
from storage.audit.stored_trees import QUERIES, newest_sizes
from storage.errors import AuditKeyMissingError
from storage.security import SecurityContext
from storage.storage import Storage


def signing_key(connection: Connection, log_id: UUID, key_file: KeyFile) -> SigningKey:
    """Return the key that signs now; make the first one. The caller has locked the log.

    Raises:
        AuditKeyMissingError, AuditKeyInvalidError: It is not in the key file.
    """
    row = QUERIES.first(connection, "newest_key")
    if row is not None:
        return key_file.key(VerifierKey.parse(row.verifier))
    key = key_file.add_new(log_name(log_id))
    _add(connection, 1, key.verifier, None)
    return key


def rotate_key(storage: Storage, key_file: KeyFile, *, context: SecurityContext) -> VerifierKey:
    """Let a new key, endorsed by the old one, sign from now on; return its public half.

    Raises:
        AuditKeyMissingError, AuditKeyInvalidError: The old key is not in the key file.
    """
    with storage.transaction() as work:
        row = QUERIES.first(work.connection, "lock_log")  # no round is under way, and none begins
        assert row is not None  # noqa: S101 - the row is never deleted
        old = signing_key(work.connection, row.log_id, key_file)
        # In the file first: after a crash here it holds a key that nobody asks for.
        new = key_file.add_new(old.name).verifier
        size = newest_sizes(work.connection, [GLOBAL_TREE])[GLOBAL_TREE].size
        newest = QUERIES.first(work.connection, "newest_key")
        assert newest is not None  # noqa: S101 - `signing_key` made one
        _add(work.connection, newest.number + 1, new, old.sign(rotation_text(old.verifier, new, size)))
        details = {"old": str(old.verifier), "new": str(new)}
        entry = AuditEntry(action="audit.key_rotated", subject=f"audit_key/{new.key_id.hex()}", details={**details})
        work.audit.record(entry, context=context)
    _forget_replaced(storage, key_file)
    return new


def _forget_replaced(storage: Storage, key_file: KeyFile) -> None:
    """Let the key file hold the newest key alone; locked, because another rotation may be adding its own."""
    with storage.transaction() as work, suppress(AuditKeyMissingError):  # the newest one is in somebody else's file
        QUERIES.first(work.connection, "lock_log")
        newest = QUERIES.first(work.connection, "newest_key")
        assert newest is not None  # noqa: S101 - there has been a rotation
        key_file.keep_only(VerifierKey.parse(newest.verifier))


def _add(connection: Connection, number: int, verifier: VerifierKey, endorsement: str | None) -> None:
    parameters = {"number": number, "verifier": str(verifier), "endorsement": endorsement}
    QUERIES.execute(connection, "insert_key", parameters)
