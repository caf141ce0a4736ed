"""Trees as the database holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from storage.audit.merkle import EMPTY_ROOT, RangeHash
from storage.audit.tiles import TileKey, TreeEdge, edge_tiles, range_hash_of
from storage.errors import AuditTreeDamagedError
from storage.sql import Queries

QUERIES = Queries(Path(__file__).with_name("sealer.sql"))


@dataclass(frozen=True)
class SignedSize:
    """The newest checkpoint of a tree: its size and root."""

    size: int = 0
    root: bytes = EMPTY_ROOT


def newest_sizes(connection: Connection, trees: Sequence[str]) -> dict[str, SignedSize]:
    """Return the newest checkpoints of trees; one that has none is empty."""
    rows = QUERIES.rows(connection, "newest_checkpoints", {"trees": list(trees)})
    found = {row.tree: SignedSize(row.size, bytes(row.root)) for row in rows}
    return {tree: found.get(tree, SignedSize()) for tree in trees}


def load_edges(connection: Connection, trees: Sequence[str]) -> dict[str, TreeEdge]:
    """Return the right edges of trees, as they were signed last.

    Raises:
        AuditTreeDamagedError: A stored edge does not have the root that was signed.
    """
    signed = newest_sizes(connection, trees)
    keys = [(tree, key) for tree, newest in signed.items() for key in edge_tiles(newest.size)]
    tiles = read_tiles(connection, keys)
    return {tree: _edge(tree, newest, tiles) for tree, newest in signed.items()}


def _edge(tree: str, newest: SignedSize, tiles: Mapping[tuple[str, TileKey], bytes]) -> TreeEdge:
    edge = TreeEdge.load(newest.size, lambda key: tiles.get((tree, key), b""))
    if edge.root() != newest.root:
        raise AuditTreeDamagedError(tree=tree, size=newest.size)
    return edge


def read_tiles(connection: Connection, keys: Sequence[tuple[str, TileKey]]) -> dict[tuple[str, TileKey], bytes]:
    """Return the tiles that are there."""
    parameters = {
        "trees": [tree for tree, _ in keys],
        "levels": [key.level for _, key in keys],
        "numbers": [key.number for _, key in keys],
    }
    rows = QUERIES.rows(connection, "read_tiles", parameters)
    return {(row.tree, TileKey(row.level, row.number)): bytes(row.hashes) for row in rows}


def write_edges(connection: Connection, edges: Mapping[str, TreeEdge]) -> None:
    """Store the tiles that appending has changed."""
    changed = [(tree, key, hashes) for tree, edge in edges.items() for key, hashes in edge.changed.items()]
    parameters = {
        "trees": [tree for tree, _, _ in changed],
        "levels": [key.level for _, key, _ in changed],
        "numbers": [key.number for _, key, _ in changed],
        "hashes": [hashes for _, _, hashes in changed],
    }
    QUERIES.execute(connection, "write_tiles", parameters)


def stored_range_hash(connection: Connection, tree: str) -> RangeHash:
    """Return the hashes over ranges of a stored tree; each tile is read once."""
    known: dict[TileKey, bytes] = {}

    def tile(key: TileKey) -> bytes:
        if key not in known:
            known[key] = read_tiles(connection, [(tree, key)]).get((tree, key), b"")
        return known[key]

    return range_hash_of(tile)


def tree_hashes(connection: Connection, tree: str, keys: Iterable[TileKey]) -> Iterable[bytes]:
    """Yield tiles of a tree, one after the other."""
    for key in keys:
        yield read_tiles(connection, [(tree, key)]).get((tree, key), b"")
