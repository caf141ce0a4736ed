"""Signed notes, checkpoints and keys."""

from __future__ import annotations

import base64
import hashlib
import stat
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.audit.checkpoints import Checkpoint, origin_of, signed_checkpoint, tenant_tree
from storage.audit.keys import KeyFile
from storage.audit.notes import SigningKey, VerifierKey
from storage.errors import AuditKeyInvalidError, AuditKeyMissingError, AuditNoteInvalidError

LOG = UUID("0199d1a0-0000-7000-8000-000000000001")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
# The key and the note that golang.org/x/mod/sumdb/note gives as its example.
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_NOTE = (
    f"{GO_TEXT}\n\N{EM DASH} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotp"
    "RZb6KE6RyyBwJnAM=\n"
)


ROOT = base64.b64encode(bytes(range(32))).decode()


def key_of(number: int, name: str = "ami-learning/log") -> SigningKey:
    return SigningKey(name, Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


def test_a_note_signed_by_another_implementation_verifies() -> None:
    key = VerifierKey.parse(GO_VERIFIER)

    assert str(key) == GO_VERIFIER
    assert key.verifies(GO_NOTE)
    assert not key.verifies(GO_NOTE.replace("answer", "Answer"))


def test_a_note_is_its_text_a_blank_line_and_a_signature_over_the_text() -> None:
    key = key_of(1)
    note = key.sign("one\ntwo\n")

    text, _, line = note.partition("\n\n")
    dash, name, encoded = line.rstrip("\n").split(" ")
    content = base64.b64decode(encoded)
    raw = key.private_key.public_key().public_bytes_raw()
    assert (text, dash, name) == ("one\ntwo", "\N{EM DASH}", "ami-learning/log")
    assert content[:4] == hashlib.sha256(b"ami-learning/log\n\x01" + raw).digest()[:4]
    key.private_key.public_key().verify(content[4:], b"one\ntwo\n")
    assert key.verifier.verifies(note)


@pytest.mark.parametrize(
    "key", [key_of(2).verifier, key_of(1, "another/name").verifier], ids=["other key", "other name"]
)
def test_a_note_verifies_under_no_other_key(key: VerifierKey) -> None:
    assert not key.verifies(key_of(1).sign("text\n"))


@pytest.mark.parametrize(
    "line",
    ["", "name", "name+00000000+AAAA", GO_VERIFIER.replace("c74f", "c74e"), GO_VERIFIER + "AAAA", "a+b+*", "a+b+ä"],
)
def test_a_line_that_is_no_key_is_refused(line: str) -> None:
    with pytest.raises(AuditKeyInvalidError):
        VerifierKey.parse(line)


def test_every_key_comes_back_out_of_its_line() -> None:
    keys = [key_of(number).verifier for number in range(64)]

    assert [VerifierKey.parse(f"{key}\n") for key in keys] == keys
    assert {str(key).count("+") for key in keys} > {2, 3}  # base64 has that sign too


def test_a_checkpoint_comes_back_out_of_its_note() -> None:
    checkpoint = signed_checkpoint(LOG, tenant_tree("north sea/ä"), 7, bytes(range(32)), AT)
    note = key_of(1).sign(checkpoint.text)

    assert note.splitlines()[:4] == [
        f"ami-learning/{LOG}/tenant/north%20sea/%C3%A4",
        "7",
        base64.b64encode(bytes(range(32))).decode(),
        "signed 2026-03-01T12:00:00+00:00",
    ]
    assert Checkpoint.parse(note) == checkpoint
    assert checkpoint.origin == origin_of(LOG, "tenant/north sea/ä")


def test_a_checkpoint_needs_no_further_lines() -> None:
    checkpoint = Checkpoint("origin", 0, bytes(32))

    assert Checkpoint.parse(key_of(1).sign(checkpoint.text)) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n",
        "origin\n7\n",
        f"\n7\n{ROOT}\n",
        f"origin\n\n{ROOT}\n",
        f"origin\n07\n{ROOT}\n",
        f"origin\n-1\n{ROOT}\n",
        f"origin\n+1\n{ROOT}\n",
        f"origin\n1 \n{ROOT}\n",
        f"origin\n\N{ARABIC-INDIC DIGIT SEVEN}\n{ROOT}\n",
        f"origin\n{'9' * 20}\n{ROOT}\n",
        f"origin\n7\n*{ROOT}\n",
        "origin\n7\nä\n",
        f"origin\n7\n{'A' * 40}\n",
        f"origin\n7\n{'A' * 44}\n",
    ],
)
def test_a_note_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(AuditNoteInvalidError):
        Checkpoint.parse(key_of(1).sign(text))


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "\n",
        "\nno signature\n",
        "\n- name AAAAAAAA\n",
        "\n\N{EM DASH} name\n",
        "\n\N{EM DASH} name AAA\n",
        "\n\N{EM DASH} name AAAA\n",
        "\n\N{EM DASH} name *AAAAAAAA\n",
        "\n\N{EM DASH} name ä\n",
        "\n\N{EM DASH} name AAAAAAAA",
        "\n\N{EM DASH} name AAAAAAAA\nno signature\n",
    ],
)
def test_a_text_that_is_no_note_is_refused(lines: str) -> None:
    text = Checkpoint("origin", 7, bytes(32)).text

    for reader in (Checkpoint.parse, key_of(1).verifier.verifies):
        with pytest.raises(AuditNoteInvalidError):
            reader(text + lines)


def test_a_note_that_several_keys_have_signed_verifies_under_each_of_them() -> None:
    keys = [key_of(1), key_of(2), key_of(3, "another/name")]
    notes = [key.sign("text\n") for key in keys]

    note = notes[0] + "".join(each.removeprefix("text\n\n") for each in notes[1:])

    assert [key.verifier.verifies(note) for key in (*keys, key_of(4))] == [True, True, True, False]


def test_the_key_file_is_for_its_owner_alone_and_gives_keys_by_their_public_half(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys" / "audit.json")
    first, second = file.add_new("log"), file.add_new("log")

    assert stat.S_IMODE((tmp_path / "keys" / "audit.json").stat().st_mode) == 0o600
    assert [file.key(key.verifier).sign("x\n") for key in (first, second)] == [first.sign("x\n"), second.sign("x\n")]
    file.keep_only(second.verifier)
    assert file.key(second.verifier).verifier == second.verifier
    with pytest.raises(AuditKeyMissingError) as missing:
        file.key(first.verifier)
    assert missing.value.key == str(first.verifier)


def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text('{"name": 1}', encoding="utf-8")

    with pytest.raises(AuditKeyInvalidError):
        KeyFile(tmp_path / "audit.json").add_new("log")
