"""Whoever uses the platform: each act is one transaction of the caller, and safe to repeat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from fault_suite.lines import FAILS_ONCE, LINES
from fault_suite.orders import CLERK, Order
from sqlalchemy import text

from engine import Engine
from engine.operations import Operations
from engine.persistence import IncidentStatus
from storage import UnitOfWork
from storage.errors import ReportedError

_WHY = "the fault suite says so"
_OF_STATUS = """
select process_instance_id from process_instance where status = :status and process_id = any(:lines)
order by process_instance_id
"""


class People:
    """Users who order and decide, and operators. Where another was faster there is nothing left to do."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._operations = Operations(engine)

    def start(self, order: Order, work: UnitOfWork) -> None:
        self._engine.start(
            work,
            order.line.process_id,
            {"order": order.number},
            context=CLERK,
            business_key=order.key,
            idempotency_key=f"start:{order.key}",
        )

    def send(self, order: Order, work: UnitOfWork) -> None:
        """Publish the message that an order waits for, or that starts it."""
        assert order.line.message is not None
        self._engine.publish_message(
            work,
            order.line.message,
            str(order.number) if order.line.is_started_by_client else order.key,
            {"amount": 5 * order.number},
            context=CLERK,
            message_id=f"message:{order.key}",
            time_to_live_seconds=10_000_000,
        )

    def inbox(self, work: UnitOfWork) -> list[UUID]:
        return [task.user_task_id for task in self._engine.user_tasks(work, context=CLERK)]

    def complete(self, user_task_id: UUID, work: UnitOfWork) -> None:
        with _tolerating("USER_TASK_ALREADY_COMPLETED", "PROCESS_INSTANCE_NOT_ACTIVE"):
            self._engine.complete_user_task(work, user_task_id, {"approved": True}, context=CLERK)

    def incidents(self, work: UnitOfWork) -> list[UUID]:
        """Return the incidents that another attempt resolves."""
        return [
            incident.incident_id
            for incident in self._operations.incidents(work, context=CLERK)
            if incident.element_id == FAILS_ONCE and incident.status is IncidentStatus.OPEN
        ]

    def retry(self, incident_id: UUID, work: UnitOfWork) -> None:
        with _tolerating("INCIDENT_NOT_OPEN", "PROCESS_INSTANCE_NOT_ACTIVE"):
            self._operations.retry_incident(work, incident_id, reason=_WHY, context=CLERK, retries=1)

    def running(self, work: UnitOfWork) -> Sequence[UUID]:
        return _of_status(work, "running")

    def suspend(self, process_instance_id: UUID, work: UnitOfWork) -> None:
        with _tolerating("PROCESS_INSTANCE_NOT_ACTIVE"):
            self._operations.suspend(work, process_instance_id, reason=_WHY, context=CLERK)

    def suspended(self, work: UnitOfWork) -> Sequence[UUID]:
        return _of_status(work, "suspended")

    def resume(self, process_instance_id: UUID, work: UnitOfWork) -> None:
        with _tolerating("PROCESS_INSTANCE_NOT_SUSPENDED"):
            self._operations.resume(work, process_instance_id, reason=_WHY, context=CLERK)


def _of_status(work: UnitOfWork, status: str) -> Sequence[UUID]:
    """Return the ordinary orders' instances."""
    parameters = {"status": status, "lines": [line.process_id for line in LINES]}
    return work.connection.execute(text(_OF_STATUS), parameters).scalars().all()


@contextmanager
def _tolerating(*codes: str) -> Iterator[None]:
    try:
        yield
    except ReportedError as error:
        if error.code not in codes:
            raise
