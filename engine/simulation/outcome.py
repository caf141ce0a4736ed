"""What a simulation has led to, read from its database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from engine.bpmn import BoundaryEvent, ConditionTrigger, FlowNode, ProcessModel, ServiceTask
from engine.persistence import Event, EventKind
from engine.persistence.simulation import AwaitedEvent, OpenUserTask, SimulatedWork
from engine.simulation.simulated_engine import STARTER, World
from engine.simulation.simulation import Simulation
from engine.simulation.trace import SimulatedIncident, SimulationResult, TraceEntry, Waiting, iso_duration, trace_of
from storage import UnitOfWork

_OVER = frozenset({"completed", "cancelled"})


def result_of(simulation: Simulation) -> SimulationResult:
    """Return what a simulation has led to so far."""
    world, begin = simulation.world, simulation.begin
    with world.storage.transaction() as work:
        events = SimulatedWork(work).events()
        statuses = {each.process_instance_id: each.status for each in SimulatedWork(work).instances()}
        variables = _variables(world, work, simulation.root)
        trace = (*simulation.refused_start, *trace_of(events, begin))
        incidents = (*_incidents(events, begin), *simulation.incidents)
        waiting = (*_awaited(simulation, SimulatedWork(work)), *_open(trace, incidents, simulation.prepared.models))
    return SimulationResult(
        completed=simulation.root is not None and statuses[simulation.root] in _OVER,
        trace=trace,
        variables=variables,
        waiting=waiting,
        incidents=incidents,
    )


def _variables(world: World, work: UnitOfWork, root: UUID | None) -> dict[str, JsonValue]:
    return {} if root is None else world.engine.variables(work, root, context=STARTER)


def _incidents(events: Iterable[Event], begin: datetime) -> Iterator[SimulatedIncident]:
    resolved = {event.payload["incident_id"] for event in events if event.kind == "incident.resolved"}
    for event in events:
        if event.kind == "incident.raised" and event.payload["incident_id"] not in resolved:
            yield SimulatedIncident(
                element=event.element_id,
                code=str(event.payload.get("code", "")),
                message=str(event.payload.get("message", "")),
                at=iso_duration(event.occurred_at - begin),
            )


def _awaited(simulation: Simulation, simulated: SimulatedWork) -> Iterator[Waiting]:
    for task in simulated.open_user_tasks():
        yield Waiting(element=task.element_id, kind="user_task", awaited=_people(task))
    for event in simulated.awaited_events():
        yield Waiting(element=event.element_id, kind=_kind(event.kind), awaited=event.name)
    for timer in simulated.timers():
        yield Waiting(element=timer.element_id, kind="timer", awaited=iso_duration(timer.due_at - simulation.begin))
    if simulation.root is None:
        yield from _starts(simulation, simulated)


def _starts(simulation: Simulation, simulated: SimulatedWork) -> Iterator[Waiting]:
    """Return what would start the process that is simulated."""
    process_id = simulation.prepared.process_id
    for start in simulated.awaited_starts():
        if start.process_id == process_id:
            yield Waiting(element=start.element_id, kind=_kind(start.kind), awaited=start.name)
    for schedule in simulated.schedules():
        due = iso_duration(schedule.due_at - simulation.begin)
        yield Waiting(element=schedule.element_id, kind="timer", awaited=due)


def _open(
    trace: Sequence[TraceEntry], incidents: Sequence[SimulatedIncident], models: Sequence[ProcessModel]
) -> Iterator[Waiting]:
    """Return what was entered and is not over: work that takes longer, and conditions."""
    nodes = {node.id: node for model in models for node in model.nodes.values()}
    failed = {incident.element for incident in incidents}
    for element_id, number in open_elements(trace).items():
        waiting = _work_or_condition(nodes[element_id])
        if waiting is not None and element_id not in failed:
            yield from [waiting] * number


def open_elements(trace: Iterable[TraceEntry]) -> Mapping[str, int]:
    """Return how often each element was entered and not left, in the order in which they were entered first."""
    alive = Counter[str]()
    for entry in trace:
        alive[entry.element] += {"entered": 1, "completed": -1, "cancelled": -1}.get(entry.event, 0)
    return {element_id: number for element_id, number in alive.items() if number > 0}


def _work_or_condition(node: FlowNode) -> Waiting | None:
    if isinstance(node, ServiceTask):
        return Waiting(element=node.id, kind="service_task", awaited=node.type)
    trigger = getattr(node, "trigger", None)
    if isinstance(trigger, ConditionTrigger) and not isinstance(node, BoundaryEvent):
        return Waiting(element=node.id, kind="condition", awaited=trigger.expression)
    return None


def _people(task: OpenUserTask) -> str:
    named = (*([] if task.assignee is None else [task.assignee]), *task.candidate_groups, *task.candidate_users)
    return ", ".join(named)


def _kind(kind: EventKind) -> str:
    return kind.value


__all__ = ["AwaitedEvent", "open_elements", "result_of"]
