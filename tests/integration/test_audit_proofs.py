"""Proofs from the stored trees, checked with the public key alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from audit_office import ADA, SVEN, AuditOffice, audit_office

from storage import Storage
from storage.audit.checkpoints import GLOBAL_TREE, tenant_tree
from storage.audit.notes import VerifierKey
from storage.audit.proofs import AuditProofs, verify_proof
from storage.errors import AuditNotSealedError, AuditSizeError, RecordNotFoundError
from storage.identifiers import new_id


@pytest.fixture
def office(storage: Storage, database_url: str, tmp_path: Path) -> Iterator[AuditOffice]:
    with audit_office(storage, database_url, tmp_path) as opened:
        yield opened


def test_every_leaf_is_proved_by_the_newest_checkpoints(office: AuditOffice) -> None:
    leaves = []
    for number in (1, 6, 300):
        leaves += office.record(number)
        office.record(2, SVEN)
        office.seal()

    with office.storage.transaction() as work:
        proofs = AuditProofs(work.connection, ADA)
        keys = [VerifierKey.parse(key.verifier) for key in proofs.signers()]
        for leaf in leaves[:12] + leaves[-3:]:
            proof = proofs.prove(leaf)
            assert verify_proof(proof, proofs.log_id(), keys)
            assert (proof.in_tenant.checkpoint.size, proof.in_log.checkpoint.size) == (307, 6)


def test_a_proof_holds_for_no_other_leaf_tenant_or_key(office: AuditOffice) -> None:
    leaf, _ = office.record(2)
    office.seal()

    with office.storage.transaction() as work:
        proofs = AuditProofs(work.connection, ADA)
        proof, log_id = proofs.prove(leaf), proofs.log_id()
        keys = [VerifierKey.parse(key.verifier) for key in proofs.signers()]
    other = proof.in_tenant.model_copy(update={"leaf_hash": "00" * 32})
    assert not verify_proof(proof.model_copy(update={"in_tenant": other}), log_id, keys)
    assert not verify_proof(proof.model_copy(update={"tenant_id": "south"}), log_id, keys)
    assert not verify_proof(proof, new_id(), keys)
    assert not verify_proof(proof, log_id, [])


def test_what_is_not_sealed_yet_is_told_apart_from_what_is_not_there(office: AuditOffice) -> None:
    office.record(1)
    office.seal()
    (leaf,) = office.record(1)

    with office.storage.transaction() as work:
        proofs = AuditProofs(work.connection, ADA)
        with pytest.raises(AuditNotSealedError):
            proofs.prove(leaf)
        with pytest.raises(RecordNotFoundError):
            AuditProofs(work.connection, SVEN).prove(leaf)
        with pytest.raises(RecordNotFoundError):
            proofs.prove(new_id())


def test_before_the_first_round_there_is_no_checkpoint(office: AuditOffice) -> None:
    with office.storage.transaction() as work, pytest.raises(AuditNotSealedError):
        AuditProofs(work.connection, ADA).checkpoint(GLOBAL_TREE)


def test_a_size_that_the_tree_does_not_have_is_refused(office: AuditOffice) -> None:
    office.record(3)
    office.seal()

    with office.storage.transaction() as work:
        proofs, tree = AuditProofs(work.connection, ADA), tenant_tree("north")
        assert len(proofs.consistency(tree, 2).path) == 1 + 0
        for sizes, wrong in (((4, None), 4), ((2, 4), 4), ((-1, None), -1), ((3, 2), 3)):
            with pytest.raises(AuditSizeError) as error:
                proofs.consistency(tree, *sizes)
            assert (error.value.tree, error.value.size, error.value.newest) == (tree, wrong, 3)
