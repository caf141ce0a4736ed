"""Schedules on a real database: each fire exactly once, whatever the number of schedulers and the time missed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from sqlalchemy import text

from engine import Engine, NotificationHub, Scheduler, ScheduleRow, SchedulerPolicy, ServiceTaskRegistry
from engine.errors import ScheduleIntervalError, UnknownProcessError, UnknownScheduleError
from engine.intervals import next_fire_time, parse_interval
from engine.persistence import EventLog, MissedFires, Schedules
from storage import SecurityContext, Storage
from storage.errors import AccessDeniedError
from storage.identifiers import new_id
from storage.models import RoleType

NIGHTLY = b"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="Definitions" targetNamespace="http://test">
  <bpmn:process id="nightly" name="Nightly" isExecutable="true">
    <bpmn:startEvent id="StartEvent_Due" name="Due"><bpmn:outgoing>Flow_Due</bpmn:outgoing></bpmn:startEvent>
    <bpmn:sequenceFlow id="Flow_Due" sourceRef="StartEvent_Due" targetRef="EndEvent_Done" />
    <bpmn:endEvent id="EndEvent_Done" name="Done"><bpmn:incoming>Flow_Due</bpmn:incoming></bpmn:endEvent>
  </bpmn:process>
</bpmn:definitions>"""
OPERATOR = SecurityContext(user_id="olga", tenant_id="north", roles=frozenset({RoleType.ADMIN}))
VIEWER = SecurityContext(user_id="vera", tenant_id="north", roles=frozenset({RoleType.VIEWER}))
STRANGER = SecurityContext(user_id="sven", tenant_id="south", roles=frozenset({RoleType.ADMIN}))
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
JOIN_SECONDS = 20


@pytest.fixture
def engine(storage: Storage) -> Engine:
    engine = Engine(ServiceTaskRegistry(), {})
    with storage.transaction() as work:
        engine.deploy(work, NIGHTLY, context=OPERATOR)
    return engine


@pytest.fixture
def scheduler(engine: Engine, storage: Storage) -> Scheduler:
    return Scheduler(engine, storage, SchedulerPolicy())


def _define(scheduler: Scheduler, storage: Storage, interval: str, first_fire_at: datetime | None = None) -> UUID:
    with storage.transaction() as work:
        return scheduler.define(
            work, "nightly", {"depth": 3}, interval=interval, context=OPERATOR, first_fire_at=first_fire_at
        )


def _only_schedule(scheduler: Scheduler, storage: Storage) -> ScheduleRow:
    with storage.transaction() as work:
        (row,) = scheduler.schedules(work, context=OPERATOR)
    return row


def _started(storage: Storage) -> list[UUID]:
    # Not from the events: those settle only when every older transaction of the cluster, other tests' too, has ended.
    with storage.transaction() as work:
        rows = work.connection.execute(text("select process_instance_id from process_instance order by started_at"))
        return [row.process_instance_id for row in rows]


@contextmanager
def _running(scheduler: Scheduler) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    try:
        yield thread
    finally:
        scheduler.stop()
        thread.join(JOIN_SECONDS)


def test_a_due_schedule_starts_one_instance_with_its_variables_as_its_principal(
    scheduler: Scheduler, engine: Engine, storage: Storage
) -> None:
    _define(scheduler, storage, "P1D", datetime.now(UTC) - timedelta(minutes=1))

    assert scheduler.fire_due() == 1

    (process_instance_id,) = _started(storage)
    with storage.transaction() as work:
        assert engine.variables(work, process_instance_id, context=OPERATOR) == {"depth": 3}
        started = EventLog(work).of_instance(process_instance_id)[0]
    assert (started.kind, started.payload) == ("process.started", {"process_id": "nightly", "started_by": "olga"})


def test_a_schedule_whose_time_has_not_come_starts_nothing(scheduler: Scheduler, storage: Storage) -> None:
    _define(scheduler, storage, "PT1H")

    assert scheduler.fire_due() == 0
    assert _started(storage) == []


def test_fires_missed_in_downtime_give_one_start_and_the_grid_of_times_stays(
    scheduler: Scheduler, storage: Storage
) -> None:
    first_fire_at = datetime.now(UTC) - timedelta(hours=10, minutes=30)
    _define(scheduler, storage, "PT1H", first_fire_at)

    fired = [scheduler.fire_due(), scheduler.fire_due()]

    row = _only_schedule(scheduler, storage)
    assert fired == [1, 0]
    assert len(_started(storage)) == 1
    assert (row.last_fire_at, row.next_fire_at) == (first_fire_at, first_fire_at + timedelta(hours=11))


def test_three_schedulers_fire_each_due_schedule_exactly_once(engine: Engine, storage: Storage) -> None:
    schedulers = [Scheduler(engine, storage, SchedulerPolicy()) for _ in range(3)]
    for _ in range(30):
        _define(schedulers[0], storage, "P1D", datetime.now(UTC) - timedelta(minutes=1))
    together = threading.Barrier(3)

    def fire(scheduler: Scheduler) -> int:
        together.wait()
        return scheduler.fire_due()

    with ThreadPoolExecutor(3) as pool:
        fired = list(pool.map(fire, schedulers))

    assert sum(fired) == 30
    assert len(set(_started(storage))) == len(_started(storage)) == 30


def test_a_fire_whose_transaction_is_lost_happens_again_exactly_once(scheduler: Scheduler, storage: Storage) -> None:
    _define(scheduler, storage, "P1D", datetime.now(UTC) - timedelta(minutes=1))

    def fire_and_crash() -> None:
        with storage.transaction() as work:
            row = Schedules(work).claim_due()
            assert row is not None
            scheduler._fire(work, row)
            raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        fire_and_crash()
    assert _started(storage) == []
    assert [scheduler.fire_due(), scheduler.fire_due()] == [1, 0]
    assert len(_started(storage)) == 1


def test_a_start_that_fails_is_kept_for_later_and_stops_no_other_schedule(
    scheduler: Scheduler, storage: Storage
) -> None:
    due_at = datetime.now(UTC) - timedelta(minutes=2)
    broken = ScheduleRow(
        schedule_id=new_id(),
        tenant_id="north",
        process_id="removed",
        variables={},
        interval_seconds=3_600,
        missed_fires=MissedFires.ONCE,
        next_fire_at=due_at,
        due_at=due_at,
        started_by=OPERATOR,
    )
    with storage.transaction() as work:
        Schedules(work).insert(broken)
    _define(scheduler, storage, "PT1H", datetime.now(UTC) - timedelta(minutes=1))

    assert [scheduler.fire_due(), scheduler.fire_due()] == [1, 0]

    with storage.transaction() as work:
        kept = scheduler.schedules(work, context=OPERATOR)[0]
    error = {"code": "PROCESS_NOT_FOUND", "message": "No process 'removed' is deployed."}
    assert kept == broken.model_copy(update={"due_at": kept.due_at, "failures": 1, "last_error": error})
    assert kept.due_at > datetime.now(UTC)
    assert len(_started(storage)) == 1


def test_a_running_scheduler_fires_on_time_again_and_again(engine: Engine, storage: Storage, database_url: str) -> None:
    scheduler = Scheduler(engine, storage, SchedulerPolicy(poll_seconds=0.5))
    with NotificationHub(database_url) as hub, _running(scheduler):
        _define(scheduler, storage, "PT1S")
        deadline = datetime.now(UTC) + timedelta(seconds=JOIN_SECONDS)
        mark = hub.event_mark()
        while len(_started(storage)) < 2 and datetime.now(UTC) < deadline:
            hub.wait_for_event(mark, 1.0)
            mark = hub.event_mark()

    with storage.transaction() as work:
        instances = [engine.describe(work, each, context=OPERATOR) for each in _started(storage)]
    assert len(instances) >= 2
    assert all(
        later.started_at - earlier.started_at >= timedelta(seconds=0.5) for earlier, later in pairwise(instances)
    )


def test_stop_ends_a_scheduler_however_long_its_poll_limit(engine: Engine, storage: Storage) -> None:
    scheduler = Scheduler(engine, storage, SchedulerPolicy(poll_seconds=3_600))
    with _running(scheduler) as thread:
        pass

    assert not thread.is_alive()


def test_a_deactivated_schedule_fires_no_more(scheduler: Scheduler, storage: Storage) -> None:
    schedule_id = _define(scheduler, storage, "PT1H", datetime.now(UTC) - timedelta(minutes=1))

    with storage.transaction() as work:
        scheduler.deactivate(work, schedule_id, context=OPERATOR)

    assert scheduler.fire_due() == 0
    assert not _only_schedule(scheduler, storage).is_active


def test_a_schedule_of_another_tenant_is_not_seen(scheduler: Scheduler, storage: Storage) -> None:
    schedule_id = _define(scheduler, storage, "PT1H")

    with pytest.raises(UnknownScheduleError) as raised, storage.transaction() as work:
        scheduler.deactivate(work, schedule_id, context=STRANGER)

    assert raised.value.schedule_id == str(schedule_id)
    with storage.transaction() as work:
        assert scheduler.schedules(work, context=STRANGER) == []


def test_a_viewer_can_neither_define_nor_deactivate(scheduler: Scheduler, storage: Storage) -> None:
    schedule_id = _define(scheduler, storage, "PT1H")

    with pytest.raises(AccessDeniedError), storage.transaction() as work:
        scheduler.define(work, "nightly", {}, interval="PT1H", context=VIEWER)
    with pytest.raises(AccessDeniedError), storage.transaction() as work:
        scheduler.deactivate(work, schedule_id, context=VIEWER)

    assert _only_schedule(scheduler, storage).is_active


def test_a_process_that_is_not_deployed_cannot_be_scheduled(scheduler: Scheduler, storage: Storage) -> None:
    with pytest.raises(UnknownProcessError) as raised, storage.transaction() as work:
        scheduler.define(work, "yearly", {}, interval="PT1H", context=OPERATOR)

    assert raised.value.process_id == "yearly"


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("PT1S", timedelta(seconds=1)),
        ("PT90M", timedelta(minutes=90)),
        ("P1DT12H", timedelta(hours=36)),
        ("P2W", timedelta(days=14)),
        ("PT1.5S", timedelta(seconds=1.5)),
    ],
)
def test_an_iso_8601_duration_is_an_interval(text: str, interval: timedelta) -> None:
    assert parse_interval(text) == interval


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "P1Y", "P1M", "1H", "PT0S", "PT0.5S", "-PT1H", "P4000D", "P999999999W", "PT1H\n"]
)
def test_a_text_without_a_fixed_usable_length_is_no_interval(text: str) -> None:
    with pytest.raises(ScheduleIntervalError) as raised:
        parse_interval(text)

    assert (raised.value.code, raised.value.interval) == ("SCHEDULE_INTERVAL_INVALID", text)


@pytest.mark.parametrize(
    ("late", "next_after"),
    [
        (timedelta(0), timedelta(hours=1)),
        (timedelta(minutes=59), timedelta(hours=1)),
        (timedelta(hours=1), timedelta(hours=2)),
        (timedelta(hours=10, minutes=30), timedelta(hours=11)),
        (timedelta(minutes=-5), timedelta(hours=1)),
    ],
)
def test_the_next_fire_is_the_first_grid_time_after_now(late: timedelta, next_after: timedelta) -> None:
    assert next_fire_time(MIDNIGHT, timedelta(hours=1), MIDNIGHT + late) == MIDNIGHT + next_after
