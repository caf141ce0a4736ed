"""The root of the storage floor's errors."""

from __future__ import annotations

from domain_sdk.errors import ReportedError


class StorageError(ReportedError):
    """Base of the storage floor's errors."""

    code = "STORAGE"


def printable(text: str) -> str:
    """Return text of a stranger's as an error may repeat it: without null or lone surrogates, and not for long."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode(errors="replace").decode()[:200]
