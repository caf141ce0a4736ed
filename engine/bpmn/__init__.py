"""Diagrams: reading the `zeebe:` dialect into a typed model, and refusing what cannot be executed as drawn."""

from engine.bpmn.calls import called_processes
from engine.bpmn.contracts import Contracts
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
from engine.bpmn.reader import read_diagram
from engine.bpmn.verifier import verify

__all__ = [
    "Activity",
    "BoundaryEvent",
    "CallActivity",
    "Contracts",
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
    "read_diagram",
    "verify",
]
