"""Diagrams: reading the `zeebe:` dialect into a typed model, and refusing what cannot be executed as drawn."""

from engine.bpmn.calls import called_processes
from engine.bpmn.model import (
    Activity,
    BoundaryErrorEvent,
    CallActivity,
    EndEvent,
    ExclusiveGateway,
    FlowNode,
    Mapping,
    ProcessModel,
    SequenceFlow,
    ServiceTask,
    StartEvent,
    UserTask,
)
from engine.bpmn.reader import read_diagram
from engine.bpmn.verifier import Contracts, verify

__all__ = [
    "Activity",
    "BoundaryErrorEvent",
    "CallActivity",
    "Contracts",
    "EndEvent",
    "ExclusiveGateway",
    "FlowNode",
    "Mapping",
    "ProcessModel",
    "SequenceFlow",
    "ServiceTask",
    "StartEvent",
    "UserTask",
    "called_processes",
    "read_diagram",
    "verify",
]
