"""Floor 2: BPMN processes on SpiffWorkflow. Knows principals and records, knows nothing of machine learning."""

from engine.bpmn import Contracts, ProcessModel, called_processes, read_diagram, verify
from engine.description import InstanceDescription, StepDescription, UserTaskDescription
from engine.engine import Engine, Forms
from engine.errors import (
    BpmnError,
    DiagramError,
    EngineError,
    Finding,
    IdempotencyConflictError,
    PermanentTaskError,
)
from engine.persistence import DefinitionRef, Event, InstanceStatus, MissedFires, NotificationHub, ScheduleRow
from engine.scheduler import Scheduler, SchedulerPolicy
from engine.service_tasks import ExternalTask, JobContext, ServiceTaskRegistry, TaskContext, TransactionalTask
from engine.worker import Worker, WorkerPolicy

__all__ = [
    "BpmnError",
    "Contracts",
    "DefinitionRef",
    "DiagramError",
    "Engine",
    "EngineError",
    "Event",
    "ExternalTask",
    "Finding",
    "Forms",
    "IdempotencyConflictError",
    "InstanceDescription",
    "InstanceStatus",
    "JobContext",
    "MissedFires",
    "NotificationHub",
    "PermanentTaskError",
    "ProcessModel",
    "ScheduleRow",
    "Scheduler",
    "SchedulerPolicy",
    "ServiceTaskRegistry",
    "StepDescription",
    "TaskContext",
    "TransactionalTask",
    "UserTaskDescription",
    "Worker",
    "WorkerPolicy",
    "called_processes",
    "read_diagram",
    "verify",
]
