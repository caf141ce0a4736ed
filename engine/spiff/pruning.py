"""Forgetting: finished tasks that nothing unfinished depends on leave the tree.

What happened is in the event log. A tree that kept it would cost more with every task, in memory and in each stored
state, and SpiffWorkflow looks for tasks only 1,000 levels deep: a process that loops would stand still one day.
"""

from __future__ import annotations

from typing import Any

from SpiffWorkflow.bpmn.specs.control import BoundaryEventJoin
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from engine.spiff.specs import InstanceWorkflow


def forget_finished_tasks(workflow: InstanceWorkflow) -> None:
    """Hang each workflow's unfinished tasks, with the nearest task above them all, directly below its root."""
    for each in (workflow, *workflow.subprocesses.values()):
        _forget(each)
    kept = set(workflow.tasks).union(*(child.tasks for child in workflow.subprocesses.values()))
    for task_id in workflow.subprocesses.keys() - kept:
        del workflow.subprocesses[task_id]


def _forget(workflow: Any) -> None:
    needed = _needed(workflow)
    if not needed:
        return
    anchor, root = _nearest_common_ancestor(needed), workflow.task_tree
    if anchor is root:
        return
    root._children, anchor._parent = [anchor.id], root.id
    kept, frontier = dict[Any, Task](), [root]
    while frontier:
        task = frontier.pop()
        kept[task.id] = task
        frontier += task.children
    workflow.tasks = kept


def _needed(workflow: Any) -> list[Task]:
    """Return the finished tasks that unfinished ones hang on, and the splits that unfinished joins look for."""
    needed = []
    for task in workflow.tasks.values():
        if task.has_state(TaskState.NOT_FINISHED_MASK):
            if task.parent is not None and not task.parent.has_state(TaskState.NOT_FINISHED_MASK):
                needed.append(task.parent)
            if isinstance(task.task_spec, BoundaryEventJoin):
                needed.append(task.find_ancestor(task.task_spec.split_task))
    return needed


def _nearest_common_ancestor(tasks: list[Task]) -> Task:
    paths = [_path(task) for task in tasks]
    shared = [level[0] for level in zip(*paths, strict=False) if all(task is level[0] for task in level)]
    return shared[-1]


def _path(task: Task) -> list[Task]:
    path = [task]
    while path[-1].parent is not None:
        path.append(path[-1].parent)
    return path[::-1]
