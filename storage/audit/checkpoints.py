"""Checkpoints: what a tree was when it was signed (c2sp.org/tlog-checkpoint).

The text is the tree's origin, its size, its root in base64, and the time of signing as an extension line.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from storage.audit.canonical import canonical_bytes
from storage.audit.merkle import HASH_BYTES
from storage.audit.notes import split_note
from storage.errors import AuditNoteInvalidError

GLOBAL_TREE = "global"
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class Checkpoint:
    """The size and the root of a tree; `extensions` are further signed lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is signed."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, note: str) -> Checkpoint:
        """Return the checkpoint in a signed note, whose signature is not looked at.

        Raises:
            AuditNoteInvalidError: There is none in it.
        """
        text, _ = split_note(note)
        origin, size, root, *extensions = (*text.splitlines(), "", "", "")[: max(3, len(text.splitlines()))]
        try:
            content = base64.b64decode(root, validate=True)
        except ValueError:  # no base64, or no ASCII
            content = b""
        if not origin or not _SIZE.fullmatch(size) or len(content) != HASH_BYTES:
            raise AuditNoteInvalidError(reason="it is not a checkpoint of origin, size and root")
        return cls(origin, int(size), content, tuple(extensions))


def log_name(log_id: UUID) -> str:
    """Return the name of an installation's audit log, which its keys and its checkpoints carry."""
    return f"ami-learning/{log_id}"


def tenant_tree(tenant_id: str) -> str:
    """Return the name of a tenant's tree."""
    return f"tenant/{tenant_id}"


def origin_of(log_id: UUID, tree: str) -> str:
    """Return the origin line of a tree's checkpoints."""
    return f"{log_name(log_id)}/{quote(tree, safe='/')}"


def signed_checkpoint(log_id: UUID, tree: str, size: int, root: bytes, at: datetime) -> Checkpoint:
    """Return the checkpoint of a tree that is to be signed now."""
    extensions = (f"signed {at.isoformat(timespec='seconds')}",)
    return Checkpoint(origin_of(log_id, tree), size, root, extensions)


def head_leaf(tenant_id: str, size: int, root: bytes) -> bytes:
    """Return the leaf of the tree over all tenants that stands for a tenant's tree."""
    return canonical_bytes({"tenant_id": tenant_id, "size": size, "root": root.hex()})
