"""Elements that throw: signals, messages, errors and escalations; and ends, which may end everything (13.5)."""

from __future__ import annotations

from pydantic import JsonValue

from engine.bpmn import (
    EndEvent,
    ErrorTrigger,
    EscalationTrigger,
    IntermediateThrowEvent,
    Mapping,
    MessageThrow,
    SendTask,
)
from engine.errors import UncaughtBpmnError
from engine.feel import compile_expression
from engine.spiff.boundary import ActivitySpec, find_catch
from engine.spiff.elements import ElementSpec, evaluate_mappings
from engine.spiff.scopes import Scope
from engine.spiff.workflow import InstanceTask, InstanceWorkflow, ThrownEscalation, ThrownMessage


class ThrowingSpec(ElementSpec):
    """An intermediate throw event, a send task or an end event: throws what it names when it is left."""

    node: IntermediateThrowEvent | EndEvent

    def _on_complete(self, my_task: InstanceTask) -> None:
        workflow: InstanceWorkflow = my_task.workflow
        workflow.journal.append(("completed", my_task))
        if self.node.signal is not None:
            workflow.thrown.signals.append(self.node.signal)
        if self.node.message is not None:
            publish(my_task, self.node.message, self.node.inputs)
        if self.node.escalation_code is not None:
            escalate(my_task, self.node.escalation_code, {})
        if my_task.is_alive:
            my_task.scope_parent.task_spec.child_completed(my_task.scope_parent, my_task)


class SendTaskSpec(ActivitySpec):
    """Publishes its message and goes on, before any event on its boundary could happen."""

    node: SendTask

    def _run_hook(self, my_task: InstanceTask) -> bool:
        publish(my_task, self.node.message, self.node.inputs)
        if self.node.outputs:
            workflow: InstanceWorkflow = my_task.workflow
            workflow.assign(my_task, evaluate_mappings(self.node.outputs, workflow.visible(my_task)))
        return True


class EndEventSpec(ThrowingSpec):
    """Consumes the token; may throw something, or end everything in its scope."""

    node: EndEvent

    def _on_complete(self, my_task: InstanceTask) -> None:
        if self.node.terminates:
            terminate(my_task)
        super()._on_complete(my_task)


class ErrorEndEventSpec(ElementSpec):
    """Throws an error; while nothing catches it, its token waits for somebody to look at it."""

    waits_outside = True
    node: EndEvent

    def _run_hook(self, my_task: InstanceTask) -> bool:
        if self._throw(my_task):
            return False
        my_task.workflow.await_event(my_task)
        return False

    def happen(self, my_task: InstanceTask, _variables: Scope) -> None:
        """Throw the error once more.

        Raises:
            UncaughtBpmnError: Nothing catches it.
        """
        if not self._throw(my_task):
            raise UncaughtBpmnError(error_code=str(self.node.error_code), reason=f"{self.node.id} throws it.")

    def _throw(self, my_task: InstanceTask) -> bool:
        workflow: InstanceWorkflow = my_task.workflow
        catch = find_catch(my_task, ErrorTrigger(self.node.error_code))
        if catch is None:
            return False
        workflow.journal.append(("completed", my_task))
        workflow.leave(my_task)
        catch[1]({})
        return True


def terminate(end: InstanceTask) -> None:
    """End everything in the scope of an end event but its own token."""
    scope = end.scope_parent
    for other in scope.children_now:
        if other is not end and other.task_spec.is_token:
            scope.workflow.cancel_task(other)


def escalate(task: InstanceTask, escalation_code: str, variables: Scope) -> None:
    """Let the nearest event that catches an escalation happen; where none does, it passes on."""
    catch = find_catch(task, EscalationTrigger(escalation_code))
    caught_by = None if catch is None else catch[0]
    task.workflow.thrown.escalations.append(ThrownEscalation(task.task_spec.node, escalation_code, caught_by))
    if catch is not None:
        catch[1](variables)


def publish(task: InstanceTask, message: MessageThrow, inputs: tuple[Mapping, ...]) -> None:
    """Send a message off when the step is written; it carries the element's inputs."""
    workflow: InstanceWorkflow = task.workflow
    payload = evaluate_mappings(inputs, workflow.visible(task))
    seen = {**workflow.visible(task), **payload}

    def value(source: str) -> JsonValue:
        return compile_expression(source).evaluate(seen)

    workflow.thrown.messages.append(
        ThrownMessage(
            element=task.task_spec.node,
            name=message.name,
            correlation_source=message.correlation_key,
            correlation_key=value(message.correlation_key),
            payload=payload,
            time_to_live=value(message.time_to_live),
        )
    )
