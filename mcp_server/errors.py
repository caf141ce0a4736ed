"""Errors of the door for agents.

DoorError
├── ToolNotFoundError        TOOL_NOT_FOUND
├── ArgumentsInvalidError    ARGUMENTS_INVALID
├── ToolBrokenError          TOOL_BROKEN
├── TooManyWaitingError      TOO_MANY_WAITING
├── ServerUnreachableError   SERVER_UNREACHABLE
└── ServerRefusedError       SERVER_REFUSED, or the code that the server gave
"""

from __future__ import annotations

from storage import ReportedError


class DoorError(ReportedError):
    """Base of this door's errors."""

    code = "DOOR"


class ToolNotFoundError(DoorError):
    """The server has no tool of that name."""

    code = "TOOL_NOT_FOUND"
    hint = "List the tools with tools/list."

    def __init__(self, *, name: str) -> None:
        self.name = name[:200]
        super().__init__(f"There is no tool {self.name!r}.")


class ArgumentsInvalidError(DoorError):
    """The arguments do not fit the tool's input schema.

    Attributes:
        fields: Path of each argument to what is wrong with it.
    """

    code = "ARGUMENTS_INVALID"

    def __init__(self, *, fields: dict[str, str]) -> None:
        self.fields = fields
        self.hint = "; ".join(f"{field}: {reason}" for field, reason in fields.items())
        super().__init__("The arguments do not fit the tool's input schema.")


class ToolBrokenError(DoorError):
    """The server met an error that nobody foresaw; its log has the reason."""

    code = "TOOL_BROKEN"
    hint = "Report the audit reference to the operator; the server's log has the reason."

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(f"The tool {name} failed to answer.")


class TooManyWaitingError(DoorError):
    """One principal keeps too many calls waiting at a time."""

    code = "TOO_MANY_WAITING"
    hint = "Wait for an answer before asking again, or ask with wait_seconds 0."
    retryable = True

    def __init__(self, *, user_id: str, limit: int) -> None:
        self.user_id = user_id
        self.limit = limit
        super().__init__(f"{user_id} has {limit} calls waiting already.")


class ServerUnreachableError(DoorError):
    """The client finds nothing at the address."""

    code = "SERVER_UNREACHABLE"
    hint = "Start the platform with 'make up'; it prints its address."
    retryable = True

    def __init__(self, *, url: str) -> None:
        self.url = url
        super().__init__(f"Nothing answers at {url}.")


class ServerRefusedError(DoorError):
    """The server does not let the client in; `code` and `hint` are the server's."""

    code = "SERVER_REFUSED"

    def __init__(self, *, code: str, message: str, hint: str) -> None:
        self.code = code
        self.hint = hint
        super().__init__(message)
        self.add_note(f"{code}: {hint}")
