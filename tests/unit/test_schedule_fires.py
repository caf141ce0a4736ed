"""Schedules: their definitions, what becomes of a fire that is due, and which fire comes next."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine import (
    CronTrigger,
    DateTrigger,
    ExecutionWindow,
    IntervalTrigger,
    MissedFires,
    OutsideWindow,
    ScheduleDefinition,
    WeeklyPeriod,
)
from engine.fires import Defer, Fire, Skip, SkipReason, Start, has_breached, judge, next_fire
from engine.timers import parse_timer

ANCHOR = datetime(2026, 3, 1, tzinfo=UTC)
WINTER = datetime(2026, 1, 31, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYTIME = WeeklyPeriod(from_time=time(6), until_time=time(22))


def hourly(**fields: Any) -> ScheduleDefinition:
    return ScheduleDefinition(trigger=IntervalTrigger(every="PT1H"), **fields)


def daytime(outside: OutsideWindow) -> ExecutionWindow:
    return ExecutionWindow(allowed=(DAYTIME,), outside=outside)


def fired(definition: ScheduleDefinition, start: datetime, until: datetime, *, down_until: datetime) -> list[datetime]:
    """Return the fires that start an instance; a scheduler that was down looks at each as soon as it can."""
    started, fire_at, now, due_at = [], definition.first_fire(start), start, start
    while fire_at is not None and fire_at <= until:
        now = max(now, fire_at, down_until, due_at)
        verdict = judge(definition, Fire(fire_at, max(fire_at, due_at)), now)
        if isinstance(verdict, Defer):
            due_at = verdict.until
            continue
        if isinstance(verdict, Start):
            assert definition.window is None or definition.window.is_open(now)
            started.append(fire_at)
        fire_at, due_at = next_fire(definition, start, fire_at, verdict, now), start
    return started


@pytest.mark.parametrize(
    ("trigger", "first", "second"),
    [
        (IntervalTrigger(every="PT1H"), "2026-03-01T01:00", "2026-03-01T02:00"),
        (IntervalTrigger(every="P1M", first_fire_at=WINTER), "2026-01-31T00:00", "2026-02-28T00:00"),
        (CronTrigger(line="0 9 * * 1-5", time_zone="Europe/Berlin"), "2026-03-02T08:00", "2026-03-03T08:00"),
        (DateTrigger(at=WINTER), "2026-01-31T00:00", None),
        (IntervalTrigger(every="PT1H", repetitions=1), "2026-03-01T01:00", None),
    ],
)
def test_a_trigger_has_a_first_fire_and_others_after_it(trigger: Any, first: str, second: str | None) -> None:
    definition = ScheduleDefinition(trigger=trigger)

    found = definition.first_fire(ANCHOR)

    assert found == datetime.fromisoformat(first + "+00:00")
    assert definition.fire_after(found, ANCHOR) == (second and datetime.fromisoformat(second + "+00:00"))


def test_a_schedule_fires_between_its_activation_and_its_end_both_included() -> None:
    definition = hourly(active_from=ANCHOR + 5 * HOUR, active_until=ANCHOR + 7 * HOUR)

    first = definition.first_fire(ANCHOR)

    assert first == ANCHOR + 5 * HOUR
    assert definition.fire_after(first, ANCHOR) == ANCHOR + 6 * HOUR
    assert definition.fire_after(ANCHOR + 7 * HOUR, ANCHOR) is None


@pytest.mark.parametrize(
    ("missed", "started"),
    [(MissedFires.ALL, range(1, 13)), (MissedFires.ONCE, [1, 11, 12]), (MissedFires.SKIP, [11, 12])],
)
def test_fires_missed_in_downtime_start_as_the_policy_says(missed: MissedFires, started: list[int]) -> None:
    down_until = ANCHOR + 10.5 * HOUR

    found = fired(hourly(missed=missed), ANCHOR, ANCHOR + 12 * HOUR, down_until=down_until)

    assert found == [ANCHOR + hours * HOUR for hours in started]


def test_a_fire_within_its_time_of_grace_is_not_missed() -> None:
    definition = hourly(missed=MissedFires.SKIP, grace_seconds=60)
    fire = Fire(ANCHOR, ANCHOR)

    assert judge(definition, fire, ANCHOR + timedelta(seconds=60)) == Start()
    assert judge(definition, fire, ANCHOR + timedelta(seconds=61)) == Skip(SkipReason.MISSED)


def test_a_fire_that_is_being_retried_is_not_missed() -> None:
    assert judge(hourly(missed=MissedFires.SKIP), Fire(ANCHOR, ANCHOR, failures=1), ANCHOR + HOUR) == Start()


def test_of_skipped_fires_the_one_that_is_still_in_its_grace_starts() -> None:
    definition = hourly(missed=MissedFires.SKIP)

    assert fired(definition, ANCHOR, ANCHOR + 4 * HOUR, down_until=ANCHOR + 3 * HOUR + timedelta(seconds=30)) == [
        ANCHOR + 3 * HOUR,
        ANCHOR + 4 * HOUR,
    ]


def test_a_fire_outside_the_window_waits_for_its_opening() -> None:
    night = ANCHOR + 2 * HOUR

    assert judge(hourly(window=daytime(OutsideWindow.DEFER)), Fire(night, night), night) == Defer(ANCHOR + 6 * HOUR)


def test_a_deferred_fire_starts_at_the_opening_once_for_all_that_waited() -> None:
    definition = hourly(window=daytime(OutsideWindow.DEFER))

    found = fired(definition, ANCHOR, ANCHOR + 8 * HOUR, down_until=ANCHOR)

    assert found == [ANCHOR + hours * HOUR for hours in (1, 7, 8)]


def test_a_fire_outside_the_window_is_skipped_where_that_is_the_rule() -> None:
    definition = hourly(window=daytime(OutsideWindow.SKIP))

    assert fired(definition, ANCHOR, ANCHOR + 8 * HOUR, down_until=ANCHOR) == [
        ANCHOR + hours * HOUR for hours in (6, 7, 8)
    ]


def test_after_downtime_fires_that_fell_into_the_window_are_not_lost_to_one_that_did_not() -> None:
    definition = hourly(window=daytime(OutsideWindow.SKIP))

    assert fired(definition, ANCHOR, ANCHOR + 12 * HOUR, down_until=ANCHOR + 10.5 * HOUR) == [
        ANCHOR + hours * HOUR for hours in (6, 11, 12)
    ]


def test_a_late_fire_is_skipped_where_the_window_has_closed_meanwhile() -> None:
    evening, late = ANCHOR + 21 * HOUR, ANCHOR + 23 * HOUR
    definition = hourly(window=daytime(OutsideWindow.SKIP), missed=MissedFires.ALL)

    verdict = judge(definition, Fire(evening, evening), late)

    assert verdict == Skip(SkipReason.OUTSIDE_WINDOW)
    assert next_fire(definition, ANCHOR, evening, verdict, late) == ANCHOR + 24 * HOUR


def test_a_fire_whose_window_opens_after_the_schedules_end_is_skipped() -> None:
    night = ANCHOR + 2 * HOUR
    definition = hourly(window=daytime(OutsideWindow.DEFER), active_until=ANCHOR + 3 * HOUR)

    assert judge(definition, Fire(night, night), night) == Skip(SkipReason.WINDOW_STAYS_CLOSED)


def test_a_start_later_than_promised_is_a_breach() -> None:
    promised = hourly(sla_seconds=30)

    assert not has_breached(promised, ANCHOR, ANCHOR + timedelta(seconds=30))
    assert has_breached(promised, ANCHOR, ANCHOR + timedelta(seconds=31))
    assert not has_breached(hourly(), ANCHOR, ANCHOR + HOUR)


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {"trigger": {"kind": "interval", "every": "PT0.5S"}},
        {"trigger": {"kind": "interval", "every": "P1D", "repetitions": 0}},
        {"trigger": {"kind": "interval", "every": "P1D", "first_fire_at": "2026-03-01T00:00:00"}},
        {"trigger": {"kind": "cron", "line": "61 * * * *"}},
        {"trigger": {"kind": "cron", "line": "@daily", "time_zone": "Mars/Base"}},
        {"trigger": {"kind": "date", "at": "2026-03-01"}},
        {"trigger": {"kind": "moon"}},
        {"trigger": {"kind": "cron", "line": "@daily"}, "unknown": 1},
        {
            "trigger": {"kind": "cron", "line": "@daily"},
            "active_from": "2026-03-01T00:00:00Z",
            "active_until": "2026-03-01T00:00:00Z",
        },
    ],
)
def test_what_is_no_schedule_is_refused(definition: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ScheduleDefinition.model_validate(definition)


def test_a_definition_survives_json() -> None:
    definition = hourly(window=daytime(OutsideWindow.SKIP), sla_seconds=5, active_from=ANCHOR)

    assert ScheduleDefinition.model_validate_json(definition.model_dump_json()) == definition


@given(
    st.sampled_from(MissedFires),
    st.sampled_from([None, *OutsideWindow]),
    st.timedeltas(timedelta(0), timedelta(days=3)),
)
def test_no_fire_starts_twice_none_off_the_grid_and_none_while_the_window_is_closed(
    missed: MissedFires, outside: OutsideWindow | None, down: timedelta
) -> None:
    window = None if outside is None else daytime(outside)
    until = ANCHOR + timedelta(days=4)

    found = fired(hourly(missed=missed, window=window), ANCHOR, until, down_until=ANCHOR + down)

    grid = [ANCHOR + number * HOUR for number in range(1, 4 * 24 + 1)]
    assert [fire_at for fire_at in grid if fire_at in found] == found
    assert missed is not MissedFires.ALL or window is not None or found == grid


def test_the_how_to_shows_a_definition_and_timers_that_are_ones() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/schedule-a-process.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, flags=re.DOTALL)
    rows = re.findall(r"^\| (date|duration|cycle) \| (.+?) \|", page, flags=re.MULTILINE)

    assert ScheduleDefinition.model_validate_json(example).window is not None
    assert len([parse_timer(kind, text) for kind, texts in rows for text in re.findall(r"`(.+?)`", texts)]) == 16
