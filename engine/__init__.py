"""Floor 2: BPMN processes on SpiffWorkflow. Knows principals and records, knows nothing of machine learning."""

from engine.bpmn import (
    Contracts,
    Document,
    ProcessModel,
    asked_decisions,
    called_processes,
    canonical_digest,
    check_geometry,
    read_diagram,
    read_document,
    verify,
)
from engine.compensations import CompensationAccount
from engine.deployment import Deployment
from engine.description import InstanceDescription, InstanceSummary, StepDescription, UserTaskDescription
from engine.discretion import WITHHELD, Discretion
from engine.dmn import DecisionRef
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
from engine.expected_events import ExpectedEvent, ExpectedKind, expected_by_instance, expected_by_process
from engine.handler_contracts import contracts_of
from engine.inbox import InboxPage, InboxQuery, InboxShows
from engine.messages import BroadcastSignal, MessageOutcome, PublishedMessage
from engine.migration import Migrations, Verdict
from engine.operations import OperationResult, Operations
from engine.origins import HumanDecision, InstanceOrigin, origin_of
from engine.persistence import (
    DefinitionRef,
    Event,
    EventCounts,
    FireOutcome,
    FireSelection,
    Incident,
    IncidentStatus,
    InstanceSelection,
    InstanceStatus,
    NotificationHub,
    ProcessCounts,
    ScheduleFire,
    ScheduleRow,
    ScheduleStatistics,
    ScheduleStatus,
    UserTaskComment,
    count_events,
    queue_depths,
    schedule_statistics,
)
from engine.process_statistics import process_statistics
from engine.requests import Request, fulfil_once, require_reason
from engine.schedule_book import ScheduleBook
from engine.schedule_definition import CronTrigger, DateTrigger, IntervalTrigger, MissedFires, ScheduleDefinition
from engine.scheduler import Scheduler, SchedulerPolicy
from engine.service_tasks import ExternalTask, JobContext, ServiceTaskRegistry, TaskContext, TransactionalTask
from engine.token_moves import TokenMove
from engine.user_task_throws import UserTaskThrows
from engine.user_tasks import UserTaskDesk
from engine.worker import Worker
from engine.worker_policy import WorkerPolicy

__all__ = [
    "WITHHELD",
    "AbsolutePeriod",
    "BpmnError",
    "BroadcastSignal",
    "CompensationAccount",
    "Contracts",
    "CronTrigger",
    "DateTrigger",
    "DecisionRef",
    "DefinitionRef",
    "Deployment",
    "DiagramError",
    "Discretion",
    "Document",
    "Engine",
    "EngineError",
    "Event",
    "EventCounts",
    "ExecutionWindow",
    "ExpectedEvent",
    "ExpectedKind",
    "ExternalTask",
    "Finding",
    "FireOutcome",
    "FireSelection",
    "Forms",
    "HumanDecision",
    "IdempotencyConflictError",
    "InboxPage",
    "InboxQuery",
    "InboxShows",
    "Incident",
    "IncidentStatus",
    "InstanceDescription",
    "InstanceOrigin",
    "InstanceSelection",
    "InstanceStatus",
    "InstanceSummary",
    "IntervalTrigger",
    "JobContext",
    "MessageOutcome",
    "Migrations",
    "MissedFires",
    "NotificationHub",
    "OperationResult",
    "Operations",
    "OutsideWindow",
    "PermanentTaskError",
    "ProcessCounts",
    "ProcessModel",
    "PublishedMessage",
    "Request",
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
    "TokenMove",
    "TransactionalTask",
    "UserTaskComment",
    "UserTaskDescription",
    "UserTaskDesk",
    "UserTaskThrows",
    "Verdict",
    "Weekday",
    "WeeklyPeriod",
    "Worker",
    "WorkerPolicy",
    "asked_decisions",
    "called_processes",
    "canonical_digest",
    "check_geometry",
    "contracts_of",
    "count_events",
    "expected_by_instance",
    "expected_by_process",
    "fulfil_once",
    "origin_of",
    "process_statistics",
    "queue_depths",
    "read_diagram",
    "read_document",
    "require_reason",
    "schedule_statistics",
    "verify",
]
