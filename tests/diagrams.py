"""BPMN XML of processes that tests need: a `Diagram` of nodes and flows, written as a modeler would."""

from __future__ import annotations

from collections.abc import Mapping
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


def start(node_id: str = "Begin", message_ref: str | None = None) -> str:
    event = "" if message_ref is None else f"<bpmn:messageEventDefinition{attributes(messageRef=message_ref)} />"
    return f"<bpmn:startEvent{attributes(id=node_id)}>{event}</bpmn:startEvent>"


def end(node_id: str = "Done") -> str:
    return f"<bpmn:endEvent{attributes(id=node_id)} />"


def flow(source: str, target: str, condition: str | None = None, *, flow_id: str | None = None, name: str = "") -> str:
    text = "" if condition is None else f"<bpmn:conditionExpression>{escape(condition)}</bpmn:conditionExpression>"
    ids = attributes(id=flow_id, name=name or None, sourceRef=source, targetRef=target)
    return f"<bpmn:sequenceFlow{ids}>{text}</bpmn:sequenceFlow>"


def path(*node_ids: str) -> str:
    return "\n".join(flow(source, target) for source, target in pairwise(node_ids))


def gateway(node_id: str, default: str | None = None) -> str:
    return f"<bpmn:exclusiveGateway{attributes(id=node_id, default=default)} />"


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


def service_task(
    node_id: str, task_type: str, inputs: Mappings = NOTHING, outputs: Mappings = NOTHING, retries: int | None = None
) -> str:
    count = None if retries is None else str(retries)
    definition = f"<zeebe:taskDefinition{attributes(type=task_type, retries=count)} />"
    return activity("serviceTask", node_id, definition + io_mapping(inputs, outputs))


def user_task(
    node_id: str,
    groups: str,
    *,
    form: str | None = None,
    inputs: Mappings = NOTHING,
    outputs: Mappings = NOTHING,
    excludes_initiator: bool = False,
) -> str:
    extensions = f"<zeebe:userTask /><zeebe:assignmentDefinition{attributes(candidateGroups=groups)} />"
    if form is not None:
        extensions += f"<zeebe:formDefinition{attributes(formId=form)} />"
    if excludes_initiator:
        header = attributes(key="excluded_principals", value="initiator")
        extensions += f"<zeebe:taskHeaders><zeebe:header{header} /></zeebe:taskHeaders>"
    return activity("userTask", node_id, extensions + io_mapping(inputs, outputs))


def call_activity(
    node_id: str,
    called_process: str,
    inputs: Mappings = NOTHING,
    outputs: Mappings = NOTHING,
    *,
    parent: bool = True,
    child: bool = True,
) -> str:
    called = attributes(
        processId=called_process,
        propagateAllParentVariables=str(parent).lower(),
        propagateAllChildVariables=str(child).lower(),
    )
    return activity("callActivity", node_id, f"<zeebe:calledElement{called} />" + io_mapping(inputs, outputs))


def boundary(node_id: str, attached_to: str, error_ref: str | None = None) -> str:
    """An error boundary event; without a reference it catches every error."""
    definition = f"<bpmn:errorEventDefinition{attributes(errorRef=error_ref)} />"
    return (
        f"<bpmn:boundaryEvent{attributes(id=node_id, attachedToRef=attached_to)}>\n{definition}\n</bpmn:boundaryEvent>"
    )


def error(error_id: str, error_code: str | None) -> str:
    return f"<bpmn:error{attributes(id=error_id, errorCode=error_code)} />"


def message(message_id: str, name: str | None) -> str:
    return f"<bpmn:message{attributes(id=message_id, name=name)} />"


def activity(kind: str, node_id: str, extensions: str) -> str:
    content = f"<bpmn:extensionElements>{extensions}</bpmn:extensionElements>"
    return f"<bpmn:{kind}{attributes(id=node_id)}>{content}</bpmn:{kind}>"


def io_mapping(inputs: Mappings, outputs: Mappings) -> str:
    if not inputs and not outputs:
        return ""
    lines = [f"<zeebe:input{attributes(source=source, target=target)} />" for target, source in inputs.items()]
    lines += [f"<zeebe:output{attributes(source=source, target=target)} />" for target, source in outputs.items()]
    return f"<zeebe:ioMapping>{''.join(lines)}</zeebe:ioMapping>"
