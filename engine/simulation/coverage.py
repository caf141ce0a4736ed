"""Which parts of diagrams were passed: nodes, flows, and ways to undo an activity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from engine.bpmn import CompensationEvent, EventBasedGateway, ProcessModel
from engine.persistence import Event

Part: TypeAlias = Literal["nodes", "flows", "compensations"]
PARTS: tuple[Part, ...] = ("nodes", "flows", "compensations")


class Covered(BaseModel):
    """How much of one kind of parts was passed."""

    model_config = ConfigDict(frozen=True)

    every: frozenset[str]
    passed: frozenset[str] = frozenset()

    @property
    def missing(self) -> tuple[str, ...]:
        """What was not passed."""
        return tuple(sorted(self.every - self.passed))

    @property
    def percent(self) -> float:
        """How much was passed; where there is nothing, all of it."""
        return 100.0 * len(self.passed & self.every) / len(self.every) if self.every else 100.0

    def __or__(self, other: Covered) -> Covered:
        """Return what was passed in one or the other."""
        return Covered(every=self.every | other.every, passed=self.passed | other.passed)


Coverage: TypeAlias = Mapping[str, Mapping[Part, Covered]]
"""By process id; a way to undo is written `Activity by Handler`."""


@dataclass(frozen=True)
class _Passed:
    process_id: str
    part: Part
    name: str


def coverage_of(models: Iterable[ProcessModel], events: Iterable[Event]) -> Coverage:
    """Return what of the processes was passed when these events happened."""
    known = {model.process_id: model for model in models}
    passed = frozenset(_passed(known, events))
    return {
        process_id: {
            part: Covered(
                every=names,
                passed=frozenset(each.name for each in passed if (each.process_id, each.part) == (process_id, part)),
            )
            for part, names in _parts(model).items()
        }
        for process_id, model in known.items()
    }


def merged(one: Coverage, other: Coverage) -> Coverage:
    """Return what both have passed together."""
    return {
        process_id: {
            part: found[0][part] | found[-1][part]
            for part in PARTS
            if (found := [each[process_id] for each in (one, other) if process_id in each])
        }
        for process_id in {**one, **other}
    }


def _parts(model: ProcessModel) -> dict[Part, frozenset[str]]:
    nodes = model.nodes.values()
    undone = {
        f"{e.attached_to} by {handler}" for e in nodes if isinstance(e, CompensationEvent) for handler in e.handlers
    }
    return {
        "nodes": frozenset(node.id for node in nodes if not isinstance(node, CompensationEvent)),
        "flows": frozenset(flow.id for flow in model.flows),
        "compensations": frozenset(undone),
    }


def _passed(models: Mapping[str, ProcessModel], events: Iterable[Event]) -> Iterator[_Passed]:
    roots: dict[object, str] = {}
    for event in events:
        if event.kind == "process.started":
            roots[event.process_instance_id] = str(event.payload["process_id"])
        process_id = str(event.payload.get("process_id") or roots.get(event.process_instance_id))
        model = models.get(process_id)
        if model is not None and event.element_id is not None:
            yield from (_Passed(process_id, part, name) for part, name in _told(model, event.element_id, event))


def _told(model: ProcessModel, element_id: str, event: Event) -> Iterator[tuple[Part, str]]:
    if event.kind == "element.activated":
        yield "nodes", element_id
        raced = {flow.id for flow in model.incoming(element_id) if _races(model, flow.source)}
        yield from (("flows", flow_id) for flow_id in event.payload.get("arrived_by", ()) if flow_id not in raced)
    elif event.kind == "element.completed":
        yield from (("flows", flow.id) for flow in model.incoming(element_id) if _races(model, flow.source))
    elif event.kind == "element.compensated" and event.payload.get("undone_by") is not None:
        yield "compensations", f"{element_id} by {event.payload['undone_by']}"


def _races(model: ProcessModel, node_id: str) -> bool:
    """Return whether the flows that leave a node are only taken once the event behind them has happened."""
    return isinstance(model.nodes[node_id], EventBasedGateway)
