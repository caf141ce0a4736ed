"""The sealer: one order for all leaves, whoever commits late, whoever else seals, wherever it is cut short."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from audit_office import ADA, SVEN, AuditOffice
from database_owner import as_owner
from sqlalchemy import text

from storage import AuditEntry, Storage
from storage.audit import sealer as sealer_module
from storage.audit.checkpoints import GLOBAL_TREE, Checkpoint
from storage.audit.copies import copy_name
from storage.audit.merkle import leaf_hash
from storage.audit.notes import VerifierKey
from storage.audit.proofs import AuditProofs
from storage.audit.sealer import Sealer, SealerPolicy
from storage.audit.stored_trees import QUERIES, load_edges
from storage.audit.tiles import TileKey, TreeEdge
from storage.database import SEALER_ROLE, connect
from storage.errors import AuditSealerBusyError, AuditTreeDamagedError, DatabaseUnavailableError
from storage.objects import FolderObjectStore

JOIN_SECONDS = 60


def root_over(office: AuditOffice, tenant_id: str) -> bytes:
    """The root over a tenant's leaves, from the leaves themselves."""
    query = (
        "select l.canonical_bytes from audit_position p join audit_leaf l using (audit_ref)"
        " where p.tenant_id = :tenant_id order by position"
    )
    edge = TreeEdge.load(0, dict[TileKey, bytes]().__getitem__)
    edge.append([leaf_hash(bytes(row[0])) for row in office.rows(query, tenant_id=tenant_id)])  # type: ignore[arg-type]
    return edge.root()


def checkpoints(office: AuditOffice, tree: str) -> list[Checkpoint]:
    rows = office.rows("select note from audit_checkpoint where tree = :tree order by size", tree=tree)
    return [Checkpoint.parse(str(note)) for (note,) in rows]


def test_leaves_of_all_tenants_are_sealed_in_the_order_of_their_transactions(office: AuditOffice) -> None:
    first, foreign, second = office.record(300), office.record(2, SVEN), office.record(3)

    assert office.seal() == 305
    assert office.seal() == 0
    third = office.record(1)
    assert office.seal() == 1

    assert office.order() == [*first, *second, *third]
    assert office.order("south") == foreign
    assert [checkpoint.size for checkpoint in checkpoints(office, "tenant/north")] == [303, 304]
    assert [checkpoint.size for checkpoint in checkpoints(office, "tenant/south")] == [2]
    assert [checkpoint.size for checkpoint in checkpoints(office, GLOBAL_TREE)] == [2, 3]
    assert checkpoints(office, "tenant/north")[-1].root == root_over(office, "north")


def test_checkpoints_are_signed_by_the_key_that_the_log_names(office: AuditOffice) -> None:
    office.record(1)
    office.seal()

    with office.storage.transaction() as work:
        (key,) = AuditProofs(work.connection, ADA).signers()
    notes = [str(note) for (note,) in office.rows("select note from audit_checkpoint")]
    assert [VerifierKey.parse(key.verifier).verifies(note) for note in notes] == [True, True]
    assert key.endorsement is None


def test_a_leaf_that_commits_late_holds_back_what_began_after_it_and_is_never_passed_over(office: AuditOffice) -> None:
    before = office.record(2)
    with office.storage.transaction() as work:
        late = work.audit.record(AuditEntry(action="late", subject="s"), context=ADA)
        after = office.record(3, settles=False)
        assert office.sealer.seal() == 2
        assert office.order() == before
        assert office.sealer.seal() == 0
    assert office.seal() == 4

    assert office.order() == [*before, late, *after]


def test_more_leaves_than_one_round_takes_are_sealed_in_several(office: AuditOffice) -> None:
    leaves = office.record(25)
    sealer = office.new_sealer("small", batch=10)

    assert [sealer.seal() for _ in range(4)] == [10, 10, 5, 0]
    assert office.order() == leaves


def test_a_few_new_leaves_are_looked_for_without_reading_what_was_sealed_before(office: AuditOffice) -> None:
    with as_owner(office.storage) as connection:
        for statement in (
            "insert into audit_leaf select gen_random_uuid(), 'north', '{}' from generate_series(1, 20000)",
            "insert into audit_position select 'north', row_number() over () - 1, audit_ref from audit_leaf",
            "update audit_log set sealed_xid = pg_current_xact_id()",
            "analyze audit_leaf, audit_position",
        ):
            connection.execute(text(statement))
    office.record(1)

    plan = [str(line) for (line,) in office.rows(f"explain {QUERIES._statements['has_unsealed_leaves']}")]

    scans = [line.strip().split("(")[0] for line in plan if " on audit_leaf " in line or " on audit_position" in line]
    assert [scan.split(" on ")[0].split(" using ")[0] for scan in scans] == ["->  Index Only Scan"] * 2


def test_a_second_sealer_waits_until_the_first_is_silent_and_takes_over_under_a_new_epoch(office: AuditOffice) -> None:
    second = office.new_sealer("second")
    office.record(1)
    office.seal()
    office.record(1)
    with pytest.raises(AuditSealerBusyError) as busy:
        second.seal()
    assert busy.value.holder == "first"

    with office.records.transaction() as work:
        work.connection.execute(text("update audit_log set lease_until = engine_now() - interval '1 s'"))
    assert second.seal() == 1

    assert office.rows("select holder, epoch from audit_log") == [("second", 2)]


def test_a_sealer_that_was_replaced_writes_nothing(office: AuditOffice) -> None:
    second = office.new_sealer("second", lease_seconds=60)
    office.record(1)
    office.seal()
    with office.records.transaction() as work:
        work.connection.execute(text("update audit_log set lease_until = null"))
    office.record(1)
    second.seal()
    office.record(1)
    before = office.rows("select tree, size from audit_checkpoint order by 1, 2")

    with pytest.raises(AuditSealerBusyError):
        office.seal()

    assert office.rows("select tree, size from audit_checkpoint order by 1, 2") == before
    assert second.seal() == 1


def test_two_sealers_at_once_seal_every_leaf_once(office: AuditOffice) -> None:
    sealers = [office.new_sealer(name, lease_seconds=0.05, poll_seconds=0.001, batch=7) for name in ("one", "two")]
    threads = [threading.Thread(target=sealer.run) for sealer in sealers]
    for thread in threads:
        thread.start()
    leaves = [leaf for _ in range(30) for leaf in office.record(5)]
    while len(office.order()) < len(leaves):
        threading.Event().wait(0.02)
    for sealer in sealers:
        sealer.stop()
    for thread in threads:
        thread.join()

    assert office.order() == leaves
    assert checkpoints(office, "tenant/north")[-1].root == root_over(office, "north")
    roots = [(checkpoint.size, checkpoint.root) for checkpoint in checkpoints(office, "tenant/north")]
    assert len(dict(roots)) == len(roots)


@pytest.mark.parametrize("cut", ["load_edges", "_write", "_sign", "signing_key"])
def test_a_round_that_is_cut_short_leaves_nothing_and_the_next_sealer_does_it_again(
    office: AuditOffice, cut: str
) -> None:
    leaves = office.record(3)

    class KilledError(Exception):
        pass

    with patch.object(sealer_module, cut, side_effect=KilledError), pytest.raises(KilledError):
        office.seal()

    assert office.order() == []
    assert office.rows("select count(*) from audit_tile") == [(0,)]
    assert office.new_sealer("next").seal() == 3
    assert office.order() == leaves


def test_a_sealer_that_freezes_in_the_middle_of_a_round_is_cut_off_and_replaced(office: AuditOffice) -> None:
    frozen = office.new_sealer("frozen", lease_seconds=0.3)
    leaves = office.record(3)
    is_frozen, thaws = threading.Event(), threading.Event()

    def freeze_once(*arguments: Any) -> dict[str, TreeEdge]:
        if not is_frozen.is_set():
            is_frozen.set()
            assert thaws.wait(JOIN_SECONDS)
        return load_edges(*arguments)

    with patch.object(sealer_module, "load_edges", side_effect=freeze_once), ThreadPoolExecutor(1) as pool:
        round_of_the_frozen = pool.submit(frozen.seal)
        assert is_frozen.wait(JOIN_SECONDS)
        assert office.sealer.seal() == 3
        thaws.set()
        with pytest.raises(DatabaseUnavailableError):
            round_of_the_frozen.result(JOIN_SECONDS)

    assert office.order() == leaves
    assert [checkpoint.size for checkpoint in checkpoints(office, "tenant/north")] == [3]


def test_nothing_is_signed_on_top_of_a_tree_that_somebody_changed(office: AuditOffice) -> None:
    office.record(3)
    office.seal()
    with as_owner(office.storage) as connection:
        connection.execute(text("alter table audit_tile disable trigger user"))
        connection.execute(text("update audit_tile set hashes = set_byte(hashes, 5, 0) where tree <> 'global'"))
        connection.execute(text("alter table audit_tile enable trigger user"))
    office.record(1)

    with pytest.raises(AuditTreeDamagedError) as damaged:
        office.seal()

    assert (damaged.value.tree, damaged.value.size) == ("tenant/north", 3)
    assert len(checkpoints(office, "tenant/north")) == 1


def test_checkpoints_are_copied_to_the_object_store_once(office: AuditOffice) -> None:
    office.record(1)
    office.seal()

    assert (office.sealer.copy_checkpoints(), office.sealer.copy_checkpoints()) == (2, 0)

    copies = office.rows("select c.note, k.uri from audit_checkpoint c join audit_checkpoint_copy k using (tree, size)")
    assert [office.storage.objects.read_record(str(uri)).decode() for _, uri in copies] == [note for note, _ in copies]
    assert {str(uri) for _, uri in copies} == set(office.storage.objects.record_uris("checkpoints/"))
    assert len(copies) == 2


def test_leaves_are_sealed_without_delay_while_the_object_store_is_away(
    office: AuditOffice, database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    away = FolderObjectStore(folder)
    folder.rmdir()
    folder.write_text("in its place")
    database = connect(database_url, role=SEALER_ROLE)
    sealer = Sealer(
        Storage(database, away), office.key_file, "copies nothing", SealerPolicy(poll_seconds=0.01, lease_seconds=600)
    )
    working = threading.Thread(target=sealer.run)
    working.start()

    leaves = [leaf for _ in range(3) for leaf in _sealed_soon(office)]

    sealer.stop()
    working.join(JOIN_SECONDS)
    database.dispose()
    assert office.order() == leaves
    assert office.rows("select count(*) from audit_checkpoint_copy") == [(0,)]


def _sealed_soon(office: AuditOffice) -> list[UUID]:
    leaves, pause = office.record(1), threading.Event()
    assert any(office.order()[-1:] == leaves or pause.wait(0.02) for _ in range(500))
    return leaves


def test_a_second_history_in_the_object_store_hides_neither_itself_nor_the_first(
    office: AuditOffice, caplog: pytest.LogCaptureFixture
) -> None:
    office.record(1)
    office.seal()
    ((note,),) = office.rows("select note from audit_checkpoint where tree = 'tenant/north'")
    checkpoint = Checkpoint.parse(str(note))
    first = office.storage.objects.create_record(copy_name(checkpoint.origin, checkpoint.size), b"another history")

    office.sealer.copy_checkpoints()

    kept = {office.storage.objects.read_record(uri) for uri in office.storage.objects.record_uris("checkpoints/")}
    assert {b"another history", str(note).encode()} < kept
    assert [record.uri for record in caplog.records if record.levelname == "ERROR"] == [first]  # type: ignore[attr-defined]


def test_what_a_dead_sealer_did_not_copy_the_next_one_copies(office: AuditOffice) -> None:
    office.record(1)
    office.seal()

    assert office.new_sealer("next").copy_checkpoints() == 2


def test_after_a_restore_into_a_younger_database_every_leaf_is_sealed_once(office: AuditOffice) -> None:
    sealed = office.record(3)
    office.seal()
    (unsealed,) = office.record(1)
    with as_owner(office.storage) as connection:  # as if all this had been written at transactions far ahead
        connection.execute(text("alter table audit_leaf disable trigger user"))
        connection.execute(text("update audit_leaf set xid = '4000000000000'"))
        connection.execute(text("update audit_log set sealed_xid = '4000000000000'"))
    new = office.record(2)

    assert office.seal() == 3
    assert office.seal() == 0
    newest = office.record(1)
    assert office.seal() == 1

    assert sorted(office.order()) == sorted([*sealed, unsealed, *new, *newest])


def test_leaves_written_after_a_restore_are_sealed_though_nobody_sealed_until_the_database_had_caught_up(
    office: AuditOffice,
) -> None:
    """As where the sealer's key is found only hours after the restore."""
    sealed = office.record(3)
    office.seal()
    new = office.record(2)
    with as_owner(office.storage) as connection:  # as a dump from another cluster left it, at a later transaction
        connection.execute(text("update audit_log set sealed_xid = pg_current_xact_id(), cluster_id = 1"))
    newer = office.record(1)

    assert office.seal() == 3
    assert office.seal() == 0

    assert office.order() == [*sealed, *new, *newer]
    newest = office.record(1)
    assert office.seal() == 1
    assert office.order()[-1:] == newest


def test_a_leaf_that_is_committed_while_a_restored_trail_is_sealed_is_sealed_too(office: AuditOffice) -> None:
    sealed = office.record(1)
    office.seal()
    with as_owner(office.storage) as connection:
        connection.execute(text("update audit_log set sealed_xid = '4000000000000'"))
    unsealed = office.record(1)
    slow = ExitStack()
    entry = AuditEntry(action="a", subject="thing/slow")
    late = slow.enter_context(office.storage.transaction()).audit.record(entry, context=ADA)

    def read_and_be_overtaken(*arguments: Any) -> dict[str, TreeEdge]:
        slow.close()
        return load_edges(*arguments)

    with patch.object(sealer_module, "load_edges", side_effect=read_and_be_overtaken):
        assert office.sealer.seal() == 1

    assert office.seal() == 1
    assert office.order() == [*sealed, *unsealed, late]


def test_the_order_of_transactions_outlives_a_digit_that_their_numbers_gain(office: AuditOffice) -> None:
    first, second = office.record(2), office.record(2)
    with as_owner(office.storage) as connection:
        connection.execute(text("alter table audit_leaf disable trigger user"))
        move = text("update audit_leaf set xid = cast(:xid as xid8) where audit_ref = any(:leaves)")
        connection.execute(move, [{"xid": "9", "leaves": first}, {"xid": "10", "leaves": second}])
    sealer = office.new_sealer("small", batch=3)
    office.settle()

    assert (sealer.seal(), sealer.seal()) == (3, 1)

    assert office.order() == [*first, *second]
