"""What stands in a diagram, typed: one class for each executable element (BPMN 2.0.2, chapter 10)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypedDict

from engine.bpmn.event_definitions import (
    CancelTrigger,
    CompensationThrow,
    CompensationTrigger,
    ConditionTrigger,
    ErrorTrigger,
    EscalationTrigger,
    MessageThrow,
    MessageTrigger,
    Trigger,
)


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
    """Anything that a token can stand on.

    Attributes:
        scope: The subprocess or event subprocess in which it stands; `None` directly in the process.
    """

    id: str
    name: str
    line: int
    lane: str | None = None
    scope: str | None = None


class NodeIdentity(TypedDict):
    """What every node is made with."""

    id: str
    name: str
    line: int
    lane: str | None
    scope: str | None


_EVERY_ERROR = ErrorTrigger()
BoundaryTrigger: TypeAlias = (
    Trigger | ErrorTrigger | EscalationTrigger | ConditionTrigger | CompensationTrigger | CancelTrigger
)


@dataclass(frozen=True)
class StartEvent(FlowNode):
    """Where a process or subprocess begins: by a call where there is no trigger.

    Attributes:
        is_interrupting: Whether the event subprocess that it starts ends everything else in the scope around it.
        outputs: Map what the event brings, in an event subprocess.
    """

    trigger: BoundaryTrigger | None = None
    is_interrupting: bool = True
    outputs: tuple[Mapping, ...] = ()


@dataclass(frozen=True)
class EndEvent(FlowNode):
    """Where a token is consumed.

    Attributes:
        signal: The name of the signal that is thrown.
        terminates: Whether every other token of the scope ends here too.
        error_code: The error that is thrown; the nearest event around it that catches it interrupts.
        escalation_code: The escalation that is thrown.
        message: The message that is published.
        inputs: What the message carries.
        compensation: What is compensated before the token ends.
        cancels: Whether it gives up the transaction in which it stands: what runs ends, what was done is compensated.
    """

    signal: str | None = None
    terminates: bool = False
    error_code: str | None = None
    escalation_code: str | None = None
    message: MessageThrow | None = None
    inputs: tuple[Mapping, ...] = ()
    compensation: CompensationThrow | None = None
    cancels: bool = False


@dataclass(frozen=True, kw_only=True)
class IntermediateCatchEvent(FlowNode):
    """Where a token waits for something to happen; `outputs` map the payload of a message or signal."""

    trigger: Trigger | ConditionTrigger
    outputs: tuple[Mapping, ...] = ()


@dataclass(frozen=True)
class IntermediateThrowEvent(FlowNode):
    """Throws what is named, and goes on; where nothing is named, nothing but a milestone."""

    signal: str | None = None
    escalation_code: str | None = None
    message: MessageThrow | None = None
    inputs: tuple[Mapping, ...] = ()
    compensation: CompensationThrow | None = None


@dataclass(frozen=True)
class LinkEvent(FlowNode):
    """One end of a link; a flow that is not drawn leads from each throwing end to the catching one.

    Attributes:
        link: The name of the link, within its scope.
    """

    link: str = ""
    is_catching: bool = False


@dataclass(frozen=True)
class ExclusiveGateway(FlowNode):
    """Takes the first outgoing flow whose condition is true, else the default flow."""

    default_flow: str | None = None


@dataclass(frozen=True)
class InclusiveGateway(FlowNode):
    """Takes every outgoing flow whose condition is true, else the default flow; joins what can still come."""

    default_flow: str | None = None


@dataclass(frozen=True)
class ParallelGateway(FlowNode):
    """Takes one token from each incoming flow and gives one to each outgoing flow."""


@dataclass(frozen=True)
class EventBasedGateway(FlowNode):
    """Waits for the events behind it; the first one that happens is the way on."""


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
class StandardLoop:
    """An activity done again and again (BPMN 2.0.2, table 10.26).

    Attributes:
        condition: FEEL text; while it is true another round begins. It sees loopCounter, the number of rounds done.
        tests_before: Whether the condition is looked at before the first round too.
        maximum: After so many rounds there is no further one.
    """

    condition: str | None = None
    tests_before: bool = False
    maximum: int | None = None


@dataclass(frozen=True)
class Activity(FlowNode):
    """Work; `inputs` are evaluated when it is entered, `outputs` when it completes.

    Attributes:
        default_flow: The flow that is taken where no condition of those that leave it holds.
        is_for_compensation: Whether it is a handler: no flow leads to it, it is done to undo another activity.
    """

    inputs: tuple[Mapping, ...] = ()
    outputs: tuple[Mapping, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    multi_instance: MultiInstance | None = None
    loop: StandardLoop | None = None
    default_flow: str | None = None
    is_for_compensation: bool = False


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
class CandidateExpression:
    """FEEL text of a list of names."""

    source: str


Candidates: TypeAlias = tuple[str, ...] | CandidateExpression
"""Names, or what gives them when the task begins."""


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
    candidate_groups: Candidates = ()
    candidate_users: Candidates = ()
    assignee: str | None = None
    due_date: str | None = None
    follow_up_date: str | None = None
    priority: str | None = None
    excluded: tuple[str, ...] = ()

    @property
    def candidate_expressions(self) -> tuple[str, ...]:
        """The FEEL texts that give its candidates."""
        named = (self.candidate_groups, self.candidate_users)
        return tuple(each.source for each in named if isinstance(each, CandidateExpression))


@dataclass(frozen=True)
class ReceiveTask(Activity):
    """A task that is done when its message arrives."""

    trigger: MessageTrigger = field(default_factory=lambda: MessageTrigger(name=""))


@dataclass(frozen=True)
class PlainTask(Activity):
    """A task that the engine only notes: abstract, or done by hand outside of every system (10.3.3)."""


@dataclass(frozen=True)
class ScriptTask(Activity):
    """Computes a value within the step (`zeebe:script`).

    Attributes:
        expression: FEEL text, which sees the inputs.
        result_variable: The variable that receives the value.
    """

    expression: str = "null"
    result_variable: str = ""


@dataclass(frozen=True)
class BusinessRuleTask(Activity):
    """Asks a decision within the step (`zeebe:calledDecision`); it sees the task's variables and inputs.

    Attributes:
        result_variable: The variable that receives the decision's value.
        binding: Which version is asked: as of a call activity.
        version_tag: The tag, for that binding.
    """

    decision_id: str = ""
    result_variable: str = ""
    binding: Literal["latest", "versionTag", "deployment"] = "latest"
    version_tag: str | None = None


@dataclass(frozen=True)
class SendTask(Activity):
    """Publishes a message that carries its inputs."""

    message: MessageThrow = field(default_factory=lambda: MessageThrow("", "null", '"PT0S"'))


@dataclass(frozen=True)
class SubProcess(Activity):
    """A process within the process: a scope whose variables are its inputs (BPMN 2.0.2, 10.3.5).

    Attributes:
        is_transaction: Whether a cancel end event may give it up.
    """

    is_transaction: bool = False


@dataclass(frozen=True)
class EventSubProcess(FlowNode):
    """A subprocess without flows, begun by its start event while the scope around it is open."""


@dataclass(frozen=True)
class CallActivity(Activity):
    """Another process, run inside this instance with variables of its own.

    Attributes:
        binding: Which version is called: the newest when the instance starts, the newest with a version tag, or the
            newest when the calling process was deployed.
        version_tag: The tag, for that binding.
    """

    called_process: str = ""
    binding: Literal["latest", "versionTag", "deployment"] = "latest"
    version_tag: str | None = None
    propagates_parent_variables: bool = True
    propagates_child_variables: bool = True


@dataclass(frozen=True)
class BoundaryEvent(FlowNode):
    """Leaves the activity that it is attached to when its trigger happens.

    Attributes:
        is_interrupting: Whether the activity is cancelled; an error event always interrupts.
    """

    attached_to: str = ""
    trigger: BoundaryTrigger = _EVERY_ERROR
    is_interrupting: bool = True
    outputs: tuple[Mapping, ...] = ()


@dataclass(frozen=True)
class CompensationEvent(FlowNode):
    """Stands on the boundary of an activity that can be undone, and names what undoes it; no token ever comes to it.

    Attributes:
        handlers: The activities that associations lead to: exactly one in a diagram without faults.
    """

    attached_to: str = ""
    handlers: tuple[str, ...] = ()
