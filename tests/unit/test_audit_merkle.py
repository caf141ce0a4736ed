"""Merkle trees against a naive reading of RFC 6962, 2.1, for all sizes up to 70 and beyond the edge of a tile."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.audit.merkle import (
    EMPTY_ROOT,
    consistency_path,
    inclusion_path,
    leaf_hash,
    root_of_inclusion,
)
from storage.audit.tiles import TILE_WIDTH, TileKey, TreeEdge, range_hash_of

SIZES = range(1, 71)
LEAVES = [f"leaf {number}".encode() for number in range(70_000)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def split(size: int) -> int:
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, word for word."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0])
    k = split(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:]))


def naive_path(position: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if position < k:
        return [*naive_path(position, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(position - k, leaves[k:]), naive_root(leaves[:k])]


def naive_proof(m: int, leaves: list[bytes], *, is_whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, 2.1.2, word for word."""
    if m == len(leaves):
        return [] if is_whole else [naive_root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*naive_proof(m, leaves[:k], is_whole=is_whole), naive_root(leaves[k:])]
    return [*naive_proof(m - k, leaves[k:], is_whole=False), naive_root(leaves[:k])]


class Shelf:
    """A tree in tiles, kept in memory."""

    def __init__(self) -> None:
        self.tiles: dict[TileKey, bytes] = {}
        self.size = 0

    def append(self, number: int) -> bytes:
        """Append leaves, as the sealer does: from what is stored."""
        edge = TreeEdge.load(self.size, self.tiles.__getitem__)
        edge.append(HASHES[self.size : self.size + number])
        self.tiles |= edge.changed
        self.size = edge.size
        return edge.root()


def shelf_of(size: int) -> Shelf:
    shelf = Shelf()
    shelf.append(size)
    return shelf


def test_the_hashes_of_the_empty_tree_and_of_an_empty_leaf_are_those_that_the_rfc_implies() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert TreeEdge.load(0, dict[TileKey, bytes]().__getitem__).root() == EMPTY_ROOT


@pytest.mark.parametrize("size", SIZES)
def test_the_root_and_every_proof_of_a_tree_are_those_of_the_naive_one(size: int) -> None:
    leaves, shelf = LEAVES[:size], Shelf()
    root = shelf.append(size)
    range_hash = range_hash_of(shelf.tiles.__getitem__)

    assert root == naive_root(leaves) == range_hash(0, size)
    for position in range(size):
        path = inclusion_path(position, size, range_hash)
        assert path == naive_path(position, leaves)
        assert root_of_inclusion(HASHES[position], position, size, path) == root
    for old_size in range(1, size + 1):
        assert consistency_path(old_size, size, range_hash) == naive_proof(old_size, leaves)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=12), st.data())
def test_a_tree_that_grew_in_any_steps_is_the_one_that_was_made_at_once(steps: list[int], data: st.DataObject) -> None:
    shelf = Shelf()
    for step in steps:
        root = shelf.append(step)
    size = shelf.size
    position, old_size = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    range_hash = range_hash_of(shelf.tiles.__getitem__)

    assert root == naive_root(LEAVES[:size])
    assert inclusion_path(position, size, range_hash) == naive_path(position, LEAVES[:size])
    assert consistency_path(old_size, size, range_hash) == naive_proof(old_size, LEAVES[:size])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 600), st.data())
def test_proofs_for_an_earlier_size_are_made_from_the_tiles_of_a_later_one(size: int, data: st.DataObject) -> None:
    range_hash = range_hash_of(shelf_of(size).tiles.__getitem__)
    earlier = data.draw(st.integers(1, size))
    position = data.draw(st.integers(0, earlier - 1))

    assert inclusion_path(position, earlier, range_hash) == naive_path(position, LEAVES[:earlier])


@pytest.mark.parametrize("size", [TILE_WIDTH**2 - 1, TILE_WIDTH**2, TILE_WIDTH**2 + 1])
def test_the_third_level_of_tiles_begins_where_the_second_is_full(size: int) -> None:
    shelf = Shelf()
    for step in (TILE_WIDTH - 1, 1, 1, size - TILE_WIDTH - 1):
        root = shelf.append(step)

    assert root == naive_root(LEAVES[:size])
    assert max(key.level for key in shelf.tiles) == (2 if size >= TILE_WIDTH**2 else 1)


def test_appending_one_leaf_to_many_changes_one_tile_of_each_level_at_most() -> None:
    shelf = shelf_of(65_535)
    edge = TreeEdge.load(shelf.size, shelf.tiles.__getitem__)

    edge.append([HASHES[65_535]])

    assert set(edge.changed) == {TileKey(0, 255), TileKey(1, 0), TileKey(2, 0)}


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 200), st.data())
def test_a_proof_holds_for_no_other_leaf_place_size_or_path(size: int, data: st.DataObject) -> None:
    shelf = Shelf()
    root = shelf.append(size)
    position = data.draw(st.integers(0, size - 1))
    path = inclusion_path(position, size, range_hash_of(shelf.tiles.__getitem__))
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != position))
    damaged = list(path)
    damaged[data.draw(st.integers(0, len(path) - 1))] = bytes(32)

    assert root_of_inclusion(HASHES[other], position, size, path) != root
    assert root_of_inclusion(HASHES[position], other, size, path) != root
    assert root_of_inclusion(HASHES[position], position, size, damaged) != root
    assert root_of_inclusion(HASHES[position], position, size, path[:-1]) != root
    assert root_of_inclusion(HASHES[position], position, size, [*path, bytes(32)]) is None
    assert root_of_inclusion(HASHES[position], size, size, path) is None
