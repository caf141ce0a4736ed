"""Schedules on a real database: each fire exactly once, whatever the number of schedulers and the time missed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta

import pytest
from clockwork import JOIN_SECONDS, OPERATOR, Clockwork, ago, cron, every, once_at

from engine import (
    AbsolutePeriod,
    ExecutionWindow,
    FireOutcome,
    MissedFires,
    NotificationHub,
    OutsideWindow,
    Scheduler,
    ScheduleStatus,
    WeeklyPeriod,
    schedule_statistics,
)
from engine.fires import Fire
from engine.persistence import EventLog, Schedules
from storage import Storage

HOUR = timedelta(hours=1)
CLOSED = AbsolutePeriod(from_at=ago(days=2), until_at=ago(days=-2))


@pytest.fixture(name="clock")
def clockwork(storage: Storage) -> Clockwork:
    return Clockwork(storage)


@contextmanager
def running(*schedulers: Scheduler) -> Iterator[list[threading.Thread]]:
    threads = [threading.Thread(target=scheduler.run) for scheduler in schedulers]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for scheduler in schedulers:
            scheduler.stop()
        for thread in threads:
            thread.join(JOIN_SECONDS)


def wait_for_starts(clock: Clockwork, hub: NotificationHub, number: int) -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=JOIN_SECONDS)
    mark = hub.event_mark()
    while len(clock.started()) < number and datetime.now(UTC) < deadline:
        hub.wait_for_event(mark, 1.0)
        mark = hub.event_mark()


def test_a_due_schedule_starts_one_instance_with_its_variables_as_its_principal(clock: Clockwork) -> None:
    clock.define(every("P1D", ago(minutes=1)))

    assert clock.scheduler().fire_due() == 1

    (process_instance_id,) = clock.started()
    with clock.storage.transaction() as work:
        assert clock.engine.variables(work, process_instance_id, context=OPERATOR) == {"depth": 3}
        started = EventLog(work).of_instance(process_instance_id)[0]
    assert (started.kind, started.payload["started_by"]) == ("process.started", "olga")


def test_a_fire_is_recorded_with_its_instance(clock: Clockwork) -> None:
    fire_at = ago(minutes=1)
    schedule_id = clock.define(every("P1D", fire_at))

    clock.scheduler().fire_due()

    (fire,), row = clock.fires(), clock.schedule()
    assert (fire.schedule_id, fire.fire_at, fire.outcome) == (schedule_id, fire_at, FireOutcome.STARTED)
    assert [fire.process_instance_id] == clock.started()
    assert 60 <= fire.lateness_seconds < 60 + JOIN_SECONDS
    assert (row.last_fire_at, row.next_fire_at, row.started) == (fire_at, fire_at + timedelta(days=1), 1)


def test_a_schedule_whose_time_has_not_come_starts_nothing(clock: Clockwork) -> None:
    clock.define(every("PT1H"))
    clock.define(cron("0 0 1 1 *"))

    assert clock.scheduler().fire_due() == 0
    assert clock.started() == []


def test_fires_missed_in_downtime_give_one_start_and_the_grid_of_times_stays(clock: Clockwork) -> None:
    first = ago(hours=10, minutes=30)
    clock.define(every("PT1H", first))

    assert [clock.scheduler().fire_due(), clock.scheduler().fire_due()] == [1, 0]

    row = clock.schedule()
    assert len(clock.started()) == 1
    assert (row.last_fire_at, row.next_fire_at) == (first, first + 11 * HOUR)


def test_fires_missed_in_downtime_are_all_made_up_where_that_is_the_policy(clock: Clockwork) -> None:
    first = ago(hours=10, minutes=30)
    clock.define(every("PT1H", first, missed=MissedFires.ALL))

    assert clock.scheduler().fire_due() == 11

    assert clock.outcomes() == [(first + number * HOUR, "started", None) for number in range(11)]
    assert len(set(clock.started())) == 11
    assert clock.schedule().next_fire_at == first + 11 * HOUR


def test_fires_missed_in_downtime_are_skipped_where_that_is_the_policy(clock: Clockwork) -> None:
    first = ago(hours=10, minutes=30)
    clock.define(every("PT1H", first, missed=MissedFires.SKIP))

    assert clock.scheduler().fire_due() == 0

    assert clock.outcomes() == [(first, "skipped", "missed")]
    assert (clock.started(), clock.schedule().next_fire_at) == ([], first + 11 * HOUR)


def test_a_schedule_with_many_missed_fires_does_not_hold_up_the_others(clock: Clockwork) -> None:
    clock.define(every("PT1H", ago(hours=10, minutes=30), missed=MissedFires.ALL))
    clock.define(once_at(ago(minutes=1)))

    clock.scheduler().fire_due()

    order = clock.rows("select schedule_id from schedule_fire order by recorded_at")
    assert order[1] != order[0]


def test_a_schedule_ends_with_its_last_fire(clock: Clockwork) -> None:
    clock.define(once_at(ago(minutes=1)))

    assert [clock.scheduler().fire_due(), clock.scheduler().fire_due()] == [1, 0]

    row = clock.schedule()
    assert (row.status, row.next_fire_at, row.due_at) == (ScheduleStatus.ENDED, None, None)


def test_a_fire_outside_its_window_waits_until_it_opens(clock: Clockwork) -> None:
    fire_at = ago(minutes=1)
    clock.define(every("P7D", fire_at, window=ExecutionWindow(blackouts=(CLOSED,))))

    assert clock.scheduler().fire_due() == 0

    row = clock.schedule()
    assert (row.next_fire_at, row.due_at, clock.outcomes()) == (fire_at, CLOSED.until_at, [])


def test_a_fire_outside_its_window_is_skipped_where_that_is_the_rule(clock: Clockwork) -> None:
    fire_at = ago(minutes=1)
    window = ExecutionWindow(blackouts=(CLOSED,), outside=OutsideWindow.SKIP)
    clock.define(every("P1D", fire_at, window=window))

    assert clock.scheduler().fire_due() == 0

    assert clock.outcomes() == [(fire_at, "skipped", "outside_window")]
    assert clock.schedule().next_fire_at == fire_at + timedelta(days=1)


def test_a_start_that_is_later_than_promised_is_told(clock: Clockwork) -> None:
    clock.define(every("P1D", ago(minutes=1), sla_seconds=30))

    clock.scheduler().fire_due()

    (fire,) = clock.fires()
    assert fire.process_instance_id is not None
    with clock.storage.transaction() as work:
        (event,) = [
            event for event in EventLog(work).of_instance(fire.process_instance_id) if event.kind == "process.late"
        ]
        statistics = schedule_statistics(work)
    assert event.payload["lateness_seconds"] == fire.lateness_seconds > 60
    assert (fire.is_sla_breached, clock.schedule().sla_breaches) == (True, 1)
    assert statistics.fires["nightly"].model_dump() == {"started": 1, "skipped": 0, "failed": 0, "sla_breaches": 1}
    assert statistics.longest_delay_seconds == 0


def test_what_is_due_and_not_fired_is_a_delay(clock: Clockwork) -> None:
    clock.define(every("P1D", ago(minutes=5)))

    with clock.storage.transaction() as work:
        delay = schedule_statistics(work).longest_delay_seconds

    assert 300 <= delay < 300 + JOIN_SECONDS


def test_three_schedulers_fire_each_due_schedule_exactly_once(clock: Clockwork) -> None:
    for _ in range(30):
        clock.define(every("P1D", ago(minutes=1)))
    together = threading.Barrier(3)

    def fire(scheduler: Scheduler) -> int:
        together.wait()
        return scheduler.fire_due()

    with ThreadPoolExecutor(3) as pool:
        fired = list(pool.map(fire, [clock.scheduler() for _ in range(3)]))

    assert sum(fired) == 30
    assert len(set(clock.started())) == len(clock.started()) == 30


def test_a_fire_whose_transaction_is_lost_happens_again_exactly_once(clock: Clockwork) -> None:
    clock.define(every("P1D", ago(minutes=1)))
    scheduler = clock.scheduler()

    def fire_and_crash() -> None:
        with clock.storage.transaction() as work:
            row = Schedules(work).claim_due()
            assert row is not None
            assert row.next_fire_at is not None
            assert row.due_at is not None
            scheduler._fire(work, row, Fire(row.next_fire_at, row.due_at))
            raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        fire_and_crash()
    assert (clock.started(), clock.fires()) == ([], [])
    assert [scheduler.fire_due(), scheduler.fire_due()] == [1, 0]
    assert len(clock.started()) == 1


def test_a_fire_that_is_settled_starts_nothing_however_the_schedule_stands(clock: Clockwork) -> None:
    fire_at = ago(minutes=1)
    clock.define(every("P1D", fire_at))
    clock.scheduler().fire_due()
    clock.execute("update schedule set next_fire_at = last_fire_at, due_at = last_fire_at")

    clock.scheduler().fire_due()

    assert len(clock.started()) == len(clock.fires()) == 1
    assert clock.schedule().next_fire_at == fire_at + timedelta(days=1)


def test_a_start_that_fails_is_kept_for_later_and_stops_no_other_schedule(clock: Clockwork) -> None:
    broken = clock.insert_broken(ago(minutes=2))
    clock.define(every("PT1H", ago(minutes=1)))

    assert [clock.scheduler().fire_due(), clock.scheduler().fire_due()] == [1, 0]

    kept = clock.schedules()[0]
    assert kept.last_error is not None
    assert kept.last_error["code"] == "PROCESS_NOT_FOUND"
    assert kept == broken.model_copy(update={"due_at": kept.due_at, "failures": 1, "last_error": kept.last_error})
    assert kept.due_at is not None
    assert kept.due_at > datetime.now(UTC)
    assert len(clock.started()) == 1


def test_after_its_last_attempt_a_fire_has_failed_and_the_schedule_goes_on(clock: Clockwork) -> None:
    due_at = ago(minutes=2)
    clock.insert_broken(due_at)
    scheduler = clock.scheduler(attempts=3)

    for _ in range(3):
        assert clock.outcomes() == []
        scheduler.fire_due()
        clock.age("schedule", "due_at", seconds=300)

    row, (fire,) = clock.schedule(), clock.fires()
    assert (fire.fire_at, fire.outcome, fire.error) == (due_at, FireOutcome.FAILED, row.last_error)
    assert (row.next_fire_at, row.failures, row.failed) == (due_at + HOUR, 0, 1)
    assert row.last_error is not None
    assert row.last_error["code"] == "PROCESS_NOT_FOUND"


def test_each_further_attempt_waits_twice_as_long(clock: Clockwork) -> None:
    clock.insert_broken(ago(minutes=2))
    waits = []

    for _ in range(2):
        clock.scheduler(retry_seconds=100).fire_due()
        ((seconds,),) = clock.rows("select extract(epoch from due_at - engine_now()) from schedule")
        waits.append(float(seconds))
        clock.age("schedule", "due_at", seconds=1_000)

    assert 100 - JOIN_SECONDS < waits[0] <= 100
    assert 200 - JOIN_SECONDS < waits[1] <= 200


def test_what_became_of_a_fire_is_forgotten_in_the_end(clock: Clockwork) -> None:
    clock.define(every("PT1H", ago(days=3), missed=MissedFires.ALL))

    clock.scheduler(keep_fires_days=1).fire_due()

    assert min(fire.fire_at for fire in clock.fires(limit=1_000)) > ago(days=1, minutes=1)
    assert clock.schedule().started == len(clock.started()) == 73


def test_a_sleeping_scheduler_is_woken_by_a_new_schedule(clock: Clockwork, database_url: str) -> None:
    with NotificationHub(database_url) as hub, running(clock.scheduler(hub, poll_seconds=3_600)) as (thread,):
        clock.define(once_at(ago(seconds=-1)))
        wait_for_starts(clock, hub, 1)
        assert thread.is_alive()

    assert len(clock.started()) == 1


def test_a_running_scheduler_fires_on_time_again_and_again(clock: Clockwork, database_url: str) -> None:
    with NotificationHub(database_url) as hub, running(clock.scheduler(poll_seconds=0.5)):
        clock.define(every("PT1S"))
        wait_for_starts(clock, hub, 2)

    times = [fire.fire_at for fire in reversed(clock.fires())]
    assert len(times) >= 2
    assert [time - times[0] for time in times] == [timedelta(seconds=number) for number in range(len(times))]


@pytest.mark.parametrize("has_hub", [False, True])
def test_stop_ends_a_scheduler_however_long_its_poll_limit(
    clock: Clockwork, hub: NotificationHub, *, has_hub: bool
) -> None:
    with running(clock.scheduler(hub if has_hub else None, poll_seconds=3_600)) as (thread,):
        pass

    assert not thread.is_alive()


def test_a_weekly_window_reaches_the_scheduler(clock: Clockwork) -> None:
    always = WeeklyPeriod(from_time=time(0), until_time=time(0))
    clock.define(every("P1D", ago(minutes=1), window=ExecutionWindow(allowed=(always,))))

    assert clock.scheduler().fire_due() == 1
