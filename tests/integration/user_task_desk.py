"""A deployed process with user tasks and the people around it: what the tests of user tasks share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, Literal, TypeVar
from uuid import UUID

from database_owner import as_owner
from diagrams import diagram, end, path, start, user_task
from pydantic import BaseModel, ConfigDict, JsonValue
from sqlalchemy import text

from engine import Engine, InstanceDescription, ServiceTaskRegistry, UserTaskDescription
from engine.inbox import InboxPage, InboxQuery
from engine.persistence import Event, EventLog
from engine.user_tasks import UserTaskDesk
from storage import SecurityContext, Storage, UnitOfWork
from storage.models import RoleType

JOIN_SECONDS = 60
REVIEW = diagram(
    "review",
    start(),
    path("Begin", "Ask", "Done"),
    user_task("Ask", "reviewer", users="carl", form="review", inputs={"shown": "=score"}, excluded="initiator"),
    end(),
)
ASSIGNED = diagram(
    "assigned",
    start(),
    path("Begin", "Ask", "Done"),
    user_task("Ask", None, assignee="=boss", form="review", due_date="=due", priority="=urgency", excluded="initiator"),
    end(),
)
_T = TypeVar("_T")


class Review(BaseModel):
    """The form of the tests' user tasks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Literal["approve", "reject"]
    comment: str = ""


def person(user_id: str, *groups: str, role: RoleType = RoleType.MEMBER, tenant_id: str = "north") -> SecurityContext:
    return SecurityContext(user_id=user_id, tenant_id=tenant_id, roles=frozenset({role}), groups=frozenset(groups))


OLGA = person("olga", role=RoleType.ADMIN)
INA = person("ina", "reviewer")  # starts the instances
RITA = person("rita", "reviewer")
ROLF = person("rolf", "reviewer")
CARL = person("carl")  # a candidate by name, where a diagram names him
OTTO = person("otto", "other")
VERA = person("vera", "reviewer", role=RoleType.VIEWER)
SVEN = person("sven", "reviewer", role=RoleType.ADMIN, tenant_id="south")


class ReviewOffice:
    """An engine with one deployed process, used through the desk as people do: one transaction for each act."""

    def __init__(self, storage: Storage, *diagrams: bytes) -> None:
        self.storage = storage
        self.engine = Engine(ServiceTaskRegistry(), {"review": Review}, platform_tenant="north")
        with storage.transaction() as work:
            self.engine.deploy(work, *diagrams, context=OLGA)

    @property
    def desk(self) -> UserTaskDesk:
        return self.engine.desk

    def act(self, call: Callable[..., _T], *arguments: Any, by: SecurityContext, **options: Any) -> _T:
        with self.storage.transaction() as work:
            return call(work, *arguments, context=by, **options)

    def start(self, process_id: str = "review", by: SecurityContext = INA, **variables: JsonValue) -> UUID:
        return self.act(self.engine.start, process_id, variables, by=by)

    def task(self, process_id: str = "review", **variables: JsonValue) -> UUID:
        """Start an instance; return the id of its one open task."""
        (user_task_id,) = self.instance(self.start(process_id, **variables)).open_user_task_ids
        return user_task_id

    def instance(self, process_instance_id: UUID) -> InstanceDescription:
        return self.act(self.engine.describe, process_instance_id, by=INA)

    def complete(self, user_task_id: UUID, by: SecurityContext, decision: str = "approve", **values: str) -> UUID:
        return self.act(self.engine.complete_user_task, user_task_id, {"decision": decision, **values}, by=by)

    def described(self, user_task_id: UUID, by: SecurityContext = RITA) -> UserTaskDescription:
        return self.act(self.desk.describe, user_task_id, by=by)

    def inbox(self, by: SecurityContext, **query: Any) -> InboxPage:
        return self.act(self.desk.inbox, InboxQuery(**query), by=by)

    def listed(self, by: SecurityContext, **query: Any) -> list[UUID]:
        return [task.user_task_id for task in self.inbox(by, **query).user_tasks]

    def events(self, user_task_id: UUID) -> list[Event]:
        """Return the events of a task, without those of its elements."""
        with self.storage.transaction() as work:
            events = EventLog(work).of_instance(self._instance_of(work, user_task_id))
        return [event for event in events if event.payload.get("user_task_id") == str(user_task_id)]

    def leaves(self, action: str) -> list[tuple[str, str]]:
        """Return actor and subject of each leaf of the audit trail that tells of an action."""
        statement = text(
            "select leaf ->> 'actor', leaf ->> 'subject' from audit_leaf,"
            " cast(convert_from(canonical_bytes, 'UTF8') as jsonb) as leaf"
            " where leaf ->> 'action' = :action order by audit_ref"
        )
        with as_owner(self.storage) as connection:
            return [(row[0], row[1]) for row in connection.execute(statement, {"action": action})]

    def _instance_of(self, work: UnitOfWork, user_task_id: UUID) -> UUID:
        return self.desk.instance_of(work, user_task_id, context=OLGA)


def together(*calls: Callable[[], None]) -> list[Exception | None]:
    """Make the calls at the same time; return what each raised, in their order."""
    barrier = Barrier(len(calls))

    def outcome(call: Callable[[], None]) -> Exception | None:
        barrier.wait(JOIN_SECONDS)
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test compares it
            return error
        return None

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))


def claim(office: ReviewOffice, task: UUID, by: SecurityContext) -> None:
    office.act(office.desk.claim, task, by=by)


def delegate(office: ReviewOffice, task: UUID, by: SecurityContext) -> None:
    office.act(office.desk.delegate, task, "nora", by=by)


def draft(office: ReviewOffice, task: UUID, by: SecurityContext) -> None:
    office.act(office.desk.save_draft, task, {"decision": "reject"}, by=by)


def complete(office: ReviewOffice, task: UUID, by: SecurityContext) -> None:
    office.complete(task, by=by)


def unclaim(office: ReviewOffice, task: UUID, by: SecurityContext) -> None:
    office.act(office.desk.unclaim, task, by=by)


def comment(office: ReviewOffice, task: UUID, by: SecurityContext) -> None:
    office.act(office.desk.comment, task, "Hm.", by=by)


Act = Callable[[ReviewOffice, UUID, SecurityContext], None]
