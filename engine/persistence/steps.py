"""Writing steps: one call of the database with all their rows, in the transaction of the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.exc import DBAPIError

from engine.errors import StaleInstanceError, StaleLeaseError
from engine.persistence.instances import InstanceRow
from engine.persistence.jobs import ClaimedJob
from engine.persistence.statements import EVENT_CHANNEL, JOB_CHANNEL, QUERIES
from engine.spiff import TreeChanges
from storage import AuditEntry, AuditLeaf, SecurityContext, UnitOfWork, make_leaf
from storage.errors import DatabaseUnavailableError
from storage.identifiers import new_id
from storage.json_documents import jsonb_text
from storage.outages import outage

Row: TypeAlias = dict[str, Any]

PERSONAL = frozenset({"reason"})
"""Free text of persons among the details of a transition."""

_STALE_INSTANCE, _STALE_LEASE = "AM001", "AM002"


@dataclass(frozen=True)
class Lease:
    """Whose a job is from the moment in which it is written.

    Attributes:
        offered_types: Types of jobs that are offered all the same, because their number is limited.
    """

    worker_id: str
    seconds: float
    offered_types: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Noted:
    """A leaf that a step will have."""

    audit_ref: UUID
    action: str
    details: dict[str, JsonValue]
    context: SecurityContext


@dataclass
class StepDocument:
    """The rows of one step, collected while it is computed.

    Attributes:
        finishes: The job whose result the step brings in; the step is refused where its lease is lost.
        leaves: The step's part of the audit trail, once `close_leaves` has made it.
        transitions: Which elements were entered and left, as `<change> <element id>`.
        incidents: By how many the instance's open incidents change.
    """

    instance: InstanceRow
    is_start: bool = False
    finishes: ClaimedJob | None = None
    jobs: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    leaves: list[AuditLeaf] = field(default_factory=list)
    transitions: list[JsonValue] = field(default_factory=list)
    incidents: int = 0
    offers_work: bool = False
    _noted: list[_Noted] = field(default_factory=list)

    def add_event(self, kind: str, payload: dict[str, JsonValue], element_id: str | None = None) -> None:
        """Add an event of the instance."""
        self.events.append({"kind": kind, "element_id": element_id, "payload": payload})

    def add_leaf(self, action: str, details: dict[str, JsonValue], context: SecurityContext) -> UUID:
        """Add the audit leaf of a transition; return its `audit_ref`."""
        noted = _Noted(new_id(), action, details, context)
        self._noted.append(noted)
        return noted.audit_ref

    def close_leaves(self, context: SecurityContext) -> None:
        """Make the step's leaves, the first of which names all its transitions.

        Raises:
            RecordTextError, RecordNumberError: The trail cannot hold a value.
        """
        if self.transitions and not self._noted:
            self.add_leaf("step.taken", {}, context)
        for number, noted in enumerate(self._noted):
            details = {**noted.details, "transitions": self.transitions} if number == 0 else noted.details
            entry = transition_entry(self.instance, noted.action, details)
            self.leaves.append(make_leaf(entry, context=noted.context, audit_ref=noted.audit_ref))
        self._noted = []

    def add_job(self, job: ClaimedJob, lease: Lease | None) -> None:
        """Offer a job, or take it for the worker that writes the step."""
        self.offers_work = self.offers_work or lease is None
        self.jobs.append(
            {
                "job_id": job.job_id,
                "task_id": job.task_id,
                "element_id": job.element_id,
                "type": job.type,
                "input": job.input,
                "max_attempts": job.max_attempts,
                "priority": job.priority,
                "status": "available" if lease is None else "running",
                "epoch": job.epoch,
                "lease_owner": None if lease is None else lease.worker_id,
                "lease_seconds": None if lease is None else lease.seconds,
            }
        )


def transition_entry(instance: InstanceRow, action: str, details: dict[str, JsonValue]) -> AuditEntry:
    """Return what the audit trail says of a transition: what people gave as their reason is kept beside the leaf."""
    facts = {"process_definition_id": str(instance.process_definition_id), **details}
    element_id = facts.pop("element_id", None)
    return AuditEntry(
        action=action,
        subject=f"process_instance/{instance.process_instance_id}",
        details={name: value for name, value in facts.items() if name not in PERSONAL},
        personal={name: value for name, value in facts.items() if name in PERSONAL},
        element_id=None if element_id is None else str(element_id),
        definition_sha256=instance.definition_sha256,
    )


def step_text(step: StepDocument, changes: TreeChanges, status: str) -> str:
    """Return a step as the text that the database's `write_step` takes.

    Raises:
        RecordTextError, RecordNumberError: The database cannot hold a value.
    """
    return jsonb_text(_document(step, changes, status), model="process instance")


def write_step(work: UnitOfWork, step: StepDocument, text: str) -> None:
    """Write a step.

    Raises:
        StaleInstanceError: The instance has changed since it was read; nothing is written.
        StaleLeaseError: The job that it finishes is somebody else's by now; nothing is written.
    """
    try:
        QUERIES.rows(work.connection, "write_step", {"step": text})
    except DBAPIError as error:
        raise _translated(error, step) or error from error


def write_steps(work: UnitOfWork, texts: Sequence[str]) -> bool:
    """Write steps, those of one instance in their order; return False, with nothing written, if one is refused.

    Which one, and why, shows when each is written alone.
    """
    try:
        QUERIES.rows(work.connection, "write_steps", {"steps": f"[{','.join(texts)}]"})
    except DBAPIError as error:
        if isinstance(outage(error), DatabaseUnavailableError):
            raise
        return False
    return True


def _document(step: StepDocument, changes: TreeChanges, status: str) -> Row:
    row = step.instance
    document: Row = {
        "process_instance_id": row.process_instance_id,
        "tenant_id": row.tenant_id,
        "business_key": row.business_key,
        "status": status,
        "positions": changes.positions,
        "events": step.events,
        "notify": [EVENT_CHANNEL, JOB_CHANNEL] if step.offers_work else [EVENT_CHANNEL],
    }
    if step.is_start:
        document["start"] = row.model_dump(mode="json")
    else:
        document |= {"version": row.version, "incidents": step.incidents}
    if changes.is_completed or row.is_over:
        document["ended"] = True
    if step.finishes is not None:
        document |= {"job_id": step.finishes.job_id, "epoch": step.finishes.epoch}
    lists: dict[str, list[Any]] = {
        "closed": [task.task_id for task in changes.closed],
        "removed": list(changes.removed),
        "dropped_scopes": list(changes.dropped_scopes),
        "tasks": list(changes.tasks),
        "variables": list(changes.variables),
        "jobs": step.jobs,
        "leaves": [leaf.as_row() for leaf in step.leaves],
    }
    return document | {name: rows for name, rows in lists.items() if rows}


def _translated(error: DBAPIError, step: StepDocument) -> Exception | None:
    match getattr(error.orig, "sqlstate", None):
        case code if code == _STALE_INSTANCE:
            return StaleInstanceError(process_instance_id=step.instance.process_instance_id)
        case code if code == _STALE_LEASE and step.finishes is not None:
            return StaleLeaseError(job_id=step.finishes.job_id, epoch=step.finishes.epoch)
        case _:
            return None
