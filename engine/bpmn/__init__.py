"""Diagrams: reading the `zeebe:` dialect into a typed model, and refusing what cannot be executed as drawn."""

from engine.bpmn.calls import called_processes
from engine.bpmn.contracts import Contracts
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
from engine.bpmn.verifier import verify

__all__ = [
    "Activity",
    "BoundaryEvent",
    "CallActivity",
    "Contracts",
    "Document",
    "EndEvent",
    "ErrorTrigger",
    "ExclusiveGateway",
    "FlowNode",
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
    "StartEvent",
    "TimerTrigger",
    "Trigger",
    "UserTask",
    "called_processes",
    "canonical_digest",
    "errors_among",
    "read_diagram",
    "read_document",
    "verify",
]
