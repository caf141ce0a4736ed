"""Group `audit`: what the record costs who writes, how soon it can be proved, and how soon a changed byte is found."""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from uuid import UUID

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from engine_peers import ChildProcess, child_process
from engine_plant import cluster, new_database
from measurement import Measurement

from storage import AuditEntry, FolderObjectStore, SecurityContext, Storage
from storage.audit import offline_verifier
from storage.audit.checkpoints import GLOBAL_TREE, Checkpoint, head_leaf, origin_of, tenant_tree
from storage.audit.export import FORMAT
from storage.audit.keys import KeyFile
from storage.audit.merkle import leaf_hash
from storage.audit.notes import SigningKey
from storage.audit.proofs import AuditProofs
from storage.audit.sealer import Sealer
from storage.audit.tiles import TileKey, TreeEdge
from storage.database import SEALER_ROLE, connect, connect_as_owner, migrate
from storage.errors import AuditNotSealedError
from storage.models import RoleType

_CONNECTIONS = 8
_SECONDS = 0.5
_ROUNDS = 20
_PROOFS = 10
_LEAVES = 1_000_000
_ADA = SecurityContext(user_id="ada", tenant_id="north", roles=frozenset({RoleType.MEMBER}))


def measure() -> list[Measurement]:
    """Return the audit trail's figures."""
    with cluster() as url, tempfile.TemporaryDirectory() as folder:
        database = new_database(url, "audit")
        owner = connect_as_owner(database)
        migrate(owner)
        owner.dispose()
        return [*_inserts(database), *_proofs(database, Path(folder)), *_flipped_byte(Path(folder))]


def _inserts(url: str) -> list[Measurement]:
    """Take throughputs in turns, so that what slows the machine slows both."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("create table thing (id bigint generated always as identity primary key, body jsonb)")
        owner.execute("grant insert on thing to ami_application")
    against = f"plain inserts/s, each its own commit, at {_CONNECTIONS} connections of"
    alone, spread = _ratio(url, processes=1), _ratio(url, processes=4)
    return [
        Measurement("audit.audited_inserts", alone, "x", 0.9, "higher", f"{against} one process"),
        Measurement("audit.inserts_of_four_processes", spread, "x", None, "higher", f"{against} four processes"),
    ]


def _ratio(url: str, processes: int) -> float:
    """Return the median over pairs of rounds, of which every other one begins with the audited inserts."""
    arguments = (url, str(_CONNECTIONS // processes))
    with ExitStack() as stack:
        children = [stack.enter_context(child_process("insert_child.py", *arguments)) for _ in range(processes)]
        ratios = []
        for number in range(_ROUNDS):
            order = ("plain", "audited") if number % 2 else ("audited", "plain")
            rates = {kind: _per_second(children, kind) for kind in order}
            ratios.append(rates["audited"] / rates["plain"])
    return statistics.median(ratios)


def _per_second(children: list[ChildProcess], kind: str) -> float:
    for child in children:
        child.send(f"{kind} {_SECONDS}")
    return sum(child.receive() for child in children)


def _proofs(url: str, folder: Path) -> list[Measurement]:
    """Time from a commit to its proof, with a sealer that runs as it does in the platform."""
    with ExitStack() as stack:
        application, keeper = connect(url, pool_size=2), connect(url, pool_size=2, role=SEALER_ROLE)
        stack.callback(application.dispose)
        stack.callback(keeper.dispose)
        objects = FolderObjectStore(folder / "objects")
        sealer = Sealer(Storage(keeper, objects), KeyFile(folder / "keys.json"), "bench")
        started = time.perf_counter()
        sealed = 0
        while (some := sealer.seal()) > 0:
            sealed += some
        rate = sealed / (time.perf_counter() - started)
        thread = threading.Thread(target=sealer.run)
        thread.start()
        storage = Storage(application, objects)
        waits = [_seconds_until_proved(storage) for _ in range(_PROOFS)]
        sealer.stop()
        thread.join()
    return [
        Measurement("audit.proof_after_commit", max(waits), "s", 2.0, "lower", "the slowest of 10"),
        Measurement("audit.sealed_leaves", rate, "/s", None, "higher", "in batches of 50,000"),
    ]


def _seconds_until_proved(storage: Storage) -> float:
    with storage.transaction() as work:
        audit_ref = work.audit.record(AuditEntry(action="a", subject="s"), context=_ADA)
    committed = time.perf_counter()
    while not _is_proved(storage, audit_ref):
        time.sleep(0.02)
    return time.perf_counter() - committed


def _is_proved(storage: Storage, audit_ref: UUID) -> bool:
    try:
        with storage.transaction() as work:
            AuditProofs(work.connection, _ADA).prove(audit_ref)
    except AuditNotSealedError:
        return False
    return True


def _flipped_byte(folder: Path) -> list[Measurement]:
    """Let the verifier find one changed bit among a million leaves, as an auditor would run it."""
    key = SigningKey("ami-learning/bench", Ed25519PrivateKey.generate())
    chance, lines = Random(7), [_line(number) for number in range(_LEAVES)]  # noqa: S311 - which leaf, to be repeated
    hashes = [leaf_hash(line) for line in lines]
    bad = chance.randrange(_LEAVES // 2, _LEAVES)
    lines[bad] = lines[bad].replace(b'"ada"', b'"adA"')
    bundle = folder / "bundle.tar"
    _write_bundle(bundle, key, lines, hashes)
    command = [sys.executable, "-I", offline_verifier.__file__, str(bundle), "--key", str(key.verifier)]
    started = time.perf_counter()
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    assert ended.stdout.startswith(f"LEAF_CHANGED: Leaf {bad} "), ended.stdout + ended.stderr
    against = "1,000,000 leaves, one bit changed, verified alone"
    return [Measurement("audit.flipped_byte_found", seconds, "s", 10.0, "lower", against)]


def _line(number: int) -> bytes:
    subject = f"Dataset/{number:032x}"
    return (
        '{"action":"storage.update","actor":"ada","after_sha256":"' + f"{number:064x}" + '","audit_ref":"'
        f'{UUID(int=number)}","before_sha256":"{number + 1:064x}","details":{{}},'
        '"recorded_at":"2026-03-01T12:00:00.000000+00:00","roles":["member"],'
        f'"subject":"{subject}","tenant_id":"north"}}'
    ).encode()


def _write_bundle(path: Path, key: SigningKey, lines: list[bytes], hashes: list[bytes]) -> None:
    log = UUID(int=0)
    edge, whole = (TreeEdge.load(0, dict[TileKey, bytes]().__getitem__) for _ in range(2))
    edge.append(hashes)
    whole.append([leaf_hash(head_leaf("north", edge.size, edge.root()))])
    tenant = Checkpoint(origin_of(log, tenant_tree("north")), edge.size, edge.root())
    everything = Checkpoint(origin_of(log, GLOBAL_TREE), 1, whole.root())
    inclusion = {"position": 0, "path": [], "checkpoint": {"note": key.sign(everything.text)}}
    members: dict[str, bytes] = {
        "bundle.json": json.dumps(
            {"format": FORMAT, "tenant_id": "north", "origin": tenant.origin, "global_origin": everything.origin}
        ).encode(),
        "keys.json": json.dumps([{"verifier": str(key.verifier), "endorsement": None}]).encode(),
        "checkpoint": key.sign(tenant.text).encode(),
        "checkpoints.json": b"[]",
        "global.json": json.dumps({"inclusion": inclusion}).encode(),
        "hashes.bin": b"".join(hashes),
        "leaves.jsonl": b"\n".join(lines) + b"\n",
        "personal.jsonl": b"",
    }
    with tarfile.open(path, "w") as bundle:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            bundle.addfile(member, io.BytesIO(content))
