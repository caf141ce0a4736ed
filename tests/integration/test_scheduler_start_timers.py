"""Timer start events: each owns a schedule for as long as its version of the process is the newest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from clockwork import OPERATOR, Clockwork, ago, every
from diagrams import cycle, date, diagram, end, path, start
from sqlalchemy import text

from engine import CronTrigger, DateTrigger, IntervalTrigger, ScheduleRow, ScheduleStatus
from engine.errors import DiagramError
from storage import SecurityContext, Storage
from storage.models import RoleType

HOUR = timedelta(hours=1)
OTHER_ADMIN = SecurityContext(user_id="otto", tenant_id="north", roles=frozenset({RoleType.ADMIN}))


def timed(timer: str, *, end_id: str = "Done", called: bool = True) -> bytes:
    """A process with a timer start event, and beside it one for calls; the id of its end makes it another version."""
    by_call = (start("Begin"), path("Begin", end_id)) if called else ()
    return diagram("nightly", start("Tick", timer=timer), path("Tick", end_id), *by_call, end(end_id))


def living(clock: Clockwork) -> list[ScheduleRow]:
    return [row for row in clock.schedules() if row.status is not ScheduleStatus.ENDED]


def test_a_deployed_timer_start_event_is_a_schedule_of_who_deployed_it(storage: Storage) -> None:
    clock = Clockwork(storage, timed(cycle("R/PT1H")))

    row = clock.schedule()

    assert (row.process_id, row.start_event_id, row.started_by) == ("nightly", "Tick", OPERATOR)
    assert row.definition.trigger == IntervalTrigger(every="PT1H")
    assert row.next_fire_at == row.anchor_at + HOUR
    assert row.process_definition_id is not None


def test_its_instances_begin_at_the_start_event(storage: Storage) -> None:
    clock = Clockwork(storage, timed(cycle("R/PT1H")))
    clock.age("schedule", "anchor_at", "next_fire_at", "due_at", seconds=3_700)

    assert clock.scheduler().fire_due() == 1

    assert clock.rows("select start_event_id, started_by ->> 'user_id', status from process_instance") == [
        ("Tick", "olga", "completed")
    ]


def test_a_process_needs_no_other_start_event(storage: Storage) -> None:
    clock = Clockwork(storage, timed(cycle("R/PT1H"), called=False))
    clock.age("schedule", "anchor_at", "next_fire_at", "due_at", seconds=3_700)

    assert clock.scheduler().fire_due() == 1


@pytest.mark.parametrize(
    ("timer", "trigger"),
    [
        (
            cycle("R3/2999-01-01T00:00:00Z/P1M"),
            IntervalTrigger(every="P1M", first_fire_at=datetime(2999, 1, 1, tzinfo=UTC), repetitions=3),
        ),
        (cycle("CRON_TZ=Europe/Berlin 0 9 * * 1-5"), CronTrigger(line="CRON_TZ=Europe/Berlin 0 9 * * 1-5")),
        (cycle('="0 9 * * " + "1-5"'), CronTrigger(line="CRON_TZ=UTC 0 9 * * 1-5")),
        (date("2999-01-01T00:00:00Z"), DateTrigger(at=datetime(2999, 1, 1, tzinfo=UTC))),
    ],
)
def test_a_start_event_has_a_date_or_a_cycle(
    storage: Storage, timer: str, trigger: IntervalTrigger | CronTrigger | DateTrigger
) -> None:
    assert Clockwork(storage, timed(timer)).schedule().definition.trigger == trigger


def test_a_date_that_has_passed_is_not_made_up(storage: Storage) -> None:
    assert Clockwork(storage, timed(date("2020-01-01T00:00:00Z"))).schedules() == []


def test_a_newer_version_replaces_the_timers_of_the_older(storage: Storage) -> None:
    clock = Clockwork(storage, timed(cycle("R/PT1H")))
    clock.age("schedule", "next_fire_at", "due_at", seconds=3_700)

    clock.deploy(timed(cycle("R/P1D")))

    (row,) = living(clock)
    assert row.definition.trigger == IntervalTrigger(every="P1D")
    assert len(clock.schedules()) == 2
    assert clock.scheduler().fire_due() == 0


def test_a_newer_version_without_timers_ends_those_of_the_older(storage: Storage) -> None:
    clock = Clockwork(storage, timed(cycle("R/PT1H")))

    clock.deploy(diagram("nightly", start(), path("Begin", "Done"), end()))

    assert living(clock) == []


def test_a_timer_that_a_newer_version_leaves_as_it_was_goes_on_in_its_rhythm(storage: Storage) -> None:
    clock = Clockwork(storage, timed(cycle("R/PT1H")))
    clock.age("schedule", "anchor_at", "next_fire_at", "due_at", seconds=1_800)
    before = clock.schedule()

    clock.deploy(timed(cycle("R/PT1H"), end_id="Finished"), OTHER_ADMIN)

    after = clock.schedule()
    assert after.process_definition_id != before.process_definition_id
    assert after == before.model_copy(
        update={"process_definition_id": after.process_definition_id, "started_by": OTHER_ADMIN}
    )


def test_deploying_the_same_diagram_again_changes_nothing(storage: Storage) -> None:
    clock = Clockwork(storage, timed(cycle("R/PT1H")))
    before = clock.schedule()

    clock.deploy(timed(cycle("R/PT1H")), OTHER_ADMIN)

    assert clock.schedule() == before


def test_a_timer_that_has_ended_does_not_begin_again_when_its_diagram_is_deployed_again(storage: Storage) -> None:
    clock = Clockwork(storage, timed(cycle("R1/PT1H")))
    clock.age("schedule", "anchor_at", "next_fire_at", "due_at", seconds=3_700)
    clock.scheduler().fire_due()

    clock.deploy(timed(cycle("R1/PT1H")))

    assert [row.status for row in clock.schedules()] == [ScheduleStatus.ENDED]


def test_schedules_that_people_defined_stay(storage: Storage) -> None:
    clock = Clockwork(storage, timed(cycle("R/PT1H")))
    schedule_id = clock.define(every("PT2H", ago(minutes=1)))

    clock.deploy(diagram("nightly", start(), path("Begin", "Done"), end()))

    assert [row.schedule_id for row in living(clock)] == [schedule_id]


@pytest.mark.parametrize("timer", [cycle("every hour"), date("tomorrow"), cycle("R/PT0S")])
def test_a_time_that_is_none_refuses_the_diagram(storage: Storage, timer: str) -> None:
    with pytest.raises(DiagramError) as raised:
        Clockwork(storage, timed(timer))

    assert raised.value.findings[0].element_id == "Tick"
    with storage.transaction() as work:
        assert work.connection.execute(text("select count(*) from schedule")).scalar_one() == 0
