"""What tools answer: each answer carries its `audit_ref`, and what to ask next."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine import DefinitionRef, StepDescription, UserTaskDescription
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


class DatasetAnswer(Answer):
    """A registered dataset version.

    Attributes:
        validation_status: `pending` where the validation process still runs; ask again with the same call.
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


class LaunchAnswer(Answer):
    """A launched experiment; follow it with learning.stream_events."""

    experiment_id: UUID
    process_instance_id: UUID
    replayed: bool
    status: ExperimentStatus
    compute_profile: ComputeProfile
    subscription_token: str


class ExperimentAnswer(Answer):
    """How an experiment and its process stand."""

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
    variables: dict[str, JsonValue]
    runs: tuple[TrainingRun, ...]


class UserTasksAnswer(Answer):
    """The open user tasks of the principal's groups, oldest first."""

    user_tasks: tuple[UserTaskDescription, ...]


class CompletionAnswer(Answer):
    """A completed user task."""

    user_task_id: UUID
    completed_by: str


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
