"""What of a tree is told outside: its rows, what waits, and what a step has changed."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from pydantic import JsonValue
from SpiffWorkflow.util.task import TaskState

from engine.bpmn import BoundaryEvent, FlowNode, MessageTrigger, SignalTrigger, StartEvent, TimerTrigger, Trigger
from engine.spiff.repetition import RepeatingSpec
from engine.spiff.scopes import VariableRow
from engine.spiff.workflow import InstanceTask, MadeDecision, ThrownEscalation, ThrownMessage


@dataclass(frozen=True)
class TaskRow:
    """One live task as it is stored; `state` is SpiffWorkflow's number."""

    task_id: UUID
    parent_id: UUID
    process_id: str
    spec: str
    state: int
    position: int
    internal: dict[str, JsonValue]

    @property
    def is_record(self) -> bool:
        """Whether it is kept of something that has completed, to be compensated."""
        return self.state == TaskState.COMPLETED


@dataclass(frozen=True)
class TreeState:
    """What an instance is made of, besides its definition."""

    instance_id: UUID
    positions: int
    tasks: tuple[TaskRow, ...]
    variables: tuple[VariableRow, ...]


@dataclass(frozen=True)
class WaitingTask:
    """A task that waits for somebody or something outside the instance.

    Attributes:
        trigger: What an event or receive task waits for; `None` for work.
        is_repeating: Whether it goes on waiting after it has happened: an event that does not interrupt.
    """

    task_id: UUID
    process_id: str
    element: FlowNode
    trigger: Trigger | None = None
    is_repeating: bool = False


@dataclass(frozen=True)
class JournalEntry:
    """One visible change: `change` is activated, completed, cancelled or compensated.

    Attributes:
        undone_by: Of what was compensated, the element that did it; `None` where all that it held was undone.
        thrown_by: The task of what had it compensated.
        run_id: The run of the process in which it stands: the instance, or a task below a call activity.
        process_id: That process.
        arrived_by: The flows on which tokens came, where it was activated by any.
    """

    change: str
    task_id: UUID
    element: FlowNode
    is_body: bool = False
    undone_by: str | None = None
    thrown_by: UUID | None = None
    run_id: UUID | None = None
    process_id: str = ""
    arrived_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compensation:
    """A compensation that is done.

    Attributes:
        element: The throwing event; `None` where an operator had the instance rolled back.
    """

    task_id: UUID
    element: FlowNode | None


@dataclass(frozen=True)
class TreeChanges:
    """What a step changed.

    Attributes:
        opened: Tasks that have begun to wait, and still do.
        closed: Stored tasks that wait no more; what waited for them is void.
        removed: Stored tasks that are no more.
        tasks: Rows to write, new or changed.
        dropped_scopes: Scopes whose variables are no more.
        signals: Names of thrown signals.
        messages: Messages that elements have thrown.
        escalations: Escalations, caught or passing on.
        compensations: Those that are done.
        rolled_back: What an operator asked for who had the instance rolled back, once that is done.
        decisions: Those that were made, in their order.
    """

    journal: tuple[JournalEntry, ...]
    opened: tuple[WaitingTask, ...]
    closed: tuple[WaitingTask, ...]
    removed: tuple[UUID, ...]
    tasks: tuple[TaskRow, ...]
    variables: tuple[VariableRow, ...]
    dropped_scopes: tuple[UUID, ...]
    signals: tuple[str, ...]
    messages: tuple[ThrownMessage, ...]
    escalations: tuple[ThrownEscalation, ...]
    positions: int
    is_completed: bool
    compensations: tuple[Compensation, ...] = ()
    rolled_back: dict[str, JsonValue] | None = None
    decisions: tuple[MadeDecision, ...] = ()


def waiting_task(task: InstanceTask) -> WaitingTask:
    """Return what a waiting task waits for."""
    spec, process_id = task.task_spec, task.task_spec._wf_spec.process_id
    trigger = getattr(spec.node, "trigger", None)
    if not isinstance(trigger, TimerTrigger | MessageTrigger | SignalTrigger):
        return WaitingTask(task.id, process_id, spec.node)
    is_repeating = isinstance(spec.node, BoundaryEvent | StartEvent) and not spec.node.is_interrupting
    return WaitingTask(task.id, process_id, spec.node, trigger, is_repeating)


def journal_entry(change: str, task: InstanceTask) -> JournalEntry:
    """Return a change of a task."""
    spec = task.task_spec
    is_body = isinstance(spec.origin or spec, RepeatingSpec)
    place = {"run_id": task.run_id, "process_id": spec._wf_spec.process_id}
    if change == "activated":
        return JournalEntry(change, task.id, spec.node, is_body, **place, arrived_by=_ways_of(task))
    if change != "compensated":
        return JournalEntry(change, task.id, spec.node, is_body, **place)
    activity = UUID(task.internal_data.get("activity", str(task.id)))
    undone_by = None if spec.handler is None else spec.handler.node.id
    thrown_by = UUID(task.internal_data["undoing"])
    return JournalEntry(change, activity, spec.node, is_body, undone_by, thrown_by, **place)


def _ways_of(task: InstanceTask) -> tuple[str, ...]:
    """Return the flows on which tokens came to a task: several where it joins them."""
    joined = task.internal_data.get("arrived")
    return tuple(joined) if joined else () if task.arrived_by is None else (task.arrived_by,)


def compensation(throw: InstanceTask) -> Compensation:
    """Return the compensation that a throw has brought to its end."""
    return Compensation(throw.id, getattr(throw.task_spec, "node", None))


def row_of(task: InstanceTask) -> TaskRow:
    """Return a live task as it is stored."""
    spec = task.task_spec
    process_id, internal = spec._wf_spec.name, dict(task.internal_data)
    return TaskRow(task.id, task._parent, process_id, spec.stored_name, task._state, task.position, internal)
