"""A process instance under test, kept as the database keeps it: what each step changed is written to rows, which are
read again before the next step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from typing import Any
from uuid import UUID

from pydantic import JsonValue, TypeAdapter

from engine.bpmn import read_diagram
from engine.spiff import (
    CompiledProcess,
    JournalEntry,
    ProcessTree,
    TaskRow,
    ThrownEscalation,
    ThrownMessage,
    TreeChanges,
    TreeState,
    VariableRow,
    WaitingTask,
    compile_process,
)
from engine.spiff.scopes import Scope

Outcome = Scope | str  # a result, or the code of an error
_TASKS = TypeAdapter(tuple[TaskRow, ...])
_VARIABLES = TypeAdapter(tuple[VariableRow, ...])


def compile_document(*contents: bytes, start_event_id: str = "Begin") -> CompiledProcess:
    """Compile the first process of the documents, with the others to call."""
    first, *others = (model for content in contents for model in read_diagram(content))
    return compile_process(first, {model.process_id: model for model in others}, start_event_id)


class Rows:
    """The rows of one instance, and what waits for it outside."""

    def __init__(self) -> None:
        self.positions = 0
        self.tasks: dict[UUID, Any] = {}
        self.variables: dict[tuple[UUID, str], Any] = {}
        self.outside: dict[UUID, WaitingTask] = {}

    def write(self, changes: TreeChanges) -> None:
        """Do what the database's `write_step` does, in its order."""
        for task in changes.closed:
            del self.outside[task.task_id]
        for task_id in changes.removed:
            del self.tasks[task_id]
        for key in [key for key in self.variables if key[0] in changes.dropped_scopes]:
            del self.variables[key]
        for task_row in changes.tasks:
            self.tasks[task_row.task_id] = _as_stored(task_row)
        for row in changes.variables:
            self.variables[row.scope_id, row.name] = _as_stored(row)
        self.outside |= {task.task_id: task for task in changes.opened}
        self.positions = changes.positions

    def state(self, instance_id: UUID) -> TreeState:
        return TreeState(
            instance_id,
            self.positions,
            _TASKS.validate_python(tuple(self.tasks.values())),
            _VARIABLES.validate_python(tuple(self.variables.values())),
        )

    def copy(self) -> Rows:
        twin = Rows()
        twin.positions = self.positions
        twin.tasks, twin.variables, twin.outside = dict(self.tasks), dict(self.variables), dict(self.outside)
        return twin


def _as_stored(row: TaskRow | VariableRow) -> Any:
    return json.loads(json.dumps(asdict(row), default=str, allow_nan=False))


class StoredTree:
    """A process instance that is stored after every step, and loaded from its rows before the next one if it `reloads`.

    Attributes:
        journal: Everything that has happened.
        signals: All signals thrown so far, as `messages` and `escalations`.
    """

    def __init__(self, compiled: CompiledProcess, variables: Scope, *, reloads: bool = True) -> None:
        self.compiled = compiled
        self.reloads = reloads
        self.rows = Rows()
        self.journal: list[JournalEntry] = []
        self.signals: list[str] = []
        self.messages: list[ThrownMessage] = []
        self.escalations: list[ThrownEscalation] = []
        self._ids = map(UUID, (f"{number:032x}" for number in count(2)))
        self.tree = ProcessTree.begin(compiled, ROOT, variables, self._new_id)
        self.keep()

    @classmethod
    def of(cls, *contents: bytes, **variables: JsonValue) -> StoredTree:
        return cls(compile_document(*contents), variables)

    def branch(self) -> StoredTree:
        """Return a copy that goes its own way."""
        twin = StoredTree.__new__(StoredTree)
        twin.compiled, twin.reloads, twin._ids = self.compiled, self.reloads, self._ids
        twin.rows, twin.journal, twin.signals = self.rows.copy(), list(self.journal), list(self.signals)
        twin.messages, twin.escalations = list(self.messages), list(self.escalations)
        twin.load()
        return twin

    def keep(self) -> TreeChanges:
        """Store what has changed."""
        changes = self.tree.take_changes()
        self.rows.write(changes)
        self.journal += changes.journal
        self.signals += changes.signals
        self.messages += changes.messages
        self.escalations += changes.escalations
        assert changes.is_completed is self.tree.is_completed
        assert self.rows.outside == {task.task_id: task for task in self.tree.waiting()}
        if self.reloads:
            self.load()
        return changes

    def load(self) -> None:
        self.tree = ProcessTree.load(self.compiled, self.rows.state(ROOT), self._new_id)
        assert self.rows.outside == {task.task_id: task for task in self.tree.waiting()}

    def complete(self, element_id: str | None = None, /, **result: JsonValue) -> TreeChanges:
        """Complete the oldest waiting task of the element, or the only task that waits."""
        task_id = self.task(element_id).task_id
        self.tree.complete(task_id, result, self.tree.inputs(task_id))
        return self.keep()

    def trigger(self, element_id: str, /, **variables: JsonValue) -> TreeChanges:
        self.tree.trigger(self.task(element_id).task_id, variables)
        return self.keep()

    def raise_error(self, element_id: str | None, code: str, variables: Scope) -> bool:
        caught = self.tree.raise_error(self.task(element_id).task_id, code, variables)
        self.keep()
        return caught

    def perform(self, outcome: Outcome) -> None:
        """Let the only waiting task end so."""
        if isinstance(outcome, str):
            assert self.raise_error(None, outcome, {})
        else:
            self.complete(None, **outcome)

    def task(self, element_id: str | None = None) -> WaitingTask:
        if element_id is None:
            (waiting,) = self.tree.waiting()
            return waiting
        return next(each for each in self.tree.waiting() if each.element.id == element_id)

    def inputs(self, element_id: str | None = None) -> Scope:
        return self.tree.inputs(self.task(element_id).task_id)

    @property
    def waiting(self) -> list[str]:
        return [each.element.id for each in self.tree.waiting()]

    @property
    def variables(self) -> Scope:
        return self.tree.variables

    @property
    def is_completed(self) -> bool:
        return self.tree.is_completed

    @property
    def scopes(self) -> set[UUID]:
        """The scopes of which variables are stored."""
        return {scope_id for scope_id, _ in self.rows.variables}

    def happened(self, change: str) -> list[str]:
        return [entry.element.id for entry in self.journal if entry.change == change]

    def is_clean(self) -> bool:
        """Return whether it is over and nothing of it is left but its variables."""
        return self.is_completed and not self.rows.tasks and not self.rows.outside and self.scopes <= {ROOT}

    def _new_id(self) -> UUID:
        return next(self._ids)


ROOT = UUID(int=1)


def every_path(tree: StoredTree, outcomes: dict[str, tuple[Outcome, ...]]) -> Iterator[tuple[Outcome, ...]]:
    """Yield every sequence of outcomes that completes a process in which one task waits at a time."""
    pending: list[tuple[StoredTree, tuple[Outcome, ...]]] = [(tree, ())]
    while pending:
        here, so_far = pending.pop()
        if here.is_completed:
            yield so_far
            continue
        for outcome in outcomes[here.task().element.id]:
            further = here.branch()
            further.perform(outcome)
            pending.append((further, (*so_far, outcome)))
