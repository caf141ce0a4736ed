"""Diagrams: reading the `zeebe:` dialect into a typed model, and refusing what cannot be executed as drawn."""

from engine.bpmn.calls import called_processes
from engine.bpmn.contracts import Contracts, InputContract, Signature, errors_caught_around_calls
from engine.bpmn.digest import canonical_digest
from engine.bpmn.document import Document, read_diagram, read_document
from engine.bpmn.findings import errors_among
from engine.bpmn.model import (
    Activity,
    BoundaryEvent,
    CallActivity,
    EndEvent,
    ErrorTrigger,
    ExclusiveGateway,
    FlowNode,
    IntermediateCatchEvent,
    IntermediateThrowEvent,
    Mapping,
    MessageTrigger,
    MultiInstance,
    ParallelGateway,
    ProcessModel,
    ReceiveTask,
    SequenceFlow,
    ServiceTask,
    SignalTrigger,
    StartEvent,
    TimerTrigger,
    Trigger,
    UserTask,
)
from engine.bpmn.static_types import ANYTHING, StaticType, type_of_schema
from engine.bpmn.verifier import verify

__all__ = [
    "ANYTHING",
    "Activity",
    "BoundaryEvent",
    "CallActivity",
    "Contracts",
    "Document",
    "EndEvent",
    "ErrorTrigger",
    "ExclusiveGateway",
    "FlowNode",
    "InputContract",
    "IntermediateCatchEvent",
    "IntermediateThrowEvent",
    "Mapping",
    "MessageTrigger",
    "MultiInstance",
    "ParallelGateway",
    "ProcessModel",
    "ReceiveTask",
    "SequenceFlow",
    "ServiceTask",
    "SignalTrigger",
    "Signature",
    "StartEvent",
    "StaticType",
    "TimerTrigger",
    "Trigger",
    "UserTask",
    "called_processes",
    "canonical_digest",
    "errors_among",
    "errors_caught_around_calls",
    "read_diagram",
    "read_document",
    "type_of_schema",
    "verify",
]
