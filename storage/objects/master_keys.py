"""Master keys: what wraps the data key of each sealed object, and can be replaced without touching the objects."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.errors import MasterKeyUnusableError
from storage.objects.envelope import KEY_BYTES
from storage.objects.verified import sync_folder

_NONCE_BYTES = 12
_READABLE_BY_OTHERS = 0o077


class KeyService(Protocol):
    """Wraps data keys; who keeps the master keys, and where, is its own affair."""

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The names of the master keys, that which wraps now first; lower-case letters and digits."""

    def wrap(self, data_key: bytes, purpose: bytes) -> bytes:
        """Return a data key, wrapped by the first master key and bound to its purpose."""

    def unwrap(self, key_id: str, wrapped: bytes, purpose: bytes) -> bytes | None:
        """Return a data key; `None` where that master key did not wrap it for that purpose."""


class LocalKeys:
    """A `KeyService` whose master keys this process holds: AES-256-GCM with a random nonce."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        """Take over the keys, each of 32 bytes, that which wraps first."""
        self._keys = {_key_id(key): AESGCM(key) for key in keys}

    @property
    def key_ids(self) -> tuple[str, ...]:
        """See `KeyService.key_ids`; a name is made from the key and does not tell it."""
        return tuple(self._keys)

    def wrap(self, data_key: bytes, purpose: bytes) -> bytes:
        """See `KeyService.wrap`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._keys[self.key_ids[0]].encrypt(nonce, data_key, purpose)

    def unwrap(self, key_id: str, wrapped: bytes, purpose: bytes) -> bytes | None:
        """See `KeyService.unwrap`."""
        if key_id not in self._keys or len(wrapped) <= _NONCE_BYTES:
            return None
        try:
            return self._keys[key_id].decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], purpose)
        except InvalidTag:
            return None


def parse_master_keys(text: str, source: str) -> LocalKeys:
    """Return the keys in a text: one a line, 32 bytes in base64, the newest first; lines with `#` are comments.

    Raises:
        MasterKeyUnusableError: A line is none, or there is no key.
    """
    lines = [line.strip() for line in text.splitlines()]
    keys = tuple(_parse_key(line, source) for line in lines if line and not line.startswith("#"))
    if not keys:
        raise MasterKeyUnusableError(source=source, reason="there is no key")
    return LocalKeys(keys)


def read_master_keys(path: Path) -> LocalKeys:
    """Return the keys in a file; raises as `parse_master_keys`, also where others may read the file."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise MasterKeyUnusableError(source=str(path), reason=reason) from error
    if mode & _READABLE_BY_OTHERS:
        raise MasterKeyUnusableError(source=str(path), reason="others than its owner may read or write it")
    return parse_master_keys(text, str(path))


def make_master_key_file(path: Path, key: bytes) -> None:
    """Write a file with one key that only its owner can read, unless there is a file; appears whole or not at all.

    Raises:
        MasterKeyUnusableError: It cannot be written.
    """
    incoming = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        incoming.touch(mode=0o600)
        with incoming.open("w", encoding="ascii") as file:
            file.write(f"{base64.b64encode(key).decode()}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(incoming, path)
        except FileExistsError:
            return
        finally:
            incoming.unlink()
        sync_folder(path.parent)  # what is sealed with it outlives a loss of power, so it must too
    except OSError as error:
        raise MasterKeyUnusableError(source=str(path), reason=error.strerror or "it cannot be written") from error


def _parse_key(line: str, source: str) -> bytes:
    try:
        key = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MasterKeyUnusableError(source=source, reason="a line is not base64") from error
    if len(key) != KEY_BYTES:
        raise MasterKeyUnusableError(source=source, reason=f"a key has {len(key)} bytes instead of {KEY_BYTES}")
    return key


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"ami-learning master key\0" + key).hexdigest()[:16]
