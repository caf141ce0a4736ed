"""Bundles: everything of a tenant's trail that somebody needs to verify it without us, in one tar file.

Members: `bundle.json`, `keys.json`, `checkpoint`, `checkpoints.json`, `global.json`, `hashes.bin` (32 bytes for each
leaf), `leaves.jsonl` (a line for each leaf, byte for byte what was hashed) and `personal.jsonl`.
"""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue
from sqlalchemy import Connection

from storage.audit.checkpoints import GLOBAL_TREE, Checkpoint, origin_of, tenant_tree
from storage.audit.merkle import HASH_BYTES
from storage.audit.proofs import QUERIES, AuditProofs
from storage.audit.stored_trees import tree_hashes
from storage.audit.tiles import leaf_tiles
from storage.errors import ErasureNotSealedError
from storage.security import SecurityContext

FORMAT = 1
_CHECKPOINTS = 1_000
_ROWS = 5_000


class ExportedBundle(BaseModel):
    """What an export wrote."""

    model_config = ConfigDict(frozen=True)

    path: Path
    tenant_id: str
    leaves: int
    checkpoint: str


def export_bundle(
    connection: Connection, out: Path, *, known: Checkpoint | None = None, context: SecurityContext
) -> ExportedBundle:
    """Write the sealed trail of the caller's tenant to a tar file, with bounded memory.

    Args:
        connection: A transaction in which nothing was asked yet.
        out: The file to write; it appears when it is complete.
        known: A checkpoint of the tree over all tenants that the auditor has from before; the bundle then holds the
            proof that the newest one contains it.
        context: Whose tenant.

    Raises:
        AuditNotSealedError: Nothing of the tenant is sealed yet.
        ErasureNotSealedError: Something was erased a moment ago, and the leaf that says so is not in the tree yet.
        AuditSizeError: `known` is larger than the newest tree over all tenants.
    """
    QUERIES.execute(connection, "read_as_of_now")
    proofs, tree = AuditProofs(connection, context), tenant_tree(context.tenant_id)
    checkpoint = proofs.checkpoint(tree)
    head = proofs.head_inclusion(checkpoint)
    over_all: dict[str, JsonValue] = {"inclusion": head.model_dump(mode="json")}
    if known is not None:
        consistency = proofs.consistency(GLOBAL_TREE, known.size, head.checkpoint.size)
        over_all["consistency"] = consistency.model_dump(mode="json")
    described: dict[str, JsonValue] = {
        "format": FORMAT,
        "tenant_id": context.tenant_id,
        "origin": origin_of(proofs.log_id(), tree),
        "global_origin": origin_of(proofs.log_id(), GLOBAL_TREE),
        "size": checkpoint.size,
    }
    of_tenant = {"tenant_id": context.tenant_id, "size": checkpoint.size}
    _require_sealed_erasures(connection, of_tenant)
    # For its owner alone, since it holds what is about persons, and under a name that nobody can take beforehand.
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name[:100]}.")
    incoming = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w") as bundle:
            _add_json(bundle, "bundle.json", described)
            _add_json(bundle, "keys.json", [key.model_dump(mode="json") for key in proofs.signers()])
            _add(bundle, "checkpoint", [checkpoint.note.encode()])
            _add_json(bundle, "checkpoints.json", [*proofs.earlier_checkpoints(tree, checkpoint.size, _CHECKPOINTS)])
            _add_json(bundle, "global.json", over_all)
            _add(bundle, "hashes.bin", _hashes(connection, tree, checkpoint.size))
            _add(bundle, "leaves.jsonl", _leaves(connection, of_tenant))
            _add(bundle, "personal.jsonl", _personal(connection, of_tenant))
        incoming.replace(out)
    finally:
        incoming.unlink(missing_ok=True)
    return ExportedBundle(path=out, tenant_id=context.tenant_id, leaves=checkpoint.size, checkpoint=checkpoint.note)


def _require_sealed_erasures(connection: Connection, of_tenant: Mapping[str, object]) -> None:
    row = QUERIES.first(connection, "has_unsealed_erasure", of_tenant)
    if row is None or row.has_any:
        raise ErasureNotSealedError(subject="An erasure of what is about persons")


def _hashes(connection: Connection, tree: str, size: int) -> Iterable[bytes]:
    left = size * HASH_BYTES
    for tile in tree_hashes(connection, tree, leaf_tiles(size)):
        yield tile[:left]
        left -= len(tile)


def _leaves(connection: Connection, of_tenant: Mapping[str, object]) -> Iterable[bytes]:
    for row in QUERIES.stream(connection, "leaves_in_order", of_tenant, rows_at_a_time=_ROWS):
        yield bytes(row.canonical_bytes) + b"\n"


def _personal(connection: Connection, of_tenant: Mapping[str, object]) -> Iterable[bytes]:
    for row in QUERIES.stream(connection, "personal_in_order", of_tenant, rows_at_a_time=_ROWS):
        line = {"audit_ref": str(row.audit_ref), "salt": bytes(row.salt).hex(), "content": row.content}
        yield json.dumps(line).encode() + b"\n"


def _add_json(bundle: tarfile.TarFile, name: str, document: JsonValue) -> None:
    _add(bundle, name, [json.dumps(document, indent=1).encode()])


def _add(bundle: tarfile.TarFile, name: str, parts: Iterable[bytes]) -> None:
    with tempfile.TemporaryFile() as content:  # a member's size stands before it
        for part in parts:
            content.write(part)
        member = tarfile.TarInfo(name)
        member.size = content.tell()
        member.mode = 0o600
        content.seek(0)
        bundle.addfile(member, content)
