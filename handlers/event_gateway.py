"""The event gateway: what happens in and around the platform becomes messages, which processes wait for or begin with.

An event's message has the event's kind as its name and the id of an experiment or of a model as its correlation key, so
that a diagram can wait for "drift of this model". The same event twice is one message.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from engine import PublishedMessage
from handlers.services import Services
from storage import SecurityContext
from storage.models import JsonObject, RiskSeverity

_TIME_TO_LIVE_SECONDS = 24 * 3_600.0  # an experiment may be between two of its waiting points
_CORRELATED = {"kind", "event_id"}


class _PlatformEvent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    event_id: UUID


class DatasetUpdated(_PlatformEvent):
    """A dataset has a new version.

    Attributes:
        experiment_id: The experiment that the update is meant for; without it the dataset's id is the correlation key.
    """

    kind: Literal["dataset.updated"] = "dataset.updated"
    dataset_id: UUID
    dataset_version_id: UUID
    experiment_id: UUID | None = None

    @property
    def correlation_key(self) -> str:
        """The experiment, or else the dataset."""
        return str(self.experiment_id or self.dataset_id)


class DriftDetected(_PlatformEvent):
    """What a model sees, or says, is no longer what it was.

    Attributes:
        method: The detector that raised the alert.
        details: What it measured.
    """

    kind: Literal["drift.detected"] = "drift.detected"
    model_id: UUID
    method: Annotated[str, Field(min_length=1, max_length=100)]
    severity: RiskSeverity
    dataset_version_id: UUID | None = None
    details: JsonObject = Field(default_factory=dict)

    @property
    def correlation_key(self) -> str:
        """The model."""
        return str(self.model_id)


class ExperimentRequested(_PlatformEvent):
    """A person or an agent asks for something about an experiment.

    Attributes:
        parameters: Of the request, for the process that answers it.
    """

    kind: Literal["experiment.requested"] = "experiment.requested"
    experiment_id: UUID
    parameters: JsonObject = Field(default_factory=dict)

    @property
    def correlation_key(self) -> str:
        """The experiment."""
        return str(self.experiment_id)


PlatformEvent: TypeAlias = Annotated[DatasetUpdated | DriftDetected | ExperimentRequested, Field(discriminator="kind")]


def dispatch(services: Services, event: PlatformEvent, *, context: SecurityContext) -> PublishedMessage:
    """Publish an event's message, with its fields as variables; an event that was dispatched before changes nothing.

    It waits for a day where nothing waits for it and nothing begins with it.

    Raises:
        AccessDeniedError: No EXECUTE permission.
        IdempotencyConflictError: Another event has the same id.
        RecordTextError, RecordNumberError: A detail cannot be stored.
    """
    variables: dict[str, JsonValue] = event.model_dump(mode="json", exclude=_CORRELATED)
    with services.storage.transaction() as work:
        return services.engine.publish_message(
            work,
            event.kind,
            event.correlation_key,
            variables,
            context=context,
            message_id=str(event.event_id),
            time_to_live_seconds=_TIME_TO_LIVE_SECONDS,
        )
