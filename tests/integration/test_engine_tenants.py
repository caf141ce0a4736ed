"""What one tenant can reach of another's process instances: nothing, even where the statements forget to ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from clockwork import ago, every
from database_owner import as_owner
from diagrams import boundary, catch, document, duration, end, message, path, process, service_task, signal, start
from diagrams import user_task as asking
from engine_shop import Nothing, Result
from forgetful_statements import forgetful_statements
from patience import becomes
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from engine import (
    Engine,
    ExternalTask,
    FireSelection,
    InboxQuery,
    InboxShows,
    InstanceSelection,
    JobContext,
    Migrations,
    NotificationHub,
    Operations,
    PermanentTaskError,
    ScheduleBook,
    Scheduler,
    SchedulerPolicy,
    ServiceTaskRegistry,
    Worker,
    WorkerPolicy,
    expected_by_instance,
    expected_by_process,
    process_statistics,
)
from engine.errors import (
    UnknownCursorError,
    UnknownIncidentError,
    UnknownInstanceError,
    UnknownScheduleError,
    UnknownUserTaskError,
)
from storage import FolderObjectStore, ReportedError, SecurityContext, Storage, UnitOfWork
from storage.database import ENGINE_ROLE, connect
from storage.models import RoleType

DENIED = "42501"
WHY = "the test asks for it"
NORTH = SecurityContext(
    user_id="olga", tenant_id="north", roles=frozenset({RoleType.ADMIN}), groups=frozenset({"reviewer"})
)
SOUTH = NORTH.model_copy(update={"user_id": "sven", "tenant_id": "south"})
DRAWN = document(
    message("Message_Goods", "goods", '="order"'),
    signal("Signal_Bell", "bell"),
    process(
        "p",
        start(),
        path("Begin", "Ask", "Wait", "Done"),
        asking("Ask", "reviewer", form="note"),
        boundary("Late", "Ask", timer=duration("PT9H"), interrupting=False),
        boundary("Rung", "Ask", signal_ref="Signal_Bell", interrupting=False),
        path("Late", "Failing", "Lost"),
        path("Rung", "Heard"),
        service_task("Failing", "t", retries=1),
        catch("Wait", message_ref="Message_Goods"),
        end(),
        end("Lost"),
        end("Heard"),
    ),
    process(
        "failing", start("Open"), path("Open", "Work", "Closed"), service_task("Work", "t", retries=1), end("Closed")
    ),
)
TABLES = {
    "process_instance": "tenant_id = 'north'",
    "task": "state > 0",
    "variable": "name = 'secret'",
    "job": "status = 'failed'",
    "user_task": "status = 'open'",
    "user_task_comment": "content = 'hidden'",
    "event": "tenant_id = 'north'",
    "timer": "tenant_id = 'north'",
    "subscription": "tenant_id = 'north'",
    "message": "tenant_id = 'north'",
    "incident": "tenant_id = 'north'",
    "operation": "tenant_id = 'north'",
    "schedule": "tenant_id = 'north'",
    "schedule_fire": "outcome = 'started'",
}


class Note(BaseModel):
    """The form of the tests' user task."""

    text: str = ""


def fail(_context: JobContext, _request: Nothing) -> Result:
    raise PermanentTaskError("it cannot be done")


@dataclass(frozen=True)
class Office:
    """An engine with one of everything that a tenant can have, of the tenant north."""

    storage: Storage
    engine: Engine
    instance: UUID
    waiting: UUID
    definition: UUID
    user_task: UUID
    incident: UUID
    schedule: UUID
    sequence: int

    @property
    def book(self) -> ScheduleBook:
        return ScheduleBook(self.engine)

    @property
    def operations(self) -> Operations:
        return Operations(self.engine)


def open_office(storage: Storage, hub: NotificationHub) -> Office:
    engine = Engine(ServiceTaskRegistry(ExternalTask("t", Nothing, fail)), {"note": Note}, platform_tenant="north")
    book = ScheduleBook(engine)
    with storage.transaction() as work:
        engine.deploy(work, DRAWN, context=NORTH)
        instance = engine.start(work, "p", {"secret": 1}, context=NORTH, business_key="key", idempotency_key="once")
        waiting = engine.start(work, "p", {}, context=NORTH)
        engine.start(work, "failing", {}, context=NORTH)
        schedule = book.define(work, "failing", {}, every("PT9H", ago(minutes=1)), context=NORTH)
        tasks = {task.process_instance_id: task.user_task_id for task in engine.user_tasks(work, context=NORTH)}
        engine.desk.comment(work, tasks[instance], "hidden", context=NORTH)
        engine.publish_message(work, "letter", "key", {}, context=NORTH, message_id="m", time_to_live_seconds=99)
        Operations(engine).suspend(work, waiting, reason=WHY, context=NORTH, idempotency_key="twice")
        Operations(engine).resume(work, waiting, reason=WHY, context=NORTH)
    Scheduler(engine, storage, SchedulerPolicy()).fire_due()
    worker = Worker(engine, storage, hub, WorkerPolicy())
    while worker.run_one():
        pass
    with storage.transaction() as work:
        engine.complete_user_task(work, tasks[waiting], {}, context=NORTH)
        incident = Operations(engine).incidents(work, context=NORTH)[0]
    with as_owner(storage) as connection:
        sequence = connection.execute(text("select min(sequence) from event")).scalar_one()
        definition = connection.execute(
            text("select process_definition_id from process_definition where process_id = 'p'")
        ).scalar_one()
    return Office(
        storage=storage,
        engine=engine,
        instance=instance,
        waiting=waiting,
        definition=definition,
        user_task=tasks[instance],
        incident=incident.incident_id,
        schedule=schedule,
        sequence=sequence,
    )


@pytest.fixture(scope="module")
def office(database_url_of_module: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    database = connect(database_url_of_module, pool_size=2, role=ENGINE_ROLE)
    storage = Storage(database, FolderObjectStore(tmp_path_factory.mktemp("objects")))
    opened = open_office(storage, NotificationHub(database_url_of_module))
    assert becomes(lambda: shows_its_events(opened))
    yield opened
    database.dispose()


def shows_its_events(office: Office) -> bool:
    """Return whether every event is shown to its tenant: transactions of other tests can hold it up."""
    with office.storage.transaction() as work:
        return not office.engine.has_unsettled_events(work, context=NORTH)


@pytest.fixture(scope="module")
def doors(office: Office, database_url_of_module: str) -> Iterator[Storage]:
    """The stores as the doors have them."""
    database = connect(database_url_of_module, pool_size=2)
    yield Storage(database, office.storage.objects)
    database.dispose()


@pytest.mark.parametrize(("table", "condition"), TABLES.items())
def test_rows_of_the_engine_are_visible_for_their_tenant_alone(
    office: Office, doors: Storage, table: str, condition: str
) -> None:
    counts = text(f"select count(*) from {table} where {condition}")

    def seen(storage: Storage, tenant_id: str | None) -> int:
        with storage.transaction(tenant_id) as work:
            return int(work.connection.execute(counts).scalar_one())

    there = seen(office.storage, None)
    assert there > 0
    assert (seen(doors, "north"), seen(doors, "south"), seen(doors, None)) == (there, 0, 0)


def test_every_table_that_holds_a_tenants_rows_has_row_level_security(office: Office) -> None:
    columns = "('tenant_id', 'process_instance_id', 'user_task_id', 'schedule_id', 'tree')"
    unguarded = text(
        "select distinct c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid"
        f" where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attname in {columns}"
        " and not c.relispartition and not c.relrowsecurity"
    )
    with as_owner(office.storage) as connection:
        # A link is found by its secret alone, by whoever has that: its row says for which tenant.
        assert connection.execute(unguarded).scalars().all() == ["object_link"]


Ask = Callable[[Office, UnitOfWork], Any]
SELECTION = InstanceSelection()
EVERYTHING = InboxQuery(shows=InboxShows.ALL)
WITHOUT: dict[str, tuple[Ask, object]] = {
    "list instances": (lambda o, w: o.engine.list_instances(w, SELECTION, context=SOUTH), []),
    "instances of a key": (lambda o, w: o.engine.instances_of(w, "key", context=SOUTH), []),
    "describe": (lambda o, w: o.engine.describe(w, o.instance, context=SOUTH), UnknownInstanceError),
    "variables": (lambda o, w: o.engine.variables(w, o.instance, context=SOUTH), UnknownInstanceError),
    "events": (lambda o, w: o.engine.events_after(w, 0, context=SOUTH), []),
    "events of a key": (lambda o, w: o.engine.events_after(w, 0, business_key="key", context=SOUTH), []),
    "events behind one": (lambda o, w: o.engine.events_after(w, o.sequence, context=SOUTH), UnknownCursorError),
    "describe a task": (lambda o, w: o.engine.desk.describe(w, o.user_task, context=SOUTH), UnknownUserTaskError),
    "comments": (lambda o, w: o.engine.desk.comments(w, o.user_task, context=SOUTH), UnknownUserTaskError),
    "claim": (lambda o, w: o.engine.desk.claim(w, o.user_task, context=SOUTH), UnknownUserTaskError),
    "complete": (
        lambda o, w: o.engine.complete_user_task(w, o.user_task, {}, context=SOUTH),
        UnknownUserTaskError,
    ),
    "incidents": (lambda o, w: o.operations.incidents(w, context=SOUTH), []),
    "an incident": (lambda o, w: o.operations.outcome(w, o.incident, context=SOUTH), UnknownIncidentError),
    "retry": (
        lambda o, w: o.operations.retry_incident(w, o.incident, reason=WHY, context=SOUTH),
        UnknownIncidentError,
    ),
    "suspend": (lambda o, w: o.operations.suspend(w, o.instance, reason=WHY, context=SOUTH), UnknownInstanceError),
    "cancel": (lambda o, w: o.operations.cancel(w, o.instance, reason=WHY, context=SOUTH), UnknownInstanceError),
    "send": (lambda o, w: o.engine.send_message(w, o.waiting, "goods", {}, context=SOUTH), UnknownInstanceError),
    "publish": (lambda o, w: o.engine.publish_message(w, "goods", "order", {}, context=SOUTH).outcome, "dropped"),
    "broadcast": (lambda o, w: o.engine.broadcast_signal(w, "bell", {}, context=SOUTH).received, 0),
    "expected by process": (lambda _, w: expected_by_process(w, "p", context=SOUTH), []),
    "expected by instance": (lambda o, w: expected_by_instance(w, o.waiting, context=SOUTH), UnknownInstanceError),
    "schedules": (lambda o, w: o.book.schedules(w, context=SOUTH), []),
    "a schedule": (lambda o, w: o.book.read(w, o.schedule, context=SOUTH), UnknownScheduleError),
    "end a schedule": (lambda o, w: o.book.deactivate(w, o.schedule, context=SOUTH), UnknownScheduleError),
    "fires": (lambda o, w: o.book.fires(w, FireSelection(), context=SOUTH), []),
    "to migrate": (lambda o, w: Migrations(o.engine).live_instances(w, o.definition, context=SOUTH), []),
    "statistics": (lambda _, w: process_statistics(w, "p", timedelta(days=1), context=SOUTH).instances["started"], 0),
}


def answer(office: Office, storage: Storage, ask: Ask) -> object:
    """Return what the tenant south is told, or the type of the error; nothing of it lasts."""
    with storage.transaction(SOUTH.tenant_id) as work:
        try:
            return ask(office, work)
        except ReportedError as error:
            return type(error)
        finally:
            work.connection.rollback()


@pytest.mark.parametrize("asked", WITHOUT)
def test_tenants_stay_apart_where_every_statement_forgets_to_ask_for_the_tenant(
    office: Office, doors: Storage, asked: str
) -> None:
    ask, nothing = WITHOUT[asked]

    with forgetful_statements():
        assert answer(office, doors, ask) == nothing
        # Otherwise this test could not fail: the first lock is really gone.
        assert answer(office, office.storage, ask) != nothing


def test_an_inbox_shows_the_tasks_of_the_tenant_alone_where_its_statement_forgets_to_ask(
    office: Office, doors: Storage
) -> None:
    with forgetful_statements():
        for storage in (doors, office.storage):
            assert (
                answer(office, storage, lambda o, w: o.engine.desk.inbox(w, EVERYTHING, context=SOUTH).user_tasks) == ()
            )
        with doors.transaction("north") as work:
            (listed,) = office.engine.user_tasks(work, context=NORTH)
    assert listed.user_task_id == office.user_task


@pytest.mark.parametrize(
    "act",
    [
        lambda o, w: o.engine.start(w, "p", {}, context=SOUTH, idempotency_key="once") != o.instance,
        lambda o, w: not o.engine.publish_message(w, "letter", "key", {}, context=SOUTH, message_id="m").is_duplicate,
        lambda o, w: o.operations.suspend(
            w, o.engine.start(w, "p", {}, context=SOUTH), reason=WHY, context=SOUTH, idempotency_key="twice"
        ),
    ],
)
def test_a_key_that_another_tenant_has_used_is_new(office: Office, doors: Storage, act: Ask) -> None:
    with forgetful_statements():
        assert answer(office, doors, act)


@pytest.mark.parametrize(
    "statement",
    [
        "update process_instance set tenant_id = 'south'",
        "update user_task set tenant_id = 'south'",
        "update schedule set tenant_id = 'south'",
        "insert into variable select process_instance_id, gen_random_uuid(), 'a', '1' from ids",
        "insert into task select gen_random_uuid(), process_instance_id, gen_random_uuid(), 'p', 's', 1, 1 from ids",
        "insert into event (tenant_id, process_instance_id, kind, payload) select 'south', u.*, 'a', '{}' from ids u",
        "select * from worker",
        "select deployed_by from process_definition",
        "select deployed_by from decision_definition",
        "set local row_security = off; select * from job",
    ],
)
def test_a_door_can_neither_write_rows_of_another_tenant_nor_look_behind_the_platform(
    office: Office, doors: Storage, statement: str
) -> None:
    tenant_id = "north" if statement.startswith("update") or "event" in statement else "south"
    with doors.transaction(tenant_id) as work:
        work.connection.execute(text("create temporary table ids (process_instance_id uuid) on commit drop"))
        work.connection.execute(text("insert into ids values (:id)"), {"id": office.instance})
        with pytest.raises(DBAPIError) as refused:
            work.connection.exec_driver_sql(statement)
        work.connection.rollback()

    assert getattr(refused.value.orig, "sqlstate", None) == DENIED


def test_the_engine_works_for_all_tenants_and_sees_the_records_of_one(office: Office) -> None:
    with office.storage.transaction() as work:
        role = work.connection.execute(text("select current_user")).scalar_one()
        records = work.connection.execute(text("select count(*) from audit_leaf")).scalar_one()
        tenants = work.connection.execute(text("select distinct tenant_id from process_instance")).scalars().all()

    assert (role, records, tenants) == ("ami_engine", 0, ["north"])


def test_a_tenants_own_process_runs_through_its_door(office: Office, doors: Storage) -> None:
    with doors.transaction("south") as work:
        instance = office.engine.start(work, "p", {"secret": 2}, context=SOUTH, business_key="key")
        (task,) = office.engine.user_tasks(work, context=SOUTH)
        office.engine.complete_user_task(work, task.user_task_id, {}, context=SOUTH)
    with doors.transaction("south") as work:
        published = office.engine.publish_message(work, "goods", "order", {}, context=SOUTH)
        office.operations.cancel(work, instance, reason=WHY, context=SOUTH)
        seen = office.engine.list_instances(work, SELECTION, context=SOUTH)
        status = office.engine.describe(work, instance, context=SOUTH).status
    with as_owner(office.storage) as connection:
        connection.execute(text("delete from process_instance where tenant_id = 'south'"))

    assert published.process_instance_id == instance
    assert ([each.process_instance_id for each in seen], status) == ([instance], "cancelled")
