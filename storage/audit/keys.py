"""The key that signs checkpoints: a private file of whoever runs the sealer.

A new key is endorsed by the old one, in a signed note, so that who trusts the first key comes to trust the last. The
database holds the public keys in their order; which one signs next is decided there, in one transaction. The file may
hold two keys for a moment, so that a crash between file and database leaves no sealer without its key.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.audit.notes import SigningKey, VerifierKey
from storage.errors import AuditKeyInvalidError, AuditKeyMissingError
from storage.objects.verified import sync_folder

ROTATION_HEADING = "ami-learning audit key rotation"


class KeyFile:
    """The private keys, in a file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def key(self, verifier: VerifierKey) -> SigningKey:
        """Return the private half of a key.

        Raises:
            AuditKeyMissingError: It is not in the file.
            AuditKeyInvalidError: The file is no key file.
        """
        for key in self._keys():
            if key.verifier == verifier:
                return key
        raise AuditKeyMissingError(path=str(self._path), key=str(verifier))

    def add_new(self, name: str) -> SigningKey:
        """Make a key and add it to the file."""
        key = SigningKey(name, Ed25519PrivateKey.generate())
        self._write([*self._keys(), key])
        return key

    def keep_only(self, verifier: VerifierKey) -> None:
        """Forget all other keys: what has been replaced must not sign again."""
        self._write([self.key(verifier)])

    def _keys(self) -> list[SigningKey]:
        try:
            lines: list[dict[str, str]] = json.loads(self._path.read_bytes())
            return [SigningKey(line["name"], _private(line["private_key"])) for line in lines]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, KeyError) as error:
            raise AuditKeyInvalidError(reason=f"{self._path} is no file of audit keys") from error

    def _write(self, keys: list[SigningKey]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            {"name": key.name, "private_key": base64.b64encode(key.private_key.private_bytes_raw()).decode()}
            for key in keys
        ]
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")  # mode 0600
        with os.fdopen(handle, "w") as file:
            json.dump(lines, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(self._path)
        sync_folder(self._path.parent)  # before the database names a key that a loss of power would take away


def rotation_text(old: VerifierKey, new: VerifierKey, global_size: int) -> str:
    """Return what the old key signs: from which size of the tree over all tenants on the new key signs."""
    return f"{ROTATION_HEADING}\n{old}\n{new}\n{global_size}\n"


def _private(text: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text, validate=True))
