"""One process instance as SpiffWorkflow's task tree, kept flat and indexed.

A token is a task that hangs below the scope it runs in: a process run, or a multi-instance body. When it moves on it is
replaced by its successors, so the tree holds what is alive and nothing else: its size, and the cost of a step, do not
grow with what has happened. What is READY is in a queue, which parallel gateways wait is in an index; nothing ever
searches the tree. SpiffWorkflow's predictions of future tasks, its copies of data and its logging are not used.
"""

from __future__ import annotations

from collections import ChainMap, defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import JsonValue
from SpiffWorkflow.bpmn import BpmnWorkflow
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from engine.spiff.scopes import Scope, Scopes

if TYPE_CHECKING:
    from engine.spiff.specs import ElementSpec


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
        arrived_by: The flow on which the token came; not stored, because a token never rests on a flow.
    """

    def __init__(  # noqa: PLR0917 - as SpiffWorkflow's own
        self, workflow: InstanceWorkflow, task_spec: Any, parent: Task | None, state: int, task_id: UUID, position: int
    ) -> None:
        super().__init__(workflow, task_spec, parent, state, task_id)
        self._children = _Children()
        self.position = position
        self.arrived_by: str | None = None

    @property
    def scope_parent(self) -> InstanceTask:
        """The task that this one hangs below; the root has none, and is not asked."""
        parent: InstanceTask = self.workflow.tasks[self._parent]
        return parent

    def note(self, **values: JsonValue) -> None:
        """Keep values with the task."""
        self.internal_data.update(values)
        self.workflow.touch(self)

    def _set_state(self, value: int) -> None:
        self._state = value
        self.workflow.touch(self)


class InstanceWorkflow(BpmnWorkflow):
    """A process instance in memory.

    Attributes:
        ready: Automatic tasks to run, in the order in which they became ready.
        opened: Tasks that began to wait for the outside world since changes were last taken.
        closed: Stored tasks that have left the tree since then, with the kind of thing that waited for them.
        journal: What happened since then: change and task.
        thrown: Names of the signals thrown since then.
        joins: Parallel gateways that wait for tokens, by scope and name.
    """

    def __init__(self, spec: Any, subprocess_specs: dict[str, Any], scopes: Scopes, next_id: Any) -> None:
        super().__init__(spec, subprocess_specs, script_engine=FeelOnly(), deserializing=True)
        self.scopes = scopes
        self.positions = 0
        self.ready: deque[InstanceTask] = deque()
        self.opened: dict[UUID, InstanceTask] = {}
        self.closed: dict[UUID, InstanceTask] = {}
        self.journal: list[tuple[str, InstanceTask]] = []
        self.thrown: list[str] = []
        self.joins: defaultdict[tuple[UUID, str], list[InstanceTask]] = defaultdict(list)
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
        self.touch(task)
        return task

    def enter(self, task_spec: ElementSpec, parent: InstanceTask, arrived_by: str | None = None) -> InstanceTask:
        """Let a token arrive at an element."""
        task = self.add(task_spec, parent, TaskState.FUTURE, arrived_by)
        task_spec._update(task)
        return task

    def enter_process(self, spec: Any, parent: InstanceTask, variables: Scope) -> InstanceTask:
        """Begin the run of a called process below the activity that calls it."""
        run = self.add(spec.start, parent, TaskState.STARTED)
        self.scopes.assign(run.id, variables)
        for start in spec.start.outputs:
            self.enter(start, run)
        return run

    def touch(self, task: InstanceTask) -> None:
        """Remember that a task changed."""
        self.changed[task.id] = task

    def leave(self, task: InstanceTask) -> None:
        """Take a task that is over out of the tree, with everything below it."""
        parent = self.tasks.get(task._parent)
        if parent is not None:
            parent._children.remove(task.id)
        for each in list(self.branch(task)):
            del self.tasks[each.id]
            self.scopes.drop(each.id)
            self.opened.pop(each.id, None)
            self._forget_join(each)
            self.changed.pop(each.id, None)
            if each.id in self.stored:
                self.closed[each.id] = each

    def cancel_task(self, task: InstanceTask) -> None:
        """End a task and everything below it before its time."""
        for each in self.branch(task):
            if each is not task.workflow.task_tree and hasattr(each.task_spec, "node"):
                self.journal.append(("cancelled", each))
            each._state = TaskState.CANCELLED
        self.leave(task)

    def branch(self, task: InstanceTask) -> Iterator[InstanceTask]:
        """Yield a task and all below it."""
        frontier = [task]
        while frontier:
            each = frontier.pop()
            yield each
            frontier += [self.tasks[child_id] for child_id in each._children]

    def _forget_join(self, task: InstanceTask) -> None:
        key = (task._parent, task.task_spec.name)
        waiting = self.joins.get(key)
        if waiting is None:
            return
        if task in waiting:
            waiting.remove(task)
        if not waiting:
            del self.joins[key]

    def run_of(self, task: InstanceTask) -> InstanceTask:
        """Return the process run that a task belongs to: the nearest one at or above it."""
        while not is_process_run(task):
            task = task.scope_parent
        return task

    def scope_ids(self, task: InstanceTask) -> list[UUID]:
        """Return the scopes that a task sees, innermost first, up to its process run."""
        ids = [task.id]
        while not is_process_run(task):
            task = task.scope_parent
            ids.append(task.id)
        return ids

    def visible(self, task: InstanceTask) -> Mapping[str, JsonValue]:
        """Return the variables that a task sees; inner scopes hide outer ones."""
        scopes: list[Scope] = []
        while True:
            own = self.scopes[task.id]
            if own and not getattr(task.task_spec, "keeps_outputs", False):
                scopes.append(own)
            if "item" in task.internal_data:
                scopes.append(task.internal_data["item"])
            if is_process_run(task):
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

        An instance of a multi-instance activity keeps what it produces to itself: its output collection is what leaves
        it. Of two parallel branches that write one variable, the later commit wins; nothing else is touched.
        """
        if "item" in task.internal_data:
            self.scopes.assign(task.id, values)
            return
        ids = self.scope_ids(task)[1:]
        for name, value in values.items():
            home = next((scope_id for scope_id in ids if name in self._names(scope_id)), ids[-1])
            self.scopes.assign(home, {name: value})

    def _names(self, scope_id: UUID) -> set[str]:
        return {*self.scopes[scope_id], *self.tasks[scope_id].internal_data.get("item", ())}


def is_process_run(task: Task) -> bool:
    """Return whether a task stands for the run of a process, the outermost or a called one."""
    return task.task_spec is task.task_spec._wf_spec.start
