"""Errors about process instances: finding them, and the state in which they are."""

from __future__ import annotations

from engine.errors.base import EngineError


class UnknownInstanceError(EngineError):
    """No such process instance in this tenant."""

    code = "PROCESS_INSTANCE_NOT_FOUND"
    hint = "Check the id; instances of another tenant are not visible."

    def __init__(self, *, process_instance_id: object) -> None:
        self.process_instance_id = str(process_instance_id)
        super().__init__(f"Process instance {process_instance_id} does not exist.")


class InstanceNotActiveError(EngineError):
    """The instance is suspended or over."""

    code = "PROCESS_INSTANCE_NOT_ACTIVE"

    def __init__(self, *, process_instance_id: object, status: str) -> None:
        self.process_instance_id = str(process_instance_id)
        self.status = status
        suspended = status == "suspended"
        self.hint = "Resume it first." if suspended else "Nothing is left to do in it."
        super().__init__(f"Process instance {process_instance_id} is {status}.")


class InstanceNotSuspendedError(EngineError):
    """Only a suspended instance can be resumed."""

    code = "PROCESS_INSTANCE_NOT_SUSPENDED"
    hint = "Nothing keeps it back; look at its incidents and at what it waits for."

    def __init__(self, *, process_instance_id: object, status: str) -> None:
        self.process_instance_id = str(process_instance_id)
        self.status = status
        super().__init__(f"Process instance {process_instance_id} is {status}, not suspended.")


class StaleInstanceError(EngineError):
    """Somebody else has changed the instance since it was read; the step starts over."""

    code = "STALE_INSTANCE"
    hint = "Repeat the call: nothing of it was done."
    retryable = True

    def __init__(self, *, process_instance_id: object) -> None:
        self.process_instance_id = str(process_instance_id)
        super().__init__(f"Process instance {process_instance_id} has changed meanwhile.")


class NoWayError(EngineError):
    """No condition of a gateway holds, and it has no default flow (BPMN 2.0.2, 13.4.2)."""

    code = "NO_FLOW_TAKEN"
    hint = "Draw a default flow."

    def __init__(self, *, element_id: str) -> None:
        self.element_id = element_id
        super().__init__(f"No condition behind {element_id} holds, and it has no default flow.")


class StepLimitError(EngineError):
    """A process runs in circles through gateways and called processes, and never waits for work."""

    code = "STEP_LIMIT_EXCEEDED"
    hint = "Compare the conditions of the circle in the diagram with the variables of the process instance."

    def __init__(self, *, process_id: str, limit: int) -> None:
        self.process_id = process_id
        self.limit = limit
        super().__init__(f"Process {process_id!r} passed {limit} elements without waiting for work.")


class CorruptStateError(EngineError):
    """Stored rows do not describe an instance of their definition; nothing of it is executed."""

    code = "STATE_CORRUPT"
    hint = "Restore the instance's rows from a backup, then retry the incident."

    def __init__(self, *, subject: str, reason: str) -> None:
        self.subject = subject
        self.reason = reason
        super().__init__(f"The stored {subject} cannot be read: {reason}.")


class UnknownCursorError(EngineError):
    """A reader asks for the events behind one that never was."""

    code = "CURSOR_UNKNOWN"
    hint = "Read from 0, or from a token that this server gave."

    def __init__(self, *, sequence: int) -> None:
        self.sequence = sequence
        super().__init__(f"No event has the sequence number {sequence}.")
