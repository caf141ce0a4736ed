"""Merkle trees of RFC 6962, 2.1: roots, inclusion proofs and consistency proofs.

Pure: a tree is a function that returns the hash over any range of leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import TypeAlias

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

RangeHash: TypeAlias = Callable[[int, int], bytes]
"""`(start, end)` to the hash of the tree over these leaves; `start` is a multiple of the range's rounded-up size."""


def leaf_hash(content: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(subtrees: Sequence[bytes]) -> bytes:
    """Return the root over complete subtrees, from the largest on the left to the smallest on the right."""
    if not subtrees:
        return EMPTY_ROOT
    return reduce(lambda right, left: node_hash(left, right), reversed(subtrees))


def complete_subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield `(height, number)` of the complete subtrees that make up a range, from the left.

    Args:
        start: A multiple of the largest power of two in the range's length.
        end: Behind the last leaf.
    """
    while start < end:
        height = (end - start).bit_length() - 1
        yield height, start >> height
        start += 1 << height


def perfect_root(hashes: bytes) -> bytes:
    """Return the root over hashes whose number is a power of two, given one behind the other."""
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), 2 * HASH_BYTES)
        hashes = b"".join(hashlib.sha256(b"\x01" + hashes[i : i + 2 * HASH_BYTES]).digest() for i in pairs)
    return hashes


def inclusion_path(position: int, size: int, range_hash: RangeHash) -> list[bytes]:
    """Return the proof that leaf `position` is in a tree of `size` leaves, from the leaf upwards (RFC 6962, 2.1.1)."""
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if position < middle:
            path.append(range_hash(middle, end))
            end = middle
        else:
            path.append(range_hash(start, middle))
            start = middle
    return path[::-1]


def consistency_path(old_size: int, size: int, range_hash: RangeHash) -> list[bytes]:
    """Return the proof that the tree of `size` leaves begins with that of `old_size` (RFC 6962, 2.1.2)."""
    if old_size in {0, size}:
        return []
    start, end, is_whole, path = 0, size, True, []
    while old_size != end - start:
        middle = _split(end - start)
        if old_size <= middle:
            path.append(range_hash(start + middle, end))
            end = start + middle
        else:
            path.append(range_hash(start, start + middle))
            start, old_size, is_whole = start + middle, old_size - middle, False
    if not is_whole:
        path.append(range_hash(start, end))
    return path[::-1]


def root_of_inclusion(leaf: bytes, position: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that an inclusion proof leads to, `None` where it has not the form of one (RFC 9162, 2.1.3.2)."""
    if not 0 <= position < size:
        return None
    number, last, current = position, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if number & 1 or number == last:
            current = node_hash(sibling, current)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        number, last = number >> 1, last >> 1
    return current if last == 0 else None


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
