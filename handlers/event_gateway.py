"""The event gateway: what happens in and around the platform becomes messages, which processes wait for or begin with.

An event's message has the event's kind as its name and the id of an experiment or of a model as its correlation key, so
that a diagram can wait for "drift of this model". The same event twice is one message.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, model_validator

from engine import Discretion, Engine, PublishedMessage, Request, fulfil_once
from storage import Resource, SecurityContext, UnitOfWork, require
from storage.identifiers import new_id
from storage.models import JsonObject, Permission, RiskSeverity

_TIME_TO_LIVE_SECONDS = 24 * 3_600.0  # an experiment may be between two of its waiting points
_CORRELATED = {"kind", "event_id"}
_TRIGGERED = UUID("6f1d0c1e-2f0b-4a55-9d53-7b2f5c1f7a10")


class _PlatformEvent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    event_id: UUID


class DatasetUpdated(_PlatformEvent):
    """A dataset has a new version.

    Attributes:
        model_id: The model in service that was trained on an earlier version.
        experiment_id: The experiment that the update is meant for.
    """

    kind: Literal["dataset.updated"] = "dataset.updated"
    dataset_id: UUID
    dataset_version_id: UUID
    model_id: UUID | None = None
    experiment_id: UUID | None = None

    @property
    def correlation_key(self) -> str:
        """The experiment, or the model, or else the dataset."""
        return str(self.experiment_id or self.model_id or self.dataset_id)


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


_READER: TypeAdapter[PlatformEvent] = TypeAdapter(PlatformEvent)
_KINDS = frozenset({"dataset.updated", "drift.detected", "experiment.requested"})


class EventTrigger(BaseModel):
    """An event that a person, an agent or another system brings.

    Attributes:
        event_type: The kind of a platform event, whose fields are then the payload; or any message's name.
        business_key: The correlation key; a platform event has its own.
        instance_id: The one process instance that is to receive it.
        idempotency_key: The same event brought again under it changes nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_type: Annotated[str, Field(min_length=1, max_length=200)]
    business_key: Annotated[str, Field(max_length=300)] | None = None
    instance_id: UUID | None = None
    payload: JsonObject = Field(default_factory=dict)
    idempotency_key: Annotated[str, Field(min_length=1, max_length=128)] | None = None

    @model_validator(mode="after")
    def _names_one_receiver(self) -> Self:
        named = (self.business_key is not None) + (self.instance_id is not None)
        if self.event_type in _KINDS:
            event = self._platform_event(new_id())
            if self.instance_id is not None or self.business_key not in {None, event.correlation_key}:
                raise ValueError(f"{self.event_type} is correlated by its payload: {event.correlation_key}")
        elif named != 1:
            raise ValueError("give either instance_id or business_key")
        return self

    def _platform_event(self, event_id: UUID) -> PlatformEvent:
        fields = {**self.payload, "kind": self.event_type, "event_id": event_id}
        try:
            return _READER.validate_python(fields)
        except ValidationError as error:
            problems = (f"{'.'.join(map(str, item['loc'][1:]))}: {item['msg']}" for item in error.errors())
            raise ValueError(f"the payload of {self.event_type} has its fields; {'; '.join(problems)}") from error

    def platform_event(self, publisher: SecurityContext) -> PlatformEvent | None:
        """Return the platform event that is meant, under an id that follows from key and publisher, if one is."""
        if self.event_type not in _KINDS:
            return None
        key = self.idempotency_key
        return self._platform_event(new_id() if key is None else uuid5(_TRIGGERED, f"{publisher.tenant_id}:{key}"))


class EventGateway:
    """Publishes events as messages, on the transaction of what they tell of: they are known together or not at all.

    Every method raises AccessDeniedError without EXECUTE permission, RecordTextError and RecordNumberError where a
    value cannot be stored, and IdempotencyConflictError where another event has the same id or key.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def dispatch(self, work: UnitOfWork, event: PlatformEvent, *, context: SecurityContext) -> PublishedMessage:
        """Publish an event's message, with its fields as variables; one that was dispatched before changes nothing.

        It waits for a day where nothing waits for it and nothing begins with it.
        """
        variables: dict[str, JsonValue] = event.model_dump(mode="json", exclude=_CORRELATED)
        return self._engine.publish_message(
            work,
            event.kind,
            event.correlation_key,
            variables,
            context=context,
            message_id=str(event.event_id),
            time_to_live_seconds=_TIME_TO_LIVE_SECONDS,
        )

    def trigger(self, work: UnitOfWork, trigger: EventTrigger, *, context: SecurityContext) -> PublishedMessage:
        """Publish what somebody brings: to one instance, or to whoever waits, as `dispatch` does.

        Raises:
            UnknownInstanceError, MessageNotAwaitedError: The instance that is named cannot receive it.
            RecordNotFoundError, RecordNotGrantedError: It names a restricted record, or reaches an instance that is
                about one, on which the publisher holds no EXECUTE. Nothing may stay of the transaction.
            MessageInvalidError: No message can have this name.
        """
        require(context, Permission.EXECUTE, Resource(kind="messages", tenant_id=context.tenant_id))
        discretion = Discretion(work, context)
        discretion.require_named(trigger.payload, Permission.EXECUTE, key=trigger.business_key)
        published = self._publish(work, trigger, context)
        if published.process_instance_id is not None:
            discretion.require(published.process_instance_id, Permission.EXECUTE)
        return published

    def _publish(self, work: UnitOfWork, trigger: EventTrigger, context: SecurityContext) -> PublishedMessage:
        event = trigger.platform_event(context)
        if event is not None:
            return self.dispatch(work, event, context=context)
        if trigger.instance_id is not None:
            return self._send(work, trigger.instance_id, trigger, context)
        return self._engine.publish_message(
            work,
            trigger.event_type,
            trigger.business_key or "",
            trigger.payload,
            context=context,
            message_id=trigger.idempotency_key,
            time_to_live_seconds=_TIME_TO_LIVE_SECONDS,
        )

    def _send(
        self, work: UnitOfWork, instance_id: UUID, trigger: EventTrigger, context: SecurityContext
    ) -> PublishedMessage:
        Discretion(work, context).require(instance_id, Permission.EXECUTE)
        arguments: JsonObject = {"event_type": trigger.event_type, "payload": trigger.payload}
        request = Request("event.triggered", str(instance_id), arguments, context, trigger.idempotency_key)

        def act() -> PublishedMessage:
            name, payload = trigger.event_type, trigger.payload
            return self._engine.send_message(work, instance_id, name, payload, context=context)

        return fulfil_once(work, request, PublishedMessage, act)
