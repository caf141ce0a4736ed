"""One process instance as SpiffWorkflow's task tree, kept flat and indexed.

A token is a task that hangs below the scope it runs in: a process run, a subprocess, or the body of a repeated
activity. When it moves on it is replaced by its successors, so the tree holds what is alive and nothing else: its size,
and the cost of a step, do not grow with what has happened. What is READY is in a queue, which joins and conditions wait
is in indexes; nothing ever searches the tree. SpiffWorkflow's predictions of future tasks, its copies of data and its
logging are not used.
"""

from __future__ import annotations

from collections import ChainMap, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import JsonValue
from SpiffWorkflow.bpmn import BpmnWorkflow
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from engine.bpmn import FlowNode
from engine.dmn import DecisionRef, DecisionResult
from engine.errors import ExpressionEvaluationError
from engine.spiff.scopes import Scope, Scopes

if TYPE_CHECKING:
    from engine.spiff.elements import ElementSpec


class FeelOnly:
    """Stands where SpiffWorkflow keeps its script engine, and refuses whatever it is asked to run."""

    environment: FeelOnly

    def __init__(self) -> None:
        self.environment = self

    def evaluate(self, *_arguments: object, **_named: object) -> JsonValue:
        """Refuse: expressions are evaluated by our own specs, nothing else in a diagram is evaluated at all."""
        raise PermissionError("SpiffWorkflow's evaluation is closed")

    execute = call_service = evaluate


class _Children(dict[UUID, None]):
    """The ids of a task's children, in order; a child is removed without looking at the others."""

    def append(self, task_id: UUID) -> None:
        self[task_id] = None

    def remove(self, task_id: UUID) -> None:
        del self[task_id]


class InstanceTask(Task):
    """A task of the tree that tells its workflow when it changes.

    Attributes:
        position: Rises with every task of the instance.
        tokens: How many of the tasks directly below it are tokens; events that only wait beside them are none.
        arrived_by: The flow on which the token came; not stored, because a token never rests on a flow.
        run_id: The run of the process in which it stands: the root, or a task below a call activity.
        reads: The variables that the condition it waits for has read; `None` where that is not known.
        to_undo: Of a throw that compensates, what it has yet to undo; `None` where that is not known.
    """

    def __init__(  # noqa: PLR0917 - as SpiffWorkflow's own
        self, workflow: InstanceWorkflow, task_spec: Any, parent: Task | None, state: int, task_id: UUID, position: int
    ) -> None:
        super().__init__(workflow, task_spec, parent, state, task_id)
        self._children = _Children()
        self.position = position
        self.tokens = 0
        self.arrived_by: str | None = None
        self.run_id: UUID = task_id if parent is None or is_process_run(self) else parent.run_id
        self.reads: frozenset[str] | None = None
        self.to_undo: list[InstanceTask] | None = None
        if parent is not None:
            parent.tokens += task_spec.is_token

    @property
    def scope_parent(self) -> InstanceTask:
        """The task that this one hangs below; the root has none, and is not asked."""
        parent: InstanceTask = self.workflow.tasks[self._parent]
        return parent

    @property
    def children_now(self) -> list[InstanceTask]:
        """The tasks directly below it, oldest first."""
        return list(self.iter_children())

    def iter_children(self) -> Iterator[InstanceTask]:
        """Return the tasks directly below it, oldest first, one by one: there must be no change meanwhile."""
        return (self.workflow.tasks[child_id] for child_id in self._children)

    @property
    def item(self) -> Scope:
        """What an instance of a repeated activity knows besides variables: its item, and which one it is."""
        if "round" in self.internal_data:
            return {"loopCounter": self.internal_data["round"]}
        item: Scope = self.internal_data.get("item", {})
        return item

    @property
    def is_alive(self) -> bool:
        """Whether it is still in the tree."""
        return self.id in self.workflow.tasks

    def run(self) -> None:
        """Let the element do its work; the token goes on unless the element has begun to wait."""
        if self.task_spec._run(self):
            self.complete()

    def note(self, **values: JsonValue) -> None:
        """Keep values with the task."""
        self.internal_data.update(values)
        self.workflow.touch(self)

    def _set_state(self, value: int) -> None:
        self._state = value
        self.workflow.touch(self)


@dataclass(frozen=True)
class ThrownMessage:
    """A message that an element has thrown; its values are as the diagram's expressions gave them.

    Attributes:
        time_to_live: An ISO 8601 duration, if the diagram is right.
    """

    element: FlowNode
    name: str
    correlation_source: str
    correlation_key: JsonValue
    payload: Scope
    time_to_live: JsonValue


@dataclass(frozen=True)
class ThrownEscalation:
    """An escalation; `caught_by` is the event that caught it, `None` where it passed on."""

    element: FlowNode
    escalation_code: str
    caught_by: str | None


@dataclass(frozen=True)
class MadeDecision:
    """A decision that a task has asked, and how its value came about."""

    task_id: UUID
    element: FlowNode
    ref: DecisionRef
    result: DecisionResult


@dataclass
class Outgoing:
    """What the instance has thrown, and decided, since changes were last taken."""

    signals: list[str] = field(default_factory=list)
    messages: list[ThrownMessage] = field(default_factory=list)
    escalations: list[ThrownEscalation] = field(default_factory=list)
    decisions: list[MadeDecision] = field(default_factory=list)


class InstanceWorkflow(BpmnWorkflow):
    """A process instance in memory.

    Attributes:
        ready: Automatic tasks to run, in the order in which they became ready.
        opened: Tasks that began to wait for the outside world since changes were last taken.
        closed: Stored tasks that have left the tree since then, with the kind of thing that waited for them.
        journal: What happened since then: change and task.
        thrown: What has been thrown since then.
        joins: Gateways that wait for tokens, by scope and name, the oldest round first.
        inclusive_joins: Those of them that go on once nothing more can come, by scope.
        moved: Scopes in which tokens have come or gone since inclusive joins were last looked at.
        conditions: Events that wait for a condition.
        compensations: Throws that are compensating.
        compensated: Throws that have done so since changes were last taken.
        rolled_back: What was asked for by who had the whole instance compensated, once that is done.
    """

    def __init__(self, spec: Any, subprocess_specs: dict[str, Any], scopes: Scopes, next_id: Any) -> None:
        super().__init__(spec, subprocess_specs, script_engine=FeelOnly(), deserializing=True)
        self.scopes = scopes
        self.positions = 0
        self.ready: deque[InstanceTask] = deque()
        self.opened: dict[UUID, InstanceTask] = {}
        self.closed: dict[UUID, InstanceTask] = {}
        self.journal: list[tuple[str, InstanceTask]] = []
        self.thrown = Outgoing()
        self.joins: defaultdict[tuple[UUID, str], list[InstanceTask]] = defaultdict(list)
        self.inclusive_joins: dict[UUID, dict[UUID, InstanceTask]] = {}
        self.moved: dict[UUID, None] = {}
        self.conditions: dict[UUID, InstanceTask] = {}
        self.compensations: dict[UUID, InstanceTask] = {}
        self.compensated: list[InstanceTask] = []
        self.rolled_back: dict[str, JsonValue] | None = None
        self.changed: dict[UUID, InstanceTask] = {}
        self.stored: set[UUID] = set()
        self._next_id = next_id

    def plant(self, root_id: UUID) -> InstanceTask:
        """Make the root: the run of the process itself."""
        self.task_tree = InstanceTask(self, self.spec.start, None, TaskState.STARTED, root_id, 0)
        return self.task_tree

    def add(self, task_spec: Any, parent: InstanceTask, state: int, arrived_by: str | None = None) -> InstanceTask:
        """Hang a new task below another."""
        self.positions += 1
        task = InstanceTask(self, task_spec, parent, state, self._next_id(), self.positions)
        task.arrived_by = arrived_by
        self.moved[parent.id] = None
        self.touch(task)
        return task

    def enter(self, task_spec: ElementSpec, parent: InstanceTask, arrived_by: str | None = None) -> InstanceTask:
        """Let a token arrive at an element."""
        task = self.add(task_spec, parent, TaskState.FUTURE, arrived_by)
        try:
            task_spec._update(task)
        except ExpressionEvaluationError as error:
            raise error.standing_at(element_of(task)) from error
        return task

    def replace(self, task: InstanceTask, ways: Iterable[tuple[Any, ElementSpec]]) -> None:
        """Replace a token by one on each flow that it takes; the scope may be over then."""
        scope = task.scope_parent
        self.retire(task)
        for flow, target in ways:
            self.enter(target, scope, flow.id)
        self.close_if_over(scope)

    def close_if_over(self, scope: InstanceTask) -> None:
        """End a scope in which no token is left."""
        if not scope.tokens:
            scope.task_spec.end(scope)

    def await_event(self, task: InstanceTask) -> None:
        """Let a task wait: for the outside world, or for a condition."""
        task._set_state(TaskState.WAITING)
        if task.task_spec.waits_outside:
            self.opened[task.id] = task
        else:
            self.conditions[task.id] = task

    def touch(self, task: InstanceTask) -> None:
        """Remember that a task changed; one that has left the tree does not."""
        if task.is_alive:
            self.changed[task.id] = task

    def retire(self, task: InstanceTask) -> None:
        """Take a completed task out of the tree, but for what its compensation may need."""
        if task.task_spec.record is None:
            self.leave(task)
        else:
            task.task_spec.record.keep(task)

    def leave(self, task: InstanceTask) -> None:
        """Take a task that is over out of the tree, with everything below it."""
        parent = self.tasks.get(task._parent)
        if parent is not None:
            parent._children.remove(task.id)
            parent.tokens -= task.task_spec.is_token
            self.moved[parent.id] = None
        for each in list(self.branch(task)):
            del self.tasks[each.id]
            self.scopes.drop(each.id)
            self.opened.pop(each.id, None)
            self.conditions.pop(each.id, None)
            self.compensations.pop(each.id, None)
            self._forget_join(each)
            self.changed.pop(each.id, None)
            if each.id in self.stored:
                self.closed[each.id] = each

    def cancel_task(self, task: InstanceTask) -> None:
        """End a task and everything below it before its time."""
        throws = [each for each in self.compensations.values() if self._is_within(each, task)]
        for each in self.branch(task):
            if each is not self.task_tree and hasattr(each.task_spec, "node") and each.task_spec.has_begun(each):
                self.journal.append(("cancelled", each))
            each._state = TaskState.CANCELLED
        self.leave(task)
        for throw in throws:
            throw.task_spec.stop(throw)

    def branch(self, task: InstanceTask) -> Iterator[InstanceTask]:
        """Yield a task and all below it."""
        frontier = [task]
        while frontier:
            each = frontier.pop()
            yield each
            frontier += [self.tasks[child_id] for child_id in each._children]

    def _is_within(self, task: InstanceTask, branch: InstanceTask) -> bool:
        while task is not branch and task is not self.task_tree:
            task = task.scope_parent
        return task is branch

    def _forget_join(self, task: InstanceTask) -> None:
        self.forget_inclusive_join(task)
        key = (task._parent, task.task_spec.name)
        waiting = self.joins.get(key)
        if waiting is None:
            return
        if task in waiting:
            waiting.remove(task)
        if not waiting:
            del self.joins[key]

    def await_others(self, join: InstanceTask) -> None:
        """Let an inclusive join wait until no other token can come."""
        self.inclusive_joins.setdefault(join._parent, {})[join.id] = join

    def forget_inclusive_join(self, join: InstanceTask) -> None:
        """Look no more at an inclusive join that goes on, or has left the tree."""
        waiting = self.inclusive_joins.get(join._parent)
        if waiting is not None and waiting.pop(join.id, None) is not None and not waiting:
            del self.inclusive_joins[join._parent]

    def joins_to_judge(self) -> list[InstanceTask]:
        """Return the inclusive joins in whose scopes tokens have come or gone since the last call."""
        moved, self.moved = self.moved, {}
        if not self.inclusive_joins:
            return []
        return [join for scope_id in moved for join in self.inclusive_joins.get(scope_id, {}).values()]

    def visible(self, task: InstanceTask) -> Mapping[str, JsonValue]:
        """Return the variables that a task sees; inner scopes hide outer ones."""
        scopes: list[Scope] = []
        while True:
            own = self.scopes[task.id]
            if own and not task.task_spec.keeps_outputs:
                scopes.append(own)
            if task.internal_data and task.item:
                scopes.append(task.item)
            if task.task_spec.is_snapshot or is_process_run(task):
                break
            task = task.scope_parent
        match scopes:
            case []:
                return {}
            case [only]:
                return only
            case _:
                return ChainMap(*scopes)

    def assign(self, task: InstanceTask, values: Mapping[str, JsonValue]) -> None:
        """Write what a task produced: each variable where it is defined, a new one in the process run.

        An instance of a multi-instance activity keeps to itself what it and everything in it produces: its output
        collection is what leaves it. Of two parallel branches that write one variable, the later commit wins; nothing
        else is touched. A compensation handler sees its activity's snapshot with what it has written itself.
        """
        if not values:
            return
        homes = self._homes(task)
        for name, value in values.items():
            for home in homes:
                if home.task_spec.is_snapshot:
                    self.scopes.assign(home.id, {name: value})
                elif home is homes[-1] or name in self.scopes[home.id] or name in home.item:
                    self.scopes.assign(home.id, {name: value})
                    break

    def _homes(self, task: InstanceTask) -> list[InstanceTask]:
        """Return the scopes in which a task's results can be kept, innermost first."""
        homes: list[InstanceTask] = []
        while "item" not in task.internal_data and not is_process_run(task):
            task = task.scope_parent
            homes.append(task)
        return homes or [task]


def element_of(task: InstanceTask) -> str | None:
    """Return the id of the element that a task is of; the run of a process is of none."""
    node: FlowNode | None = getattr(task.task_spec, "node", None)
    return None if node is None else node.id


def is_process_run(task: Task) -> bool:
    """Return whether a task stands for the run of a process, the outermost or a called one."""
    spec = task.task_spec
    return (spec.origin or spec) is spec._wf_spec.start
