"""Errors of the keys of sealed objects."""

from __future__ import annotations

from storage.errors.base import StorageError


class ObjectUnsealableError(StorageError):
    """None of our master keys opens a sealed object."""

    code = "OBJECT_UNSEALABLE"
    hint = "Check LEARNING_MASTER_KEY_FILE: it must still hold the key with which the object was sealed."

    def __init__(self, *, uri: str) -> None:
        self.uri = uri
        super().__init__(f"None of our master keys opens the sealed object {uri}.")


class MasterKeyMissingError(StorageError):
    """Content of this classification is kept encrypted, and there is no key."""

    code = "MASTER_KEY_MISSING"
    hint = "Set LEARNING_MASTER_KEY_FILE to the same file in every process: one base64 key of 32 bytes a line."

    def __init__(self) -> None:
        super().__init__("Nothing confidential can be stored or read: this process has no master key.")


class MasterKeyUnusableError(StorageError):
    """The master keys cannot be read, or are none."""

    code = "MASTER_KEY_UNUSABLE"
    hint = "One base64 key of 32 bytes a line, the newest first, in a file that only its owner can read."

    def __init__(self, *, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"The master keys in {source} cannot be used: {reason}.")
