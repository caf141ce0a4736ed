"""What waits for a message or a signal: tasks of instances, and start events."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from engine.persistence.messages import Correlation, MessageRow


class EventKind(StrEnum):
    """What somebody waits for: a message has one receiver, a signal as many as wait."""

    MESSAGE = "message"
    SIGNAL = "signal"


class WaitingEvent(BaseModel):
    """A task of an instance that waits for a message or a signal.

    Attributes:
        correlation_key: The key's value as text; `None` for signals.
        is_repeating: Whether it goes on waiting after it has happened: a boundary event that does not interrupt.
    """

    model_config = ConfigDict(frozen=True)

    kind: EventKind
    name: str
    correlation_key: str | None = None
    tenant_id: str
    process_instance_id: UUID
    task_id: UUID
    element_id: str
    process_id: str
    is_repeating: bool = False

    @property
    def correlation(self) -> Correlation | None:
        """What it has in common with its message; `None` for a signal."""
        if self.kind is EventKind.SIGNAL:
            return None
        return Correlation(self.tenant_id, self.name, self.correlation_key or "")


class StartSubscription(BaseModel):
    """A start event, of the newest version of its process, that a message or a signal sets off for every tenant."""

    model_config = ConfigDict(frozen=True)

    element_id: str
    process_id: str
    process_definition_id: UUID


def correlations(waiting: Iterable[WaitingEvent]) -> set[Correlation]:
    """Return the correlations of those that wait for messages."""
    return {event.correlation for event in waiting if event.correlation is not None}


def wanted(waiting: Iterable[WaitingEvent]) -> dict[Correlation, int | None]:
    """Return how many messages of each correlation are waited for; `None`: as many as there are."""
    numbers: dict[Correlation, int | None] = {}
    for event in waiting:
        if event.correlation is not None:
            before = numbers.get(event.correlation, 0)
            numbers[event.correlation] = None if event.is_repeating or before is None else before + 1
    return numbers


def match(
    waiting: Sequence[WaitingEvent], buffered: Mapping[Correlation, Sequence[MessageRow]]
) -> tuple[list[tuple[WaitingEvent, MessageRow]], list[WaitingEvent]]:
    """Give each that waits the oldest message, and one that repeats all that are left.

    Args:
        waiting: In the order in which they are served.
        buffered: What there is, oldest first.

    Returns:
        Who receives what, and who goes on waiting.
    """
    left = {correlation: deque(messages) for correlation, messages in buffered.items()}
    deliveries, unanswered = list[tuple[WaitingEvent, MessageRow]](), list[WaitingEvent]()
    for event in waiting:
        messages = left.get(event.correlation, deque()) if event.correlation is not None else deque[MessageRow]()
        taken = len(messages) if event.is_repeating else min(len(messages), 1)
        deliveries += [(event, messages.popleft()) for _ in range(taken)]
        if event.is_repeating or not taken:
            unanswered.append(event)
    return deliveries, unanswered
