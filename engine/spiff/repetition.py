"""Repeated activities: once for each item, or again and again (BPMN 2.0.2, 13.3.6 and 13.3.7).

The body of a repeated activity is a task of its own, below which the instances of the activity hang.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue
from SpiffWorkflow.util.task import TaskState

from engine.bpmn import Activity, StandardLoop
from engine.errors import ExpressionEvaluationError
from engine.feel import compile_expression
from engine.spiff.boundary import ActivitySpec
from engine.spiff.elements import ElementSpec
from engine.spiff.scopes import Scope
from engine.spiff.workflow import InstanceTask, InstanceWorkflow


class RepeatingSpec(ActivitySpec):
    """The body of a repeated activity.

    Attributes:
        inner: What each instance of the activity does.
    """

    node: Activity

    def __init__(self, wf_spec: Any, name: str, node: Activity, inner: ElementSpec) -> None:
        super().__init__(wf_spec, name, node)
        self.inner = inner

    def _on_ready_hook(self, my_task: InstanceTask) -> None:
        my_task.workflow.ready.append(my_task)


class MultiInstanceSpec(RepeatingSpec):
    """The body of a multi-instance activity: one instance of the activity for each item (BPMN 2.0.2, 13.3.7).

    The items of a sequential body, and the outputs so far, are variables of the body's scope, each output its own: to
    complete one instance costs the same however many there are.
    """

    keeps_outputs = True

    def __init__(self, wf_spec: Any, name: str, node: Activity, inner: ElementSpec) -> None:
        super().__init__(wf_spec, name, node, inner)
        assert node.multi_instance is not None  # noqa: S101 - the compiler makes bodies of such nodes only
        self.loop = node.multi_instance

    def _update_hook(self, my_task: InstanceTask) -> bool:
        workflow: InstanceWorkflow = my_task.workflow
        items = evaluate_items(self.loop.input_collection, workflow.visible(my_task))
        my_task._set_state(TaskState.STARTED)
        workflow.journal.append(("activated", my_task))
        my_task.note(total=len(items), started=0, completed=0)
        if not items:
            self._finish(my_task)
            return False
        self.attach_boundary_events(my_task)
        if self.loop.is_sequential:
            workflow.scopes.assign(my_task.id, {_ITEMS: items})
        for item in items[: 1 if self.loop.is_sequential else None]:
            self._start(my_task, item)
        return False

    def _start(self, body: InstanceTask, item: JsonValue) -> None:
        number = body.internal_data["started"] + 1
        body.note(started=number)
        instance = body.workflow.add(self.inner, body, TaskState.FUTURE)
        named = {} if self.loop.input_element is None else {self.loop.input_element: item}
        instance.note(item={"loopCounter": number, **named})
        self.inner._update(instance)

    def child_completed(self, my_task: InstanceTask, child: InstanceTask) -> None:
        """Keep an instance's output; end the body if it was the last one, or if the condition says so."""
        body, instance = my_task, child
        workflow: InstanceWorkflow = body.workflow
        variables = workflow.visible(instance)
        if self.loop.output_element is not None:
            output = compile_expression(self.loop.output_element).evaluate(variables)
            workflow.scopes.assign(body.id, {_output(instance.internal_data["item"]["loopCounter"]): output})
        local = dict(instance.internal_data["item"]) | workflow.scopes[instance.id]
        workflow.retire(instance)
        body.note(completed=body.internal_data["completed"] + 1)
        counts = body.internal_data
        if counts["completed"] == counts["total"] or self._is_enough(body, local):
            self._finish(body)
        elif self.loop.is_sequential:
            items = workflow.scopes[body.id][_ITEMS]
            assert isinstance(items, list)  # noqa: S101 - written by _update_hook
            self._start(body, items[counts["started"]])

    def has_items(self, body: InstanceTask) -> bool:
        """Return whether the items that are still to come are there."""
        counts = body.internal_data
        items = body.workflow.scopes[body.id].get(_ITEMS)
        return counts["started"] == counts["total"] or (isinstance(items, list) and len(items) == counts["total"])

    def _is_enough(self, body: InstanceTask, local: Scope) -> bool:
        if self.loop.completion_condition is None:
            return False
        counts, workflow = body.internal_data, body.workflow
        variables: Scope = {
            **workflow.visible(body),
            **local,
            "numberOfInstances": counts["total"],
            "numberOfActiveInstances": counts["started"] - counts["completed"],
            "numberOfCompletedInstances": counts["completed"],
            "numberOfTerminatedInstances": 0,
        }
        if self.loop.output_collection is not None:
            kept = workflow.scopes[body.id]
            numbers = range(1, counts["started"] + 1)
            variables[self.loop.output_collection] = [kept[_output(n)] for n in numbers if _output(n) in kept]
        return compile_expression(self.loop.completion_condition).evaluate_condition(variables)

    def _collected(self, body: InstanceTask) -> list[JsonValue]:
        kept = body.workflow.scopes[body.id]
        return [kept.get(_output(number)) for number in range(1, body.internal_data["total"] + 1)]

    def _finish(self, body: InstanceTask) -> None:
        workflow: InstanceWorkflow = body.workflow
        for child in body.children_now:
            if not child.task_spec.is_record:
                workflow.cancel_task(child)
        if self.loop.output_collection is not None:
            workflow.assign(body, {self.loop.output_collection: self._collected(body)})
        body._ready()


class StandardLoopSpec(RepeatingSpec):
    """The body of a loop: one instance after the other, as long as the condition holds and the maximum allows.

    What a round writes are variables of the scope around the activity, or no condition could ever change.
    """

    def _update_hook(self, my_task: InstanceTask) -> bool:
        my_task._set_state(TaskState.STARTED)
        my_task.workflow.journal.append(("activated", my_task))
        my_task.note(rounds=0)
        if self.loop.tests_before and not self._goes_on(my_task):
            my_task._ready()
            return False
        self.attach_boundary_events(my_task)
        self._start(my_task)
        return False

    @property
    def loop(self) -> StandardLoop:
        """What the diagram says of the loop."""
        assert self.node.loop is not None  # noqa: S101 - the compiler makes bodies of such nodes only
        return self.node.loop

    def _start(self, body: InstanceTask) -> None:
        instance = body.workflow.add(self.inner, body, TaskState.FUTURE)
        instance.note(round=body.internal_data["rounds"] + 1)
        self.inner._update(instance)

    def child_completed(self, my_task: InstanceTask, child: InstanceTask) -> None:
        """Begin another round, or go on."""
        child.workflow.retire(child)
        my_task.note(rounds=my_task.internal_data["rounds"] + 1)
        if self._goes_on(my_task):
            self._start(my_task)
        else:
            my_task._ready()

    def _goes_on(self, body: InstanceTask) -> bool:
        rounds = body.internal_data["rounds"]
        if self.loop.maximum is not None and rounds >= self.loop.maximum:
            return False
        if self.loop.condition is None:
            return True
        seen = {**body.workflow.visible(body), "loopCounter": rounds}
        return compile_expression(self.loop.condition).evaluate_condition(seen)


def evaluate_items(source: str, variables: Mapping[str, JsonValue]) -> list[JsonValue]:
    """Return the items of a multi-instance activity.

    Raises:
        ExpressionEvaluationError: The value is not a list.
    """
    value = compile_expression(source).evaluate(variables)
    if not isinstance(value, list):
        raise ExpressionEvaluationError(source=source, position=0, reason="The input collection is no list")
    return value


_ITEMS = "items of the multi-instance body"  # a name that no diagram can use: it is no identifier


def _output(number: int) -> str:
    return f"output {number}"
