"""Errors of the door for agents.

DoorError
└── TooManyWaitingError    TOO_MANY_WAITING
"""

from __future__ import annotations

from storage import ReportedError


class DoorError(ReportedError):
    """Base of this door's errors."""

    code = "DOOR"


class TooManyWaitingError(DoorError):
    """One principal keeps too many calls waiting at a time."""

    code = "TOO_MANY_WAITING"
    hint = "Wait for an answer before asking again, or ask with wait_seconds 0."
    retryable = True

    def __init__(self, *, user_id: str, limit: int) -> None:
        self.user_id = user_id
        self.limit = limit
        super().__init__(f"{user_id} has {limit} calls waiting already.")
