"""Variables in scopes: one dictionary for each process run, and for each activity that has variables of its own.

A scope belongs to a task of the tree and is known by its id. What changed since the last look is kept, so that a step
writes single variables and never a whole scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from pydantic import JsonValue

Scope: TypeAlias = dict[str, JsonValue]


@dataclass(frozen=True)
class VariableRow:
    """One variable of one scope."""

    scope_id: UUID
    name: str
    value: JsonValue


class Scopes:
    """All variables of one process instance."""

    def __init__(self, rows: tuple[VariableRow, ...] = ()) -> None:
        self._variables: dict[UUID, Scope] = {}
        for row in rows:
            self._variables.setdefault(row.scope_id, {})[row.name] = row.value
        self._stored = set(self._variables)
        self._changed: dict[tuple[UUID, str], None] = {}
        self._dropped: set[UUID] = set()
        self._written: set[str] = set()

    def __getitem__(self, scope_id: UUID) -> Scope:
        """Return a scope's variables, not to be changed; empty where it has none."""
        return self._variables.get(scope_id, {})

    def assign(self, scope_id: UUID, values: Mapping[str, JsonValue]) -> None:
        """Write variables of a scope."""
        scope = self._variables.setdefault(scope_id, {})
        for name, value in values.items():
            scope[name] = value
            self._changed[scope_id, name] = None
        self._written.update(values)

    def drop(self, scope_id: UUID) -> None:
        """Forget a scope."""
        if self._variables.pop(scope_id, None) is not None and scope_id in self._stored:
            self._dropped.add(scope_id)

    def take_written(self) -> set[str]:
        """Return the names of the variables written, in whatever scope, since the last call."""
        written, self._written = self._written, set()
        return written

    def take_changes(self) -> tuple[tuple[VariableRow, ...], tuple[UUID, ...]]:
        """Return the variables written and the stored scopes dropped since the last call."""
        live = [key for key in self._changed if key[0] in self._variables]
        written = tuple(VariableRow(scope_id, name, self._variables[scope_id][name]) for scope_id, name in live)
        dropped = tuple(self._dropped)
        self._stored -= self._dropped
        self._stored.update(row.scope_id for row in written)
        self._changed, self._dropped = {}, set()
        return written, dropped
