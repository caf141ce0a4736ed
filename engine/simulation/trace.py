"""What happened in a simulation, told of the elements of the diagrams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine.persistence import Event

Happening: TypeAlias = Literal["entered", "completed", "cancelled", "compensated", "failed"]
_HAPPENINGS: dict[str, Happening] = {
    "element.activated": "entered",
    "element.completed": "completed",
    "element.cancelled": "cancelled",
    "element.compensated": "compensated",
    "incident.raised": "failed",
}


class TraceEntry(BaseModel):
    """One thing that happened to an element.

    Attributes:
        at: ISO 8601 duration from the start of the simulation.
        instance: The run of a process in which it stands, counted as they began; 1 is the process itself.
    """

    model_config = ConfigDict(frozen=True)

    element: str
    event: Happening
    at: str
    instance: int


class Waiting(BaseModel):
    """What an element waits for: `awaited` names the people, the message, the condition or the time.

    It is written as `for`.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    element: str
    kind: Literal["user_task", "message", "signal", "timer", "condition", "service_task"]
    awaited: str

    def document(self) -> dict[str, JsonValue]:
        """Return it as it is written."""
        return {"element": self.element, "kind": self.kind, "for": self.awaited}


class SimulatedIncident(BaseModel):
    """Something that a person would have to look at; `element` is null where no element is to blame."""

    model_config = ConfigDict(frozen=True)

    element: str | None
    code: str
    message: str
    at: str


class SimulationResult(BaseModel):
    """What a simulation led to.

    Attributes:
        completed: Whether the process that was simulated has come to its end.
        variables: Those of the process, without those of inner scopes.
    """

    model_config = ConfigDict(frozen=True)

    completed: bool
    trace: tuple[TraceEntry, ...]
    variables: dict[str, JsonValue]
    waiting: tuple[Waiting, ...]
    incidents: tuple[SimulatedIncident, ...]

    def document(self) -> dict[str, JsonValue]:
        """Return it as it is written."""
        return {
            "completed": self.completed,
            "trace": [entry.model_dump() for entry in self.trace],
            "variables": self.variables,
            "waiting": [each.document() for each in self.waiting],
            "incidents": [incident.model_dump() for incident in self.incidents],
        }


def iso_duration(length: timedelta) -> str:
    """Return a length of time as ISO 8601 writes it, in days, hours, minutes and seconds: `PT0S`, `P1DT2H`, `PT1.5S`.

    Args:
        length: Zero or more.
    """
    seconds, fraction = divmod(length // timedelta(microseconds=1), 1_000_000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    last = f"{second}.{fraction:06}".rstrip("0") if fraction else str(second)
    date = f"{days}D" if days else ""
    time = f"{hour}H" * bool(hour) + f"{minute}M" * bool(minute) + f"{last}S" * (last != "0")
    return f"P{date}{'T' if time else ''}{time}" if date or time else "PT0S"


class Runs:
    """Numbers of the runs of processes, in the order in which they began."""

    def __init__(self) -> None:
        self._numbers: dict[UUID, int] = {}

    def number(self, event: Event) -> int:
        """Return the number of the run in which an event happened."""
        run_id = UUID(str(event.payload.get("run_id") or event.process_instance_id))
        return self._numbers.setdefault(run_id, len(self._numbers) + 1)


def trace_of(events: Iterable[Event], begin: datetime) -> Iterator[TraceEntry]:
    """Return what the events tell of elements; what repeats an activity is left out, each time is there."""
    runs, latest = Runs(), dict[tuple[UUID, str | None], int]()
    for event in events:
        number, place = runs.number(event), (event.process_instance_id, event.element_id)
        happening = _HAPPENINGS.get(event.kind)
        if happening is None or event.element_id is None or event.payload.get("kind") == "MultiInstanceBody":
            continue
        if happening == "entered":
            latest[place] = number
        elif happening == "failed":
            number = latest.get(place, number)
        at = iso_duration(event.occurred_at - begin)
        yield TraceEntry(element=event.element_id, event=happening, at=at, instance=number)
