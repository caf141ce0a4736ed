"""The book of schedules: who may define, pause, resume and end them, and what they do then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from clockwork import NIGHTLY, OPERATOR, STRANGER, VIEWER, Clockwork, ago, cron, every, once_at
from database_owner import as_owner
from diagrams import cycle, diagram, end, path, start
from sqlalchemy import text

from engine import AbsolutePeriod, ExecutionWindow, FireOutcome, FireSelection, ScheduleBook, ScheduleStatus
from engine.errors import (
    IdempotencyConflictError,
    ScheduleEndedError,
    ScheduleInvalidError,
    UnknownProcessError,
    UnknownScheduleError,
)
from storage import SecurityContext, Storage
from storage.errors import AccessDeniedError

HOUR = timedelta(hours=1)
YESTERDAY = AbsolutePeriod(from_at=ago(days=1), until_at=ago(hours=1))
Change = Callable[..., None]
CHANGES: list[Change] = [ScheduleBook.pause, ScheduleBook.resume, ScheduleBook.deactivate]


@pytest.fixture(name="clock")
def clockwork(storage: Storage) -> Clockwork:
    return Clockwork(storage)


def change(clock: Clockwork, what: Change, schedule_id: UUID, context: SecurityContext = OPERATOR) -> None:
    with clock.storage.transaction() as work:
        what(clock.book, work, schedule_id, context=context)


def test_a_paused_schedule_fires_no_more_until_it_is_resumed(clock: Clockwork) -> None:
    schedule_id = clock.define(every("PT1H", ago(minutes=1)))

    change(clock, ScheduleBook.pause, schedule_id)
    paused = clock.schedule()

    assert (paused.status, paused.next_fire_at, clock.scheduler().fire_due()) == (ScheduleStatus.PAUSED, None, 0)


def test_fires_of_a_pause_are_not_made_up_and_the_grid_of_times_stays(clock: Clockwork) -> None:
    first = ago(hours=10, minutes=30)
    schedule_id = clock.define(every("PT1H", first))
    change(clock, ScheduleBook.pause, schedule_id)

    change(clock, ScheduleBook.resume, schedule_id)

    row = clock.schedule()
    assert (row.status, row.next_fire_at) == (ScheduleStatus.ACTIVE, first + 11 * HOUR)
    assert clock.scheduler().fire_due() == 0


def test_a_schedule_whose_last_fire_fell_into_the_pause_ends(clock: Clockwork) -> None:
    schedule_id = clock.define(once_at(ago(minutes=1)))
    change(clock, ScheduleBook.pause, schedule_id)

    change(clock, ScheduleBook.resume, schedule_id)

    assert clock.schedule().status is ScheduleStatus.ENDED


def test_pausing_and_resuming_again_changes_nothing(clock: Clockwork) -> None:
    schedule_id = clock.define(every("PT1H"))
    before = clock.schedule()

    change(clock, ScheduleBook.resume, schedule_id)
    assert clock.schedule() == before
    change(clock, ScheduleBook.pause, schedule_id)
    paused = clock.schedule()
    change(clock, ScheduleBook.pause, schedule_id)
    assert clock.schedule() == paused


def test_a_deactivated_schedule_has_ended_for_good(clock: Clockwork) -> None:
    schedule_id = clock.define(every("PT1H", ago(minutes=1)))

    change(clock, ScheduleBook.deactivate, schedule_id)
    change(clock, ScheduleBook.deactivate, schedule_id)

    assert (clock.schedule().status, clock.scheduler().fire_due()) == (ScheduleStatus.ENDED, 0)
    for what in (ScheduleBook.pause, ScheduleBook.resume):
        with pytest.raises(ScheduleEndedError) as raised:
            change(clock, what, schedule_id)
        assert raised.value.schedule_id == str(schedule_id)


@pytest.mark.parametrize("what", CHANGES)
def test_a_schedule_of_another_tenant_is_not_seen(clock: Clockwork, what: Change) -> None:
    schedule_id = clock.define(every("PT1H", ago(minutes=1)))
    clock.scheduler().fire_due()

    with pytest.raises(UnknownScheduleError) as raised:
        change(clock, what, schedule_id, STRANGER)

    assert raised.value.schedule_id == str(schedule_id)
    assert clock.schedules(STRANGER) == []
    with clock.storage.transaction() as work:
        assert clock.book.fires(work, FireSelection(), context=STRANGER) == []


@pytest.mark.parametrize("what", CHANGES)
def test_a_viewer_reads_schedules_and_changes_none(clock: Clockwork, what: Change) -> None:
    schedule_id = clock.define(every("PT1H"))

    with pytest.raises(AccessDeniedError):
        change(clock, what, schedule_id, VIEWER)
    with pytest.raises(AccessDeniedError), clock.storage.transaction() as work:
        clock.book.define(work, "nightly", {}, every("PT1H"), context=VIEWER)

    assert clock.schedules(VIEWER) == clock.schedules(OPERATOR)


def test_every_change_is_on_the_record(clock: Clockwork) -> None:
    schedule_id = clock.define(every("PT1H"))
    for what in CHANGES:
        change(clock, what, schedule_id)

    query = (
        "select convert_from(canonical_bytes, 'UTF8')::jsonb ->> 'action' as action from audit_leaf order by audit_ref"
    )
    with as_owner(clock.storage) as connection:
        actions = [row.action for row in connection.execute(text(query))]
    assert [action for action in actions if action.startswith("schedule.")] == [
        "schedule.defined",
        "schedule.paused",
        "schedule.resumed",
        "schedule.deactivated",
    ]


def test_a_process_that_is_not_deployed_cannot_be_scheduled(clock: Clockwork) -> None:
    with pytest.raises(UnknownProcessError) as raised:
        clock.define(every("PT1H"), "yearly")

    assert raised.value.process_id == "yearly"


def test_a_process_that_no_call_can_start_cannot_be_scheduled(storage: Storage) -> None:
    timed = diagram("timed", start("Tick", timer=cycle("R/PT1H")), path("Tick", "Done"), end())
    clock = Clockwork(storage, NIGHTLY, timed)

    with pytest.raises(UnknownProcessError):
        clock.define(every("PT1H"), "timed")


@pytest.mark.parametrize(
    "fields",
    [
        {"active_until": ago(days=1)},
        {"active_from": ago(minutes=-1), "active_until": ago(minutes=-2)},
        {"window": ExecutionWindow(allowed=(YESTERDAY,))},
    ],
    ids=["over", "before its first fire", "closed"],
)
def test_a_schedule_that_never_starts_anything_is_refused(clock: Clockwork, fields: dict[str, Any]) -> None:
    with pytest.raises((ScheduleInvalidError, ValueError)):
        clock.define(every("PT1H", **fields))

    assert clock.schedules() == []


def test_fires_are_listed_by_what_they_belong_to_the_latest_first(storage: Storage) -> None:
    clock = Clockwork(storage, NIGHTLY, NIGHTLY.replace(b'"nightly"', b'"weekly"'))
    nightly = clock.define(cron("0 0 * * *"))
    clock.define(every("P7D", ago(minutes=3)), "weekly")
    clock.execute(f"update schedule set due_at = now(), next_fire_at = now() where schedule_id = '{nightly}'")
    clock.scheduler().fire_due()

    (late, early) = clock.fires()

    assert (late.process_id, early.process_id) == ("nightly", "weekly")
    assert clock.fires(process_id="weekly") == [early]
    assert clock.fires(schedule_id=nightly) == [late]
    assert clock.fires(process_instance_id=early.process_instance_id) == [early]
    assert clock.fires(outcomes=(FireOutcome.STARTED,), limit=1) == [late]
    assert clock.fires(outcomes=(FireOutcome.SKIPPED, FireOutcome.FAILED)) == []


def test_a_schedule_defined_twice_under_one_key_is_one_and_another_is_refused(clock: Clockwork) -> None:
    def define(interval: str) -> UUID:
        with clock.storage.transaction() as work:
            return clock.book.define(
                work, "nightly", {}, every(interval), context=OPERATOR, idempotency_key="nightly-1"
            )

    assert define("PT1H") == define("PT1H") == clock.schedule().schedule_id
    with pytest.raises(IdempotencyConflictError):
        define("PT2H")
    assert len(clock.schedules()) == 1


def test_a_schedule_that_is_not_activated_fires_once_it_is_resumed(clock: Clockwork) -> None:
    with clock.storage.transaction() as work:
        schedule_id = clock.book.define(work, "nightly", {}, every("PT1H"), context=OPERATOR, activate=False)
    paused = clock.schedule()

    with clock.storage.transaction() as work:
        clock.book.resume(work, schedule_id, context=OPERATOR)

    active = clock.schedule()
    assert (paused.status, paused.next_fire_at) == (ScheduleStatus.PAUSED, None)
    assert (active.status, active.next_fire_at is None) == (ScheduleStatus.ACTIVE, False)
