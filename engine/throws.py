"""What a step has thrown: jobs that carry signals and messages out of it, and events that tell of the rest."""

from __future__ import annotations

from uuid import UUID

from pydantic import JsonValue

from engine.bpmn import FlowNode
from engine.durations import parse_duration
from engine.errors import TimerInvalidError
from engine.persistence import MESSAGE_TYPE, SIGNAL_TYPE, TRIGGER_TYPE, ClaimedJob, InstanceRow, StepDocument
from engine.spiff import ThrownMessage, TreeChanges
from engine.waiting_events import correlation_text
from storage.identifiers import new_id

_ATTEMPTS = 3


def send_off(document: StepDocument, changes: TreeChanges) -> None:
    """Add to a step what carries its signals and messages, and the events of its escalations.

    Raises:
        ExpressionEvaluationError, TimerInvalidError: A message's correlation key or time to live is none.
    """
    row = document.instance
    for name in changes.signals:
        document.add_job(_job(row, row.process_id, SIGNAL_TYPE, {"name": name}), None)
    for message in changes.messages:
        document.add_job(_job(row, message.element.id, MESSAGE_TYPE, _message(message)), None)
    for escalation in changes.escalations:
        payload: dict[str, JsonValue] = {
            "kind": "escalation",
            "escalation_code": escalation.escalation_code,
            "caught_by": escalation.caught_by,
        }
        document.add_event("element.escalated", payload, escalation.element.id)


def second_try_job(row: InstanceRow, task_id: UUID, element: FlowNode) -> ClaimedJob:
    """Return the job that does once more what an element could not do: it becomes an incident, which can be retried.

    An end event throws an error that nothing catches, a business rule task asks a decision that fails.
    """
    return ClaimedJob(
        job_id=new_id(),
        process_instance_id=row.process_instance_id,
        task_id=task_id,
        element_id=element.id,
        type=TRIGGER_TYPE,
        input={},
        max_attempts=1,
        epoch=0,
        tenant_id=row.tenant_id,
    )


def _job(row: InstanceRow, element_id: str, job_type: str, content: dict[str, JsonValue]) -> ClaimedJob:
    """Return a job that outlives the instance, which what was thrown may have ended."""
    return ClaimedJob(
        job_id=new_id(),
        process_instance_id=row.process_instance_id,
        task_id=row.process_instance_id,
        element_id=element_id,
        type=job_type,
        input=content,
        max_attempts=_ATTEMPTS,
        epoch=0,
        tenant_id=row.tenant_id,
    )


def _message(message: ThrownMessage) -> dict[str, JsonValue]:
    text = message.time_to_live if isinstance(message.time_to_live, str) else ""
    try:
        seconds = parse_duration(text).approximate_length.total_seconds()
    except ValueError as error:
        raise TimerInvalidError(kind="time to live", text=str(message.time_to_live), reason=str(error)) from error
    return {
        "name": message.name,
        "correlation_key": correlation_text(message.correlation_source, message.correlation_key),
        "payload": message.payload,
        "time_to_live_seconds": seconds,
    }
