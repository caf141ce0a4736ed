"""Scopes: what tokens run in, and what can begin beside them (BPMN 2.0.2, 13.3.4 and 13.5.4).

The run of a process, a subprocess and an event subprocess each open a scope: their first tokens arrive, and the start
events of the event subprocesses in it begin to wait. It is over when no token is left.
"""

from __future__ import annotations

from typing import Any

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.util.task import TaskState

from engine.bpmn import ConditionTrigger, EventSubProcess, StartEvent, Thrown
from engine.spiff.elements import ElementSpec, Spec, evaluate_mappings
from engine.spiff.scopes import Scope
from engine.spiff.workflow import InstanceTask, InstanceWorkflow


class ScopeContent:
    """What runs in a scope.

    Attributes:
        entry: Where its first token arrives.
        listeners: Start events of event subprocesses that wait while it is open.
        handlers: Event subprocesses that catch what is thrown within it.
        compensation: The event subprocess that undoes it once it has completed.
    """

    def __init__(self) -> None:
        self.entry: ElementSpec | None = None
        self.listeners: list[ListenerSpec] = []
        self.handlers: list[EventSubprocessSpec] = []
        self.compensation: EventSubprocessSpec | None = None

    def open(self, scope: InstanceTask) -> None:
        """Let events begin to wait, and the first token arrive."""
        workflow: InstanceWorkflow = scope.workflow
        for listener in self.listeners:
            workflow.await_event(workflow.add(listener, scope, TaskState.FUTURE))
        assert self.entry is not None  # noqa: S101 - the compiler gives each scope its start event
        workflow.enter(self.entry, scope)

    def close(self, scope: InstanceTask) -> None:
        """Let its events wait no more."""
        for child in scope.children_now if self.listeners else ():
            if isinstance(child.task_spec, ListenerSpec):
                scope.workflow.leave(child)


class ProcessRunSpec(Spec):
    """The run of a process: of the instance itself, or of a process that it calls."""

    def __init__(self, wf_spec: Any) -> None:
        super().__init__(wf_spec, "Start")
        self.content = ScopeContent()

    def end(self, run: InstanceTask) -> None:
        """Return to the caller, if there is one."""
        self.content.close(run)
        if run is not run.workflow.task_tree:
            caller = run.scope_parent
            caller.task_spec.return_from(caller, run)
            return
        for record in run.children_now:
            run.workflow.leave(record)


class ProcessSpec(BpmnProcessSpec):
    """All elements of one process, those of its subprocesses included.

    Attributes:
        process_id: As the diagram has it; `name` tells versions of one process apart.
    """

    start: ProcessRunSpec

    def __init__(self, name: str, process_id: str, description: str) -> None:
        super().__init__(name=name, description=description)
        self.process_id = process_id
        del self.task_specs["Start"]
        self.start = ProcessRunSpec(self)


class EventSubprocessSpec(ElementSpec):
    """A subprocess that an event begins, in the scope around it and with that scope's variables."""

    node: EventSubProcess

    def __init__(self, wf_spec: Any, name: str, node: EventSubProcess, start: StartEvent) -> None:
        super().__init__(wf_spec, name, node)
        self.start = start
        self.takes_over = start.is_interrupting
        self.content = ScopeContent()

    @property
    def caught(self) -> object:
        """What it catches, if that is thrown within the instance."""
        return self.start.trigger

    def begin(self, scope: InstanceTask, variables: Scope) -> None:
        """Let the event happen; if it interrupts, everything else in the scope ends, and no further one can begin."""
        workflow: InstanceWorkflow = scope.workflow
        seen = {**workflow.visible(scope), **variables}
        written = evaluate_mappings(self.start.outputs, seen) if self.start.outputs else variables
        if self.start.is_interrupting:
            interrupt(scope)
        run = workflow.add(self, scope, TaskState.STARTED)
        workflow.journal.append(("activated", run))
        workflow.assign(run, written)
        self.content.open(run)

    def open(self, parent: InstanceTask) -> None:
        """Run it below what it compensates."""
        workflow: InstanceWorkflow = parent.workflow
        run = workflow.add(self, parent, TaskState.STARTED)
        workflow.journal.append(("activated", run))
        self.content.open(run)

    def end(self, run: InstanceTask) -> None:
        """Leave the scope around it, which may be over then."""
        self.content.close(run)
        run.complete()


class ListenerSpec(ElementSpec):
    """The start event of an event subprocess while it waits beside the tokens of a scope."""

    is_token = False
    node: StartEvent

    def __init__(self, wf_spec: Any, name: str, node: StartEvent, subprocess: EventSubprocessSpec) -> None:
        super().__init__(wf_spec, name, node)
        self.subprocess = subprocess
        self.waits_outside = not isinstance(node.trigger, ConditionTrigger)

    def has_begun(self, task: InstanceTask) -> bool:  # noqa: ARG002 - others need it
        """Return False: what begins when it happens is the event subprocess."""
        return False

    def happen(self, my_task: InstanceTask, variables: Scope) -> None:
        """Begin the event subprocess."""
        self.subprocess.begin(my_task.scope_parent, variables)


def interrupt(scope: InstanceTask) -> None:
    """End everything in a scope but the events on its own boundary."""
    for child in scope.children_now:
        if isinstance(child.task_spec, ListenerSpec):
            scope.workflow.leave(child)
        elif child.task_spec.is_token:
            scope.workflow.cancel_task(child)


def is_interrupted(scope: InstanceTask) -> bool:
    """Return whether an event subprocess, or an end that gives a transaction up, has taken the place of all else."""
    return scope.tokens == 1 and any(child.task_spec.takes_over for child in scope.children_now)


def caught_here(scope: InstanceTask, thrown: Thrown, child: InstanceTask | None) -> EventSubprocessSpec | None:
    """Return the event subprocess of a scope that catches what comes from a child of it; none catches its own."""
    content: ScopeContent | None = getattr(scope.task_spec, "content", None)
    if content is None or child is None or not content.handlers or is_interrupted(scope):
        return None
    found: EventSubprocessSpec | None = nearest(
        [each for each in content.handlers if each is not child.task_spec], thrown
    )
    return found


def nearest(catching: list[Any], thrown: Thrown) -> Any:
    """Return what catches this very error or escalation, else what catches every one, else nothing."""
    for wanted in (thrown, type(thrown)()):
        for each in catching:
            if each.caught == wanted:
                return each
    return None
