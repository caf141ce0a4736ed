"""A Merkle tree as tiles: each holds up to 256 hashes of one level, and every eighth level of the tree is stored.

Appending touches one tile of each stored level; a proof reads at most two of each. A tile only ever grows at its end,
and a full one never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from storage.audit.merkle import HASH_BYTES, complete_subtrees, fold, perfect_root

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
_FULL = TILE_WIDTH * HASH_BYTES


class TileKey(NamedTuple):
    """Which tile of a tree; level 0 holds the leaves' hashes."""

    level: int
    number: int


Tiles: TypeAlias = Callable[[TileKey], bytes]


def edge_tiles(size: int) -> list[TileKey]:
    """Return the tiles on the right edge of a tree that are not full: those that appending continues."""
    keys, level = [], 0
    while size:
        if size % TILE_WIDTH:
            keys.append(TileKey(level, size // TILE_WIDTH))
        size //= TILE_WIDTH
        level += 1
    return keys


@dataclass
class TreeEdge:
    """The right edge of a tree: all that is needed to append to it.

    Attributes:
        size: How many leaves the tree has.
        levels: The unfinished tile of each stored level, empty where the last one is full.
        changed: The tiles that appending has changed, to be stored.
    """

    size: int
    levels: list[bytes]
    changed: dict[TileKey, bytes] = field(default_factory=dict)

    @classmethod
    def load(cls, size: int, tiles: Tiles) -> TreeEdge:
        """Return the edge of a stored tree."""
        unfinished = {key.level: tiles(key) for key in edge_tiles(size)}
        height = max(unfinished, default=-1) + 1
        return cls(size, [unfinished.get(level, b"") for level in range(height)])

    def append(self, hashes: Sequence[bytes]) -> None:
        """Add leaves, given as their hashes, at the end."""
        self._extend(0, self.size, hashes)
        self.size += len(hashes)

    def root(self) -> bytes:
        """Return the root over all leaves."""
        subtrees = []
        for hashes in reversed(self.levels):
            for height, number in complete_subtrees(0, len(hashes) // HASH_BYTES):
                start = (number << height) * HASH_BYTES
                subtrees.append(perfect_root(hashes[start : start + (HASH_BYTES << height)]))
        return fold(subtrees)

    def _extend(self, level: int, count: int, hashes: Sequence[bytes]) -> None:
        if level == len(self.levels):
            self.levels.append(b"")
        number, content = count // TILE_WIDTH, self.levels[level] + b"".join(hashes)
        above = []
        for start in range(0, len(content), _FULL):
            tile = content[start : start + _FULL]
            self.changed[TileKey(level, number + start // _FULL)] = tile
            if len(tile) == _FULL:
                above.append(perfect_root(tile))
        self.levels[level] = content[len(above) * _FULL :]
        if above:
            self._extend(level + 1, number, above)


def range_hash_of(tiles: Tiles) -> Callable[[int, int], bytes]:
    """Return the function from a range of leaves to its hash, that proofs are made with, for a stored tree."""

    def node(height: int, number: int) -> bytes:
        level, inner = divmod(height, TILE_HEIGHT)
        first = number << inner
        tile = tiles(TileKey(level, first // TILE_WIDTH))
        start = first % TILE_WIDTH * HASH_BYTES
        return perfect_root(tile[start : start + (HASH_BYTES << inner)])

    def range_hash(start: int, end: int) -> bytes:
        return fold([node(height, number) for height, number in complete_subtrees(start, end)])

    return range_hash


def tile_of(position: int) -> TileKey:
    """Return the tile that holds the hash of a leaf."""
    return TileKey(0, position // TILE_WIDTH)


def leaf_tiles(size: int) -> Iterable[TileKey]:
    """Return the tiles that hold the hashes of the first `size` leaves."""
    return (TileKey(0, number) for number in range(-(-size // TILE_WIDTH)))
