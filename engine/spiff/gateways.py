"""Gateways: where the ways of tokens part and meet (BPMN 2.0.2, 13.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from SpiffWorkflow.util.task import TaskState

from engine.bpmn import FlowNode
from engine.errors import NoWayError
from engine.spiff.elements import ElementSpec, Way
from engine.spiff.workflow import InstanceTask, InstanceWorkflow

_NONE = frozenset[str]()


class ExclusiveGatewaySpec(ElementSpec):
    """Takes the first flow whose condition holds, else the default flow (13.4.2)."""

    def taken(self, task: InstanceTask) -> list[Way]:
        """Return the one flow that is taken."""
        variables = task.workflow.visible(task)
        default = getattr(self.node, "default_flow", None)
        for flow, target in self.flows:
            if flow.id != default and self.judge(flow, variables):
                return [(flow, target)]
        otherwise = [(flow, target) for flow, target in self.flows if flow.condition is None or flow.id == default]
        if self.flows and not otherwise:
            raise NoWayError(element_id=self.node.id)
        return otherwise


class JoiningSpec(ElementSpec):
    """A gateway at which tokens of several flows may become one.

    Tokens of a second round wait behind those of the first: each waiting gateway takes one token of a flow.

    Attributes:
        incoming: The flows on which a token can come.
    """

    def __init__(self, wf_spec: Any, name: str, node: FlowNode, incoming: frozenset[str]) -> None:
        super().__init__(wf_spec, name, node)
        self.incoming = incoming

    @property
    def joins(self) -> bool:
        """Whether it waits for more than one token."""
        return len(self.incoming) > 1

    def _update_hook(self, my_task: InstanceTask) -> bool:
        if not self.joins:
            return True
        workflow = my_task.workflow
        # A token that somebody moved here came by no flow: it stands for any one that is missing.
        flow = my_task.arrived_by or f"moved {my_task.id}"
        for join in workflow.joins[my_task._parent, self.name]:
            arrived = join.internal_data["arrived"]
            if flow not in arrived:
                workflow.leave(my_task)
                join.note(arrived=[*arrived, flow])
                self.arrived_at(join)
                return False
        my_task.note(arrived=[flow])
        my_task._set_state(TaskState.WAITING)
        self.wait(my_task)
        return False

    def has_begun(self, task: InstanceTask) -> bool:
        """Return whether all tokens have come that it waits for."""
        return super().has_begun(task) and not task.has_state(TaskState.WAITING)

    def wait(self, join: InstanceTask) -> None:
        """Keep a waiting join where arriving tokens find it."""
        join.workflow.joins[join._parent, self.name].append(join)

    def arrived_at(self, join: InstanceTask) -> None:
        """Look whether a join to which a token has come is complete."""

    def go_on(self, join: InstanceTask) -> None:
        """Let a join that waits for nothing more go on."""
        join.workflow.joins[join._parent, self.name].remove(join)
        join._ready()


class ParallelGatewaySpec(JoiningSpec):
    """Takes a token from each incoming flow, then gives one to each outgoing flow (13.4.1)."""

    def arrived_at(self, join: InstanceTask) -> None:
        """Go on once there is a token of each flow."""
        if len(join.internal_data["arrived"]) == len(self.incoming):
            self.go_on(join)


@dataclass(frozen=True)
class Ahead:
    """For each node that leads to a gateway, the incoming flows by which its token can come.

    Attributes:
        by_flows: Those by which it can come along flows alone, whether or not an event on a boundary happens.
    """

    anyhow: Mapping[str, frozenset[str]]
    by_flows: Mapping[str, frozenset[str]]


class InclusiveGatewaySpec(JoiningSpec):
    """Takes the tokens of all flows on which one can still come, then gives one to each flow that is taken (13.4.3)."""

    def __init__(self, wf_spec: Any, name: str, node: FlowNode, incoming: frozenset[str], ahead: Ahead) -> None:
        super().__init__(wf_spec, name, node, incoming)
        self.ahead = ahead

    def wait(self, join: InstanceTask) -> None:
        """Keep a waiting join; whether it can go on is looked at when nothing else can."""
        super().wait(join)
        join.workflow.await_others(join)

    def taken(self, task: InstanceTask) -> list[Way]:
        """Return the flows that are taken."""
        ways = super().taken(task)
        if self.flows and not ways:
            raise NoWayError(element_id=self.node.id)
        return ways

    def go_on(self, join: InstanceTask) -> None:
        """Let a join that waits for nothing more go on."""
        join.workflow.forget_inclusive_join(join)
        super().go_on(join)

    def is_complete(self, join: InstanceTask) -> bool:
        """Return whether no token of the scope can still come by a flow that has none.

        A token that could as well come by a flow that has one is not waited for: it would be too late for either. Not
        so where only an event on a boundary would lead it there, which need not happen, or has happened already.
        """
        if join.workflow.joins[join._parent, self.name][0] is not join:
            return False  # an earlier round is not over
        arrived = frozenset(join.internal_data["arrived"])
        missing = self.incoming - arrived
        for token in join.scope_parent.children_now:
            flows = self.ahead.anyhow.get(token.task_spec.node.id) if token.task_spec.is_token else None
            if flows and flows & missing and not self.ahead.by_flows.get(token.task_spec.node.id, _NONE) & arrived:
                return False
        return True


class EventBasedGatewaySpec(ElementSpec):
    """Lets every event behind it wait, below itself; the first that happens is the way on (13.4.4)."""

    def _update_hook(self, my_task: InstanceTask) -> bool:
        workflow: InstanceWorkflow = my_task.workflow
        my_task._set_state(TaskState.STARTED)
        workflow.journal.append(("activated", my_task))
        for flow, event in self.flows:
            workflow.enter(event, my_task, flow.id)
        return False

    def child_completed(self, my_task: InstanceTask, child: InstanceTask) -> None:
        """Go on behind the event that has happened; the others wait no more."""
        workflow: InstanceWorkflow = my_task.workflow
        ways = child.task_spec.taken(child)
        for other in my_task.children_now:
            if other is not child:
                workflow.cancel_task(other)
        my_task._state = TaskState.COMPLETED
        workflow.journal.append(("completed", my_task))
        workflow.replace(my_task, ways)
