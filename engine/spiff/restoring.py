"""Stored tasks back in their tree: a row that no step can have written is refused, and never executed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue
from SpiffWorkflow.util.task import TaskState

from engine.errors import CorruptStateError
from engine.spiff.specs import (
    AttachedEventSpec,
    CallActivitySpec,
    MultiInstanceSpec,
    ParallelGatewaySpec,
    WaitingSpec,
)
from engine.spiff.workflow import InstanceTask, InstanceWorkflow, is_process_run

if TYPE_CHECKING:
    from engine.spiff.tree import TaskRow


def restore_tasks(workflow: InstanceWorkflow, rows: Iterable[TaskRow]) -> None:
    """Hang stored tasks below the root, each below the one that it hung below.

    Raises:
        CorruptStateError: The rows do not describe an instance of this definition.
    """
    for row in sorted(rows, key=lambda row: row.position):
        _restore(workflow, row)
    for task in workflow.tasks.values():
        if task is not workflow.task_tree and not _is_whole(task):
            raise CorruptStateError(subject=f"task {task.id}", reason="what belongs to it is not there")


def _restore(workflow: InstanceWorkflow, row: TaskRow) -> None:
    try:
        task_spec = workflow.subprocess_specs[row.process_id].task_specs[row.spec]
        parent = workflow.tasks[row.parent_id]
    except KeyError as error:
        raise CorruptStateError(subject=f"task {row.task_id}", reason=f"{error.args[0]} is not there") from error
    if not (_has_place(task_spec, parent, row.internal) and _has_form(task_spec, row.state, row.internal)):
        raise CorruptStateError(subject=f"task {row.task_id}", reason="its state is none that can be stored")
    task = InstanceTask(workflow, task_spec, parent, row.state, row.task_id, row.position)
    task.internal_data = dict(row.internal)
    if isinstance(task_spec, ParallelGatewaySpec):
        workflow.joins[row.parent_id, row.spec].append(task)


def _has_place(task_spec: Any, parent: InstanceTask, internal: Mapping[str, JsonValue]) -> bool:
    """Return whether a task of this kind can hang below the parent."""
    around = parent.task_spec
    if task_spec is task_spec._wf_spec.start:
        return isinstance(around, CallActivitySpec) and around.node.called_process == task_spec._wf_spec.name
    if isinstance(task_spec, AttachedEventSpec):
        return task_spec in getattr(around, "attached", ())
    if "item" in internal:
        return isinstance(around, MultiInstanceSpec) and around.inner is task_spec
    return around is task_spec._wf_spec.start


def _has_form(task_spec: Any, state: int, internal: Mapping[str, JsonValue]) -> bool:  # noqa: PLR0911 - one case a kind
    """Return whether a task of this kind rests in such a state, with such values for its spec to read."""
    match task_spec, internal:
        case MultiInstanceSpec(), {"total": int(), "started": int(), "completed": int()}:
            return state == TaskState.STARTED
        case ParallelGatewaySpec(), {"arrived": [*flows]}:
            return state == TaskState.WAITING and all(isinstance(flow, str) for flow in flows)
        case MultiInstanceSpec() | ParallelGatewaySpec(), _:
            return False
        case CallActivitySpec(), {"item": {"loopCounter": int()}}:
            return state == TaskState.STARTED
        case WaitingSpec(), {"item": {"loopCounter": int()}}:
            return state == TaskState.WAITING
        case _ if internal:
            return False
        case CallActivitySpec(), _:
            return state == TaskState.STARTED
        case ((WaitingSpec() | AttachedEventSpec()), _):
            return state == TaskState.WAITING
        case _:
            return state == TaskState.STARTED and task_spec is task_spec._wf_spec.start


def _is_whole(task: InstanceTask) -> bool:
    """Return whether the tasks and values that an activity cannot go on without are there."""
    task_spec, workflow = task.task_spec, task.workflow
    children = [workflow.tasks[child_id] for child_id in task._children]
    match task_spec:
        case MultiInstanceSpec():
            instances = sum("item" in child.internal_data for child in children)
            counts = task.internal_data
            return instances == counts["started"] - counts["completed"] > 0 and task_spec.has_items(task)
        case CallActivitySpec():
            return sum(is_process_run(child) for child in children) == 1
        case _:
            return bool(children) if is_process_run(task) else True
