"""Proofs that others can check: a leaf is in a signed tree, and a tree begins with an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from storage.audit.checkpoints import GLOBAL_TREE, Checkpoint, head_leaf, origin_of, tenant_tree
from storage.audit.merkle import consistency_path, inclusion_path, leaf_hash, root_of_inclusion
from storage.audit.notes import VerifierKey
from storage.audit.stored_trees import QUERIES as TREE_QUERIES
from storage.audit.stored_trees import newest_sizes, stored_range_hash
from storage.errors import AuditNotSealedError, AuditSizeError, RecordNotFoundError
from storage.security import SecurityContext
from storage.sql import Queries
from storage.tenants import enter_tenant

QUERIES = Queries(Path(__file__).with_name("proofs.sql"))


class SignedCheckpoint(BaseModel):
    """A checkpoint as it was signed: a C2SP note."""

    model_config = ConfigDict(frozen=True)

    size: int
    note: str
    signed_at: datetime


class SignerKey(BaseModel):
    """A public key, and the note in which the key before it endorses it; the first one has none."""

    model_config = ConfigDict(frozen=True)

    verifier: str
    endorsement: str | None


class Inclusion(BaseModel):
    """That leaf `position` is in the tree of a checkpoint: its siblings from the leaf upwards, in hexadecimal."""

    model_config = ConfigDict(frozen=True)

    position: int
    leaf_hash: str
    path: tuple[str, ...]
    checkpoint: SignedCheckpoint


class AuditProof(BaseModel):
    """That a leaf is on the record.

    Attributes:
        in_tenant: The leaf in its tenant's tree.
        in_log: The root of that tree in the tree over all tenants.
    """

    model_config = ConfigDict(frozen=True)

    audit_ref: UUID
    tenant_id: str
    in_tenant: Inclusion
    in_log: Inclusion


class Consistency(BaseModel):
    """That the tree of `size` leaves begins with that of `old_size`."""

    model_config = ConfigDict(frozen=True)

    tree: str
    old_size: int
    size: int
    path: tuple[str, ...]


class AuditProofs:
    """Proofs about the trail of the caller's tenant, on one transaction."""

    def __init__(self, connection: Connection, context: SecurityContext) -> None:
        self._connection = connection
        self._tenant_id = context.tenant_id
        enter_tenant(connection, context.tenant_id)

    def prove(self, audit_ref: UUID) -> AuditProof:
        """Return the proof that a leaf of the caller's tenant is in the newest signed trees.

        Raises:
            RecordNotFoundError: The tenant has no such leaf.
            AuditNotSealedError: It is not in its tree yet; that takes a second.
        """
        key = {"audit_ref": audit_ref, "tenant_id": self._tenant_id}
        row = QUERIES.first(self._connection, "leaf_position", key)
        if row is None:
            known = QUERIES.first(self._connection, "is_recorded", key)
            if known is None or not known.is_recorded:
                raise RecordNotFoundError(model="AuditLeaf", record_id=audit_ref)
            raise AuditNotSealedError(subject=f"The audit leaf {audit_ref}")
        checkpoint = self.checkpoint(tenant_tree(self._tenant_id))
        in_tenant = self._inclusion(tenant_tree(self._tenant_id), row.position, bytes(row.leaf_hash), checkpoint)
        in_log = self.head_inclusion(checkpoint)
        return AuditProof(audit_ref=audit_ref, tenant_id=self._tenant_id, in_tenant=in_tenant, in_log=in_log)

    def checkpoint(self, tree: str) -> SignedCheckpoint:
        """Return the newest checkpoint of a tree.

        Raises:
            AuditNotSealedError: There is none yet.
        """
        row = QUERIES.first(self._connection, "newest_checkpoint", {"tree": tree})
        if row is None:
            raise AuditNotSealedError(subject=f"The audit tree {tree}")
        return SignedCheckpoint(size=row.size, note=row.note, signed_at=row.signed_at)

    def earlier_checkpoints(self, tree: str, size: int, most: int) -> list[str]:
        """Return the notes of checkpoints up to a size, evenly chosen where there are more than `most`."""
        parameters = {"tree": tree, "size": size, "most": most}
        return [row.note for row in QUERIES.rows(self._connection, "checkpoint_notes", parameters)]

    def head_inclusion(self, checkpoint: SignedCheckpoint) -> Inclusion:
        """Return the proof that a checkpoint of the tenant is in the newest tree over all tenants."""
        row = QUERIES.first(self._connection, "head", {"tenant_id": self._tenant_id, "size": checkpoint.size})
        if row is None:
            raise AuditNotSealedError(subject=f"The root of {tenant_tree(self._tenant_id)}")
        root = Checkpoint.parse(checkpoint.note).root
        leaf = leaf_hash(head_leaf(self._tenant_id, checkpoint.size, root))
        return self._inclusion(GLOBAL_TREE, row.position, leaf, self.checkpoint(GLOBAL_TREE))

    def consistency(self, tree: str, old_size: int, size: int | None = None) -> Consistency:
        """Return the proof that a tree begins with what it was at an earlier size.

        Args:
            tree: `GLOBAL_TREE`, or as `tenant_tree` names it.
            old_size: The earlier size.
            size: The later one; the newest unless given.

        Raises:
            AuditSizeError: The tree is not that large.
        """
        newest = newest_sizes(self._connection, [tree])[tree].size
        size = newest if size is None else size
        if not 0 <= old_size <= size <= newest:
            raise AuditSizeError(tree=tree, size=old_size if size <= newest else size, newest=newest)
        path = consistency_path(old_size, size, stored_range_hash(self._connection, tree))
        return Consistency(tree=tree, old_size=old_size, size=size, path=_hexadecimal(path))

    def signers(self) -> list[SignerKey]:
        """Return the public keys, in the order in which they followed each other."""
        rows = TREE_QUERIES.rows(self._connection, "all_keys")
        return [SignerKey(verifier=row.verifier, endorsement=row.endorsement) for row in rows]

    def log_id(self) -> UUID:
        """Return the id of this log, which is in the origins of its checkpoints."""
        row = QUERIES.first(self._connection, "log_id")
        assert row is not None  # noqa: S101 - the row is never deleted
        log_id: UUID = row.log_id
        return log_id

    def _inclusion(self, tree: str, position: int, leaf: bytes, checkpoint: SignedCheckpoint) -> Inclusion:
        path = inclusion_path(position, checkpoint.size, stored_range_hash(self._connection, tree))
        return Inclusion(position=position, leaf_hash=leaf.hex(), path=_hexadecimal(path), checkpoint=checkpoint)


def verify_inclusion(inclusion: Inclusion, origin: str, keys: Sequence[VerifierKey]) -> bool:
    """Return whether a proof holds, and its checkpoint is of that tree and signed by one of the keys."""
    checkpoint = Checkpoint.parse(inclusion.checkpoint.note)
    path = [bytes.fromhex(each) for each in inclusion.path]
    root = root_of_inclusion(bytes.fromhex(inclusion.leaf_hash), inclusion.position, checkpoint.size, path)
    is_signed = any(key.verifies(inclusion.checkpoint.note) for key in keys)
    return is_signed and (checkpoint.origin, checkpoint.root) == (origin, root)


def verify_proof(proof: AuditProof, log_id: UUID, keys: Sequence[VerifierKey]) -> bool:
    """Return whether a leaf is in its tenant's tree, and that tree in the tree over all tenants."""
    tenant = Checkpoint.parse(proof.in_tenant.checkpoint.note)
    leaf = leaf_hash(head_leaf(proof.tenant_id, tenant.size, tenant.root)).hex()
    return (
        verify_inclusion(proof.in_tenant, origin_of(log_id, tenant_tree(proof.tenant_id)), keys)
        and verify_inclusion(proof.in_log, origin_of(log_id, GLOBAL_TREE), keys)
        and proof.in_log.leaf_hash == leaf
    )


def _hexadecimal(path: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(each.hex() for each in path)
