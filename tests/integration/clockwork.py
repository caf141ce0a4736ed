"""One deployed process and schedules that start it: what the tests of schedulers share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from database_owner import as_owner
from diagrams import diagram, end, path, start
from sqlalchemy import text

from engine import (
    CronTrigger,
    DateTrigger,
    Engine,
    FireSelection,
    IntervalTrigger,
    NotificationHub,
    ScheduleBook,
    ScheduleDefinition,
    ScheduleFire,
    Scheduler,
    ScheduleRow,
    SchedulerPolicy,
    ServiceTaskRegistry,
)
from engine.persistence import Schedules
from storage import SecurityContext, Storage
from storage.identifiers import new_id
from storage.models import RoleType

OPERATOR = SecurityContext(user_id="olga", tenant_id="north", roles=frozenset({RoleType.ADMIN}))
VIEWER = SecurityContext(user_id="vera", tenant_id="north", roles=frozenset({RoleType.VIEWER}))
STRANGER = SecurityContext(user_id="sven", tenant_id="south", roles=frozenset({RoleType.ADMIN}))
NIGHTLY = diagram("nightly", start(), path("Begin", "Done"), end())
JOIN_SECONDS = 60


def ago(**length: float) -> datetime:
    """A time before now; the tests' database has the tests' clock."""
    return datetime.now(UTC) - timedelta(**length)


def every(interval: str, first_fire_at: datetime | None = None, **fields: Any) -> ScheduleDefinition:
    return ScheduleDefinition(trigger=IntervalTrigger(every=interval, first_fire_at=first_fire_at), **fields)


def cron(line: str, **fields: Any) -> ScheduleDefinition:
    return ScheduleDefinition(trigger=CronTrigger(line=line), **fields)


def once_at(moment: datetime, **fields: Any) -> ScheduleDefinition:
    return ScheduleDefinition(trigger=DateTrigger(at=moment), **fields)


class Clockwork:
    """Each call is a transaction of its own."""

    def __init__(self, storage: Storage, *diagrams: bytes) -> None:
        self.storage = storage
        self.engine = Engine(ServiceTaskRegistry(), {}, platform_tenant="north")
        self.book = ScheduleBook(self.engine)
        for content in diagrams or (NIGHTLY,):
            self.deploy(content)

    def deploy(self, content: bytes, context: SecurityContext = OPERATOR) -> None:
        with self.storage.transaction() as work:
            self.engine.deploy(work, content, context=context)

    def scheduler(self, hub: NotificationHub | None = None, **policy: Any) -> Scheduler:
        return Scheduler(self.engine, self.storage, SchedulerPolicy(**policy), hub)

    def define(self, definition: ScheduleDefinition, process_id: str = "nightly") -> UUID:
        with self.storage.transaction() as work:
            return self.book.define(work, process_id, {"depth": 3}, definition, context=OPERATOR)

    def insert_broken(self, due_at: datetime) -> ScheduleRow:
        """Insert a schedule, every hour from `due_at` on, whose process is not there."""
        row = ScheduleRow(
            schedule_id=new_id(),
            tenant_id="north",
            process_id="removed",
            variables={},
            definition=every("PT1H", due_at),
            anchor_at=due_at,
            next_fire_at=due_at,
            due_at=due_at,
            started_by=OPERATOR,
        )
        with self.storage.transaction() as work:
            Schedules(work).insert(row)
        return row

    def schedules(self, context: SecurityContext = OPERATOR) -> list[ScheduleRow]:
        with self.storage.transaction() as work:
            return self.book.schedules(work, context=context)

    def schedule(self) -> ScheduleRow:
        (row,) = self.schedules()
        return row

    def fires(self, **selection: Any) -> list[ScheduleFire]:
        with self.storage.transaction() as work:
            return self.book.fires(work, FireSelection(**selection), context=OPERATOR)

    def outcomes(self) -> list[tuple[datetime, str, str | None]]:
        """Fire time, outcome and reason, the earliest first."""
        return [(fire.fire_at, fire.outcome.value, fire.reason) for fire in reversed(self.fires())]

    def started(self) -> list[UUID]:
        # Not from the events: those settle only when every older transaction of the cluster has ended.
        return [row[0] for row in self.rows("select process_instance_id from process_instance order by started_at")]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with as_owner(self.storage) as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def execute(self, statement: str) -> None:
        with as_owner(self.storage) as connection:
            connection.execute(text(statement))

    def age(self, table: str, *columns: str, seconds: float) -> None:
        """Let times of a table's rows be earlier."""
        changes = ", ".join(f"{column} = {column} - make_interval(secs => {seconds})" for column in columns)
        self.execute(f"update {table} set {changes}")
