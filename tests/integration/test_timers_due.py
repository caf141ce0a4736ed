"""Timers of waiting events: each fires once, becomes a job, and is gone or goes on, whatever happens meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from clockwork import JOIN_SECONDS
from diagrams import boundary, catch, cycle, diagram, duration, end, path, start, user_task
from engine_shop import ADMIN, EAGER, Shop
from patience import becomes
from sqlalchemy import text

from engine import InstanceStatus, NotificationHub, Scheduler, SchedulerPolicy
from engine.crash_points import CrashPoint, armed
from engine.due_timers import fire_due_timers
from engine.persistence import DefinitionRef, Definitions, EventLog, TimerRow, Timers
from engine.timers import arm, parse_timer
from storage import Storage
from storage.identifiers import new_id

HOUR = timedelta(hours=1)


class Clocks:
    """Timers of instances that are rows alone."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.definition_id = new_id()
        ref = DefinitionRef(
            process_definition_id=self.definition_id, process_id="p", version=1, version_tag=None, name="p", sha256="0"
        )
        with storage.transaction() as work:
            Definitions(work).insert(ref, b"", "olga")

    def instance(self, status: str = "running") -> UUID:
        process_instance_id = new_id()
        statement = text(
            "insert into process_instance (process_instance_id, process_definition_id, process_id, pinned_definitions,"
            " start_event_id, tenant_id, started_by, status)"
            " values (:instance, :definition, 'p', '{}', 'Begin', 'north', '{}', :status)"
        )
        parameters = {"instance": process_instance_id, "definition": self.definition_id, "status": status}
        with self.storage.transaction() as work:
            work.connection.execute(statement, parameters)
        return process_instance_id

    def timer(self, *, due_in: timedelta = -HOUR, instance: UUID | None = None, **fields: Any) -> TimerRow:
        fields = {"due_at": datetime.now(UTC) + due_in, **fields}
        row = TimerRow(
            timer_id=new_id(),
            process_instance_id=instance or self.instance(),
            task_id=new_id(),
            tenant_id="north",
            element_id="Wait",
            **fields,
        )
        with self.storage.transaction() as work:
            Timers(work).insert_all([row])
        return row

    def cycle(self, text_: str, *, begun: timedelta, instance: UUID | None = None) -> TimerRow:
        """A cycle that began to run some time ago."""
        running = arm(parse_timer("cycle", text_), datetime.now(UTC) - begun)
        return self.timer(
            due_at=running.due_at, cycle=running.cycle_text, remaining=running.remaining, instance=instance
        )

    def fire(self, limit: int = 100) -> int:
        with self.storage.transaction() as work:
            return fire_due_timers(work, limit)

    def left(self, instance: UUID) -> list[TimerRow]:
        with self.storage.transaction() as work:
            return Timers(work).of_instance(instance)

    def jobs(self, fields: str = "task_id") -> list[tuple[Any, ...]]:
        with self.storage.transaction() as work:
            return [tuple(row) for row in work.connection.execute(text(f"select {fields} from job order by job_id"))]


@pytest.fixture
def clocks(storage: Storage) -> Clocks:
    return Clocks(storage)


def test_a_due_timer_becomes_a_job_that_triggers_its_event_and_is_gone(clocks: Clocks) -> None:
    timer = clocks.timer()

    assert [clocks.fire(), clocks.fire()] == [1, 0]

    fields = "process_instance_id, task_id, element_id, type, tenant_id, status, input, payload, attempt, max_attempts"
    payload = {"kind": "timer", "variables": {}}
    assert clocks.jobs(fields) == [
        (timer.process_instance_id, timer.task_id, "Wait", "engine.trigger", "north", "available", {}, payload, 1, 3)
    ]
    assert clocks.left(timer.process_instance_id) == []


def test_a_timer_whose_time_has_not_come_stays(clocks: Clocks) -> None:
    timer = clocks.timer(due_in=HOUR)

    assert clocks.fire() == 0
    assert clocks.left(timer.process_instance_id) == [timer]


def test_the_timer_that_is_due_longest_fires_first(clocks: Clocks) -> None:
    late, early = clocks.timer(due_in=-HOUR), clocks.timer(due_in=-2 * HOUR)

    assert [clocks.fire(limit=1), clocks.fire(limit=1)] == [1, 1]

    assert clocks.jobs() == [(early.task_id,), (late.task_id,)]


def test_a_timer_of_a_suspended_instance_rests_with_it(clocks: Clocks) -> None:
    clocks.timer(instance=clocks.instance("suspended"))

    clocks.fire()

    assert clocks.jobs("status") == [("suspended",)]


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_a_timer_of_an_instance_that_has_ended_triggers_nothing(clocks: Clocks, status: str) -> None:
    timer = clocks.timer(instance=clocks.instance(status))

    assert clocks.fire() == 1
    assert (clocks.jobs(), clocks.left(timer.process_instance_id)) == ([], [])


def test_a_cycle_fires_once_for_the_time_that_was_missed_and_goes_on_on_its_grid(clocks: Clocks) -> None:
    timer = clocks.cycle("R12/PT1H", begun=10.5 * HOUR)

    assert [clocks.fire(), clocks.fire()] == [1, 0]

    assert len(clocks.jobs()) == 1
    assert clocks.left(timer.process_instance_id) == [
        timer.model_copy(update={"due_at": timer.due_at + 10 * HOUR, "remaining": 2})
    ]


def test_a_cycle_is_gone_after_its_last_time(clocks: Clocks) -> None:
    timer = clocks.cycle("R2/PT1H", begun=2.5 * HOUR)

    clocks.fire()

    assert (len(clocks.jobs()), clocks.left(timer.process_instance_id)) == (1, [])


def test_a_cycle_adds_no_job_while_its_last_one_rests_with_a_suspended_instance(clocks: Clocks) -> None:
    timer = clocks.cycle("R/PT1S", begun=HOUR, instance=clocks.instance("suspended"))

    for _ in range(3):
        clocks.fire()
        with clocks.storage.transaction() as work:
            work.connection.execute(text("update timer set due_at = due_at - interval '5 seconds'"))

    assert clocks.jobs() == [(timer.task_id,)]


def test_timers_of_tasks_that_wait_no_longer_are_deleted(clocks: Clocks) -> None:
    instance = clocks.instance()
    closed, kept = clocks.timer(instance=instance), clocks.timer(instance=instance)

    with clocks.storage.transaction() as work:
        Timers(work).close(instance, [closed.task_id])

    assert clocks.left(instance) == [kept]


def test_of_many_schedulers_one_fires_a_timer(clocks: Clocks) -> None:
    instance = clocks.instance()
    timers = [clocks.timer(instance=instance) for _ in range(60)]
    together = threading.Barrier(3)

    def fire_all(_number: int) -> int:
        together.wait()
        return sum(iter(lambda: clocks.fire(limit=5), 0))

    with ThreadPoolExecutor(3) as pool:
        fired = sum(pool.map(fire_all, range(3)))

    assert fired == 60
    assert sorted(clocks.jobs()) == sorted((timer.task_id,) for timer in timers)


def test_a_scheduler_that_dies_between_claim_and_commit_leaves_the_timer_to_another(clocks: Clocks) -> None:
    timer = clocks.timer()

    def die(name: CrashPoint) -> None:
        if name == "after_timer_claim":
            raise ConnectionAbortedError

    with armed(die), pytest.raises(ConnectionAbortedError):
        clocks.fire()

    assert (clocks.jobs(), clocks.left(timer.process_instance_id)) == ([], [timer])
    assert clocks.fire() == 1


def test_a_timer_that_another_transaction_holds_is_left_to_it(clocks: Clocks) -> None:
    clocks.timer()

    with clocks.storage.transaction() as work:
        assert len(Timers(work).claim_due(10)) == 1
        assert clocks.fire() == 0

    assert clocks.fire() == 1


def waits_for_a_lock(clocks: Clocks) -> bool:
    query = (
        "select count(*) from pg_locks l join pg_stat_activity a using (pid)"
        " where not l.granted and a.datname = current_database()"
    )
    with clocks.storage.transaction() as work:
        return bool(work.connection.execute(text(query)).scalar_one())


def test_a_timer_that_is_closed_while_it_fires_does_not_run_again(clocks: Clocks) -> None:
    timer = clocks.cycle("R/PT1H", begun=1.5 * HOUR)

    def close() -> None:
        with clocks.storage.transaction() as work:
            Timers(work).close(timer.process_instance_id, [timer.task_id])

    closing = threading.Thread(target=close)
    with clocks.storage.transaction() as work:
        assert fire_due_timers(work, 10) == 1
        closing.start()
        assert becomes(lambda: waits_for_a_lock(clocks))
    closing.join(JOIN_SECONDS)

    assert clocks.left(timer.process_instance_id) == []


WAITS = diagram("p", start(), path("Begin", "Wait", "Done"), catch("Wait", timer=duration("=pause")), end())


@pytest.fixture
def listening(hub: NotificationHub) -> Iterator[NotificationHub]:
    with hub:
        yield hub


def work_off(shop: Shop) -> None:
    worker = shop.worker(EAGER)
    while worker.run_one():
        pass


def test_an_instance_goes_on_when_its_time_has_come(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, WAITS)
    process_instance_id = shop.start(pause="PT1H")
    scheduler = Scheduler(shop.engine, storage, SchedulerPolicy())

    scheduler.fire_due()
    work_off(shop)
    before = shop.describe(process_instance_id).status
    shop.execute("update timer set due_at = due_at - interval '1 hour'")
    scheduler.fire_due()
    work_off(shop)

    assert (before, shop.describe(process_instance_id).status) == (InstanceStatus.RUNNING, InstanceStatus.COMPLETED)


def test_a_sleeping_scheduler_is_woken_by_a_new_timer(storage: Storage, listening: NotificationHub) -> None:
    shop = Shop(storage, listening, WAITS)
    scheduler = Scheduler(shop.engine, storage, SchedulerPolicy(poll_seconds=3_600), listening)
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    try:
        shop.start(pause="PT0.5S")
        fired = becomes(lambda: shop.job("type") == ("engine.trigger",))
    finally:
        scheduler.stop()
        thread.join(JOIN_SECONDS)

    assert fired
    assert not thread.is_alive()


REMINDED = diagram(
    "p",
    start(),
    path("Begin", "Approve", "Done"),
    user_task("Approve", "reviewer"),
    boundary("Remind", "Approve", timer=cycle("R3/PT1H"), interrupting=False),
    path("Remind", "Reminded"),
    end(),
    end("Reminded"),
)


def pass_time(shop: Shop, hours: float) -> None:
    """Let it be so many hours later than it is, for the engine."""
    later = f"select clock_timestamp() + make_interval(secs => {hours * 3_600})"
    shop.execute(f"create or replace function engine_now() returns timestamptz language sql volatile as '{later}'")


def reminders(shop: Shop, process_instance_id: UUID) -> int:
    with shop.storage.transaction() as work:
        events = EventLog(work).of_instance(process_instance_id)
    return sum(event.kind == "element.completed" and event.element_id == "Remind" for event in events)


def test_a_reminder_comes_as_often_as_the_diagram_says(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, REMINDED)
    process_instance_id = shop.start()
    scheduler = Scheduler(shop.engine, storage, SchedulerPolicy())

    counts = []
    for hours in (0.5, 1.5, 2.5, 3.5, 4.5):
        pass_time(shop, hours)
        scheduler.fire_due()
        work_off(shop)
        counts.append(reminders(shop, process_instance_id))

    assert counts == [0, 1, 2, 3, 3]
    assert shop.describe(process_instance_id).status is InstanceStatus.RUNNING


def test_a_task_that_is_done_is_reminded_of_no_more(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, REMINDED)
    process_instance_id = shop.start()
    reviewer = ADMIN.model_copy(update={"user_id": "rita", "groups": frozenset({"reviewer"})})
    with storage.transaction() as work:
        (task,) = shop.engine.user_tasks(work, context=reviewer)
        shop.engine.complete_user_task(work, task.user_task_id, {}, context=reviewer)

    with storage.transaction() as work:
        assert Timers(work).of_instance(process_instance_id) == []
    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED


def test_a_reminder_that_was_under_way_when_the_task_was_done_harms_nothing(
    storage: Storage, hub: NotificationHub
) -> None:
    shop = Shop(storage, hub, REMINDED)
    process_instance_id = shop.start()
    pass_time(shop, 1.5)
    Scheduler(shop.engine, storage, SchedulerPolicy()).fire_due()
    reviewer = ADMIN.model_copy(update={"user_id": "rita", "groups": frozenset({"reviewer"})})
    with storage.transaction() as work:
        (task,) = shop.engine.user_tasks(work, context=reviewer)
        shop.engine.complete_user_task(work, task.user_task_id, {}, context=reviewer)

    work_off(shop)

    description = shop.describe(process_instance_id)
    assert (description.status, shop.job(), reminders(shop, process_instance_id)) == (InstanceStatus.COMPLETED, None, 0)
