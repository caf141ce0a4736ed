"""The keys that sign the audit trail: their rotation, their file, and what happens without them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from audit_office import ADA, SVEN, AuditOffice

from storage.audit.keys import KeyFile
from storage.audit.notes import SigningKey, VerifierKey
from storage.audit.proofs import AuditProofs
from storage.audit.signers import rotate_key
from storage.errors import AuditKeyMissingError
from storage.objects.master_keys import make_master_key_file

JOIN_SECONDS = 60


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
