"""Signed notes as C2SP describes them: a text, a blank line, and lines that sign it (c2sp.org/signed-note)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from storage.errors import AuditKeyInvalidError, AuditNoteInvalidError

_ED25519 = b"\x01"
_ID_BYTES = 4
_DASH = "\N{EM DASH}"


@dataclass(frozen=True)
class VerifierKey:
    """The public half of a key: `<name>+<id>+<base64 of algorithm and key>`."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """Return the key as one line of text."""
        return f"{self.name}+{self.key_id.hex()}+{_text(_ED25519 + self.public_key)}"

    @classmethod
    def parse(cls, line: str) -> VerifierKey:
        """Return the key that a line describes.

        Raises:
            AuditKeyInvalidError: It describes none.
        """
        name, key_id, encoded = (*line.strip().split("+", 2), "", "")[:3]
        try:
            content = base64.b64decode(encoded, validate=True)
        except ValueError:  # no base64, or no ASCII
            content = b""
        key = cls(name, content[1:])
        if content[:1] != _ED25519 or len(key.public_key) != 32 or key.key_id.hex() != key_id:  # noqa: PLR2004 - Ed25519
            raise AuditKeyInvalidError(reason="it is not <name>+<id>+<base64>, or its id is another key's")
        return key

    def verifies(self, note: str) -> bool:
        """Return whether the key has signed the note.

        Raises:
            AuditNoteInvalidError: It is no note.
        """
        text, signatures = split_note(note)
        for name, signature in signatures:
            if (name, signature[:_ID_BYTES]) == (self.name, self.key_id):
                try:
                    Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature[_ID_BYTES:], text.encode())
                except InvalidSignature:
                    return False
                return True
        return False


@dataclass(frozen=True)
class SigningKey:
    """A named Ed25519 key; it is shown to nobody."""

    name: str
    private_key: Ed25519PrivateKey

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self.private_key.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """Return the signed note of a text, which ends in a line break."""
        signature = self.verifier.key_id + self.private_key.sign(text.encode())
        return f"{text}\n{_DASH} {self.name} {_text(signature)}\n"


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return a note's text, and its signatures by the names of their keys.

    Raises:
        AuditNoteInvalidError: It is no note.
    """
    text, separator, lines = note.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise AuditNoteInvalidError(reason="it has no signature")
    return text + "\n", [_signature(line) for line in lines.splitlines()]


def _signature(line: str) -> tuple[str, bytes]:
    dash, name, encoded = (*line.split(" "), "", "")[:3]
    try:
        signature = base64.b64decode(encoded, validate=True)
    except ValueError:  # no base64, or no ASCII
        signature = b""
    if dash != _DASH or len(signature) <= _ID_BYTES:
        raise AuditNoteInvalidError(reason="a line behind the text is no signature")
    return name, signature


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
