"""Warm instances: trees kept in memory between steps, each used only while the stored version is still the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from uuid import UUID

from engine.errors import CorruptStateError, UnknownInstanceError
from engine.library import ProcessLibrary
from engine.persistence import InstanceRow, Instances, InstanceStatus
from engine.spiff import CompiledProcess, ProcessTree, TreeChanges
from storage import Storage, UnitOfWork
from storage.identifiers import new_id

_CAPACITY = 1_000


class WarmInstances:
    """Instances as one process last wrote them; safe between threads.

    Whoever takes an instance has it alone, and puts it back once its step has committed. If the step fails the instance
    is simply not put back, and the next step reads it anew.
    """

    def __init__(self, library: ProcessLibrary, capacity: int = _CAPACITY) -> None:
        self._library = library
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kept: OrderedDict[UUID, tuple[InstanceRow, ProcessTree]] = OrderedDict()

    def take(self, process_instance_id: UUID) -> tuple[InstanceRow, ProcessTree] | None:
        """Return an instance, perhaps outdated: writing it compares versions."""
        with self._lock:
            return self._kept.pop(process_instance_id, None)

    def peek(self, process_instance_id: UUID) -> InstanceRow | None:
        """Return what never changes of an instance, if it is warm."""
        with self._lock:
            kept = self._kept.get(process_instance_id)
        return None if kept is None else kept[0]

    def put(self, row: InstanceRow, tree: ProcessTree) -> None:
        """Keep an instance as it was just committed or read, unless it is over or a newer copy is there."""
        if row.is_over:
            return
        with self._lock:
            kept = self._kept.get(row.process_instance_id)
            if kept is None or kept[0].version < row.version:
                self._kept[row.process_instance_id] = (row, tree)
            if len(self._kept) > self._capacity:
                self._kept.popitem(last=False)

    def warm_up(self, storage: Storage, process_instance_ids: Iterable[UUID]) -> None:
        """Read the instances that are not in memory, all at once; one that cannot be read stays out of it."""
        cold = [each for each in dict.fromkeys(process_instance_ids) if self.peek(each) is None]
        if not cold:
            return
        with storage.statement() as work:
            for row, state in Instances(work).read_with_state(cold):
                with suppress(CorruptStateError):
                    self.put(row, ProcessTree.load(self._compiled(work, row), state, new_id))

    def _compiled(self, work: UnitOfWork, row: InstanceRow) -> CompiledProcess:
        return self._library.compiled(work, row.process_definition_id, row.pinned_definitions, row.start_event_id)

    def lock(self, work: UnitOfWork, process_instance_id: UUID) -> tuple[InstanceRow, ProcessTree]:
        """Lock an instance until the transaction ends; return it as it is stored now.

        Raises:
            UnknownInstanceError: There is none.
            CorruptStateError: Its rows do not describe an instance of its definition.
        """
        version = Instances(work).lock(process_instance_id)
        if version is None:
            raise UnknownInstanceError(process_instance_id=process_instance_id)
        return self.at_version(work, process_instance_id, version)

    def at_version(self, work: UnitOfWork, process_instance_id: UUID, version: int) -> tuple[InstanceRow, ProcessTree]:
        """Return a locked instance as it is stored now, from memory where its version is the same; raises as `lock`."""
        kept = self.take(process_instance_id)
        return kept if kept is not None and kept[0].version == version else self.read(work, process_instance_id)

    def read(self, work: UnitOfWork, process_instance_id: UUID) -> tuple[InstanceRow, ProcessTree]:
        """Return an instance as it is stored; raises as `lock`."""
        row = Instances(work).read(process_instance_id)
        if row is None:
            raise UnknownInstanceError(process_instance_id=process_instance_id)
        return row, ProcessTree.load(self._compiled(work, row), Instances(work).state(row), new_id)


def after_step(
    row: InstanceRow, changes: TreeChanges, status: InstanceStatus, *, incidents: int, is_start: bool
) -> InstanceRow:
    """Return the row as the step leaves it in the database."""
    update = {
        "version": row.version if is_start else row.version + 1,
        "positions": changes.positions,
        "open_incidents": row.open_incidents + incidents,
        "status": status,
    }
    return row.model_copy(update=update)
