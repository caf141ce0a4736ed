"""The root of the engine's errors."""

from __future__ import annotations

from storage import ReportedError


class EngineError(ReportedError):
    """Base of the engine's errors."""

    code = "ENGINE"
