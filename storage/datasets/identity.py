"""By what a dataset version is known: SHA-256 over its columns' names and canonical values.

A leaf is the digest of one column within one chunk of 65,536 rows; a chunk's digest is made of its leaves, the
version's of the names and of the chunks in order. So two versions show in which chunks and columns they differ, and
equal chunks are kept once. Every digest begins with what it is a digest of, as RFC 6962 (2.1) does it, so that no leaf
can pass for a node.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from storage.datasets.canonical import CanonicalColumn
from storage.datasets.encoding import encoded

_LEAF, _CHUNK, _DATASET = b"\x00ami-column-1", b"\x01ami-chunk-1", b"\x02ami-dataset-1"


def leaf_digest(column: CanonicalColumn) -> bytes:
    """Return the digest of one column's values within one chunk."""
    digest = hashlib.sha256(_LEAF)
    for part in encoded(column):
        digest.update(part)
    return digest.digest()


def chunk_digest(leaves: Sequence[bytes]) -> bytes:
    """Return the digest of a chunk from those of its columns."""
    return hashlib.sha256(_CHUNK + b"".join(leaves)).digest()


def content_digest(names: Sequence[str], row_count: int, chunks: Sequence[bytes]) -> str:
    """Return the version's digest, 64 hexadecimal digits."""
    digest = hashlib.sha256(_DATASET)
    digest.update(len(names).to_bytes(4, "little") + row_count.to_bytes(8, "little"))
    for name in names:
        digest.update(len(name.encode()).to_bytes(4, "little") + name.encode())
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
