"""Floor 2: BPMN processes on SpiffWorkflow. Knows principals and records, knows nothing of machine learning."""

from engine.bpmn import (
    Contracts,
    Document,
    ProcessModel,
    called_processes,
    canonical_digest,
    check_geometry,
    read_diagram,
    read_document,
    verify,
)
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
from engine.execution_windows import AbsolutePeriod, ExecutionWindow, OutsideWindow, Weekday, WeeklyPeriod
from engine.handler_contracts import contracts_of
from engine.inbox import InboxPage, InboxQuery
from engine.messages import BroadcastSignal, MessageOutcome, PublishedMessage
from engine.persistence import (
    DefinitionRef,
    Event,
    FireOutcome,
    FireSelection,
    InstanceStatus,
    NotificationHub,
    ScheduleFire,
    ScheduleRow,
    ScheduleStatistics,
    ScheduleStatus,
    schedule_statistics,
)
from engine.schedule_book import ScheduleBook
from engine.schedule_definition import CronTrigger, DateTrigger, IntervalTrigger, MissedFires, ScheduleDefinition
from engine.scheduler import Scheduler, SchedulerPolicy
from engine.service_tasks import ExternalTask, JobContext, ServiceTaskRegistry, TaskContext, TransactionalTask
from engine.worker import Worker
from engine.worker_policy import WorkerPolicy

__all__ = [
    "AbsolutePeriod",
    "BpmnError",
    "BroadcastSignal",
    "Contracts",
    "CronTrigger",
    "DateTrigger",
    "DefinitionRef",
    "DiagramError",
    "Document",
    "Engine",
    "EngineError",
    "Event",
    "ExecutionWindow",
    "ExternalTask",
    "Finding",
    "FireOutcome",
    "FireSelection",
    "Forms",
    "IdempotencyConflictError",
    "InboxPage",
    "InboxQuery",
    "InstanceDescription",
    "InstanceStatus",
    "IntervalTrigger",
    "JobContext",
    "MessageOutcome",
    "MissedFires",
    "NotificationHub",
    "OutsideWindow",
    "PermanentTaskError",
    "ProcessModel",
    "PublishedMessage",
    "ScheduleBook",
    "ScheduleDefinition",
    "ScheduleFire",
    "ScheduleRow",
    "ScheduleStatistics",
    "ScheduleStatus",
    "Scheduler",
    "SchedulerPolicy",
    "ServiceTaskRegistry",
    "StepDescription",
    "TaskContext",
    "TransactionalTask",
    "UserTaskDescription",
    "Weekday",
    "WeeklyPeriod",
    "Worker",
    "WorkerPolicy",
    "called_processes",
    "canonical_digest",
    "check_geometry",
    "contracts_of",
    "read_diagram",
    "read_document",
    "schedule_statistics",
    "verify",
]
