"""Timers: what a text means, when it is due, and how a cycle goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.durations import Duration, Grid, parse_duration, parse_step
from engine.errors import TimerInvalidError
from engine.timers import Armed, TimerKind, arm, next_due, parse_timer

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ANCHORED = "R/2026-01-31T12:00:00+00:00/"

moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds it
durations = st.builds(
    Duration, st.integers(0, 40), st.timedeltas(timedelta(seconds=1), timedelta(days=400))
) | st.builds(Duration, st.integers(1, 40), st.just(timedelta(0)))


def due(kind: TimerKind, text: str, now: datetime = NOW) -> Armed:
    return arm(parse_timer(kind, text), now)


def all_due(armed: Armed, *, at_most: int = 20) -> list[datetime]:
    """Return the due times of a cycle that is handled at once each time."""
    times = [armed.due_at]
    following: Armed | None = armed
    while following is not None and len(times) < at_most:
        assert following.cycle_text is not None
        following = next_due(following.cycle_text, following.due_at, following.remaining, following.due_at)
        if following is not None:
            times.append(following.due_at)
    return times


@pytest.mark.parametrize(
    ("text", "due_at"),
    [
        ("2026-03-01T09:00:00Z", datetime(2026, 3, 1, 9, tzinfo=UTC)),
        ("2026-03-01T09:00:00+02:00", datetime(2026, 3, 1, 7, tzinfo=UTC)),
        ("2001-01-01T00:00:00.5Z", datetime(2001, 1, 1, microsecond=500_000, tzinfo=UTC)),
    ],
)
def test_a_date_is_due_at_its_instant(text: str, due_at: datetime) -> None:
    assert due("date", text) == Armed(due_at)


@pytest.mark.parametrize(
    ("text", "due_at"),
    [
        ("PT0S", NOW),
        ("PT1.5S", NOW + timedelta(seconds=1.5)),
        ("PT1,5S", NOW + timedelta(seconds=1.5)),
        ("P1DT12H", NOW + timedelta(hours=36)),
        ("P2W", NOW + timedelta(days=14)),
        ("P1M", datetime(2026, 2, 28, 12, tzinfo=UTC)),
        ("P1M1D", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("P25M", datetime(2028, 2, 29, 12, tzinfo=UTC)),
        ("P1Y2M3DT4H", datetime(2027, 4, 3, 16, tzinfo=UTC)),
    ],
)
def test_a_duration_is_due_when_it_has_passed(text: str, due_at: datetime) -> None:
    assert due("duration", text) == Armed(due_at)


def test_a_cycle_without_a_start_begins_after_one_duration() -> None:
    armed = due("cycle", "R3/PT1H")

    assert armed == Armed(NOW + timedelta(hours=1), 3, ANCHORED + "PT1H")
    assert all_due(armed) == [NOW + timedelta(hours=hours) for hours in (1, 2, 3)]


def test_a_cycle_with_a_start_begins_there() -> None:
    armed = due("cycle", "R2/2026-02-01T00:00:00+01:00/P1D")

    assert all_due(armed) == [datetime(2026, 1, 31, 23, tzinfo=UTC), datetime(2026, 2, 1, 23, tzinfo=UTC)]


def test_a_cycle_without_a_number_never_ends() -> None:
    armed = due("cycle", "R/PT1S")

    assert armed.remaining is None
    assert len(all_due(armed, at_most=50)) == 50


def test_months_are_counted_from_the_beginning_so_that_a_short_one_leaves_no_trace() -> None:
    assert [time.day for time in all_due(due("cycle", "R4/P1M"))] == [28, 31, 30, 31]


def test_months_are_counted_on_the_calendar_of_the_start() -> None:
    times = all_due(due("cycle", "R3/2026-01-31T23:30:00-05:00/P1M"))

    assert times == [datetime(2026, month, 1, 4, 30, tzinfo=UTC) for month in (2, 3, 4)]


def test_of_a_cycle_that_began_earlier_the_times_that_are_left_happen() -> None:
    armed = due("cycle", "R5/2026-01-29T00:00:00Z/P1D")

    assert (armed.due_at, armed.remaining) == (datetime(2026, 2, 1, tzinfo=UTC), 2)


def test_a_cycle_whose_last_time_has_passed_happens_once_at_once() -> None:
    armed = due("cycle", "R2/2025-01-29T00:00:00Z/P1D")

    assert (armed.due_at, armed.remaining) == (NOW, 1)
    assert all_due(armed) == [NOW]


def test_times_that_passed_unhandled_count_as_one_and_the_grid_stays() -> None:
    armed = due("cycle", "R/PT1H")

    assert next_due(ANCHORED + "PT1H", armed.due_at, None, NOW + timedelta(hours=10, minutes=30)) == Armed(
        NOW + timedelta(hours=11), None, ANCHORED + "PT1H"
    )


def test_times_that_passed_unhandled_are_used_up() -> None:
    armed = due("cycle", "R12/PT1H")
    late = NOW + timedelta(hours=10, minutes=30)

    assert next_due(ANCHORED + "PT1H", armed.due_at, 12, late) == Armed(NOW + timedelta(hours=11), 2, ANCHORED + "PT1H")
    assert next_due(ANCHORED + "PT1H", armed.due_at, 10, late) is None


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("date", ""),
        ("date", "tomorrow"),
        ("date", "2026-03-01"),
        ("date", "2026-03-01T00:00:00"),
        ("date", "1969-12-31T00:00:00Z"),
        ("date", "3000-01-01T00:00:00Z"),
        ("duration", ""),
        ("duration", "P"),
        ("duration", "PT"),
        ("duration", "P1DT"),
        ("duration", "P1.5M"),
        ("duration", "1H"),
        ("duration", "-PT1H"),
        ("duration", "PT1H\n"),
        ("duration", "P101Y"),
        ("duration", "P999999999W"),
        ("cycle", "R"),
        ("cycle", "R/"),
        ("cycle", "PT1H"),
        ("cycle", "R0/PT1H"),
        ("cycle", "R-1/PT1H"),
        ("cycle", "R/PT0.5S"),
        ("cycle", "R/2026-03-01/PT1H"),
        ("cycle", "R/PT1H/2026-03-01T00:00:00Z"),
    ],
)
def test_a_text_that_is_no_timer_is_refused(kind: TimerKind, text: str) -> None:
    with pytest.raises(TimerInvalidError) as raised:
        parse_timer(kind, text)

    assert (raised.value.code, raised.value.kind, raised.value.text) == ("TIMER_INVALID", kind, text)


@given(st.text(alphabet="RPTYMWDHS/0123456789.-:Z *@", max_size=40), st.sampled_from(["date", "duration", "cycle"]))
def test_whatever_is_written_is_a_timer_with_a_due_time_or_refused(text: str, kind: TimerKind) -> None:
    try:
        timer = parse_timer(kind, text)
    except TimerInvalidError:
        return
    assert arm(timer, NOW).due_at.utcoffset() == timedelta(0)


@given(durations, moments, st.integers(-5, 200), st.timedeltas(timedelta(0), timedelta(days=40)))
def test_the_first_time_after_a_moment_is_on_the_grid_and_the_one_before_is_not_after_it(
    step: Duration, anchor: datetime, index: int, shift: timedelta
) -> None:
    grid = Grid(anchor, step)
    moment = grid.time(max(index, 0)) + shift - timedelta(days=20)

    found = grid.index_after(moment)

    assert grid.time(found) > moment
    assert found == 0 or grid.time(found - 1) <= moment


@given(durations, moments)
def test_the_times_of_a_grid_rise(step: Duration, anchor: datetime) -> None:
    times = [Grid(anchor, step).time(index) for index in range(30)]

    assert all(earlier < later for earlier, later in pairwise(times))


@given(st.integers(1, 20), st.lists(st.timedeltas(timedelta(0), timedelta(hours=5)), max_size=20))
def test_however_late_it_is_handled_a_cycle_happens_at_most_as_often_as_it_says_and_only_on_its_grid(
    repetitions: int, delays: list[timedelta]
) -> None:
    armed: Armed | None = due("cycle", f"R{repetitions}/PT1H")
    happened: list[datetime] = []
    now = NOW
    for delay in delays:
        if armed is None:
            break
        happened.append(armed.due_at)
        now = max(now, armed.due_at) + delay
        assert armed.cycle_text is not None
        armed = next_due(armed.cycle_text, armed.due_at, armed.remaining, now)
        assert armed is None or armed.due_at > now

    grid = [NOW + timedelta(hours=hours) for hours in range(1, repetitions + 1)]
    assert [time for time in grid if time in happened] == happened


def test_a_step_shorter_than_a_second_is_none() -> None:
    assert parse_step("PT1S") == parse_duration("PT1S")
    with pytest.raises(ValueError, match="second"):
        parse_step("PT0.999S")
