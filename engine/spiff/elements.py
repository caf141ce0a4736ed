"""What every element does with a token, on SpiffWorkflow's life cycle of a task.

`_update` lets a token arrive, `run` works on it, and on completion its successors are made (BPMN 2.0.2, chapter 13).
Each kind of element is a specification of its own in the modules beside this one.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable
from collections.abc import Mapping as Variables
from typing import Any, TypeAlias

from pydantic import JsonValue
from SpiffWorkflow.bpmn.specs.bpmn_task_spec import BpmnTaskSpec
from SpiffWorkflow.util.task import TaskState

from engine.bpmn import FlowNode, Mapping, SequenceFlow
from engine.feel import compile_expression
from engine.spiff.scopes import Scope
from engine.spiff.workflow import InstanceTask, InstanceWorkflow

Way: TypeAlias = "tuple[SequenceFlow, ElementSpec]"
Judge: TypeAlias = Callable[[SequenceFlow, Variables[str, JsonValue]], bool]


def holds(flow: SequenceFlow, variables: Variables[str, JsonValue]) -> bool:
    """Return whether a flow's condition is true."""
    return flow.condition is not None and compile_expression(flow.condition).evaluate_condition(variables)


def evaluate_mappings(mappings: tuple[Mapping, ...], variables: Variables[str, JsonValue]) -> Scope:
    """Return the targets with the values of their sources, each seeing those before it."""
    result: Scope = {}
    seen = ChainMap(result, variables)  # type: ignore[arg-type]  # only `result` is written
    for mapping in mappings:
        result[mapping.target] = compile_expression(mapping.source).evaluate(seen)
    return result


class Spec(BpmnTaskSpec):
    """Anything that a task of the tree can be of.

    Attributes:
        is_token: Whether the scope around it is not over as long as it is there.
        keeps_outputs: Whether what its scope holds is no variable.
        takes_over: Whether its task, alone in a scope, stands in place of all else that could begin there.
        waits_outside: Whether its waiting task waits for somebody or something outside the instance.
        is_record: Whether its tasks are over, and only kept to be compensated.
        is_snapshot: Whether what its scope holds is all that can be seen below it, and is not written to.
        record: What its completed tasks may leave behind for compensation.
        origin: Of a record, the spec that was completed.
    """

    is_token = True
    keeps_outputs = False
    takes_over = False
    waits_outside = False
    is_record = False
    is_snapshot = False
    record: Any = None
    origin: Any = None

    @property
    def stored_name(self) -> str:
        """The name under which a task of it is stored."""
        return str(self.name)

    def test(self) -> None:
        """Accept any connections: deployment has verified the diagram."""

    def _predict(self, my_task: InstanceTask, *_arguments: Any, **_named: Any) -> None:
        """Predict nothing: only what is there is in the tree."""

    def has_begun(self, task: InstanceTask) -> bool:
        """Return whether its element was entered and is not left yet: events and joins may wait before they begin."""
        return not task.has_state(TaskState.COMPLETED)

    def child_completed(self, my_task: InstanceTask, child: InstanceTask) -> None:  # noqa: ARG002 - others need it
        """Let a token go on that has completed below a task of this kind."""
        child.workflow.replace(child, child.task_spec.taken(child))


class ElementSpec(Spec):
    """An element that passes tokens on at once.

    Attributes:
        node: The element of the diagram.
        flows: Its outgoing flows, with the specs that they lead to.
        judge: Says whether the condition of one of them holds.
    """

    def __init__(self, wf_spec: Any, name: str, node: FlowNode) -> None:
        super().__init__(wf_spec, name)
        self.node = node
        self.flows: list[Way] = []
        self.judge: Judge = holds

    def lead_to(self, flow: SequenceFlow, target: ElementSpec) -> None:
        """Connect an outgoing flow."""
        self.flows.append((flow, target))
        self.connect(target)

    def _update_hook(self, my_task: InstanceTask) -> bool:  # noqa: ARG002 - SpiffWorkflow's signature
        """Return whether the token can go on at once."""
        return True

    def _on_ready_hook(self, my_task: InstanceTask) -> None:
        workflow: InstanceWorkflow = my_task.workflow
        workflow.journal.append(("activated", my_task))
        workflow.ready.append(my_task)

    def _run_hook(self, my_task: InstanceTask) -> bool:  # noqa: ARG002 - SpiffWorkflow's signature
        return True

    def _on_complete(self, my_task: InstanceTask) -> None:
        my_task.workflow.journal.append(("completed", my_task))
        holder = my_task.scope_parent
        holder.task_spec.child_completed(holder, my_task)

    def taken(self, task: InstanceTask) -> list[Way]:
        """Return the outgoing flows on which a token leaves.

        Flows without condition, those whose condition holds, and the default flow where no condition does
        (BPMN 2.0.2, 13.4.3 for inclusive gateways and 10.3.1 for activities).
        """
        if len(self.flows) == 1 and self.flows[0][0].condition is None:
            return self.flows
        default = getattr(self.node, "default_flow", None)
        plain = [way for way in self.flows if way[0].condition is None and way[0].id != default]
        asked = [way for way in self.flows if way[0].condition is not None and way[0].id != default]
        variables = task.workflow.visible(task) if asked else {}
        chosen = [way for way in asked if self.judge(way[0], variables)]
        otherwise = [] if chosen else [way for way in self.flows if way[0].id == default]
        return plain + chosen + otherwise


class StartEventSpec(ElementSpec):
    """A start event that has happened."""


class LinkEventSpec(ElementSpec):
    """One end of a link: its token goes on as along a flow."""
