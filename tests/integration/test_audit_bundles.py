"""Bundles of the audit trail: for whom they are, what erasures leave in them, and when there is none."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator

import pytest
from audit_archive import Archive, Verdict
from audit_office import ADA, OLGA, SVEN
from sqlalchemy import Connection

from learning.audit import when_sealed
from storage.audit import export
from storage.audit.checkpoints import tenant_tree
from storage.audit.export import ExportedBundle
from storage.audit.personal_data import erase_leaf, erase_person
from storage.errors import AccessDeniedError, AuditNotSealedError, ErasureNotSealedError


def test_an_untouched_bundle_verifies_alone(sealed: Archive) -> None:
    bundle = sealed.export()

    assert sealed.auditor().verify(bundle) == Verdict(0, ("OK: 12 leaves of north, each as it was signed.",))


def test_a_bundle_is_for_its_owner_alone_and_follows_no_link_that_waits_for_it(sealed: Archive) -> None:
    elsewhere = sealed.folder / "elsewhere"
    elsewhere.write_text("mine")
    for name in (".bundle.tar.incoming", "bundle.tar"):
        (sealed.folder / name).symlink_to(elsewhere)

    bundle = sealed.export()

    assert (bundle.is_symlink(), stat.S_IMODE(bundle.stat().st_mode)) == (False, 0o600)
    assert elsewhere.read_text() == "mine"
    assert [path.name for path in sealed.folder.glob(".bundle*")] == [".bundle.tar.incoming"]


def test_the_tree_survives_an_erasure_that_is_itself_on_the_record(sealed: Archive) -> None:
    (other,) = sealed.office.record(1, OLGA, personal={"comment": "ada was late"})
    before = sealed.checkpoint(tenant_tree("north"))
    with sealed.office.records.transaction() as work:
        assert erase_person(work, "ada", reason="Article 17", context=OLGA) == 1
        assert erase_leaf(work, other, reason="it is about ada", context=OLGA) == 1
    sealed.office.seal()
    bundle = sealed.export()

    assert sealed.auditor().verify(bundle, before).lines == ("OK: 15 leaves of north, each as it was signed.",)
    assert b"because" not in bundle.read_bytes()
    assert b"late" not in bundle.read_bytes()
    with sealed.office.storage.transaction() as work:
        leaf = work.audit.read(other, context=OLGA)
    assert ("personal" in leaf, "personal_sha256" in leaf) == (False, True)


def test_a_bundle_waits_for_the_seal_of_what_was_erased_a_moment_ago(sealed: Archive) -> None:
    with sealed.office.records.transaction() as work:
        assert erase_person(work, "ada", reason="Article 17", context=OLGA) == 1
    with pytest.raises(ErasureNotSealedError) as raised:
        sealed.export()
    assert raised.value.code == "AUDIT_NOT_SEALED"
    assert not list(sealed.folder.glob("*.tar"))
    pauses: list[str] = []

    def pause() -> None:
        pauses.append("a pause")
        sealed.office.seal()

    bundle = when_sealed(
        lambda: ExportedBundle(path=sealed.export(), tenant_id="north", leaves=0, checkpoint=""), pause
    )

    assert pauses == ["a pause"]
    assert sealed.auditor().verify(bundle.path).code == 0


def test_an_erasure_during_an_export_is_not_in_the_bundle(sealed: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaves(connection: Connection, of_tenant: dict[str, object]) -> Iterator[bytes]:
        with sealed.office.records.transaction() as work:
            assert erase_person(work, "ada", reason="Article 17", context=OLGA) == 1
        yield from in_order(connection, of_tenant)

    in_order = export._leaves
    monkeypatch.setattr(export, "_leaves", leaves)

    assert sealed.auditor().verify(sealed.export()).code == 0


def test_without_a_sealer_a_bundle_is_not_waited_for_for_ever(sealed: Archive) -> None:
    with sealed.office.records.transaction() as work:
        erase_person(work, "ada", reason="Article 17", context=OLGA)
    pauses: list[None] = []

    with pytest.raises(ErasureNotSealedError):
        when_sealed(
            lambda: ExportedBundle(path=sealed.export(), tenant_id="", leaves=0, checkpoint=""),
            lambda: pauses.append(None),
        )
    assert pauses


def test_only_an_administrator_erases_and_only_in_their_tenant(sealed: Archive) -> None:
    with sealed.office.records.transaction() as work, pytest.raises(AccessDeniedError):
        erase_person(work, "ada", reason="r", context=ADA)
    with sealed.office.records.transaction() as work:
        assert erase_person(work, "ada", reason="r", context=SVEN) == 0


def test_an_actor_whose_id_is_an_e_mail_address_can_be_erased(archive: Archive) -> None:
    mail = ADA.model_copy(update={"user_id": "ada@example.org"})
    (leaf,) = archive.office.record(1, mail, details={"assignee": "rita@example.org", "note": "@home", "rows": 5})
    with archive.office.records.transaction() as work:
        read = work.audit.read(leaf, context=ADA)
        assert read["personal"] == {"actor": "ada@example.org", "assignee": "rita@example.org"}
        assert (read["actor"], read["details"]) == (None, {"note": "@home", "rows": 5})
        erase_person(work, "ada@example.org", reason="r", context=OLGA)
    archive.office.seal()

    bundle = archive.export()
    assert archive.auditor().verify(bundle).code == 0
    assert b"example.org" not in bundle.read_bytes()


def test_a_tenant_of_which_nothing_is_sealed_has_no_bundle(archive: Archive) -> None:
    with pytest.raises(AuditNotSealedError):
        archive.export()

    assert [path for path in archive.folder.iterdir() if "bundle" in path.name] == []


def test_arguments_of_no_use_end_with_code_2(sealed: Archive) -> None:
    auditor = sealed.auditor()
    ended = subprocess.run(
        [sys.executable, "-I", "offline_verifier.py", str(sealed.export()), "--key", "nonsense"],
        cwd=auditor.folder, capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "_key_argument" not in ended.stderr  # said to people, not in names of this program
