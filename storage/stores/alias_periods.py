"""When an alias named which version: periods, and how a change rewrites what is believed of them.

Two times are kept apart (R. T. Snodgrass, Developing Time-Oriented Database Applications in SQL, 1999, chapter 10): the
valid time, when the alias named the version, and the transaction time, when the platform believed so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

PRODUCTION = "production"


class AliasName(NamedTuple):
    """An alias of a model."""

    model_name: str
    alias: str = PRODUCTION


class Window(NamedTuple):
    """From a moment until before another; without end, unless given."""

    begin: datetime
    end: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no moment lies in it."""
        return self.end is not None and self.end <= self.begin

    def contains(self, moment: datetime) -> bool:
        """Return whether a moment lies in it."""
        return self.begin <= moment and _before(moment, self.end)

    def overlaps(self, other: Window) -> bool:
        """Return whether a moment lies in both."""
        return _before(self.begin, other.end) and _before(other.begin, self.end)

    def without(self, other: Window) -> list[Window]:
        """Return what of this window lies outside the other one."""
        if not self.overlaps(other):
            return [self]
        parts = [Window(self.begin, other.begin)]
        if other.end is not None:
            parts.append(Window(other.end, self.end))
        return [part for part in parts if not part.is_empty]


class Cause(BaseModel):
    """Who changed an alias, why, and in which process instance."""

    model_config = ConfigDict(frozen=True)

    set_by: str
    reason: str | None = None
    process_instance_id: UUID | None = None


class AliasPeriod(BaseModel):
    """An alias named a version for a time.

    Attributes:
        valid_from: Since when.
        valid_to: Until when; `None` for as long as nobody changes it.
        recorded_at: Since when the platform believes so.
        superseded_at: Until when it believed so; `None` while it does.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    alias_period_id: UUID
    model_name: str
    alias: str
    model_artifact_id: UUID
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None
    recorded_at: AwareDatetime
    superseded_at: AwareDatetime | None = None
    cause: Cause

    @property
    def valid(self) -> Window:
        """When the alias named the version."""
        return Window(self.valid_from, self.valid_to)


@dataclass(frozen=True)
class Planned:
    """A period that is to be believed from now on."""

    model_artifact_id: UUID
    valid: Window
    cause: Cause


@dataclass(frozen=True)
class Revision:
    """How what is believed changes; nothing where both are empty.

    Attributes:
        superseded: Periods that are believed no longer.
        added: What is believed instead.
    """

    superseded: tuple[UUID, ...] = ()
    added: tuple[Planned, ...] = ()


def revise(believed: Iterable[AliasPeriod], window: Window, version: UUID | None, cause: Cause) -> Revision:
    """Return what changes where an alias names `version`, or none, throughout a window, whatever was believed of it.

    What was believed outside the window stays, with its own cause. Saying what is believed already changes nothing.
    """
    if window.is_empty:
        return Revision()
    touched = [period for period in believed if period.valid.overlaps(window)]
    if _is_believed(touched, window, version):
        return Revision()
    kept = [
        Planned(period.model_artifact_id, part, period.cause)
        for period in touched
        for part in period.valid.without(window)
    ]
    said = [] if version is None else [Planned(version, window, cause)]
    added = sorted([*kept, *said], key=lambda planned: planned.valid.begin)
    return Revision(tuple(period.alias_period_id for period in touched), tuple(added))


def _is_believed(touched: list[AliasPeriod], window: Window, version: UUID | None) -> bool:
    if version is None:
        return not touched
    rest = [window]
    for period in touched:
        if period.model_artifact_id != version:
            return False
        rest = [part for piece in rest for part in piece.without(period.valid)]
    return not rest


def _before(moment: datetime, end: datetime | None) -> bool:
    return end is None or moment < end
