"""Boundary events: other ways out of an activity, and how what is thrown finds its way (BPMN 2.0.2, 13.5.3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from SpiffWorkflow.util.task import TaskState

from engine.bpmn import BoundaryEvent, ConditionTrigger, FlowNode, Thrown
from engine.spiff.elements import ElementSpec, evaluate_mappings
from engine.spiff.scope_specs import caught_here, nearest
from engine.spiff.scopes import Scope
from engine.spiff.workflow import InstanceTask, InstanceWorkflow


class BoundaryEventSpec(ElementSpec):
    """The happening of a boundary event: the token that leaves by it."""

    node: BoundaryEvent

    @property
    def caught(self) -> object:
        """What it catches, if that is thrown within the instance."""
        return self.node.trigger

    def leave(self, activity: InstanceTask, variables: Scope) -> None:
        """Let a token leave an activity by this event; the activity goes on unless it is interrupted."""
        workflow, scope = activity.workflow, activity.scope_parent
        seen = {**workflow.visible(scope), **variables}
        written = evaluate_mappings(self.node.outputs, seen) if self.node.outputs else variables
        if self.node.is_interrupting:
            workflow.cancel_task(activity)
        token = workflow.enter(self, scope)
        workflow.assign(token, written)


class AttachedEventSpec(ElementSpec):
    """A boundary event that waits at its activity."""

    is_token = False
    node: BoundaryEvent

    def __init__(self, wf_spec: Any, name: str, node: BoundaryEvent, happening: BoundaryEventSpec) -> None:
        super().__init__(wf_spec, name, node)
        self.happening = happening
        self.waits_outside = not isinstance(node.trigger, ConditionTrigger)

    def has_begun(self, task: InstanceTask) -> bool:  # noqa: ARG002 - others need it
        """Return False: what begins when it happens is the token that leaves by it."""
        return False

    def happen(self, my_task: InstanceTask, variables: Scope) -> None:
        """Let the event happen."""
        self.happening.leave(my_task.scope_parent, variables)


class ActivitySpec(ElementSpec):
    """An element that events may stand on the boundary of.

    Attributes:
        attached: Boundary events that wait while it is active.
        catching: Boundary events that catch what is thrown within it; they do not wait, they are found when needed.
    """

    def __init__(self, wf_spec: Any, name: str, node: FlowNode) -> None:
        super().__init__(wf_spec, name, node)
        self.attached: list[AttachedEventSpec] = []
        self.catching: list[BoundaryEventSpec] = []

    def attach_boundary_events(self, activity: InstanceTask) -> None:
        """Let the boundary events begin to wait."""
        workflow: InstanceWorkflow = activity.workflow
        for attached in self.attached:
            workflow.await_event(workflow.add(attached, activity, TaskState.FUTURE))

    def detach_boundary_events(self, activity: InstanceTask) -> None:
        """Let the boundary events wait no more; those that catch what is thrown within it still do."""
        for child in activity.children_now if self.attached else ():
            if isinstance(child.task_spec, AttachedEventSpec):
                activity.workflow.leave(child)


def find_catch(task: InstanceTask, thrown: Thrown) -> tuple[str, Callable[[Scope], None]] | None:
    """Return the id of the nearest event that catches what a task throws, and what lets it happen.

    The task's own boundary is asked first; then, for each scope around it, its event subprocesses and its boundary.
    """
    each: InstanceTask | None = task
    below: InstanceTask | None = None
    while each is not None:
        subprocess = caught_here(each, thrown, below)
        if subprocess is not None:
            return subprocess.start.id, partial(subprocess.begin, each)
        happening = nearest(getattr(each.task_spec, "catching", []), thrown)
        if happening is not None:
            return happening.node.id, partial(happening.leave, each)
        below, each = each, None if each is each.workflow.task_tree else each.scope_parent
    return None
