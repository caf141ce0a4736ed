"""How much a finding about a dataset weighs."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """An error rejects the version; a warning is recorded with it."""

    ERROR = "error"
    WARNING = "warning"
