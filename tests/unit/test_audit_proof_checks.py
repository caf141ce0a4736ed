"""Who checks proofs refuses each that is wrong in one place: the platform, and the verifier that stands alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.audit import offline_verifier
from storage.audit.checkpoints import GLOBAL_TREE, head_leaf, signed_checkpoint, tenant_tree
from storage.audit.merkle import consistency_path, inclusion_path, leaf_hash, node_hash, root_of_inclusion
from storage.audit.notes import SigningKey, VerifierKey
from storage.audit.proofs import AuditProof, Inclusion, SignedCheckpoint, verify_proof

LOG = UUID("0199d1a0-0000-7000-8000-000000000001")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
MOST = 40
HASHES = tuple(leaf_hash(f"leaf {number}".encode()) for number in range(MOST))
KEY = SigningKey("ami-learning/log", Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
OTHER_KEY = SigningKey("ami-learning/log", Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32))


@cache
def range_hash(start: int, end: int) -> bytes:
    """MTH of RFC 6962, 2.1."""
    if end - start == 1:
        return HASHES[start]
    middle = start + (1 << (end - start - 1).bit_length() - 1)
    return node_hash(range_hash(start, middle), range_hash(middle, end))


def consistency(old_size: int, size: int, path: list[bytes] | None = None) -> bool:
    """Ask the verifier whether the tree of `size` leaves begins with that of `old_size`."""
    old, new = (
        offline_verifier.Checkpoint("o", each, range_hash(0, each) if each else b"", offline_verifier.Note("", ()))
        for each in (old_size, size)
    )
    path = consistency_path(old_size, size, range_hash) if path is None else path
    return offline_verifier._is_consistent(old, new, path)


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_the_verifier_that_stands_alone_reckons_as_the_trees_do(size: int) -> None:
    tree = offline_verifier.Tree(b"".join(HASHES[:size]))
    paths = [inclusion_path(position, size, range_hash) for position in range(size)]

    assert [tree.root(each) for each in range(1, size + 1)] == [range_hash(0, each) for each in range(1, size + 1)]
    for check in (root_of_inclusion, offline_verifier._root_of_inclusion):
        roots = [check(HASHES[position], position, size, path) for position, path in enumerate(paths)]
        assert roots == [range_hash(0, size)] * size
    assert all(consistency(old_size, size) for old_size in range(size))


@pytest.mark.parametrize("size", range(2, MOST + 1))
def test_the_verifier_that_stands_alone_refuses_a_proof_that_is_wrong_in_one_place(size: int) -> None:
    root = range_hash(0, size)
    for position in range(size):
        path = inclusion_path(position, size, range_hash)
        wrong = [
            (position, path[:-1]),
            (position, [*path, bytes(32)]),
            ((position + 1) % size, path),
            (position + size, path),
            (position - size, path),
            *((position, [*path[:at], bytes(32), *path[at + 1 :]]) for at in range(len(path))),
        ]
        for place, steps in wrong:
            assert offline_verifier._root_of_inclusion(HASHES[position], place, size, steps) != root
    for old_size in range(1, size):
        path = consistency_path(old_size, size, range_hash)
        spoiled = [[*path[:at], bytes(32), *path[at + 1 :]] for at in range(len(path))]
        for steps in ([], path[:-1], path[1:], [*path, bytes(32)], [bytes(32), *path], *spoiled):
            assert not consistency(old_size, size, steps)
    assert not consistency(0, size, [bytes(32)])


def test_the_verifier_that_stands_alone_reads_the_keys_that_the_platform_writes_and_no_others() -> None:
    verifiers = [
        SigningKey("a/log", Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)).verifier for number in range(32)
    ]
    line = str(verifiers[0])
    name, key_id, encoded = line.split("+", 2)
    wrong = [f"{name}+00000000+{encoded}", f"b{line}", f"{name}+{key_id}", "", f"{line}AAAA", line.replace("+A", "+B")]
    wrong += [str(VerifierKey("a/log", bytes(length))) for length in (0, 31, 33)]

    assert [offline_verifier.read_key(f"{verifier}\n") for verifier in verifiers] == [
        offline_verifier.Key(verifier.name, verifier.public_key) for verifier in verifiers
    ]
    for broken in wrong:
        with pytest.raises(ValueError):  # noqa: PT011 - what it promises
            offline_verifier.read_key(broken)


def included(tree: str, leaves: list[bytes], position: int, key: SigningKey = KEY) -> Inclusion:
    """Return the proof of a leaf of a tree, signed."""
    size = len(leaves)

    def range_of(start: int, end: int) -> bytes:
        if end - start == 1:
            return leaves[start]
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        return node_hash(range_of(start, middle), range_of(middle, end))

    text = signed_checkpoint(LOG, tree, size, range_of(0, size), AT).text
    return Inclusion(
        position=position,
        leaf_hash=leaves[position].hex(),
        path=tuple(each.hex() for each in inclusion_path(position, size, range_of)),
        checkpoint=SignedCheckpoint(size=size, note=key.sign(text), signed_at=AT),
    )


def proof_of(tenant_id: str, position: int, **keys: SigningKey) -> AuditProof:
    """Return the proof of a leaf of a tenant that has seven of them, as the third of five tenants."""
    in_tenant = included(tenant_tree(tenant_id), list(HASHES[:7]), position, keys.get("tenant_key", KEY))
    heads = [leaf_hash(head_leaf(f"t{number}", 7, range_hash(0, 7))) for number in range(5)]
    heads[2] = leaf_hash(head_leaf(tenant_id, 7, range_hash(0, 7)))
    in_log = included(GLOBAL_TREE, heads, 2, keys.get("log_key", KEY))
    return AuditProof(audit_ref=LOG, tenant_id=tenant_id, in_tenant=in_tenant, in_log=in_log)


NORTH, SOUTH = proof_of("north", 4), proof_of("south", 4)


def test_a_proof_holds_under_any_of_the_keys_of_the_log() -> None:
    rotated = proof_of("north", 4, tenant_key=OTHER_KEY)

    assert verify_proof(NORTH, LOG, [KEY.verifier])
    assert verify_proof(rotated, LOG, [KEY.verifier, OTHER_KEY.verifier])


@pytest.mark.parametrize(
    "wrong",
    [
        {"tenant_id": "south"},
        {"in_tenant": SOUTH.in_tenant},
        {"in_log": SOUTH.in_log},
        {"in_log": NORTH.in_tenant},
        {"in_tenant": NORTH.in_log},
        {"in_log": included(GLOBAL_TREE, list(HASHES[:5]), 2)},
        {"in_tenant": NORTH.in_tenant.model_copy(update={"position": 3})},
        {"in_tenant": NORTH.in_tenant.model_copy(update={"leaf_hash": HASHES[3].hex()})},
        {"in_tenant": NORTH.in_tenant.model_copy(update={"path": ()})},
        {"in_log": NORTH.in_log.model_copy(update={"position": 1})},
        {"in_log": NORTH.in_log.model_copy(update={"path": NORTH.in_log.path[:-1]})},
        {"in_tenant": proof_of("north", 4, tenant_key=OTHER_KEY).in_tenant},
        {"in_log": proof_of("north", 4, log_key=OTHER_KEY).in_log},
    ],
)
def test_a_proof_that_is_wrong_in_one_place_does_not_hold(wrong: dict[str, Any]) -> None:
    assert not verify_proof(NORTH.model_copy(update=wrong), LOG, [KEY.verifier])


def test_a_proof_holds_for_no_other_log_and_without_keys_for_none() -> None:
    assert not verify_proof(NORTH, UUID(int=1), [KEY.verifier])
    assert not verify_proof(NORTH, LOG, [])
    assert not verify_proof(NORTH, LOG, [replace(KEY, name="another/log").verifier])
