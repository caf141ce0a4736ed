"""What the verifier that runs alone says of bundles that were tampered with."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from audit_archive import Archive, Auditor, Members
from audit_office import ADA, OLGA, SVEN
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.audit import offline_verifier
from storage.audit.checkpoints import GLOBAL_TREE, Checkpoint, tenant_tree
from storage.audit.notes import SigningKey, VerifierKey
from storage.audit.personal_data import erase_person
from storage.audit.proofs import AuditProofs
from storage.audit.signers import rotate_key

HASH = 32


def lines_of(members: Members) -> list[bytes]:
    return members["leaves.jsonl"].splitlines(keepends=True)


def hashes_of(members: Members) -> list[bytes]:
    content = members["hashes.bin"]
    return [content[at : at + HASH] for at in range(0, len(content), HASH)]


def edited(change: Callable[[list[bytes]], Any], *, hashes: bool = False) -> Callable[[Members], None]:
    """Change the list of leaves, and, as a forger who knows the format would, that of their hashes."""

    def apply(members: Members) -> None:
        lines = lines_of(members)
        change(lines)
        members["leaves.jsonl"] = b"".join(lines)
        if hashes:
            members["hashes.bin"] = b"".join(offline_verifier._leaf_hash(line[:-1]) for line in lines)

    return apply


def flip(lines: list[bytes]) -> None:
    lines[5] = lines[5].replace(b'"actor":"ada"', b'"actor":"eve"')


def to_newline(lines: list[bytes]) -> None:
    lines[5] = lines[5].replace(b'"actor"', b'"act\nr"')


def insert(lines: list[bytes]) -> None:
    lines.insert(5, lines[5].replace(b'"ada"', b'"eve"'))


def swap(lines: list[bytes]) -> None:
    lines[5], lines[9] = lines[9], lines[5]


def replace_json(name: str, change: Callable[[Any], None]) -> Callable[[Members], None]:
    def apply(members: Members) -> None:
        document = json.loads(members[name])
        change(document)
        members[name] = json.dumps(document).encode()

    return apply


FALSE_COMFORT = b'{"audit_ref": "\\nOK: 12 leaves \\ud800", "salt": "", "content": ""}\n'

TAMPERED: dict[str, tuple[Callable[[Members], None], list[str], str]] = {
    "a changed byte": (edited(flip), ["LEAF_CHANGED"], "Leaf 5 "),
    "a byte changed into a line break": (edited(to_newline), ["LEAF_CHANGED"], "Leaf 5 "),
    "a removed leaf": (edited(lambda lines: lines.pop(5)), ["LEAF_MISSING"], "Leaf 5 "),
    "the last leaf removed": (edited(lambda lines: lines.pop()), ["LEAF_MISSING"], "Leaf 11 "),
    "an inserted leaf": (edited(insert), ["LEAF_INSERTED"], "Leaf 5 "),
    "a leaf added at the end": (edited(lambda lines: lines.append(lines[0])), ["LEAF_INSERTED"], "Leaf 12 "),
    "a leaf twice": (edited(lambda lines: lines.insert(5, lines[4])), ["LEAF_INSERTED"], "Leaf 5 "),
    "two leaves exchanged": (edited(swap), ["LEAVES_REORDERED"], "Leaf 5 "),
    "a changed byte, hashes too": (edited(flip, hashes=True), ["ROOT_MISMATCH"], "between leaf 3 and leaf 6"),
    "a removed leaf, hashes too": (
        edited(lambda lines: lines.pop(5), hashes=True), ["ROOT_MISMATCH"], "between leaf 3 and leaf 6",
    ),
    "an inserted leaf, hashes too": (edited(insert, hashes=True), ["ROOT_MISMATCH"], "between leaf 3 and leaf 6"),
    "two leaves exchanged, hashes too": (edited(swap, hashes=True), ["ROOT_MISMATCH"], "between leaf 3 and leaf 6"),
    "all leaves removed, hashes too": (
        edited(lambda lines: lines.clear(), hashes=True),
        ["ROOT_MISMATCH", "PERSONAL_DATA_CHANGED"], "between leaf 0 and leaf 2",
    ),
    "a changed hash": (
        lambda members: members.update({"hashes.bin": b"\0" + members["hashes.bin"][1:]}),
        ["ROOT_MISMATCH", "LEAF_CHANGED"], "between leaf 0 and leaf 2",
    ),
    "a changed name": (
        lambda members: members.update({"personal.jsonl": members["personal.jsonl"].replace(b"because", b"no idea")}),
        ["PERSONAL_DATA_CHANGED"], "Leaf 11 ",
    ),
    "a removed name": (lambda members: members.update({"personal.jsonl": b""}), ["PERSONAL_DATA_MISSING"], "Leaf 11 "),
    "another tenant": (
        replace_json("bundle.json", lambda described: described.update(tenant_id="south")), ["NOT_IN_LOG"], "",
    ),
    "another path": (
        replace_json("global.json", lambda over_all: over_all["inclusion"].update(path=["00" * 32])),
        ["NOT_IN_LOG"], "",
    ),
    "a missing member": (lambda members: members.pop("hashes.bin"), ["BUNDLE_UNREADABLE"], "hashes.bin"),
    "another format": (replace_json("bundle.json", lambda it: it.update(format=2)), ["BUNDLE_UNREADABLE"], "format 2"),
    "a key that is a number": (
        replace_json("keys.json", lambda it: it[0].update(verifier=1)), ["BUNDLE_UNREADABLE"], "",
    ),
    "an endless position": (
        replace_json("global.json", lambda it: it["inclusion"].update(position=float("inf"))),
        ["BUNDLE_UNREADABLE"], "",
    ),
    "a checkpoint that is a list": (
        replace_json("checkpoints.json", lambda it: it.append([])), ["BUNDLE_UNREADABLE"], "",
    ),
    "JSON without end": (lambda members: members.update({"keys.json": b"[" * 100_000}), ["BUNDLE_UNREADABLE"], ""),
    "a field that is said twice": (
        lambda members: members.update({"bundle.json": b'{"tenant_id": "south",' + members["bundle.json"][1:]}),
        ["BUNDLE_UNREADABLE"], "twice",
    ),
    "another reason before the true one": (
        lambda members: members.update(
            {"personal.jsonl": members["personal.jsonl"].replace(b"because", b"no idea") + members["personal.jsonl"]}
        ),
        ["PERSONAL_DATA_CHANGED"], "twice",
    ),
    "a member that another reader takes for a known one": (
        lambda members: members.update({"./leaves.jsonl": b""}), ["BUNDLE_UNREADABLE"], "./leaves.jsonl",
    ),
    "a member that nobody knows": (lambda members: members.update(more=b""), ["BUNDLE_UNREADABLE"], "more"),
    "another size in the description": (
        replace_json("bundle.json", lambda it: it.update(size=11)), ["DESCRIPTION_WRONG"], "11",
    ),
    "another hash beside the proof": (
        replace_json("global.json", lambda it: it["inclusion"].update(leaf_hash="00" * 32)), ["DESCRIPTION_WRONG"], "",
    ),
    "another size beside the proof": (
        replace_json("global.json", lambda it: it["inclusion"]["checkpoint"].update(size=1)),
        ["DESCRIPTION_WRONG"], "",
    ),
    "an earlier checkpoint of another size": (
        replace_json("checkpoints.json", lambda it: it.insert(0, it[0].replace("\n3\n", "\n2\n"))),
        ["CHECKPOINT_FORGED"], "size 2",
    ),
    "what looks like the verifier's own words": (
        lambda members: members.update({"personal.jsonl": members["personal.jsonl"] + FALSE_COMFORT}),
        ["PERSONAL_DATA_CHANGED"], "\\nOK: 12",
    ),
    "no JSON": (lambda members: members.update({"keys.json": b"{"}), ["BUNDLE_UNREADABLE"], ""),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_the_verifier_names_what_was_done_to_a_bundle(sealed: Archive, name: str) -> None:
    change, findings, sentence = TAMPERED[name]

    verdict = sealed.auditor().verify(sealed.rebuilt(sealed.export(), change))

    assert (verdict.code, verdict.findings) == (1, findings)
    assert sentence.lower() in verdict.lines[0].lower()


def test_leaves_that_are_there_twice_are_not_taken_for_what_a_reader_finds(sealed: Archive) -> None:
    bundle, forged = sealed.export(), io.BytesIO(b'{"actor":"eve"}')
    described = tarfile.TarInfo("leaves.jsonl")
    described.size = len(forged.getvalue())
    with tarfile.open(bundle) as tar, tarfile.open(sealed.folder / "twice.tar", "w") as twice:
        twice.addfile(described, forged)
        for member in tar:
            twice.addfile(member, tar.extractfile(member))

    verdict = sealed.auditor().verify(sealed.folder / "twice.tar")

    assert (verdict.code, verdict.findings) == (1, ["BUNDLE_UNREADABLE"])


@pytest.mark.parametrize("between", [b"\1" * 512, b"\0" * 1024])
def test_what_stands_behind_the_end_of_a_bundle_is_not_passed_over(sealed: Archive, between: bytes) -> None:
    """Other readers of tar files go on there."""
    bundle = sealed.export()
    with tarfile.open(bundle) as tar:
        *_, last = tar.getmembers()
    content = bundle.read_bytes()
    end = last.offset_data + -(-last.size // 512) * 512
    bundle.write_bytes(content[:end] + between + content)

    verdict = sealed.auditor().verify(bundle)

    assert (verdict.code, verdict.findings) == (1, ["BUNDLE_UNREADABLE"])


def test_a_link_in_a_bundle_is_not_followed(sealed: Archive) -> None:
    bundle, out = sealed.export(), sealed.folder / "linked.tar"
    with tarfile.open(bundle) as tar, tarfile.open(out, "w") as linked:
        for member in tar:
            linked.addfile(member, tar.extractfile(member))
            if member.name == "checkpoints.json":
                break
        link = tarfile.TarInfo("global.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        linked.addfile(link)

    verdict = sealed.auditor().verify(out)

    assert (verdict.code, verdict.findings) == (1, ["BUNDLE_UNREADABLE"])


@pytest.mark.parametrize(("size", "finding"), [(5, "TWO_HISTORIES"), (13, "TAIL_TRUNCATED")])
def test_a_second_signed_history_is_found_in_the_bundle_itself(sealed: Archive, size: int, finding: str) -> None:
    with sealed.office.storage.transaction() as work:
        key = sealed.office.key_file.key(_verifiers(AuditProofs(work.connection, ADA))[0])
    origin = Checkpoint.parse(sealed.checkpoint(tenant_tree("north"))).origin
    other = key.sign(Checkpoint(origin, size, bytes(32)).text)

    def add(notes: list[str]) -> None:
        notes.append(other)

    verdict = sealed.auditor().verify(sealed.rebuilt(sealed.export(), replace_json("checkpoints.json", add)))

    assert (verdict.code, verdict.findings) == (1, [finding])


def test_what_was_erased_and_comes_back_is_found(sealed: Archive) -> None:
    earlier = sealed.export("earlier.tar")
    with tarfile.open(earlier) as tar:
        personal = tar.extractfile("personal.jsonl").read()  # type: ignore[union-attr]
    with sealed.office.records.transaction() as work:
        assert erase_person(work, "ada", reason="Article 17", context=OLGA) == 1
    sealed.office.seal()

    def bring_back(members: Members) -> None:
        members["personal.jsonl"] += personal

    verdict = sealed.auditor().verify(sealed.rebuilt(sealed.export(), bring_back))

    assert (verdict.code, verdict.findings) == (1, ["PERSONAL_DATA_NOT_ERASED"])


def test_the_bundle_of_another_tenant_does_not_pass_for_the_one_that_was_asked_for(sealed: Archive) -> None:
    auditor = sealed.auditor()

    verdict = auditor.verify(sealed.export(context=SVEN), tenant="north")

    assert (verdict.code, verdict.findings) == (1, ["ANOTHER_TENANT"])
    assert auditor.verify(sealed.export(), tenant="north").code == 0


def test_every_changed_byte_of_the_leaves_is_found(sealed: Archive) -> None:
    bundle = sealed.export()
    with tarfile.open(bundle) as tar:
        leaves = tar.extractfile("leaves.jsonl").read()  # type: ignore[union-attr]
    starts = [0]
    for line in leaves.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    trusted = offline_verifier.read_key(sealed.auditor().key)

    for place in range(0, len(leaves), 97):
        damaged = bytearray(leaves)
        damaged[place] ^= 1
        path = sealed.rebuilt(bundle, lambda members, damaged=damaged: members.update({"leaves.jsonl": bytes(damaged)}))  # type: ignore[misc]
        _, (finding, *_) = offline_verifier.verify(path, trusted, [])
        number = max(number for number, start in enumerate(starts) if start <= place)
        assert finding.leaf == number, (place, finding)


def test_another_key_is_not_trusted(sealed: Archive) -> None:
    other = SigningKey("ami-learning/other", Ed25519PrivateKey.generate())

    verdict = sealed.auditor().verify(sealed.export(), key=str(other.verifier))

    assert (verdict.code, verdict.findings) == (1, ["KEY_UNKNOWN", "CHECKPOINT_FORGED", "CHECKPOINT_FORGED"])


def test_a_checkpoint_that_another_key_signed_is_forged(sealed: Archive) -> None:
    name = Checkpoint.parse(sealed.checkpoint(GLOBAL_TREE)).origin.removesuffix("/global")
    forger = SigningKey(name, Ed25519PrivateKey.generate())
    forged = Checkpoint.parse(sealed.checkpoint(tenant_tree("north")))

    def sign(members: Members) -> None:
        members["checkpoint"] = forger.sign(forged.text).encode()

    verdict = sealed.auditor().verify(sealed.rebuilt(sealed.export(), sign))

    assert (verdict.code, verdict.findings) == (1, ["CHECKPOINT_FORGED"])


def test_a_forged_checkpoint_over_changed_leaves_fails_at_its_signature(sealed: Archive) -> None:
    def forge(members: Members) -> None:
        edited(flip, hashes=True)(members)
        root = offline_verifier.Tree(members["hashes.bin"]).root(12)
        checkpoint = Checkpoint.parse(members["checkpoint"].decode())
        text = Checkpoint(checkpoint.origin, 12, root, checkpoint.extensions).text
        signature = members["checkpoint"].decode().rpartition("\n\n")[2]
        members["checkpoint"] = f"{text}\n{signature}".encode()

    verdict = sealed.auditor().verify(sealed.rebuilt(sealed.export(), forge))

    assert (verdict.code, verdict.findings) == (1, ["CHECKPOINT_FORGED", "NOT_IN_LOG"])


def test_a_truncated_tail_is_found_with_a_checkpoint_from_before(sealed: Archive) -> None:
    earlier = sealed.export("earlier.tar")
    whole = sealed.checkpoint(GLOBAL_TREE)
    sealed.office.record(3)
    sealed.office.seal()
    later = sealed.checkpoint(tenant_tree("north"))
    auditor = sealed.auditor()

    assert auditor.verify(earlier).code == 0
    assert auditor.verify(earlier, later).findings == ["TAIL_TRUNCATED"]
    assert auditor.verify(earlier, sealed.checkpoint(GLOBAL_TREE)).findings == ["TAIL_TRUNCATED"]
    assert auditor.verify(sealed.export(), later).code == 0
    assert auditor.verify(sealed.export(known=whole), whole).code == 0
    assert auditor.verify(sealed.export(), whole).findings == ["KNOWN_NOT_COMPARABLE"]


@pytest.mark.parametrize("size", [5, 12])
def test_two_histories_that_were_both_signed_are_found(sealed: Archive, size: int) -> None:
    """Whoever has the key shows one auditor one history and another one another."""
    with sealed.office.storage.transaction() as work:
        key = sealed.office.key_file.key(
            offline_verifier_key := next(iter(_verifiers(AuditProofs(work.connection, ADA))))
        )
    assert key.verifier == offline_verifier_key
    origin = Checkpoint.parse(sealed.checkpoint(tenant_tree("north"))).origin
    shown_to_others = key.sign(Checkpoint(origin, size, bytes(32)).text)

    verdict = sealed.auditor().verify(sealed.export(), shown_to_others)

    assert (verdict.code, verdict.findings) == (1, ["TWO_HISTORIES"])


def test_two_histories_of_the_whole_log_are_found(sealed: Archive) -> None:
    with sealed.office.storage.transaction() as work:
        key = sealed.office.key_file.key(_verifiers(AuditProofs(work.connection, ADA))[0])
    origin = Checkpoint.parse(sealed.checkpoint(GLOBAL_TREE)).origin
    for size in (2, 5):
        other = key.sign(Checkpoint(origin, size, bytes(32)).text)
        folder = sealed.folder / f"auditor-{size}"
        verdict = Auditor(folder, str(key.verifier)).verify(sealed.export(known=other), other)
        assert (verdict.code, verdict.findings) == (1, ["TWO_HISTORIES"])


def _verifiers(proofs: AuditProofs) -> list[VerifierKey]:
    return [VerifierKey.parse(key.verifier) for key in proofs.signers()]


def test_the_verifier_follows_the_keys_from_the_one_that_is_trusted(sealed: Archive) -> None:
    rotate_key(sealed.office.records, sealed.office.key_file, context=ADA)
    sealed.office.seal()
    rotate_key(sealed.office.records, sealed.office.key_file, context=ADA)
    sealed.office.seal()
    bundle, auditor = sealed.export(), sealed.auditor()

    assert auditor.verify(bundle).lines == ("OK: 14 leaves of north, each as it was signed.",)

    def break_chain(keys: list[dict[str, str]]) -> None:
        keys[2]["endorsement"] = keys[1]["endorsement"]

    broken = auditor.verify(sealed.rebuilt(bundle, replace_json("keys.json", break_chain)))
    assert broken.findings == ["KEY_CHAIN_BROKEN", "CHECKPOINT_FORGED", "CHECKPOINT_FORGED"]


def test_a_key_that_was_replaced_signs_nothing_new(sealed: Archive) -> None:
    with sealed.office.storage.transaction() as work:
        stolen = sealed.office.key_file.key(_verifiers(AuditProofs(work.connection, ADA))[0])
    rotate_key(sealed.office.records, sealed.office.key_file, context=ADA)
    sealed.office.seal()
    checkpoint = Checkpoint.parse(sealed.checkpoint(tenant_tree("north")))

    def sign(members: Members) -> None:
        members["checkpoint"] = stolen.sign(checkpoint.text).encode()

    verdict = sealed.auditor().verify(sealed.rebuilt(sealed.export(), sign))
    assert (verdict.code, verdict.findings) == (1, ["CHECKPOINT_FORGED"])
