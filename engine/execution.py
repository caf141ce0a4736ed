"""One engine step: load an instance, change it, write down everything that follows, all on one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from pydantic import JsonValue

from engine.bpmn import Activity, ServiceTask, UserTask
from engine.errors import UnknownInstanceError
from engine.library import ProcessLibrary
from engine.persistence import (
    ClaimedJob,
    EventLog,
    InstanceRow,
    Instances,
    InstanceStatus,
    Jobs,
    UserTaskRow,
    UserTasks,
)
from engine.persistence.statements import QUERIES
from engine.spiff import JournalEntry, ProcessTree, WaitingTask
from storage import AuditEntry, SecurityContext, UnitOfWork
from storage.identifiers import new_id


@dataclass(frozen=True)
class Step:
    """An instance that is locked, loaded and about to change."""

    work: UnitOfWork
    row: InstanceRow
    tree: ProcessTree


def load_step(work: UnitOfWork, library: ProcessLibrary, process_instance_id: UUID) -> Step:
    """Lock and load an instance.

    Raises:
        UnknownInstanceError: There is none.
    """
    row = Instances(work).lock(process_instance_id)
    if row is None:
        raise UnknownInstanceError(process_instance_id=process_instance_id)
    compiled = library.compiled(work, row.process_definition_id, row.pinned_definitions, row.start_event_id)
    return Step(work=work, row=row, tree=ProcessTree.load(compiled, cast("Any", row.state)))


def finish_step(step: Step, context: SecurityContext) -> None:
    """Write everything that follows from the step's changes: jobs, user tasks, events, the instance, an audit leaf."""
    for entry in step.tree.take_journal():
        _record_change(step, entry)
    for waiting in _new_tasks(step):
        _offer(step, waiting)
    status = InstanceStatus.COMPLETED if step.tree.is_completed else InstanceStatus.RUNNING
    state = cast("dict[str, Any]", step.tree.dump())
    Instances(step.work).save(step.row.model_copy(update={"state": state, "status": status, "incident": None}))
    if status is InstanceStatus.COMPLETED:
        append_event(step.work, step.row, "process.completed", {})
        audit_transition(step.work, step.row, "process.completed", {}, context)


def raise_incident(
    work: UnitOfWork, row: InstanceRow, element_id: str, error: dict[str, JsonValue], context: SecurityContext
) -> None:
    """Stop an instance where it stands until a person looks at it."""
    incident: dict[str, JsonValue] = {"element_id": element_id, **error}
    Instances(work).save(row.model_copy(update={"status": InstanceStatus.INCIDENT, "incident": incident}))
    append_event(work, row, "incident.raised", incident, element_id)
    audit_transition(work, row, "incident.raised", incident, context)


def append_event(
    work: UnitOfWork, row: InstanceRow, kind: str, payload: Mapping[str, JsonValue], element_id: str | None = None
) -> None:
    """Add an event of an instance."""
    EventLog(work).append(
        kind,
        payload,
        tenant_id=row.tenant_id,
        process_instance_id=row.process_instance_id,
        business_key=row.business_key,
        element_id=element_id,
    )


def audit_transition(
    work: UnitOfWork, row: InstanceRow, action: str, details: dict[str, JsonValue], context: SecurityContext
) -> UUID:
    """Write the audit leaf of a process transition; return its `audit_ref`."""
    facts: dict[str, JsonValue] = {"process_definition_id": str(row.process_definition_id), **details}
    subject = f"process_instance/{row.process_instance_id}"
    return work.audit.record(AuditEntry(action=action, subject=subject, details=facts), context=context)


def _record_change(step: Step, entry: JournalEntry) -> None:
    if entry.change == "cancelled":
        for statement in ("cancel_task", "cancel_user_task"):
            QUERIES.execute(step.work.connection, statement, {"task_id": entry.task_id})
    if entry.change == "cancelled" and not isinstance(entry.element, Activity):
        return  # an error event that was not needed
    payload: dict[str, JsonValue] = {
        "task_id": str(entry.task_id),
        "name": entry.element.name,
        "kind": type(entry.element).__name__,
        "lane": entry.element.lane,
    }
    append_event(step.work, step.row, f"element.{entry.change}", payload, entry.element.id)


def _new_tasks(step: Step) -> list[WaitingTask]:
    rows = QUERIES.rows(step.work.connection, "tasks_with_rows", {"process_instance_id": step.row.process_instance_id})
    known = {row.task_id for row in rows}
    return [waiting for waiting in step.tree.waiting_tasks() if waiting.task_id not in known]


def _offer(step: Step, waiting: WaitingTask) -> None:
    inputs = step.tree.inputs(waiting)
    match waiting.element:
        case ServiceTask():
            Jobs(step.work).insert(_job(step.row, waiting.task_id, waiting.element, inputs))
        case UserTask():
            row = _user_task(step.row, waiting.task_id, waiting.element, inputs)
            UserTasks(step.work).insert(row)
            payload: dict[str, JsonValue] = {"user_task_id": str(row.user_task_id), "name": row.name}
            append_event(step.work, step.row, "user_task.created", payload, waiting.element.id)


def _job(row: InstanceRow, task_id: UUID, element: ServiceTask, inputs: dict[str, JsonValue]) -> ClaimedJob:
    return ClaimedJob(
        job_id=new_id(),
        process_instance_id=row.process_instance_id,
        task_id=task_id,
        element_id=element.id,
        type=element.type,
        input=inputs,
        attempt=0,
        max_attempts=element.retries,
        epoch=0,
    )


def _user_task(row: InstanceRow, task_id: UUID, element: UserTask, inputs: dict[str, JsonValue]) -> UserTaskRow:
    return UserTaskRow(
        user_task_id=new_id(),
        process_instance_id=row.process_instance_id,
        task_id=task_id,
        element_id=element.id,
        name=element.name,
        lane=element.lane,
        form_id=element.form_id,
        candidate_groups=element.candidate_groups,
        excluded_principals=(row.started_by.user_id,) if element.excludes_initiator else (),
        context=inputs,
        tenant_id=row.tenant_id,
    )
