"""Escalations of handlers: what a task says to those around it, and goes on (BPMN 2.0.2, 10.5.1).

A handler notes them; they happen when it has ended well, before its task completes, so that nobody hears of work that
is done again. They travel beside the handler's result, under a name that no field of a result can have.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

_BESIDE = "$escalations"
_NONE: Mapping[str, JsonValue] = {}


class Escalation(BaseModel):
    """One escalation.

    Attributes:
        escalation_code: What the diagram's `bpmn:escalation` carries.
        variables: What the event that catches it brings to the scope of the task.
    """

    model_config = ConfigDict(frozen=True)

    escalation_code: str = Field(min_length=1, max_length=200)
    variables: dict[str, JsonValue] = Field(default_factory=dict)


_MANY = TypeAdapter(tuple[Escalation, ...])


class Escalations:
    """What one run of a handler has noted."""

    def __init__(self) -> None:
        self._noted: list[Escalation] = []

    def note(self, escalation_code: str, variables: Mapping[str, JsonValue] = _NONE) -> None:
        """Escalate once the handler has ended well: what a handler calls as `context.escalate`."""
        self._noted.append(Escalation(escalation_code=escalation_code, variables=dict(variables)))

    def beside(self, result: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Return a handler's result with what it has noted."""
        return {**result, _BESIDE: _MANY.dump_python(tuple(self._noted))} if self._noted else result


def split(result: dict[str, JsonValue]) -> tuple[tuple[Escalation, ...], dict[str, JsonValue]]:
    """Return the escalations beside a result, and the result."""
    if _BESIDE not in result:
        return (), result
    return _MANY.validate_python(result[_BESIDE]), {name: value for name, value in result.items() if name != _BESIDE}
