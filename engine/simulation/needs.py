"""What processes need to run in earnest: people with permissions, handlers, and compute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from engine.bpmn import FlowNode, ProcessModel, ServiceTask, UserTask
from engine.bpmn.nodes import CandidateExpression
from engine.service_tasks import AnyTask, ExternalTask, ServiceTaskRegistry


@dataclass(frozen=True)
class Need:
    """What one element needs."""

    element: str
    sentence: str


def needs_of(models: Iterable[ProcessModel], known: ServiceTaskRegistry, default_profile: str) -> tuple[Need, ...]:
    """Return what the elements of processes need, in the diagrams' order.

    Args:
        models: The processes.
        known: The handlers that there are.
        default_profile: The compute profile of jobs that name none.
    """
    nodes = (node for model in models for node in model.nodes.values())
    return tuple(need for node in nodes for need in _needs(node, known, default_profile))


def _needs(node: FlowNode, known: ServiceTaskRegistry, default_profile: str) -> Iterator[Need]:
    match node:
        case UserTask():
            who = [f"group {name}" for name in _names(node.candidate_groups)]
            who += [f"user {name}" for name in _names(node.candidate_users)]
            who += [] if node.assignee is None else [f"assignee {node.assignee}"]
            form = "" if node.form_id is None else f", form {node.form_id}"
            yield Need(node.id, f"permission EXECUTE, {' or '.join(who)}{form}")
        case ServiceTask():
            yield Need(node.id, _work(node.type, known, default_profile))


def _names(candidates: tuple[str, ...] | CandidateExpression) -> tuple[str, ...]:
    return (f"={candidates.source}",) if isinstance(candidates, CandidateExpression) else candidates


def _work(task_type: str, known: ServiceTaskRegistry, default_profile: str) -> str:
    if task_type not in known.types:
        return f"handler {task_type}, which is not there yet"
    task = known[task_type]
    if not isinstance(task, ExternalTask):
        return f"handler {task_type}, in the step"
    if not _computes(task):
        return f"handler {task_type}, a worker"
    return f"handler {task_type}, a worker, and compute (profile {default_profile} unless another is asked for)"


def _computes(task: AnyTask) -> bool:
    return isinstance(task.run, partial) and "compute" in task.run.keywords
