"""What a diagram says, typed: one class for each executable element (BPMN 2.0.2, chapter 10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias, TypedDict, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True)
class Mapping:
    """One `zeebe:input` or `zeebe:output`: the expression `source` gives the variable `target`.

    Attributes:
        source: FEEL text, without the leading `=`.
        target: A plain variable name.
    """

    source: str
    target: str


@dataclass(frozen=True)
class FlowNode:
    """Anything that a token can stand on."""

    id: str
    name: str
    line: int
    lane: str | None = None


class NodeIdentity(TypedDict):
    """What every node is made with."""

    id: str
    name: str
    line: int
    lane: str | None


@dataclass(frozen=True)
class TimerTrigger:
    """A time (BPMN 2.0.2, table 10.101).

    Attributes:
        kind: Date and duration happen once; a cycle is `R[n]/duration` or a cron line.
        expression: FEEL text that gives the ISO 8601 or cron text when the event begins to wait.
    """

    kind: Literal["date", "duration", "cycle"]
    expression: str


@dataclass(frozen=True)
class MessageTrigger:
    """A message, received by exactly one waiting event or task.

    Attributes:
        correlation_key: FEEL text; `None` only for start events, which take every message of the name.
    """

    name: str
    correlation_key: str | None = None


@dataclass(frozen=True)
class SignalTrigger:
    """A signal, received by everything that waits for it."""

    name: str


@dataclass(frozen=True)
class ErrorTrigger:
    """An error of the activity that the event is attached to; without a code, every error."""

    error_code: str | None = None


Trigger: TypeAlias = TimerTrigger | MessageTrigger | SignalTrigger


@dataclass(frozen=True)
class StartEvent(FlowNode):
    """Where an instance begins: by a call where there is no trigger."""

    trigger: Trigger | None = None


@dataclass(frozen=True)
class EndEvent(FlowNode):
    """Where a token is consumed.

    Attributes:
        signal: The name of the signal that is thrown.
        terminates: Whether every other token of the scope ends here too.
    """

    signal: str | None = None
    terminates: bool = False


@dataclass(frozen=True, kw_only=True)
class IntermediateCatchEvent(FlowNode):
    """Where a token waits for something to happen; `outputs` map the payload of a message or signal."""

    trigger: Trigger
    outputs: tuple[Mapping, ...] = ()


@dataclass(frozen=True)
class IntermediateThrowEvent(FlowNode):
    """Throws a signal where one is named; otherwise nothing but a milestone."""

    signal: str | None = None


@dataclass(frozen=True)
class ExclusiveGateway(FlowNode):
    """Takes the first outgoing flow whose condition is true, else the default flow."""

    default_flow: str | None = None


@dataclass(frozen=True)
class ParallelGateway(FlowNode):
    """Takes one token from each incoming flow and gives one to each outgoing flow."""


@dataclass(frozen=True)
class MultiInstance:
    """An activity done once for each item of a collection (`zeebe:loopCharacteristics`; BPMN 2.0.2, 10.3.7).

    Attributes:
        input_collection: FEEL text that gives a list.
        input_element: The variable of each instance that holds its item.
        output_collection: The variable, of the scope around the activity, that receives the list of outputs.
        output_element: FEEL text that gives an instance's output.
        completion_condition: FEEL text, evaluated after each completed instance; true cancels the others. It sees
            numberOfInstances, numberOfActiveInstances, numberOfCompletedInstances, numberOfTerminatedInstances,
            the outputs so far under the name of the output collection, and the completed instance's variables.
    """

    is_sequential: bool
    input_collection: str
    input_element: str | None = None
    output_collection: str | None = None
    output_element: str | None = None
    completion_condition: str | None = None


@dataclass(frozen=True)
class Activity(FlowNode):
    """Work; `inputs` are evaluated when it is entered, `outputs` when it completes."""

    inputs: tuple[Mapping, ...] = ()
    outputs: tuple[Mapping, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    multi_instance: MultiInstance | None = None


@dataclass(frozen=True)
class ServiceTask(Activity):
    """Work of a handler.

    Attributes:
        retries: How many attempts there are in all.
        priority: FEEL text of a whole number (`zeebe:jobPriorityDefinition`); a higher one is worked on first.
        result_variable: The header `resultVariable`: the variable that takes the whole result as one context.
    """

    type: str = ""
    retries: int = 3
    priority: str | None = None
    result_variable: str | None = None


@dataclass(frozen=True)
class UserTask(Activity):
    """Work of a person.

    Attributes:
        form_id: The form whose JSON Schema draws the task, and whose model checks what is submitted.
        candidate_groups: Who may claim and complete it; the lane's name where the diagram assigns nobody.
        candidate_users: As the groups, by name.
        assignee: FEEL text; who has it claimed from the start.
        due_date: FEEL text of an ISO 8601 time, as `follow_up_date`.
        priority: FEEL text of a whole number; 50 where it is not given.
        excluded: The header `excluded_principals`: `initiator` stands for who started the instance, any other
            entry for an earlier user task of this instance, whose performers may not do this one. A multi-instance
            task that names itself is never done twice by one person.
    """

    form_id: str | None = None
    candidate_groups: tuple[str, ...] = ()
    candidate_users: tuple[str, ...] = ()
    assignee: str | None = None
    due_date: str | None = None
    follow_up_date: str | None = None
    priority: str | None = None
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReceiveTask(Activity):
    """A task that is done when its message arrives."""

    trigger: MessageTrigger = field(default_factory=lambda: MessageTrigger(name=""))


@dataclass(frozen=True)
class CallActivity(Activity):
    """Another process, run inside this instance with variables of its own."""

    called_process: str = ""
    propagates_parent_variables: bool = True
    propagates_child_variables: bool = True


@dataclass(frozen=True)
class BoundaryEvent(FlowNode):
    """Leaves the activity that it is attached to when its trigger happens.

    Attributes:
        is_interrupting: Whether the activity is cancelled; an error event always interrupts.
    """

    attached_to: str = ""
    trigger: Trigger | ErrorTrigger = ErrorTrigger()
    is_interrupting: bool = True
    outputs: tuple[Mapping, ...] = ()


@dataclass(frozen=True)
class SequenceFlow:
    """A way from one node to the next."""

    id: str
    name: str
    line: int
    source: str
    target: str
    condition: str | None = None


@dataclass(frozen=True)
class ProcessModel:
    """One executable process.

    What leaves a node and what stands on its boundary are looked up in indexes, made when first asked for.

    Attributes:
        declared_inputs: The variables with which an instance begins, as the process's property `inputs` lists them;
            `None` where it has none.
    """

    process_id: str
    name: str
    line: int
    version_tag: str | None
    nodes: dict[str, FlowNode]
    flows: tuple[SequenceFlow, ...]
    declared_inputs: frozenset[str] | None = None

    def outgoing(self, node_id: str) -> tuple[SequenceFlow, ...]:
        """Return the flows that leave a node, in the diagram's order."""
        return self._flows_by_source.get(node_id, ())

    def boundary_events(self, activity_id: str) -> tuple[BoundaryEvent, ...]:
        """Return the events on an activity's boundary."""
        return self._boundary_events_by_host.get(activity_id, ())

    def start_events(self) -> tuple[StartEvent, ...]:
        """Return all start events."""
        return tuple(node for node in self.nodes.values() if isinstance(node, StartEvent))

    def none_start_event(self) -> StartEvent | None:
        """Return the start event of a direct start, if the process has one."""
        return next((event for event in self.start_events() if event.trigger is None), None)

    def incoming(self, node_id: str) -> tuple[SequenceFlow, ...]:
        """Return the flows that enter a node, in the diagram's order."""
        return self._flows_by_target.get(node_id, ())

    @cached_property
    def _flows_by_source(self) -> dict[str, tuple[SequenceFlow, ...]]:
        return _grouped(self.flows, lambda flow: flow.source)

    @cached_property
    def _flows_by_target(self) -> dict[str, tuple[SequenceFlow, ...]]:
        return _grouped(self.flows, lambda flow: flow.target)

    @cached_property
    def _boundary_events_by_host(self) -> dict[str, tuple[BoundaryEvent, ...]]:
        events = (node for node in self.nodes.values() if isinstance(node, BoundaryEvent))
        return _grouped(events, lambda event: event.attached_to)


def _grouped(items: Iterable[_T], key: Callable[[_T], str]) -> dict[str, tuple[_T, ...]]:
    groups = defaultdict[str, list[_T]](list)
    for item in items:
        groups[key(item)].append(item)
    return {name: tuple(group) for name, group in groups.items()}
