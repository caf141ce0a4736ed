"""What tools answer: each answer carries its `audit_ref`, and what to ask next."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine import (
    DefinitionRef,
    ExpectedEvent,
    Incident,
    InstanceDescription,
    InstanceSummary,
    OperationResult,
    ProcessCounts,
    PublishedMessage,
    ScheduleStatus,
    StepDescription,
    UserTaskComment,
    UserTaskDescription,
)
from handlers.metrics import MetricsReport
from handlers.migrations import MigrationReport
from handlers.process_starts import DefinedProcess, StartedProcess
from handlers.schedules import ScheduleDescription, ScheduledEvent
from storage.models import (
    ComputeProfile,
    DataClassification,
    ExperimentStatus,
    JsonObject,
    TrainingRun,
    ValidationStatus,
)


class Answer(BaseModel):
    """Base of all answers; `audit_ref` names the leaf of the audit trail that records the call."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    audit_ref: UUID


class MetricsAnswer(MetricsReport, Answer):
    """Metrics over time of one record."""


class DatasetAnswer(Answer):
    """A registered dataset version.

    Attributes:
        validation_status: `pending` where the validation process still runs; ask again with the same call.
        replayed: Whether it had been registered before.
    """

    dataset_id: UUID
    dataset_version_id: UUID
    dataset_version: int
    name: str
    target: str
    data_classification: DataClassification
    validation_status: ValidationStatus
    row_count: int | None
    size_bytes: int
    checksum: str
    feature_stats: JsonObject
    findings: tuple[JsonObject, ...]
    process_instance_id: UUID
    definitions: tuple[DefinitionRef, ...]
    replayed: bool


class LaunchAnswer(Answer):
    """A launched experiment; follow it with learning.stream_events."""

    experiment_id: UUID
    process_instance_id: UUID
    replayed: bool
    status: ExperimentStatus
    compute_profile: ComputeProfile
    subscription_token: str


class ExperimentAnswer(Answer):
    """How an experiment and its process stand.

    Attributes:
        variables: Null where the process is about a RESTRICTED record that the caller may not read.
    """

    experiment_id: UUID
    status: ExperimentStatus
    requested_by: str
    metrics: JsonObject
    failure: str | None
    process_instance_id: UUID
    process_status: str
    definitions: tuple[DefinitionRef, ...]
    steps: tuple[StepDescription, ...]
    open_user_task_ids: tuple[UUID, ...]
    completed_by: dict[str, str]
    incident: JsonObject | None
    variables: dict[str, JsonValue] | None
    runs: tuple[TrainingRun, ...]


class UserTasksAnswer(Answer):
    """A page of the principal's inbox, the most urgent first; `next_cursor` is null on the last page."""

    user_tasks: tuple[UserTaskDescription, ...]
    next_cursor: str | None


class UserTaskAnswer(Answer):
    """Whose a user task is after the call; `delegated_by` is who gave it to its assignee."""

    user_task_id: UUID
    assignee: str | None
    delegated_by: str | None


class UserTaskDetails(Answer):
    """A user task, and what was said about it, oldest first."""

    user_task: UserTaskDescription
    comments: tuple[UserTaskComment, ...]


class CommentAnswer(Answer):
    """A comment that was made."""

    user_task_id: UUID
    comment_id: UUID


class CompletionAnswer(Answer):
    """A completed user task."""

    user_task_id: UUID
    completed_by: str


class ThrownAnswer(Answer):
    """What was thrown from a user task; `is_open` where the task goes on."""

    user_task_id: UUID
    is_open: bool


class EventAnswer(BaseModel):
    """One event."""

    model_config = ConfigDict(frozen=True)

    sequence: int
    kind: str
    element_id: str | None
    payload: dict[str, Any]
    occurred_at: datetime


class EventsAnswer(Answer):
    """Events behind the token, and the token to go on with; no event is skipped or repeated."""

    events: tuple[EventAnswer, ...]
    subscription_token: str


class InferenceReply(Answer):
    """Predictions in the order of the rows."""

    endpoint_id: UUID
    model_id: UUID
    model_version: int
    predictions: tuple[Any, ...]
    probabilities: tuple[dict[str, float], ...]
    latency_milliseconds: float


class DefinedProcessAnswer(DefinedProcess, Answer):
    """What was defined; `schedule_id` is null where nothing was scheduled, `next_fire_at` where it is paused."""


class StartedProcessAnswer(StartedProcess, Answer):
    """A started instance; look at it with learning.get_instance."""


class TriggerAnswer(PublishedMessage, Answer):
    """What the event led to: received, started, buffered or dropped."""


class OperationAnswer(OperationResult, Answer):
    """The instance's status after the operation; `audit_ref` is the record of the operation itself."""


class ProcessMetricsAnswer(ProcessCounts, Answer):
    """How a process went within the window that ends now."""

    process_id: str
    window_seconds: float


class ScheduledEventsAnswer(Answer):
    """What is ahead, the next first, then what became of fires, the latest first."""

    events: tuple[ScheduledEvent, ...]


class SchedulesAnswer(Answer):
    """Schedules, oldest first."""

    schedules: tuple[ScheduleDescription, ...]


class ScheduleAnswer(Answer):
    """A schedule's status after the call."""

    schedule_id: UUID
    status: ScheduleStatus
    next_fire_at: datetime | None


class InstancesAnswer(Answer):
    """Process instances, the newest first."""

    instances: tuple[InstanceSummary, ...]


class InstanceAnswer(Answer):
    """A process instance, its variables, and the timers, messages and signals that it waits for.

    Attributes:
        variables: Null where they name a RESTRICTED record that the caller may not read.
    """

    instance: InstanceDescription
    variables: dict[str, JsonValue] | None
    expected_events: tuple[ExpectedEvent, ...]


class IncidentsAnswer(Answer):
    """Unresolved incidents, oldest first."""

    incidents: tuple[Incident, ...]


class IncidentAnswer(Answer):
    """An incident as it is after the call."""

    incident: Incident


class MigrationAnswer(MigrationReport, Answer):
    """What came of each instance, or would; without reasons it has gone over, or could."""


class ErrorAnswer(BaseModel):
    """Why a call was refused or failed.

    Attributes:
        audit_ref: Names the leaf that records the refusal; null only where the database itself cannot be reached.
        hint: What to do next.
        retryable: Whether the same call may succeed later.
        details: Findings or field errors, where the error has them.
    """

    model_config = ConfigDict(frozen=True)

    audit_ref: UUID | None
    code: str
    message: str
    hint: str
    retryable: bool
    details: JsonObject
