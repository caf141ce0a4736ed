"""One engine step: an instance changes, and everything that follows from it is written in one transaction.

A step is computed on the tree in memory and collected in a `StepDocument`; `finish_step` writes it. Whatever fails
before the commit leaves the stored instance as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import JsonValue

from engine.assignment import user_task_row
from engine.bpmn import Activity, BusinessRuleTask, EndEvent, ServiceTask, UserTask
from engine.compensations import close_compensations, undone_payload
from engine.crash_points import crash_point
from engine.decision_record import record_decision
from engine.errors import StaleInstanceError
from engine.persistence import (
    ClaimedJob,
    EventLog,
    Incident,
    Incidents,
    IncidentStatus,
    InstanceRow,
    Instances,
    InstanceStatus,
    Lease,
    StepDocument,
    UserTasks,
    step_text,
    transition_entry,
    write_step,
)
from engine.priorities import job_priority
from engine.spiff import JournalEntry, ProcessTree, TreeChanges, WaitingTask
from engine.throws import second_try_job, send_off
from engine.waiting_events import exchange_events
from engine.warm import WarmInstances, after_step
from storage import SecurityContext, UnitOfWork
from storage.identifiers import new_id


@dataclass
class Step:
    """An instance that is about to change.

    Attributes:
        transaction: In which it is written; without one a step may be computed that writes nothing but its own rows.
        lease: Under which the worker that computes the step takes jobs that follow from it, at most `leases`.
    """

    document: StepDocument
    tree: ProcessTree
    transaction: UnitOfWork | None = None
    lease: Lease | None = None
    leases: int = 0

    @property
    def work(self) -> UnitOfWork:
        """The transaction of a step that needs one."""
        assert self.transaction is not None  # noqa: S101 - `is_self_contained` says which steps need one
        return self.transaction

    @property
    def row(self) -> InstanceRow:
        """The instance as it was read."""
        return self.document.instance


def load_step(work: UnitOfWork, instances: WarmInstances, process_instance_id: UUID) -> Step:
    """Lock and load an instance.

    Raises:
        UnknownInstanceError: There is none.
        CorruptStateError: Its rows do not describe an instance of its definition.
    """
    row, tree = instances.lock(work, process_instance_id)
    return Step(StepDocument(row), tree, work)


def hold_version(step: Step) -> None:
    """Lock the instance of a step before other rows are locked: everybody takes the instance first.

    Raises:
        StaleInstanceError: It has changed since it was read.
    """
    if Instances(step.work).lock(step.row.process_instance_id) != step.row.version:
        raise StaleInstanceError(process_instance_id=step.row.process_instance_id)


@dataclass(frozen=True)
class FinishedStep:
    """A step that is written and not yet committed.

    Attributes:
        row: The instance as it is in the database once the transaction commits.
        taken: The jobs that the step's lease has taken.
    """

    row: InstanceRow
    tree: ProcessTree
    taken: tuple[ClaimedJob, ...]


@dataclass(frozen=True)
class CollectedStep:
    """A step with all its rows, ready to be written as `text`.

    Attributes:
        finished: What it is once it is written.
    """

    document: StepDocument
    text: str
    finished: FinishedStep


def is_self_contained(step: Step) -> bool:
    """Return whether a computed step writes nothing but tasks, variables, jobs, events and leaves.

    Then it needs no transaction around it: user tasks, waiting events, incidents and accounts of compensation do.
    """
    if step.row.open_incidents or step.tree.has_compensated:
        return False
    opened, closed = step.tree.opened(), step.tree.closed()
    return all(isinstance(task.element, ServiceTask) and task.trigger is None for task in (*opened, *closed))


def collect_step(step: Step, context: SecurityContext, status: InstanceStatus | None = None) -> CollectedStep:
    """Collect everything that follows from the step's changes: tasks, variables, jobs, events, audit leaves.

    User tasks, waiting events and incidents are written at once.

    Args:
        step: Computed, not yet written.
        context: Who made it happen.
        status: The instance's new status where an operation sets it.

    Raises:
        StaleInstanceError: Somebody else was faster; the transaction has to be rolled back.
        ExpressionEvaluationError, UserTaskValueError, TimerInvalidError: A waiting task's values do not fit.
        RecordTextError, RecordNumberError: The database cannot hold a value.
    """
    changes = step.tree.take_changes()
    for entry in changes.journal:
        _record_change(step, entry, context)
    for decision in changes.decisions:
        record_decision(step.document, decision, context)
    if changes.compensations:
        close_compensations(step.work, step.document, changes, context)
    taken = [job for waiting in changes.opened if (job := _offer(step, waiting)) is not None]
    _exchange(step, changes)
    _close_void_incidents(step, changes, context)
    send_off(step.document, changes)
    if changes.rolled_back is not None:
        status = InstanceStatus.CANCELLED
    elif status is None:
        status = InstanceStatus.COMPLETED if changes.is_completed else step.row.status
    if status is InstanceStatus.COMPLETED:
        step.document.add_event("process.completed", {})
        step.document.add_leaf("process.completed", {}, context)
    step.document.close_leaves(context)
    text = step_text(step.document, changes, status.value)
    row = after_step(step.row, changes, status, incidents=step.document.incidents, is_start=step.document.is_start)
    return CollectedStep(step.document, text, FinishedStep(row, step.tree, tuple(taken)))


def finish_step(step: Step, context: SecurityContext, status: InstanceStatus | None = None) -> FinishedStep:
    """Collect a step and write it in its transaction; arguments and errors as `collect_step`.

    Raises:
        StaleLeaseError: The job that it finishes is somebody else's; the transaction has to be rolled back.
    """
    collected = collect_step(step, context, status)
    write_step(step.work, collected.document, collected.text)
    crash_point("in_step")
    return collected.finished


def raise_incident(
    work: UnitOfWork, row: InstanceRow, job: ClaimedJob, error: Mapping[str, JsonValue], context: SecurityContext
) -> None:
    """Record that a locked job needs a person; one that was being retried is open again, with the attempt's outcome."""
    incidents = Incidents(work)
    known = incidents.of_job(job.job_id)
    code, message = str(error.get("code", "")), str(error.get("message", ""))
    if known is None:
        known = Incident(
            incident_id=new_id(),
            process_instance_id=job.process_instance_id,
            tenant_id=row.tenant_id,
            task_id=job.task_id,
            job_id=job.job_id,
            element_id=job.element_id,
            code=code,
            message=message,
        )
        incidents.insert(known)
    else:
        incidents.reopen(known.incident_id, code, message)
    payload: dict[str, JsonValue] = {
        "incident_id": str(known.incident_id),
        "element_id": job.element_id,
        **error,
    }
    append_event(work, row, "incident.raised", payload, job.element_id)
    audit_transition(work, row, "incident.raised", payload, context)


def resolve_incident(step: Step, job: ClaimedJob, context: SecurityContext) -> None:
    """Close the incident of a job whose new attempt succeeded."""
    if step.row.open_incidents == 0:
        return
    incident = Incidents(step.work).of_job(job.job_id)
    if incident is not None:
        _resolve(step, incident, context)


def append_event(
    work: UnitOfWork, row: InstanceRow, kind: str, payload: Mapping[str, JsonValue], element_id: str | None = None
) -> None:
    """Add an event of an instance outside a step."""
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
    """Write the audit leaf of a process transition outside a step; return its `audit_ref`."""
    return work.audit.record(transition_entry(row, action, details), context=context)


def _record_change(step: Step, entry: JournalEntry, context: SecurityContext) -> None:
    if entry.change == "cancelled" and not isinstance(entry.element, Activity):
        return  # an event that was not needed
    payload: dict[str, JsonValue] = {
        "task_id": str(entry.task_id),
        "name": entry.element.name,
        "kind": "MultiInstanceBody" if entry.is_body else type(entry.element).__name__,
        "lane": entry.element.lane,
    }
    if entry.run_id != step.row.process_instance_id:
        payload |= {"run_id": str(entry.run_id), "process_id": entry.process_id}
    if entry.arrived_by:
        payload["arrived_by"] = list(entry.arrived_by)
    if entry.change == "compensated":
        payload |= undone_payload(entry, context)
    step.document.add_event(f"element.{entry.change}", payload, entry.element.id)
    step.document.transitions.append(f"{entry.change} {entry.element.id}")


def _offer(step: Step, waiting: WaitingTask) -> ClaimedJob | None:
    match waiting.element:
        case ServiceTask():
            return _offer_job(step, waiting, waiting.element)
        case UserTask():
            _offer_user_task(step, waiting, waiting.element)
        case EndEvent() | BusinessRuleTask():
            step.document.add_job(second_try_job(step.row, waiting.task_id, waiting.element), None)
    return None


def _offer_job(step: Step, waiting: WaitingTask, element: ServiceTask) -> ClaimedJob | None:
    inputs = step.tree.inputs(waiting.task_id)
    takes = step.lease is not None and step.leases > 0 and element.type not in step.lease.offered_types
    job = ClaimedJob(
        job_id=waiting.task_id,
        process_instance_id=step.row.process_instance_id,
        task_id=waiting.task_id,
        element_id=element.id,
        type=element.type,
        input=inputs,
        max_attempts=element.retries,
        epoch=1 if takes else 0,
        tenant_id=step.row.tenant_id,
        priority=job_priority(step.tree, waiting.task_id, element, inputs),
    )
    step.document.add_job(job, step.lease if takes else None)
    step.leases -= takes
    return job if takes else None


def _offer_user_task(step: Step, waiting: WaitingTask, element: UserTask) -> None:
    inputs = step.tree.inputs(waiting.task_id)
    row = user_task_row(
        step.row,
        element,
        task_id=waiting.task_id,
        process_id=waiting.process_id,
        inputs=inputs,
        variables=step.tree.visible(waiting.task_id),
        now=step.work.now,
    )
    UserTasks(step.work).insert(row)
    payload: dict[str, JsonValue] = {"user_task_id": str(row.user_task_id), "name": row.name}
    step.document.add_event("user_task.created", payload, element.id)


def _close_void_incidents(step: Step, changes: TreeChanges, context: SecurityContext) -> None:
    """Resolve the incidents of tasks that were withdrawn: nobody has to look at them any more."""
    if step.row.open_incidents == 0:
        return
    closed = {task.task_id for task in changes.closed}
    for incident in Incidents(step.work).of_instance(step.row.process_instance_id):
        if incident.status is not IncidentStatus.RESOLVED and incident.task_id in closed:
            _resolve(step, incident, context)


def _resolve(step: Step, incident: Incident, context: SecurityContext) -> None:
    Incidents(step.work).resolve(incident.incident_id, context.user_id)
    step.document.incidents -= 1
    payload: dict[str, JsonValue] = {"incident_id": str(incident.incident_id)}
    step.document.add_event("incident.resolved", payload, incident.element_id)


def _exchange(step: Step, changes: TreeChanges) -> None:
    """Withdraw what nobody waits for any more, and arm what is waited for now."""
    opened = [task for task in changes.opened if task.trigger is not None]
    closed = [task for task in changes.closed if task.trigger is not None]
    people = [task.task_id for task in changes.closed if isinstance(task.element, UserTask)]
    if people:
        UserTasks(step.work).cancel(step.row.process_instance_id, people)
    if not opened and not closed:
        return
    if not step.document.is_start:
        hold_version(step)  # before the locks of messages, as everywhere
    exchange_events(
        step.work,
        step.row,
        step.tree,
        opened=opened,
        closed=closed,
        executing=None if step.document.finishes is None else step.document.finishes.job_id,
    )
