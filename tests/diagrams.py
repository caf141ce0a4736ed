"""BPMN XML of processes that tests need: a `Diagram` of nodes and flows, written as a modeler would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

_NAMESPACES = (
    'xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" '
    'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
Mappings = Mapping[str, str]
NOTHING: Mappings = {}


def attributes(**values: str | None) -> str:
    return "".join(f" {name}={quoteattr(value)}" for name, value in values.items() if value is not None)


def document(*content: str) -> bytes:
    body = "\n".join(content)
    return f'<bpmn:definitions {_NAMESPACES} id="Definitions" targetNamespace="http://test">\n{body}\n</bpmn:definitions>'.encode()


def process(process_id: str, *content: str, name: str | None = None) -> str:
    body = "\n".join(content)
    return f'<bpmn:process{attributes(id=process_id, name=name)} isExecutable="true">\n{body}\n</bpmn:process>'


def diagram(process_id: str, *content: str) -> bytes:
    return document(process(process_id, *content))


def start(
    node_id: str = "Begin",
    message_ref: str | None = None,
    *,
    interrupting: bool = True,
    outputs: Mappings = NOTHING,
    **trigger: str | None,
) -> str:
    """A start event; in an event subprocess it may be one that does not interrupt. For `trigger`: event_definition."""
    definition = event_definition(message_ref=message_ref, **trigger)
    interrupts = None if interrupting else "false"
    return activity("startEvent", node_id, io_mapping(NOTHING, outputs), definition, isInterrupting=interrupts)


def end(node_id: str = "Done", *, terminates: bool = False, inputs: Mappings = NOTHING, **thrown: str | None) -> str:
    definition = "<bpmn:terminateEventDefinition />" if terminates else event_definition(**thrown)
    return activity("endEvent", node_id, io_mapping(inputs, NOTHING), definition)


def catch(node_id: str, *, outputs: Mappings = NOTHING, **trigger: str | None) -> str:
    """An intermediate event that waits for a timer (as `duration` writes it), a message, a signal, a condition..."""
    return activity("intermediateCatchEvent", node_id, io_mapping(NOTHING, outputs), event_definition(**trigger))


def throw(node_id: str, signal_ref: str | None = None, *, inputs: Mappings = NOTHING, **thrown: str | None) -> str:
    """An intermediate event that throws something; without anything to throw it is a milestone."""
    definition = event_definition(signal_ref=signal_ref, **thrown)
    return activity("intermediateThrowEvent", node_id, io_mapping(inputs, NOTHING), definition)


def link_ends(name: str, *throwing: str, catching: str) -> str:
    """The ends of a link."""
    return "\n".join([*(throw(node_id, link=name) for node_id in throwing), catch(catching, link=name)])


def event_definition(
    *,
    timer: str | None = None,
    message_ref: str | None = None,
    signal_ref: str | None = None,
    error_ref: str | None = None,
    escalation_ref: str | None = None,
    condition: str | None = None,
    link: str | None = None,
    compensates: str | None = None,
    cancels: bool = False,
) -> str:
    """What an event waits for or throws; an empty reference to an error or escalation stands for every one.

    `compensates` names the activity that is compensated; empty, all of the scope.
    """
    definition = "" if timer is None else f"<bpmn:timerEventDefinition>{timer}</bpmn:timerEventDefinition>"
    references = {"message": message_ref, "signal": signal_ref, "error": error_ref, "escalation": escalation_ref}
    for kind, reference in references.items():
        if reference is not None:
            definition += f"<bpmn:{kind}EventDefinition{attributes(**{f'{kind}Ref': reference or None})} />"
    if condition is not None:
        text = f"<bpmn:condition>{escape(condition)}</bpmn:condition>"
        definition += f"<bpmn:conditionalEventDefinition>{text}</bpmn:conditionalEventDefinition>"
    if compensates is not None:
        definition += f"<bpmn:compensateEventDefinition{attributes(activityRef=compensates or None)} />"
    if cancels:
        definition += "<bpmn:cancelEventDefinition />"
    if link is not None:
        definition += f"<bpmn:linkEventDefinition{attributes(name=link)} />"
    return definition


def subprocess(
    node_id: str, *content: str, inputs: Mappings = NOTHING, outputs: Mappings = NOTHING, repeated: str = ""
) -> str:
    """An embedded subprocess; `repeated` is what `for_each` or `loop` writes."""
    return activity("subProcess", node_id, io_mapping(inputs, outputs), "\n".join((repeated, *content)))


def transaction(node_id: str, *content: str) -> str:
    """A transaction, which a cancel end event in it may give up."""
    return activity("transaction", node_id, "", "\n".join(content))


def undone_by(activity_id: str, handler: str) -> str:
    """A compensation event on an activity's boundary, with the handler that stands in `handler`, its own element."""
    handler = handler.replace(" id=", ' isForCompensation="true" id=', 1)
    event_id, handler_id = f"Undo_{activity_id}", handler.split(' id="', 1)[1].split('"', 1)[0]
    event = boundary(event_id, activity_id, compensates="")
    ends = attributes(id=f"Association_{activity_id}", sourceRef=event_id, targetRef=handler_id)
    return f"{event}\n{handler}\n<bpmn:association{ends} associationDirection='One' />"


def event_subprocess(node_id: str, *content: str) -> str:
    """An event subprocess, of which `content` has the start event."""
    return activity("subProcess", node_id, "", "\n".join(content), triggeredByEvent="true")


def date(text: str) -> str:
    return f"<bpmn:timeDate>{escape(text)}</bpmn:timeDate>"


def duration(text: str) -> str:
    return f"<bpmn:timeDuration>{escape(text)}</bpmn:timeDuration>"


def cycle(text: str) -> str:
    return f"<bpmn:timeCycle>{escape(text)}</bpmn:timeCycle>"


def flow(source: str, target: str, condition: str | None = None, *, flow_id: str | None = None, name: str = "") -> str:
    text = "" if condition is None else f"<bpmn:conditionExpression>{escape(condition)}</bpmn:conditionExpression>"
    ids = attributes(id=flow_id, name=name or None, sourceRef=source, targetRef=target)
    return f"<bpmn:sequenceFlow{ids}>{text}</bpmn:sequenceFlow>"


def path(*node_ids: str) -> str:
    return "\n".join(flow(source, target) for source, target in pairwise(node_ids))


def gateway(node_id: str, default: str | None = None, *, name: str | None = "Which?") -> str:
    return f"<bpmn:exclusiveGateway{attributes(id=node_id, default=default, name=name)} />"


def parallel(node_id: str) -> str:
    """A parallel gateway: a fork, a join, or both."""
    return f"<bpmn:parallelGateway{attributes(id=node_id)} />"


def inclusive(node_id: str, default: str | None = None) -> str:
    """An inclusive gateway: a fork, a join, or both."""
    return f"<bpmn:inclusiveGateway{attributes(id=node_id, name=f'Which of {node_id}?', default=default)} />"


def event_based(node_id: str) -> str:
    return f"<bpmn:eventBasedGateway{attributes(id=node_id)} />"


def choice(node_id: str, condition: str, accepted: str, otherwise: str) -> str:
    """A gateway with a flow for the condition and a default flow."""
    default = f"{node_id}_otherwise"
    return "\n".join(
        [
            gateway(node_id, default),
            flow(node_id, accepted, condition, flow_id=f"{node_id}_accepted", name="yes"),
            flow(node_id, otherwise, flow_id=default, name="no"),
        ]
    )


def for_each(
    collection: str,
    item: str | None = None,
    *,
    collect: str | None = None,
    each: str | None = None,
    until: str | None = None,
    sequential: bool = False,
) -> str:
    """What makes an activity multi-instance, for the argument `multi_instance` of its builder.

    `collect` names the output collection, `each` is the output element, `until` the completion condition.
    """
    loop = attributes(inputCollection=collection, inputElement=item, outputCollection=collect, outputElement=each)
    content = f"<bpmn:extensionElements><zeebe:loopCharacteristics{loop} /></bpmn:extensionElements>"
    if until is not None:
        content += f"<bpmn:completionCondition>{escape(until)}</bpmn:completionCondition>"
    order = attributes(isSequential="true" if sequential else None)
    return f"<bpmn:multiInstanceLoopCharacteristics{order}>{content}</bpmn:multiInstanceLoopCharacteristics>"


def loop(condition: str | None = None, *, tests_before: bool = False, maximum: int | None = None) -> str:
    """What makes an activity a standard loop, as `for_each` does for multi-instance."""
    marks = attributes(
        testBefore="true" if tests_before else None, loopMaximum=None if maximum is None else str(maximum)
    )
    text = "" if condition is None else f"<bpmn:loopCondition>{escape(condition)}</bpmn:loopCondition>"
    return f"<bpmn:standardLoopCharacteristics{marks}>{text}</bpmn:standardLoopCharacteristics>"


def script_task(node_id: str, expression: str, result: str, inputs: Mappings = NOTHING, *, repeated: str = "") -> str:
    script = f"<zeebe:script{attributes(expression=expression, resultVariable=result)} />"
    return activity("scriptTask", node_id, script + io_mapping(inputs, NOTHING), repeated)


def business_rule_task(
    node_id: str,
    decision_id: str,
    result: str,
    inputs: Mappings = NOTHING,
    outputs: Mappings = NOTHING,
    *,
    multi_instance: str = "",
    binding: str | None = None,
    version_tag: str | None = None,
) -> str:
    called = attributes(decisionId=decision_id, resultVariable=result, bindingType=binding, versionTag=version_tag)
    extensions = f"<zeebe:calledDecision{called} />" + io_mapping(inputs, outputs)
    return activity("businessRuleTask", node_id, extensions, multi_instance)


def service_task(
    node_id: str,
    task_type: str,
    inputs: Mappings = NOTHING,
    outputs: Mappings = NOTHING,
    retries: int | None = None,
    *,
    priority: str | None = None,
    multi_instance: str = "",
) -> str:
    count = None if retries is None else str(retries)
    definition = f"<zeebe:taskDefinition{attributes(type=task_type, retries=count)} />" + priority_definition(priority)
    return activity("serviceTask", node_id, definition + io_mapping(inputs, outputs), multi_instance)


def user_task(
    node_id: str,
    groups: str | None,
    *,
    form: str | None = None,
    inputs: Mappings = NOTHING,
    outputs: Mappings = NOTHING,
    excludes_initiator: bool = False,
    excluded: str = "",
    users: str | None = None,
    assignee: str | None = None,
    due_date: str | None = None,
    follow_up_date: str | None = None,
    priority: str | None = None,
    multi_instance: str = "",
) -> str:
    """A user task; `excluded` is the header's text, such as `initiator, Task_Review`."""
    assigned = attributes(assignee=assignee, candidateGroups=groups, candidateUsers=users)
    extensions = "<zeebe:userTask />" + (f"<zeebe:assignmentDefinition{assigned} />" if assigned else "")
    if form is not None:
        extensions += f"<zeebe:formDefinition{attributes(formId=form)} />"
    if excludes_initiator or excluded:
        header = attributes(key="excluded_principals", value=excluded or "initiator")
        extensions += f"<zeebe:taskHeaders><zeebe:header{header} /></zeebe:taskHeaders>"
    if due_date is not None or follow_up_date is not None:
        extensions += f"<zeebe:taskSchedule{attributes(dueDate=due_date, followUpDate=follow_up_date)} />"
    extensions += priority_definition(priority) + io_mapping(inputs, outputs)
    return activity("userTask", node_id, extensions, multi_instance)


def receive_task(
    node_id: str,
    message_ref: str | None,
    inputs: Mappings = NOTHING,
    outputs: Mappings = NOTHING,
    *,
    multi_instance: str = "",
) -> str:
    return activity("receiveTask", node_id, io_mapping(inputs, outputs), multi_instance, messageRef=message_ref)


def call_activity(
    node_id: str,
    called_process: str,
    inputs: Mappings = NOTHING,
    outputs: Mappings = NOTHING,
    *,
    parent: bool = True,
    child: bool = True,
    multi_instance: str = "",
    binding: str | None = None,
    version_tag: str | None = None,
) -> str:
    called = attributes(
        processId=called_process,
        bindingType=binding,
        versionTag=version_tag,
        propagateAllParentVariables=str(parent).lower(),
        propagateAllChildVariables=str(child).lower(),
    )
    extensions = f"<zeebe:calledElement{called} />" + io_mapping(inputs, outputs)
    return activity("callActivity", node_id, extensions, multi_instance)


def boundary(
    node_id: str,
    attached_to: str,
    error_ref: str | None = None,
    *,
    interrupting: bool = True,
    outputs: Mappings = NOTHING,
    **trigger: str | None,
) -> str:
    """A boundary event; without a trigger one for errors, without a reference for every error."""
    definition = event_definition(**trigger)
    definition = definition or f"<bpmn:errorEventDefinition{attributes(errorRef=error_ref or None)} />"
    cancels = None if interrupting else "false"
    content = f"\n{definition}\n"
    mapping = io_mapping(NOTHING, outputs)
    return activity("boundaryEvent", node_id, mapping, content, attachedToRef=attached_to, cancelActivity=cancels)


def error(error_id: str, error_code: str | None) -> str:
    return f"<bpmn:error{attributes(id=error_id, errorCode=error_code)} />"


def escalation(escalation_id: str, escalation_code: str | None) -> str:
    return f"<bpmn:escalation{attributes(id=escalation_id, escalationCode=escalation_code)} />"


def message(message_id: str, name: str | None, correlation_key: str | None = None) -> str:
    """A message; only start events do without a correlation key."""
    content = ""
    if correlation_key is not None:
        subscription = f"<zeebe:subscription{attributes(correlationKey=correlation_key)} />"
        content = f"<bpmn:extensionElements>{subscription}</bpmn:extensionElements>"
    return f"<bpmn:message{attributes(id=message_id, name=name)}>{content}</bpmn:message>"


def signal(signal_id: str, name: str | None) -> str:
    return f"<bpmn:signal{attributes(id=signal_id, name=name)} />"


def lanes(nodes_by_lane: Mapping[str, Iterable[str]]) -> str:
    """Lanes by name, each with the ids of its nodes."""
    drawn = [
        f"<bpmn:lane{attributes(id=f'Lane_{number}', name=name)}>"
        + "".join(f"<bpmn:flowNodeRef>{node_id}</bpmn:flowNodeRef>" for node_id in node_ids)
        + "</bpmn:lane>"
        for number, (name, node_ids) in enumerate(nodes_by_lane.items())
    ]
    return f"<bpmn:laneSet id='Lanes'>{''.join(drawn)}</bpmn:laneSet>"


def activity(kind: str, node_id: str, extensions: str, content: str = "", **further: str | None) -> str:
    extended = f"<bpmn:extensionElements>{extensions}</bpmn:extensionElements>" if extensions else ""
    return f"<bpmn:{kind}{attributes(id=node_id, **further)}>{extended}{content}</bpmn:{kind}>"


def priority_definition(priority: str | None) -> str:
    return "" if priority is None else f"<zeebe:priorityDefinition{attributes(priority=priority)} />"


def io_mapping(inputs: Mappings, outputs: Mappings) -> str:
    if not inputs and not outputs:
        return ""
    lines = [f"<zeebe:input{attributes(source=source, target=target)} />" for target, source in inputs.items()]
    lines += [f"<zeebe:output{attributes(source=source, target=target)} />" for target, source in outputs.items()]
    return f"<zeebe:ioMapping>{''.join(lines)}</zeebe:ioMapping>"
