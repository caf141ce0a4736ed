"""Copies of checkpoints in the object store: records that are created once, found there without the database.

A checkpoint is kept under the digest of its origin and its size. Where another one is kept there already, the log was
signed twice: after an old backup was restored, or by somebody who tells another history. Both stay then.
"""

from __future__ import annotations

import hashlib
import logging

from storage.audit.checkpoints import Checkpoint
from storage.errors import RecordExistsError
from storage.objects import ObjectStore

logger = logging.getLogger(__name__)

_SIZE_DIGITS = 19
_TELLING_DIGITS = 16


def copy_name(origin: str, size: int) -> str:
    """Return the name under which the checkpoint of a tree is kept; names of one tree order by size."""
    return f"checkpoints/{hashlib.sha256(origin.encode()).hexdigest()}/{size:0{_SIZE_DIGITS}}"


def keep_copy(objects: ObjectStore, note: str) -> str:
    """Keep a signed checkpoint where it cannot be replaced; return its URI.

    Raises:
        ObjectStoreUnavailableError: The store does not answer.
    """
    checkpoint, content = Checkpoint.parse(note), note.encode()
    name = copy_name(checkpoint.origin, checkpoint.size)
    try:
        return objects.create_record(name, content)
    except RecordExistsError as error:
        logger.error("another checkpoint of this size was signed before", extra={"uri": error.uri})  # noqa: TRY400
        return objects.create_record(f"{name}.{hashlib.sha256(content).hexdigest()[:_TELLING_DIGITS]}", content)
