"""How far a process came that could not be started: the engine keeps nothing of it, people want to see it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from uuid import UUID

from pydantic import JsonValue

from engine.bpmn import Activity
from engine.simulation.preparation import Prepared
from engine.simulation.simulated_engine import World
from engine.simulation.trace import Happening, TraceEntry
from engine.spiff import JournalEntry, ProcessTree
from storage import ReportedError
from storage.identifiers import new_id

_AT_ONCE = "PT0S"
_HAPPENINGS: dict[str, Happening] = {"activated": "entered", "completed": "completed", "cancelled": "cancelled"}


def refused_start(
    world: World, prepared: Prepared, variables: Mapping[str, JsonValue], most: int
) -> tuple[TraceEntry, ...]:
    """Return what happened, at most so much, up to where the start failed; the element to blame is `failed`."""
    start = prepared.model.none_start_event()
    assert start is not None  # noqa: S101 - only such a process is started
    library = world.engine.library
    with world.storage.transaction() as work:
        ref = library.definition(work, prepared.process_id)
        compiled = library.compiled(work, ref.process_definition_id, library.pin(work, ref), start.id)
    tree = ProcessTree.planted(compiled, new_id(), dict(variables), new_id)
    try:
        tree.run()
    except ReportedError as error:
        failed: str | None = getattr(error, "element_id", None)
    else:
        failed = None
    passed = tuple(islice(_entries(tree.take_changes().journal), most))
    if failed is None:
        return passed
    # An element counts as completed before its way on is looked for.
    left = passed[:-1] if passed and (passed[-1].element, passed[-1].event) == (failed, "completed") else passed
    number = left[-1].instance if left else 1
    return (*left, TraceEntry(element=failed, event="failed", at=_AT_ONCE, instance=number))


def _entries(journal: Iterable[JournalEntry]) -> Iterator[TraceEntry]:
    runs: dict[UUID | None, int] = {}
    for entry in journal:
        number = runs.setdefault(entry.run_id, len(runs) + 1)
        happening = _HAPPENINGS.get(entry.change)
        is_event = happening == "cancelled" and not isinstance(entry.element, Activity)
        if happening is not None and not entry.is_body and not is_event:
            yield TraceEntry(element=entry.element.id, event=happening, at=_AT_ONCE, instance=number)
