"""A task tree to JSON values and back, without the specifications, which the definition's hash already names."""

from __future__ import annotations

from typing import Any, TypedDict
from uuid import UUID

from pydantic import JsonValue
from SpiffWorkflow.bpmn.specs.mixins.events.event_types import CatchingEvent
from SpiffWorkflow.bpmn.util.subworkflow import BpmnSubWorkflow
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from engine.spiff.specs import InstanceWorkflow, Scope


class TaskStateRow(TypedDict):
    """One task of the tree."""

    id: str
    parent: str | None
    children: list[str]
    state: int
    spec: str
    triggered: bool
    changed: float
    internal: dict[str, JsonValue]


class WorkflowState(TypedDict):
    """One workflow: the process itself, or a called one below the task that calls it."""

    root: str
    completed: bool
    success: bool
    last_task: str | None
    tasks: list[TaskStateRow]


class State(TypedDict):
    """A whole instance."""

    process: WorkflowState
    called: dict[str, WorkflowState]
    scopes: dict[str, Scope]


def dump_workflow(workflow: InstanceWorkflow) -> State:
    """Return the state of a workflow and of all it called."""
    return State(
        process=_dump(workflow),
        called={str(task_id): _dump(child) for task_id, child in workflow.subprocesses.items()},
        scopes=workflow.scopes,
    )


def load_workflow(workflow: InstanceWorkflow, state: State) -> None:
    """Put `state` into a workflow made with `deserializing=True`."""
    workflow.scopes = state["scopes"]
    _load(workflow, state["process"])
    pending = dict(state["called"])
    while pending:
        # A called process hangs below a task of its caller, which must be there first.
        ready = [task_id for task_id in pending if _find(workflow, UUID(task_id)) is not None]
        for task_id in ready:
            _load_called(workflow, UUID(task_id), pending.pop(task_id))


def _load_called(workflow: InstanceWorkflow, task_id: UUID, state: WorkflowState) -> None:
    task = _find(workflow, task_id)
    assert task is not None  # noqa: S101 - the caller looked it up
    child = BpmnSubWorkflow(workflow.subprocess_specs[task.task_spec.spec], task_id, workflow, deserializing=True)
    workflow.subprocesses[task_id] = child
    _load(child, state)
    child.completed_event.connect(task.task_spec._on_subworkflow_completed, task)


def _find(workflow: InstanceWorkflow, task_id: UUID) -> Task | None:
    for candidate in (workflow, *workflow.subprocesses.values()):
        if task_id in candidate.tasks:
            return candidate.tasks[task_id]
    return None


def _dump(workflow: Any) -> WorkflowState:
    return WorkflowState(
        root=str(workflow.task_tree.id),
        completed=workflow.completed,
        success=workflow.success,
        last_task=None if workflow.last_task is None else str(workflow.last_task.id),
        tasks=[_dump_task(task) for task in workflow.tasks.values()],
    )


def _dump_task(task: Task) -> TaskStateRow:
    return TaskStateRow(
        id=str(task.id),
        parent=None if task._parent is None else str(task._parent),
        children=[str(child) for child in task._children],
        state=task.state,
        spec=task.task_spec.name,
        triggered=task.triggered,
        changed=task.last_state_change,
        internal=task.internal_data,
    )


def _load(workflow: Any, state: WorkflowState) -> None:
    workflow.tasks = {UUID(row["id"]): _load_task(workflow, row) for row in state["tasks"]}
    workflow.task_tree = workflow.tasks[UUID(state["root"])]
    workflow.completed, workflow.success = state["completed"], state["success"]
    if state["last_task"] is not None:
        workflow.last_task = workflow.tasks.get(UUID(state["last_task"]))
    for task in workflow.tasks.values():
        if isinstance(task.task_spec, CatchingEvent) and task.has_state(TaskState.WAITING):
            workflow.top_workflow.event_manager.add_task(task)


def _load_task(workflow: Any, row: TaskStateRow) -> Task:
    task = Task(workflow, workflow.spec.task_specs[row["spec"]], state=row["state"], id=UUID(row["id"]))
    task._parent = None if row["parent"] is None else UUID(row["parent"])
    task._children = [UUID(child) for child in row["children"]]
    task.triggered, task.last_state_change = row["triggered"], row["changed"]
    task.internal_data = row["internal"]
    return task
