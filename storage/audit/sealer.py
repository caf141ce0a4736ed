"""The sealer: gives committed leaves their order, grows the trees and signs them.

One sealer works at a time. A row holds the lease, its epoch, and the last leaf taken up; every round begins by taking
that row, so a sealer that was replaced can write nothing. A round is one transaction: leaves, trees and checkpoints
become visible together, or the next round does it all again.

The order is that of `(transaction id, audit_ref)` among leaves whose transactions ended before the oldest one that
still runs began: nothing can appear before a leaf that has its place. RFC 6962; C2SP tlog-checkpoint.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from storage.audit.checkpoints import GLOBAL_TREE, head_leaf, signed_checkpoint, tenant_tree
from storage.audit.copies import keep_copy
from storage.audit.keys import KeyFile
from storage.audit.merkle import leaf_hash
from storage.audit.notes import SigningKey
from storage.audit.signers import signing_key
from storage.audit.stored_trees import QUERIES, load_edges, write_edges
from storage.audit.tiles import TreeEdge
from storage.errors import AuditSealerBusyError, ObjectStoreUnavailableError, ReportedError
from storage.storage import Storage

logger = logging.getLogger(__name__)

_COPIED_SINCE = timedelta(days=1)


@dataclass(frozen=True)
class SealerPolicy:
    """How a sealer works.

    Attributes:
        poll_seconds: How long to wait between rounds; a proof is there one round after the commit.
        lease_seconds: After which silence another sealer takes over.
        batch: How many leaves one round takes up at most.
    """

    poll_seconds: float = 1.0
    lease_seconds: float = 10.0
    batch: int = 50_000


@dataclass(frozen=True)
class _Round:
    """What the lease row says, and since which transaction there may be leaves that a round does not see."""

    log_id: UUID
    epoch: int
    sealed_xid: str
    sealed_ref: UUID
    now: datetime
    is_restored: bool
    oldest_xid: str


@dataclass
class _Growth:
    """What a round adds to the trees."""

    edges: dict[str, TreeEdge]
    positions: list[tuple[str, int, UUID]] = field(default_factory=list)
    heads: list[tuple[int, str, int, bytes]] = field(default_factory=list)


class Sealer:
    """Seals the leaves of one database, as long as it has the lease.

    Args:
        storage: Its connections must act as a role that may write the trees.
        key_file: Holds the key that signs.
        holder: Names this sealer, and no other one.
        policy: How it works.
    """

    def __init__(self, storage: Storage, key_file: KeyFile, holder: str, policy: SealerPolicy | None = None) -> None:
        self._storage = storage
        self._key_file = key_file
        self._holder = holder
        self._policy = policy or SealerPolicy()
        self._epoch: int | None = None
        self._uncopied: dict[str, tuple[int, str]] | None = None
        self._rounds_without_copies = 0
        self._stopping = threading.Event()

    def run(self) -> None:
        """Seal until `stop`; wait where another sealer has the lease, the database is away or the key is."""
        while not self._stopping.is_set():
            self._stopping.wait(self._round_and_pause())
        self._release()

    def stop(self) -> None:
        """Make `run` return."""
        self._stopping.set()

    def seal(self) -> int:
        """Seal what is committed, at most one batch; return how many leaves that were.

        Raises:
            AuditSealerBusyError: Another sealer has the lease.
            AuditKeyMissingError, AuditKeyInvalidError: The key that has to sign is not in the key file.
            AuditTreeDamagedError: What is stored is not what was signed; nothing is written.
            DatabaseUnavailableError: Perhaps the round was committed; the next one finds out.
        """
        with self._storage.statement() as work:
            has_any = QUERIES.first(work.connection, "has_unsealed_leaves")
        if has_any is None or not has_any.has_any:
            return 0
        with self._storage.transaction() as work:
            state = self._take(work.connection)
            rows = self._unsealed(work.connection, state)
            notes = self._grow(work.connection, state, rows) if rows else {}
            self._advance(work.connection, state, rows)
        if state.epoch != self._epoch:
            self._epoch, self._uncopied = state.epoch, None  # another sealer may have left something uncopied
        if self._uncopied is not None:
            self._uncopied |= notes
        return len(rows)

    def copy_checkpoints(self) -> int:
        """Copy the newest checkpoints to the object store, where they cannot be replaced; return how many.

        Raises:
            ObjectStoreUnavailableError: It does not answer; they are copied another time.
        """
        if self._uncopied is None:
            self._uncopied = self._find_uncopied()
        copied = 0
        for tree, (size, note) in sorted(self._uncopied.items()):
            uri = keep_copy(self._storage.objects, note)
            with self._storage.statement() as work:
                QUERIES.execute(work.connection, "write_copy", {"tree": tree, "size": size, "uri": uri})
            del self._uncopied[tree]
            copied += 1
        return copied

    def _round_and_pause(self) -> float:
        """Do one round; return how many seconds to wait before the next."""
        try:
            sealed = self.seal()
            self._copy_if_due()
        except AuditSealerBusyError:
            return self._policy.poll_seconds
        except ReportedError as error:
            logger.warning("audit not sealed", extra={"code": error.code, "reason": str(error)})
            return self._policy.lease_seconds
        except Exception:
            logger.exception("audit not sealed")
            return self._policy.lease_seconds
        return 0.0 if sealed == self._policy.batch else self._policy.poll_seconds

    def _copy_if_due(self) -> None:
        """Copy checkpoints; where the object store is away, seal on and leave it alone for a while."""
        if self._rounds_without_copies > 0:
            self._rounds_without_copies -= 1
            return
        try:
            self.copy_checkpoints()
        except ObjectStoreUnavailableError as error:
            self._rounds_without_copies = int(self._policy.lease_seconds / self._policy.poll_seconds)
            logger.warning("checkpoints not copied", extra={"code": error.code, "reason": str(error)})

    def _find_uncopied(self) -> dict[str, tuple[int, str]]:
        with self._storage.transaction() as work:
            rows = QUERIES.rows(work.connection, "uncopied_checkpoints", {"since": work.now - _COPIED_SINCE})
        return {row.tree: (row.size, row.note) for row in rows}

    def _take(self, connection: Connection) -> _Round:
        seconds = self._policy.lease_seconds
        QUERIES.rows(connection, "bound_round", {"milliseconds": str(int(seconds * 1_000))})
        row = QUERIES.first(connection, "take_lease", {"holder": self._holder, "lease_seconds": seconds})
        if row is None:
            holder = QUERIES.first(connection, "lease_holder")
            raise AuditSealerBusyError(holder="unknown" if holder is None else holder.holder)
        horizon = QUERIES.rows(connection, "horizon")[0]
        sealed = (row.sealed_xid, row.sealed_ref)
        return _Round(row.log_id, row.epoch, *sealed, row.now, horizon.is_restored, horizon.oldest_xid)

    def _unsealed(self, connection: Connection, state: _Round) -> Sequence[Row[Any]]:
        limit = {"limit": self._policy.batch}
        if state.is_restored:
            return QUERIES.rows(connection, "unsealed_leaves_after_restore", limit)
        behind = {"sealed_xid": state.sealed_xid, "sealed_ref": state.sealed_ref}
        return QUERIES.rows(connection, "unsealed_leaves", {**behind, **limit})

    def _advance(self, connection: Connection, state: _Round, rows: Sequence[Row[Any]]) -> None:
        if not state.is_restored and rows:
            last = rows[-1]
            QUERIES.execute(
                connection, "advance", {"sealed_xid": last.transaction_number, "sealed_ref": last.audit_ref}
            )
        elif state.is_restored and len(rows) < self._policy.batch:
            QUERIES.execute(connection, "begin_after_restore", {"oldest_xid": state.oldest_xid})

    def _grow(self, connection: Connection, state: _Round, rows: Sequence[Row[Any]]) -> dict[str, tuple[int, str]]:
        """Add leaves to the trees and sign these; return the checkpoints by tree."""
        key = signing_key(connection, state.log_id, self._key_file)
        by_tenant: defaultdict[str, list[Row[Any]]] = defaultdict(list)
        for row in rows:
            by_tenant[row.tenant_id].append(row)
        growth = _Growth(load_edges(connection, [GLOBAL_TREE, *map(tenant_tree, by_tenant)]))
        for tenant_id in sorted(by_tenant):
            _add_leaves(growth, tenant_id, by_tenant[tenant_id])
        _write(connection, growth)
        return _sign(connection, state, key, growth.edges)

    def _release(self) -> None:
        """Give the lease back, so that the next sealer need not wait for its end."""
        try:
            with self._storage.statement() as work:
                QUERIES.execute(work.connection, "release_lease", {"holder": self._holder})
        except ReportedError:
            logger.warning("lease not given back")


def _add_leaves(growth: _Growth, tenant_id: str, rows: Sequence[Row[Any]]) -> None:
    edge, all_tenants = growth.edges[tenant_tree(tenant_id)], growth.edges[GLOBAL_TREE]
    growth.positions += [(tenant_id, edge.size + number, row.audit_ref) for number, row in enumerate(rows)]
    edge.append([bytes(row.leaf_hash) for row in rows])
    root = edge.root()
    growth.heads.append((all_tenants.size, tenant_id, edge.size, root))
    all_tenants.append([leaf_hash(head_leaf(tenant_id, edge.size, root))])


def _write(connection: Connection, growth: _Growth) -> None:
    tenant_ids, positions, audit_refs = zip(*growth.positions, strict=True)
    QUERIES.execute(
        connection,
        "write_positions",
        {"tenant_ids": list(tenant_ids), "positions": list(positions), "audit_refs": list(audit_refs)},
    )
    positions, tenant_ids, sizes, roots = zip(*growth.heads, strict=True)
    QUERIES.execute(
        connection,
        "write_heads",
        {"positions": list(positions), "tenant_ids": list(tenant_ids), "sizes": list(sizes), "roots": list(roots)},
    )
    write_edges(connection, growth.edges)


def _sign(
    connection: Connection, state: _Round, key: SigningKey, edges: Mapping[str, TreeEdge]
) -> dict[str, tuple[int, str]]:
    checkpoints = [
        (tree, signed_checkpoint(state.log_id, tree, edge.size, edge.root(), state.now)) for tree, edge in edges.items()
    ]
    notes = {tree: (checkpoint.size, key.sign(checkpoint.text)) for tree, checkpoint in checkpoints}
    parameters = {
        "trees": list(notes),
        "sizes": [size for size, _ in notes.values()],
        "roots": [checkpoint.root for _, checkpoint in checkpoints],
        "notes": [note for _, note in notes.values()],
        "signed_at": state.now,
    }
    QUERIES.execute(connection, "write_checkpoints", parameters)
    return notes
