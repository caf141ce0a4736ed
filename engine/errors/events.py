"""Errors about timers, messages and schedules."""

from __future__ import annotations

from engine.errors.base import EngineError


class TimerInvalidError(EngineError):
    """The text is no time, duration or cycle.

    Attributes:
        element_id: The event that has it; `None` where it is read outside of any.
    """

    code = "TIMER_INVALID"
    hint = "Write ISO 8601 (2026-03-01T09:00:00Z, PT15M, R3/PT1H) or a cron line (0 9 * * 1-5)."

    def __init__(self, *, kind: str, text: str, reason: str, element_id: str | None = None) -> None:
        self.kind = kind
        self.text = text[:100]
        self.reason = reason
        self.element_id = element_id
        where = "" if element_id is None else f"{element_id}: "
        super().__init__(f"{where}{self.text!r} is no {kind} of a timer: {reason}.")


class MessageInvalidError(EngineError):
    """A message or signal that nobody could ever receive."""

    code = "MESSAGE_INVALID"
    hint = "Give a name, and no longer texts or times than docs/reference/messages.md allows."

    def __init__(self, *, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"The {field} cannot be used: {reason}.")


class MessageNotAwaitedError(EngineError):
    """The process instance does not wait for a message of that name."""

    code = "MESSAGE_NOT_AWAITED"

    def __init__(self, *, process_instance_id: object, name: str, awaited: tuple[str, ...]) -> None:
        self.process_instance_id = str(process_instance_id)
        self.name = name[:200]
        self.awaited = awaited
        self.hint = f"It waits for {', '.join(awaited)}." if awaited else "It waits for no message at all now."
        super().__init__(f"Process instance {process_instance_id} does not wait for a message {self.name!r}.")


class ScheduleInvalidError(EngineError):
    """The schedule would never start anything."""

    code = "SCHEDULE_INVALID"
    hint = "Compare its fire times, the times between which it is active, and its execution window."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The schedule never starts anything: {reason}.")


class UnknownScheduleError(EngineError):
    """No such schedule in this tenant."""

    code = "SCHEDULE_NOT_FOUND"
    hint = "Check the id; schedules of another tenant are not visible."

    def __init__(self, *, schedule_id: object) -> None:
        self.schedule_id = str(schedule_id)
        super().__init__(f"Schedule {schedule_id} does not exist.")


class ScheduleEndedError(EngineError):
    """The schedule fires no more, and cannot be paused or resumed."""

    code = "SCHEDULE_ENDED"
    hint = "Define a new schedule."

    def __init__(self, *, schedule_id: object) -> None:
        self.schedule_id = str(schedule_id)
        super().__init__(f"Schedule {schedule_id} has ended.")
