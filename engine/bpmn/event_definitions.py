"""What events wait for and what they throw (BPMN 2.0.2, 10.5.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True)
class TimerTrigger:
    """A time (BPMN 2.0.2, table 10.101).

    Attributes:
        kind: Date and duration happen once; a cycle is `R[n]/duration` or a cron line.
        expression: FEEL text that gives the ISO 8601 or cron text when the event begins to wait.
    """

    kind: Literal["date", "duration", "cycle"]
    expression: str


@dataclass(frozen=True)
class MessageTrigger:
    """A message, received by exactly one waiting event or task.

    Attributes:
        correlation_key: FEEL text; `None` only for start events of processes, which take every message of the name.
    """

    name: str
    correlation_key: str | None = None


@dataclass(frozen=True)
class SignalTrigger:
    """A signal, received by everything that waits for it."""

    name: str


@dataclass(frozen=True)
class ErrorTrigger:
    """An error of the activity or scope that the event belongs to; without a code, every error."""

    error_code: str | None = None


@dataclass(frozen=True)
class EscalationTrigger:
    """An escalation from within the activity or scope that the event belongs to; without a code, every one."""

    escalation_code: str | None = None


@dataclass(frozen=True)
class ConditionTrigger:
    """A condition that becomes true; it must have been false before it can do so again.

    Attributes:
        expression: FEEL text, looked at whenever variables have changed; null counts as false.
    """

    expression: str


@dataclass(frozen=True)
class CompensationTrigger:
    """The compensation of the subprocess in which the event subprocess stands that it starts."""


@dataclass(frozen=True)
class CancelTrigger:
    """The end of a transaction that a cancel end event gave up, once what had been done in it is compensated."""


Trigger: TypeAlias = TimerTrigger | MessageTrigger | SignalTrigger
"""What reaches an instance from outside."""

Thrown: TypeAlias = ErrorTrigger | EscalationTrigger | CancelTrigger
"""What is thrown within an instance, and caught by the nearest event around it."""


@dataclass(frozen=True)
class CompensationThrow:
    """Compensation of what has been completed in the scope of the event (BPMN 2.0.2, 13.5.5).

    Attributes:
        activity: The only activity that is compensated; `None` for all of the scope.
    """

    activity: str | None = None


@dataclass(frozen=True)
class MessageThrow:
    """A message that is published, as everybody may publish one.

    Attributes:
        correlation_key: FEEL text, evaluated where the message is thrown.
        time_to_live: FEEL text of an ISO 8601 duration for which the message is kept where nobody waits for it yet.
    """

    name: str
    correlation_key: str
    time_to_live: str
