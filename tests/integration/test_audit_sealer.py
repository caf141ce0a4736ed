"""The sealer: one order for all leaves, whoever commits late, whoever else seals, wherever it is cut short."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from audit_office import ADA, SVEN, AuditOffice, audit_office
from database_owner import as_owner
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from storage import AuditEntry, Storage
from storage.audit import sealer as sealer_module
from storage.audit.checkpoints import GLOBAL_TREE, Checkpoint
from storage.audit.copies import copy_name
from storage.audit.keys import KeyFile
from storage.audit.merkle import leaf_hash
from storage.audit.notes import SigningKey, VerifierKey
from storage.audit.proofs import AuditProofs
from storage.audit.signers import rotate_key
from storage.audit.stored_trees import load_edges
from storage.audit.tiles import TileKey, TreeEdge
from storage.errors import AuditKeyMissingError, AuditSealerBusyError, AuditTreeDamagedError, DatabaseUnavailableError
from storage.objects.master_keys import make_master_key_file
from storage.tenants import enter_tenant

JOIN_SECONDS = 60


@pytest.fixture
def office(storage: Storage, database_url: str, tmp_path: Path) -> Iterator[AuditOffice]:
    with audit_office(storage, database_url, tmp_path) as opened:
        yield opened


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


def test_a_new_key_is_endorsed_by_the_old_one_which_signs_no_more(office: AuditOffice) -> None:
    office.record(1)
    office.seal()
    new = rotate_key(office.records, office.key_file, context=SVEN)
    office.record(1)
    office.seal()

    with office.storage.transaction() as work:
        first, second = AuditProofs(work.connection, ADA).signers()
    old = VerifierKey.parse(first.verifier)
    assert second.verifier == str(new)
    assert old.verifies(second.endorsement or "")
    notes = [str(note) for (note,) in office.rows("select note from audit_checkpoint order by tree, size")]
    signers = [[key.verifies(note) for key in (old, new)] for note in notes]
    assert signers == [[True, False], [False, True], [True, False], [False, True], [False, True]]
    with pytest.raises(AuditKeyMissingError):
        office.key_file.key(old)


class OvertakenKeyFile(KeyFile):
    """Of which the keys that were replaced are forgotten while somebody else rotates the key."""

    def __init__(self, path: Path, overtake: Callable[[], None]) -> None:
        super().__init__(path)
        self._overtake = overtake
        self._asked = 0

    def key(self, verifier: VerifierKey) -> SigningKey:
        key = super().key(verifier)
        self._asked += 1
        if self._asked == 2:
            self._overtake()
        return key


def test_of_two_rotations_at_once_neither_loses_the_key_of_the_other(office: AuditOffice, tmp_path: Path) -> None:
    office.record(1)
    office.seal()
    second = threading.Thread(target=lambda: rotate_key(office.records, office.key_file, context=SVEN))

    def overtake() -> None:
        second.start()
        second.join(1)  # it ends in that time, unless it waits for the first

    rotate_key(office.records, OvertakenKeyFile(tmp_path / "audit-key.json", overtake), context=SVEN)
    second.join(JOIN_SECONDS)
    office.record(1)

    assert office.seal() == 3
    assert office.rows("select count(*) from audit_key") == [(3,)]


def test_a_key_outlives_a_loss_of_power(tmp_path: Path) -> None:
    with synced() as paths:
        KeyFile(tmp_path / "audit-key.json").add_new("name")
    assert tmp_path in paths
    with synced() as paths:
        make_master_key_file(tmp_path / "master-key", bytes(32))
    assert len(paths) == 2
    assert paths[1] == tmp_path


@contextmanager
def synced() -> Iterator[list[Path]]:
    """Collect the files and folders that the operating system is told to write out."""
    paths: list[Path] = []

    def note(descriptor: int) -> None:
        paths.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    sync = os.fsync
    with patch("os.fsync", note):
        yield paths


def test_without_its_key_a_sealer_signs_nothing(office: AuditOffice, tmp_path: Path) -> None:
    office.record(1)
    office.seal()
    (tmp_path / "audit-key.json").unlink()
    office.record(1)

    with pytest.raises(AuditKeyMissingError):
        office.seal()

    assert len(office.order()) == 1


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


@pytest.mark.parametrize(
    "change",
    [
        "update audit_position set position = 9",
        "delete from audit_position",
        "update audit_head set size = 9",
        "update audit_checkpoint set note = ''",
        "delete from audit_checkpoint",
        "delete from audit_key",
        "delete from audit_tile",
        "update audit_tile set hashes = set_byte(hashes, 0, 0)",
        "update audit_tile set hashes = ''",
        "update audit_tile set number = 9",
        "truncate audit_checkpoint_copy",
        "truncate audit_personal",
        "update audit_personal set content = '{}'",
        "delete from audit_log",
    ],
)
def test_what_was_sealed_can_neither_be_changed_nor_removed(office: AuditOffice, change: str) -> None:
    office.record(1, personal={"reason": "why"})
    office.seal()

    with pytest.raises(DatabaseError), as_owner(office.storage) as connection:
        connection.execute(text(change))


@pytest.mark.parametrize(
    "change",
    [
        "insert into audit_log default values",
        "update audit_log set holder = 'me'",
        "insert into audit_tile values ('global', 0, 9, '')",
        "update audit_tile set hashes = hashes",
        "insert into audit_position values ('north', 9, gen_random_uuid())",
        "insert into audit_head values (9, 'north', 9, '')",
        "insert into audit_checkpoint values ('global', 9, '', '', now())",
        "insert into audit_checkpoint_copy values ('global', 9, '')",
        "insert into audit_key values (9, '')",
        "delete from audit_personal",
        "update audit_personal set content = '{}'",
        "delete from audit_leaf",
        "update audit_leaf set tenant_id = 'south'",
        "insert into audit_leaf values (gen_random_uuid(), 'north', '', '1')",
    ],
)
def test_the_application_can_only_add_leaves(office: AuditOffice, change: str) -> None:
    office.record(1, personal={"reason": "why"})
    office.seal()

    with pytest.raises(DatabaseError, match="permission denied"), office.storage.transaction() as work:
        work.connection.execute(text(change))


def test_the_sealer_has_no_table_but_the_audit_trails(office: AuditOffice) -> None:
    query = "select distinct table_name from information_schema.role_table_grants where grantee = 'ami_sealer'"

    assert [name for (name,) in office.rows(query) if not str(name).startswith("audit_")] == []


def test_a_tenant_sees_no_other_tenants_part_of_the_trail(office: AuditOffice) -> None:
    office.record(1, personal={"reason": "why"})
    office.record(1, SVEN, personal={"reason": "why"})
    office.seal()
    office.sealer.copy_checkpoints()

    with office.storage.transaction() as work:
        enter_tenant(work.connection, "south")
        seen = {
            table: {str(name) for name in work.connection.execute(text(f"select {column} from {table}")).scalars()}
            for table, column in (
                ("audit_leaf", "tenant_id"), ("audit_personal", "tenant_id"), ("audit_position", "tenant_id"),
                ("audit_head", "tenant_id"), ("audit_tile", "tree"), ("audit_checkpoint", "tree"),
                ("audit_checkpoint_copy", "tree"),
            )
        }  # fmt: skip

    of_tenant = {name: {"south"} for name in ("audit_leaf", "audit_personal", "audit_position", "audit_head")}
    of_tree = {"global", "tenant/south"}
    assert seen == of_tenant | dict.fromkeys(("audit_tile", "audit_checkpoint", "audit_checkpoint_copy"), of_tree)
